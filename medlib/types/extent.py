"""How far structures of voxels reach, and how bright their brightest millilitre is.

A structure's surface is taken to lie halfway between its voxels and their neighbours: half a
voxel beyond the centres of its outermost voxels, along each axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray, Grid

Flags = npt.NDArray[np.bool_]


def diameter(inside: Flags, grid: Grid) -> float:
    """The largest distance between two points of the surface, millimetres.

    Args:
        inside: (slice, row, column), at least one True.
        grid: of that shape.
    """
    one, other = farthest(inside, grid)
    return float(np.linalg.norm(other - one))


def farthest(inside: Flags, grid: Grid) -> FloatArray:
    """The two points of the surface that are farthest apart, (2, 3), LPS millimetres.

    Args:
        inside: (slice, row, column), at least one True.
        grid: of that shape.
    """
    return _widest(grid.to_patient(_surface(_line_ends(inside), range(3))))


def farthest_within(inside: Flags, grid: Grid, axis: int) -> FloatArray:
    """The same within one of the planes across an axis, that in which they are farthest apart.

    Args:
        inside: (slice, row, column), at least one True.
        grid: of that shape.
        axis: 0, 1 or 2.
    """
    in_plane = [k for k in range(3) if k != axis]
    basis = np.linalg.qr(grid.affine[:3, in_plane])[0]
    found = np.zeros((2, 3))
    for plane in np.flatnonzero(inside.any(tuple(in_plane))):
        voxels = _line_ends(inside.take([plane], axis=axis))
        voxels[:, axis] = plane
        places = grid.to_patient(_surface(voxels, in_plane))
        flat = places @ basis
        ends = _widest(flat)
        if np.linalg.norm(ends[1] - ends[0]) > np.linalg.norm(found[1] - found[0]) + 1e-9:
            off = places[0] - basis @ flat[0]  # the plane's own distance from the origin
            found = ends @ basis.T + off
    return found


def axial_axes(inside: Flags, grid: Grid) -> tuple[float, float]:
    """The long axis, and the short axis at right angles to it, in millimetres.

    Of all the grid's planes that are nearest to axial, the one with the longest diameter counts.

    Args:
        inside: (slice, row, column), at least one True.
        grid: of that shape.
    """
    upright = next(k for k, letter in enumerate(grid.orientation) if letter in "SI")
    in_plane = [k for k in range(3) if k != upright]
    basis = np.linalg.qr(grid.affine[:3, in_plane])[0]  # the plane's own two coordinates
    sections = []
    for plane in np.flatnonzero(inside.any(tuple(in_plane))):
        voxels = _line_ends(inside.take([plane], axis=upright))
        places = grid.to_patient(_surface(voxels, in_plane)) @ basis
        sections.append((float(np.linalg.norm(np.ptp(places, axis=0))), places))
    longest, short = 0.0, 0.0
    for bound, places in sorted(sections, key=lambda section: -section[0]):
        if bound <= longest:
            break
        along = np.diff(_widest(places), axis=0)[0]
        length = float(np.linalg.norm(along))
        if length > longest:
            x, y = along / length
            longest, short = length, float(np.ptp(places @ (-y, x)))
    return longest, short


def peak(
    data: npt.NDArray[Any], grid: Grid, window: tuple[slice, slice, slice], inside: Flags
) -> float:
    """The highest mean in a sphere of 1 ml that is centred on a voxel of the structure.

    A voxel counts by the share of it that lies in the sphere. A sphere that leaves the scan is
    averaged over what it has of it; voxels that are no numbers count as outside.

    Args:
        data: (slice, row, column), the whole scan: the sphere may reach beyond the structure.
        grid: of that shape.
        window: where the structure is.
        inside: which voxels of the window are of it.
    """
    from scipy.signal import fftconvolve

    kernel = _sphere(grid, ml=1.0)
    reach = [n // 2 for n in kernel.shape]
    wide = tuple(slice(max(0, w.start - r), w.stop + r) for w, r in zip(window, reach, strict=True))
    around = np.asarray(data[wide], dtype=np.float64)
    seen = np.isfinite(around)
    weights = fftconvolve(seen.astype(np.float64), kernel, mode="same")
    sums = fftconvolve(np.where(seen, around, 0.0), kernel, mode="same")
    own = tuple(
        slice(w.start - a.start, w.stop - a.start) for w, a in zip(window, wide, strict=True)
    )
    return float((sums[own][inside] / weights[own][inside]).max())


def _sphere(grid: Grid, *, ml: float, step_mm: float = 0.4) -> FloatArray:
    """How much of each voxel around one lies in a sphere about its centre; odd sizes."""
    radius = (3000 * ml / (4 * np.pi)) ** (1 / 3)
    matrix = grid.affine[:3, :3]
    parts = np.ceil(np.array(grid.spacing) / step_mm).astype(int)
    # The farthest that each index goes on the sphere: rows of the inverse, by their length.
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(matrix), axis=1)).astype(int)
    finer = (2 * reach + 1) * parts
    index = (np.moveaxis(np.indices(finer), 0, -1) - (finer - 1) / 2) / parts
    within = (np.linalg.norm(index @ matrix.T, axis=-1) <= radius).astype(np.float64)
    split = np.column_stack([2 * reach + 1, parts]).ravel()
    shares: FloatArray = within.reshape(split).mean((1, 3, 5))
    return shares


def _line_ends(inside: Flags) -> FloatArray:
    """Indices (n, 3) of the first and last voxel on each line of columns: all that a hull needs."""
    lines = np.argwhere(inside.any(2))
    rows = inside[lines[:, 0], lines[:, 1]]
    first = rows.argmax(1)
    last = rows.shape[1] - 1 - rows[:, ::-1].argmax(1)
    ends = np.concatenate([np.column_stack([lines, first]), np.column_stack([lines, last])])
    return ends.astype(np.float64)


def _surface(voxels: FloatArray, axes: Sequence[int]) -> FloatArray:
    """The points half a voxel from the centres, both ways along each axis: (n, 3) indices."""
    steps = np.concatenate([np.eye(3)[axes], -np.eye(3)[axes]]) / 2
    return (voxels[:, None] + steps).reshape(-1, 3)


def _widest(places: FloatArray) -> FloatArray:
    """The two points that are farthest apart, in two or three dimensions."""
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import cdist

    hull = places[ConvexHull(places).vertices]
    longest, ends = -1.0, (0, 0)
    for start in range(0, len(hull), 2048):  # of all pairs, no more at once than fit in memory
        apart = cdist(hull[start : start + 2048], hull)
        i, j = np.unravel_index(apart.argmax(), apart.shape)
        if apart[i, j] > longest:
            longest, ends = float(apart[i, j]), (start + int(i), int(j))
    found: FloatArray = hull[list(ends)]
    return found
