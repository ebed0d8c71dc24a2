"""Filling between slices that were drawn: shape-based interpolation.

Between two drawn slices an outline is the zero of the distance to it, signed, and interpolated
(Raya and Udupa, Shape-based interpolation of multidimensional objects, IEEE TMI 1990). Pieces
that lie over one another on the two slices are first laid centre on centre, and moved from the
one to the other on the way, so that an oblique vessel stays as wide as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from medlib.assist.inputs import Flags, chosen
from medlib.space.grid import FloatArray
from medlib.types import Mask, to_numpy

Depth = npt.NDArray[np.float32]
_FINEST = 1e-3  # millimetres: what is nearer to an outline is on it, whatever way it was computed


def fill_between(
    mask: Mask,
    *,
    axis: int = 0,
    names: Sequence[str] | None = None,
    drawn: Sequence[int] | None = None,
) -> Mask:
    """Outline structures on the slices between those that were drawn.

    A structure is filled in between two neighbouring drawn slices where both show it, and ends
    with the last that does. Its pieces on the two slices belong together where they overlap;
    one that meets none goes with the nearest of the other slice that meets none either. Thus one
    piece may become two, and an oblique structure several slices apart is followed. Where
    structures would overlap, a voxel goes to the one that it lies deeper in.

    Drawn slices are kept as they are. On those between, the structures named and the voxels
    nobody looked at are drawn anew; other structures stay and are not painted over.

    Args:
        mask: structures, outlined on some slices.
        axis: of the grid, along which the slices were drawn: 0, 1 or 2.
        names: of the structures to fill in; all, if left out.
        drawn: the numbers of the drawn slices. Left out: those on which somebody looked, where
            the label table has an id for what nobody looked at; else those that show one of the
            structures.

    Raises:
        ValueError: for an axis or a slice that there is not, fewer than two drawn slices, or ids
            that the table has not.
        KeyError: for a name that the table has not.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> voxels = torch.zeros(1, 5, 9, 9, dtype=torch.uint8)
        >>> voxels[0, 0, 3:6, 3:6] = 1
        >>> voxels[0, 4, 1:8, 1:8] = 1
        >>> lesion = Mask(voxels, Grid.from_axes((5, 9, 9), spacing=(5, 1, 1)), Labels.of(["lesion"]))
        >>> fill_between(lesion).data[0, 2, 4].tolist()
        [0, 0, 1, 1, 1, 1, 1, 0, 0]
    """
    if axis not in (0, 1, 2):
        raise ValueError(f"a grid has the axes 0, 1 and 2, not {axis}")
    ids = [label.id for label in chosen(mask, names)]
    layers = to_numpy(mask).copy()
    anchors = _anchors(mask, layers, axis, ids, drawn)
    spacing = [step for k, step in enumerate(mask.grid.spacing) if k != axis]
    for layer in layers:
        slices = np.moveaxis(layer, axis, 0)
        present = {number: set(np.unique(slices[number]).tolist()) for number in anchors}
        for start, stop in pairwise(anchors):
            own = sorted(present[start] & present[stop] & set(ids))
            if stop - start > 1:
                _fill(slices[start : stop + 1], own, ids, mask.labels.ignored, spacing)
    return replace(mask, data=torch.from_numpy(layers))


def _anchors(
    mask: Mask,
    layers: npt.NDArray[np.generic],
    axis: int,
    ids: Sequence[int],
    drawn: Sequence[int] | None,
) -> list[int]:
    """The numbers of the drawn slices, in order."""
    size = mask.grid.shape[axis]
    across = tuple(k for k in range(4) if k != axis + 1)
    if drawn is not None:
        anchors = sorted(set(drawn))
        if strange := [number for number in anchors if not 0 <= number < size]:
            raise ValueError(
                f"slice {strange[0]} cannot have been drawn: along axis {axis} there are {size}, "
                f"0 to {size - 1}"
            )
    elif mask.labels.ignored is not None:
        anchors = np.flatnonzero((layers != mask.labels.ignored).any(across)).tolist()
    else:
        anchors = np.flatnonzero(np.isin(layers, list(ids)).any(across)).tolist()
    if len(anchors) < 2:
        raise ValueError(
            f"to fill between slices two must be drawn along axis {axis}, not {len(anchors)}"
        )
    return anchors


def _fill(
    slices: npt.NDArray[np.generic],
    own: Sequence[int],
    ids: Sequence[int],
    ignored: int | None,
    spacing: Sequence[float],
) -> None:
    """Draw on the inner slices, in place.

    Args:
        slices: (slice, row, column), the first and the last drawn.
        own: ids that both of them show.
        ids: all ids that are drawn anew.
        ignored: the id of voxels nobody looked at.
        spacing: millimetres of rows and columns.
    """
    inner = slices[1:-1]
    may_change = np.zeros(65536, dtype=bool)
    may_change[[0, *ids, *([] if ignored is None else [ignored])]] = True
    free = may_change[inner]
    inner[free] = 0
    deepest = np.full(inner.shape, _FINEST, dtype=np.float32)
    for label_id in own:
        for one, other in _partners(slices[0] == label_id, slices[-1] == label_id, spacing):
            for number, (window, depth) in enumerate(_depths(one, other, len(inner), spacing)):
                here, deep = inner[number][window], deepest[number][window]
                better = (depth > deep) & free[number][window]
                here[better] = label_id
                deep[better] = depth[better]


def _partners(first: Flags, last: Flags, spacing: Sequence[float]) -> Iterator[tuple[Flags, Flags]]:
    """Parts of a structure on two slices that belong together."""
    from scipy.ndimage import label as numbered

    pieces, count = numbered(first | last, np.ones((3, 3), dtype=bool))
    alone: tuple[list[Flags], list[Flags]] = ([], [])
    for piece in range(1, count + 1):
        here = pieces == piece
        one, other = first & here, last & here
        if one.any() and other.any():
            yield one, other
        else:
            alone[0 if one.any() else 1].append(here)
    # Nearest first; each goes with one only.
    middles = [[np.argwhere(here).mean(0) * spacing for here in side] for side in alone]
    pairs = sorted(
        (round(float(np.linalg.norm(a - b)), 6), i, j)
        for i, a in enumerate(middles[0])
        for j, b in enumerate(middles[1])
    )
    taken: tuple[set[int], set[int]] = (set(), set())
    for _, i, j in pairs:
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            yield alone[0][i], alone[1][j]


def _depths(
    first: Flags, last: Flags, count: int, spacing: Sequence[float]
) -> Iterator[tuple[tuple[slice, slice], Depth]]:
    """How deep each voxel lies within the outline on each slice between, and where that is."""
    both = np.argwhere(first | last)
    low, high = both.min(0), both.max(0) + 1
    window = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])))
    ways = [np.argwhere(inside[window]).mean(0) for inside in (first, last)]
    way: FloatArray = ways[1] - ways[0]
    # Beyond its edge a window is all outside; moved outlines need to know how far.
    margin = (np.ceil(np.abs(way)).astype(int) + 1).tolist()
    fields = [
        _depth(np.pad(inside[window], [(m, m) for m in margin]), spacing)
        for inside in (first, last)
    ]
    for number in range(1, count + 1):
        share = number / (count + 1)
        near = _moved(fields[0], share * way, margin)
        far = _moved(fields[1], (share - 1) * way, margin)
        yield window, (1 - share) * near + share * far


def _depth(inside: Flags, spacing: Sequence[float]) -> Depth:
    """Millimetres to the outline, positive inside; the outline runs between voxels."""
    from scipy.ndimage import distance_transform_edt

    half = min(spacing) / 2
    into = distance_transform_edt(inside, sampling=spacing)
    away = distance_transform_edt(~inside, sampling=spacing)
    depth: Depth = np.where(inside, into - half, half - away).astype(np.float32)
    return depth


def _moved(field: Depth, way: FloatArray, margin: Sequence[int]) -> Depth:
    """The field without its margin, moved by so many rows and columns, linearly interpolated."""
    for axis, (step, edge) in enumerate(zip(way.tolist(), margin, strict=True)):
        whole = int(np.floor(-step))
        share = np.float32(-step - whole)
        lines = np.moveaxis(field, axis, 0)
        start, count = edge + whole, len(lines) - 2 * edge
        mixed = (1 - share) * lines[start : start + count]
        if share:
            mixed += share * lines[start + 1 : start + 1 + count]
        field = np.moveaxis(mixed, 0, axis)
    return field
