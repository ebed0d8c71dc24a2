"""What the tools ask of scans, masks and places, and what is refused, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray, Grid
from medlib.types import Gridded, Label, Mask, Points, Volume, to_numpy

Flags = npt.NDArray[np.bool_]
Voxels = npt.NDArray[np.float32]
Window = tuple[slice, slice, slice]


def voxels_of(scan: Volume) -> npt.NDArray[np.generic]:
    """The one channel of a scan, (slice, row, column).

    Raises:
        ValueError: for several channels.
    """
    if scan.data.shape[0] != 1:
        raise ValueError(
            f"tools for labelling look at one channel, and this scan has {scan.data.shape[0]}: "
            "choose the one that shows the structure best"
        )
    found: npt.NDArray[np.generic] = to_numpy(scan)[0]
    return found


def must_be_finite(voxels: npt.NDArray[np.generic]) -> None:
    """Refuse a part of a scan that holds what is no number.

    Raises:
        ValueError: saying how many voxels.
    """
    if lost := int((~np.isfinite(voxels)).sum()):
        raise ValueError(f"{lost} voxels of the scan are no numbers there: nothing can be outlined")


def must_fit(scan: Volume, other: Gridded, what: str) -> None:
    """Refuse a mask of another scan.

    Raises:
        ValueError: saying how the grids differ.
    """
    if not scan.grid.close_to(other.grid):
        raise ValueError(
            f"{what} and scan lie on different grids: {scan.grid.difference(other.grid)}"
        )


def chosen(mask: Mask, names: Sequence[str] | None) -> tuple[Label, ...]:
    """The labels of these names, or all of the table, in the table's order.

    Raises:
        ValueError: for ids in the mask that its table does not have; they would be lost.
        KeyError: for a name that the table does not have.
        TypeError: for one string, which would be a name a letter.
    """
    if unknown := mask.unknown_ids():
        raise ValueError(
            f"the mask holds the ids {', '.join(map(str, unknown))}, which its label table has "
            "not: add them to the table, or clear them"
        )
    if names is None:
        return tuple(mask.labels)
    if isinstance(names, str):
        raise TypeError(f"several structures are named: ({names!r},), not one string")
    wanted = {mask.labels[name].id for name in names}
    return tuple(label for label in mask.labels if label.id in wanted)


def indices_of(points: Points, grid: Grid, what: str) -> npt.NDArray[np.int64]:
    """The voxels (n, 3) that hold places in the patient.

    Raises:
        ValueError: naming a place that lies outside the grid.
    """
    index = np.rint(grid.to_index(points.coordinates)).astype(np.int64)
    for place in np.flatnonzero(((index < 0) | (index >= grid.shape)).any(1)):
        at = ", ".join(f"{x:.4g}" for x in points.coordinates[place])
        raise ValueError(f"{what} {place + 1} at ({at}) mm lies outside the scan")
    return index


def grown(window: Window, reach: Sequence[int], shape: Sequence[int]) -> Window:
    """The window, wider by so many voxels on each side, within the shape."""
    a, b, c = (
        slice(max(0, w.start - n), min(size, w.stop + n))
        for w, n, size in zip(window, reach, shape, strict=True)
    )
    return a, b, c


def window_around(index: npt.NDArray[np.int64]) -> Window:
    """The smallest window that holds all of the voxels (n, 3), at least one."""
    low, high = index.min(0).tolist(), index.max(0).tolist()
    return slice(low[0], high[0] + 1), slice(low[1], high[1] + 1), slice(low[2], high[2] + 1)


def steps_for(mm: float, spacing: Sequence[float]) -> list[int]:
    """How many voxels along each axis reach at least so many millimetres."""
    return [int(np.ceil(mm / step)) for step in spacing]


def sharpness(mm: float, spacing: Sequence[float]) -> FloatArray:
    """A deviation in millimetres, in voxels of each axis (for Gaussian filters)."""
    found: FloatArray = mm / np.asarray(spacing, dtype=np.float64)
    return found
