"""Steps that look at what hangs together: the parts of a structure, and the holes in it.

Each label of each layer is looked at by itself, within the smallest window that holds it. All is
done on the processor: masks on another device are brought there, and back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from medlib.space import Grid
from medlib.transforms.steps import LabelStep
from medlib.types import Mask

Connectivity = Literal[6, 18, 26]
Plane = Literal["axial", "coronal", "sagittal"]

_RANK = {6: 1, 18: 2, 26: 3}  # neighbours that share a face; or an edge; or a corner
_ACROSS = {"axial": "SI", "coronal": "AP", "sagittal": "LR"}

Window = tuple[slice, slice, slice]
Voxels = npt.NDArray[Any]


@dataclass(frozen=True)
class KeepParts(LabelStep):
    """Keeps those parts of each structure that are large enough; the others become background.

    A part is what hangs together within one layer. Of two that are equally large, the one whose
    first voxel comes first in the array counts as the larger.

    Args:
        labels: names of the structures; all when there is none. A mask that lacks a name is not
            concerned by it.
        largest: how many parts are kept at most; None for any number.
        least_ml: parts of fewer millilitres are not kept.
        connectivity: voxels hang together that share a face (6), or an edge too (18), or a
            corner too (26).

    Raises:
        ValueError: for no part to be kept, a volume below 0, or another connectivity.
    """

    labels: tuple[str, ...] = ()
    largest: int | None = None
    least_ml: float = 0.0
    connectivity: Connectivity = 26

    def __post_init__(self) -> None:
        _check_names(self.labels)
        if self.largest is not None and self.largest < 1:
            raise ValueError(f"at least one part must be kept, not {self.largest}")
        if not 0 <= self.least_ml < inf:
            raise ValueError(f"a part has 0 ml or more, not {self.least_ml:g}")
        if self.connectivity not in get_args(Connectivity):
            raise ValueError(f"voxels have 6, 18 or 26 neighbours, not {self.connectivity}")

    @property
    def lost(self) -> str:
        """Which parts were removed."""
        rules = []
        if self.largest is not None:
            number = f" {self.largest}" if self.largest > 1 else ""
            rules.append(f"all but the largest{number}")
        if self.least_ml > 0:
            rules.append(f"those below {self.least_ml:g} ml")
        which = ", ".join(self.labels) or "every structure"
        return f"of the parts of {which}, {' and '.join(rules)} were removed" if rules else ""

    def relabel(self, mask: Mask) -> Mask:
        """The mask without the other parts."""
        least = self.least_ml / mask.grid.voxel_ml * (1 - 1e-9)  # 0.5 ml is not below 0.5 ml
        data = _Editable(mask)
        for layer, label_id, window in _structures(mask, self.labels):
            inside = data.seen[layer, *window] == label_id
            parts, count = parts_of(inside, self.connectivity)
            sizes = np.bincount(parts.reshape(-1), minlength=count + 1)[1:]
            kept = np.zeros(count + 1, dtype=np.bool_)
            kept[1 + np.argsort(-sizes, kind="stable")[: self.largest]] = True
            kept[1:] &= sizes >= least
            if not kept[1:].all():
                data.changed()[layer, *window][inside & ~kept[parts]] = 0
        return data.mask()


@dataclass(frozen=True)
class CloseHoles(LabelStep):
    """Gives the holes in structures to the structures around them.

    A hole is what cannot be left without crossing the structure, from face to face of voxels; at
    the edge of the scan it can be left. Only background is filled, and background in every layer:
    what bears another label keeps it. A hole within a hole goes to the inner structure.

    Args:
        labels: names of the structures; all when there is none. A mask that lacks a name is not
            concerned by it.
        plane: ``"axial"``, ``"coronal"`` or ``"sagittal"``: a hole is what is closed within one
            of the grid's planes, those nearest to this one; None for closed on all sides.

    Raises:
        ValueError: for another plane.
    """

    labels: tuple[str, ...] = ()
    plane: Plane | None = None

    def __post_init__(self) -> None:
        _check_names(self.labels)
        if self.plane is not None and self.plane not in _ACROSS:
            raise ValueError(f"plane must be one of {', '.join(_ACROSS)}, not {self.plane!r}")

    @property
    def lost(self) -> str:
        """That holes were filled."""
        where = f" in {self.plane} planes" if self.plane else ""
        return f"holes in {', '.join(self.labels) or 'every structure'} were filled{where}"

    def relabel(self, mask: Mask) -> Mask:
        """The mask with its holes filled."""
        open_axes = _in_plane(mask.grid, self.plane)
        data = _Editable(mask)
        fillings = []  # a row for each voxel: size of the hole, layer, slice, row, column, id
        for layer, label_id, window in _structures(mask, self.labels):
            holes, sizes = _holes(data.seen[layer, *window] == label_id, open_axes)
            if len(sizes) == 0:
                continue
            at = np.nonzero(holes * ~data.seen[:, *window].any(0))
            filling = np.empty((len(at[0]), 6), dtype=np.int64)
            filling[:, 0] = sizes[holes[at] - 1]
            filling[:, 1], filling[:, 5] = layer, label_id
            filling[:, 2:5] = np.stack(at, axis=1) + [w.start for w in window]
            fillings.append(filling)
        if sum(map(len, fillings)):
            rows = np.concatenate(fillings)
            # The hole of an inner structure lies within that of an outer one: the smaller is last.
            rows = rows[np.argsort(-rows[:, 0], kind="stable")]
            data.changed()[tuple(rows[:, 1:5].T)] = rows[:, 5]
        return data.mask()


def parts_of(inside: Voxels, connectivity: Connectivity = 26) -> tuple[Voxels, int]:
    """The number of the part that each voxel lies in, from 1 (0: in none), and how many there are.

    Args:
        inside: whether each voxel belongs to the structure, (slice, row, column).
        connectivity: which voxels hang together; see :class:`KeepParts`.

    Example:
        >>> parts_of(np.array([[[1, 1, 0, 1]]], dtype=bool))[0].tolist()
        [[[1, 1, 0, 2]]]
    """
    from scipy.ndimage import generate_binary_structure, label

    numbers, count = label(inside, generate_binary_structure(3, _RANK[connectivity]))
    return numbers, int(count)


class _Editable:
    """A mask's voxels as an array, copied when they are first changed."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._whole = mask.data.byte() if mask.data.dtype == torch.bool else mask.data
        self.seen: Voxels = self._whole.detach().cpu().numpy()
        self._edited: Voxels | None = None

    def changed(self) -> Voxels:
        """The voxels that may be written to; ``seen`` stays as it was."""
        if self._edited is None:
            self._edited = self.seen.copy()
        return self._edited

    def mask(self) -> Mask:
        """The mask as it is by now; the very same when nothing was changed."""
        if self._edited is None:
            return self._mask
        like = self._mask.data
        data = torch.from_numpy(self._edited).to(device=like.device, dtype=like.dtype)
        return replace(self._mask, data=data)


def _structures(mask: Mask, names: tuple[str, ...]) -> Iterator[tuple[int, int, Window]]:
    """Layer, id and window of each structure of these names (of all, without names)."""
    wanted = {label.id for label in mask.labels if label.name in names}
    for layer in range(len(mask.data)):
        extents = replace(mask, data=mask.data[layer : layer + 1]).extents()
        for label_id, window in extents.items():
            if not names or label_id in wanted:
                yield layer, label_id, window


def _holes(inside: Voxels, open_axes: tuple[int, ...]) -> tuple[Voxels, Voxels]:
    """The number of the hole that each voxel lies in (0: in none), and the holes' sizes.

    Args:
        inside: the structure in its smallest window, all around which is outside.
        open_axes: along which a hole can be left.
    """
    from scipy.ndimage import generate_binary_structure, label

    steps = generate_binary_structure(3, 1)
    for axis in set(range(3)) - set(open_axes):
        steps[tuple(slice(None) if k == axis else 1 for k in range(3))] = [False, True, False]
    gaps, count = label(~inside, steps)
    closed = np.ones(count + 1, dtype=np.bool_)
    closed[0] = False
    for axis in open_axes:
        closed[np.take(gaps, (0, -1), axis)] = False
    if not closed.any():
        return gaps, np.empty(0, dtype=np.int64)
    sizes = np.bincount(gaps.reshape(-1), minlength=count + 1)[closed]
    return (np.cumsum(closed) * closed)[gaps], sizes


def _in_plane(grid: Grid, plane: Plane | None) -> tuple[int, ...]:
    """The array axes that run in planes of this name; all three without one."""
    across = _ACROSS[plane] if plane else ""
    return tuple(k for k, letter in enumerate(grid.orientation) if letter not in across)


def _check_names(names: tuple[str, ...] | str) -> None:
    if isinstance(names, str):  # it would be a label a letter
        raise TypeError(f"several labels are named: ({names!r},), not {names!r}")
