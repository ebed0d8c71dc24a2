"""How far each voxel is from a click for whoever shuns edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from medlib.assist.inputs import Flags, Voxels

FAR = np.float32(1e4)  # millimetres; of what no path leads to


def paths(
    voxels: Voxels, seeds: Flags, spacing: Sequence[float], toll: float, *, rounds: int = 1
) -> Voxels:
    """The length of the shortest path from the nearest seed, where changes in brightness cost.

    A geodesic distance by raster scans, as in GeoS (Criminisi, Sharp and Blake, ECCV 2008): each
    scan carries distances along one axis, from plane to plane, to the nine nearest voxels of the
    next one. Paths that wind more often than there are scans come out too long.

    Args:
        voxels: (slice, row, column).
        seeds: (k, slice, row, column), k sets of seeds.
        spacing: millimetres along the axes.
        toll: millimetres that a change in brightness by 1 costs.
        rounds: of six scans, there and back along each axis; in boxes about structures one does.

    Returns:
        (k, slice, row, column), millimetres; ``FAR`` where a set has no seed.

    Example:
        >>> wall = np.array([[[0, 0, 5, 0, 0]]], dtype=np.float32)
        >>> seeds = np.zeros((1, 1, 1, 5), dtype=bool)
        >>> seeds[..., 0] = True
        >>> paths(wall, seeds, (1, 1, 1), 2)[0, 0, 0].astype(int).tolist()
        [0, 1, 11, 21, 22]
    """
    found = np.where(seeds, np.float32(0), FAR)
    found = np.pad(found, [(0, 0)] + [(1, 1)] * 3, constant_values=FAR)
    padded = np.pad(voxels, 1, mode="edge").astype(np.float32)
    tolls = [_tolls(np.moveaxis(padded, k, 0), k, spacing, toll) for k in range(3)]
    for _ in range(rounds):
        for axis, (there, back) in enumerate(tolls):
            planes = np.moveaxis(found, axis + 1, 1)
            size = (planes.shape[2] - 2, planes.shape[3] - 2)
            near = sliding_window_view(planes, size, axis=(2, 3))
            inner, last = planes[:, :, 1:-1, 1:-1], planes.shape[1] - 2
            for n in range(2, last + 1):
                reached = (near[:, n - 1] + there[n - 1]).min((1, 2))
                np.minimum(inner[:, n], reached, out=inner[:, n])
            for n in range(last - 1, 0, -1):
                reached = (near[:, n + 1] + back[n]).min((1, 2))
                np.minimum(inner[:, n], reached, out=inner[:, n])
    lengths: Voxels = np.minimum(found[:, 1:-1, 1:-1, 1:-1], FAR)
    return lengths


def _tolls(
    planes: Voxels, axis: int, spacing: Sequence[float], toll: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What a step costs to each voxel from the nine of the plane before it, and of that behind.

    Returns:
        Twice (plane - 1, 3, 3, row, column).
    """
    size = (planes.shape[1] - 2, planes.shape[2] - 2)
    near = sliding_window_view(planes, size, axis=(1, 2))
    own = planes[:, None, None, 1:-1, 1:-1]
    down, across = (step for k, step in enumerate(spacing) if k != axis)
    aside = np.array([-1, 0, 1])
    squares = spacing[axis] ** 2 + (aside[:, None] * down) ** 2 + (aside * across) ** 2
    lengths = squares.astype(np.float32)[:, :, None, None]
    cost = np.float32(toll)
    there = np.sqrt(lengths + (cost * (own[1:] - near[:-1])) ** 2)
    back = np.sqrt(lengths + (cost * (own[:-1] - near[1:])) ** 2)
    return there, back
