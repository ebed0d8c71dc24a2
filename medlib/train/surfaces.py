"""How far the surfaces of two structures lie from one another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medlib.space import Grid
from medlib.space.grid import FloatArray

Flags = npt.NDArray[np.bool_]


def surface_distances(one: Flags, other: Flags, grid: Grid) -> tuple[FloatArray, FloatArray]:
    """Millimetres from each surface voxel of ``one`` to the surface of ``other``, and back.

    A surface voxel is one that shares a face with a voxel outside its structure, or with the edge
    of the array; distances are between voxel centres, in the patient, so spacing, obliquity and
    shear are all respected. Where the grid has a single slice, outlines are compared within it.

    Args:
        one: (slice, row, column).
        other: of the same shape.
        grid: of that shape.

    Returns:
        Distances from ``one``, and from ``other``; infinite where the other structure is empty.

    Example:
        >>> a, b = np.zeros((2, 1, 1, 9), bool)
        >>> a[0, 0, 2:5], b[0, 0, 2:7] = True, True
        >>> surface_distances(a, b, Grid.from_axes((1, 1, 9), spacing=(1, 1, 0.5)))
        (array([0., 1.]), array([0., 1.]))
    """
    from scipy.spatial import cKDTree

    ours, theirs = (grid.to_patient(np.argwhere(surface(flags))) for flags in (one, other))
    # Trees of surface voxels give the same numbers as Euclidean distance transforms, for grids of
    # any make, some twenty times as fast at the size of a liver.
    near = [
        cKDTree(places, balanced_tree=False, compact_nodes=False) if len(places) else None
        for places in (theirs, ours)
    ]
    away, back = (
        np.full(len(places), np.inf) if tree is None else tree.query(places)[0]
        for places, tree in zip((ours, theirs), near, strict=True)
    )
    return away, back


def surface(inside: Flags) -> Flags:
    """Those voxels of a structure that share a face with one outside it, or with the edge."""
    if max(inside.shape) == 1:  # a single voxel is nothing but surface
        return inside
    deep = inside.copy()
    for axis in range(inside.ndim):
        if inside.shape[axis] == 1:  # a single slice has no faces to the front and back
            continue
        lines, flags = np.moveaxis(deep, axis, 0), np.moveaxis(inside, axis, 0)
        lines[1:] &= flags[:-1]
        lines[:-1] &= flags[1:]
        lines[[0, -1]] = False
    return inside & ~deep
