"""Tidying structures: smoother, in one piece, without holes or crumbs.

Each gives a new mask, so that undoing is to take the old one. Only the structures that are named
change: what others hold, and what nobody looked at, is never painted over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from medlib.assist.inputs import (
    Flags,
    Window,
    chosen,
    grown,
    sharpness,
    steps_for,
)
from medlib.space import Grid
from medlib.types import Label, Mask, to_numpy

Change = Callable[[Flags, Label], Flags]
"""Takes where a structure is, (slice, row, column) of a window, to where it shall be."""


def smooth(mask: Mask, radius_mm: float, names: Sequence[str] | None = None) -> Mask:
    """Round off what is finer than a radius, such as the steps between slices drawn by hand.

    A voxel goes to the structure (or the background) that weighs most about it, by a Gaussian
    whose deviation is half the radius, alike in all directions of the patient. Structures that
    touch stay in touch. One that would vanish stays as it was.

    Args:
        mask: structures.
        radius_mm: of what is rounded off.
        names: of the structures to smooth; all, if left out.

    Raises:
        ValueError: for a radius that is not positive, or ids that the table has not.
        KeyError: for a name that the table has not.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> voxels = torch.zeros(1, 9, 9, 9, dtype=torch.uint8)
        >>> voxels[0, 2:7, 2:7, 2:7] = 1
        >>> voxels[0, 4, 4, 7] = 1
        >>> cube = Mask(voxels, Grid.from_axes((9, 9, 9)), Labels.of(["cyst"]))
        >>> smooth(cube, 3).data[0, 4, 4, 7].item()
        0
    """
    from scipy.ndimage import gaussian_filter

    if not radius_mm > 0:
        raise ValueError(f"a radius of smoothing is more than 0 mm, not {radius_mm}")
    labels = chosen(mask, names)
    deviation = sharpness(radius_mm / 2, mask.grid.spacing)
    extents = mask.extents()
    layers = to_numpy(mask).copy()
    for layer in layers:
        old = layer.copy()
        free = np.isin(old, [0, *(label.id for label in labels)])
        best = np.zeros(old.shape, dtype=np.float32)
        others = np.zeros(old.shape, dtype=np.float32)  # of all chosen structures together
        won = np.zeros_like(old)
        for label in labels:
            if label.id not in extents or not (old == label.id).any():
                continue
            at = grown(extents[label.id], steps_for(2 * radius_mm, mask.grid.spacing), old.shape)
            here = (old[at] == label.id).astype(np.float32)
            weight = np.rint(gaussian_filter(here, deviation, mode="nearest", truncate=4) * 1e5)
            others[at] += weight
            better = weight > best[at]
            best[at][better] = weight[better]
            won[at][better] = label.id
        # The background weighs what is left, of which unnamed neighbours have their share too.
        won[best < 1e5 - others] = 0
        layer[free] = won[free]
        for label in labels:
            if not (layer == label.id).any():
                layer[(old == label.id)] = label.id
    return _remade(mask, layers)


def keep_largest(mask: Mask, names: Sequence[str] | None = None) -> Mask:
    """Of each structure only its largest piece; voxels are in one piece if they share a corner.

    Of pieces of one size the first in the patient's order (right, front, foot) stays, so that
    the answer does not depend on how the scan was stored.

    Args:
        mask: structures.
        names: of those concerned; all, if left out.

    Raises:
        ValueError: for ids that the table has not.
        KeyError: for a name that the table has not.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> voxels = torch.tensor([[[[1, 1, 0, 1]]]])
        >>> keep_largest(Mask(voxels, Grid.from_axes((1, 1, 4)), Labels.of(["liver"]))).data
        tensor([[[[1, 1, 0, 0]]]])
    """
    extents = mask.extents()

    def largest(inside: Flags, label: Label) -> Flags:
        pieces, sizes = _pieces(inside)
        equal = (np.flatnonzero(sizes == sizes.max()) + 1).tolist()
        if len(equal) > 1:
            first = [w.start for w in extents[label.id]]
            grid = mask.grid.window(first, inside.shape)
            equal = [min(equal, key=lambda piece: _first_place(pieces == piece, grid))]
        kept: Flags = pieces == equal[0]
        return kept

    return _changed(mask, names, largest)


def remove_islands(mask: Mask, below_ml: float, names: Sequence[str] | None = None) -> Mask:
    """Take away pieces smaller than a volume; voxels are in one piece if they share a corner.

    A structure of which all pieces are smaller is taken away whole.

    Args:
        mask: structures.
        below_ml: pieces smaller than this go.
        names: of the structures concerned; all, if left out.

    Raises:
        ValueError: for a volume that is not positive, or ids that the table has not.
        KeyError: for a name that the table has not.
    """
    if not below_ml > 0:
        raise ValueError(f"islands are smaller than a volume above 0 ml, not {below_ml}")

    def large(inside: Flags, label: Label) -> Flags:
        pieces, sizes = _pieces(inside)
        kept: Flags = np.concatenate([[False], sizes * mask.grid.voxel_ml >= below_ml])[pieces]
        return kept

    return _changed(mask, names, large)


def fill_holes(
    mask: Mask, names: Sequence[str] | None = None, *, slices_along: int | None = None
) -> Mask:
    """Fill what a structure encloses on all sides, faces counting as ways out, with itself.

    Another structure in the hole, such as a tumour in a liver, stays.

    Args:
        mask: structures.
        names: of those concerned; all, if left out.
        slices_along: the grid's axis (0, 1 or 2) along which to take slice by slice: a hole is
            then what is enclosed within its slice. Left out: enclosed in space.

    Raises:
        ValueError: for an axis that there is not, or ids that the table has not.
        KeyError: for a name that the table has not.
    """
    from scipy.ndimage import binary_fill_holes, generate_binary_structure

    faces = generate_binary_structure(3, 1)
    if slices_along is not None:
        if slices_along not in (0, 1, 2):
            raise ValueError(f"a grid has the axes 0, 1 and 2, not {slices_along}")
        faces &= np.moveaxis(np.array([False, True, False])[:, None, None], 0, slices_along)

    def filled(inside: Flags, label: Label) -> Flags:
        whole: Flags = binary_fill_holes(inside, faces)
        return whole

    return _changed(mask, names, filled)


def _changed(mask: Mask, names: Sequence[str] | None, change: Change) -> Mask:
    """The mask with each structure changed within its window, layer by layer."""
    labels = chosen(mask, names)
    extents = mask.extents()
    layers = to_numpy(mask).copy()
    for label in labels:
        if label.id not in extents:
            continue
        window: Window = extents[label.id]
        inside = (layers[:, *window] == label.id).any(0)
        wanted = change(inside, label)
        first = int((layers == label.id).any((1, 2, 3)).argmax())
        for number, layer in enumerate(layers):
            here = layer[window]
            here[(here == label.id) & ~wanted] = 0
            if number == first:
                here[wanted & ~inside & (here == 0)] = label.id
    return _remade(mask, layers)


def _pieces(inside: Flags) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Pieces numbered from 1, and how many voxels each has."""
    from scipy.ndimage import label as numbered

    pieces, _ = numbered(inside, np.ones((3, 3, 3), dtype=bool))
    return pieces, np.bincount(pieces.ravel())[1:]


def _first_place(inside: Flags, grid: Grid) -> tuple[float, ...]:
    """The middle of a piece, to be compared: LPS millimetres, rounded."""
    middle = grid.to_patient(np.argwhere(inside).mean(0))
    return tuple(np.round(middle, 3).tolist())


def _remade(mask: Mask, layers: npt.NDArray[np.generic]) -> Mask:
    return replace(mask, data=torch.from_numpy(layers))
