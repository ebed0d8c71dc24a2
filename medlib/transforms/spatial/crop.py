"""The part of a value that lies within a grid."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.transforms.spatial.lattices import aligned, box
from medlib.types import (
    Answer,
    Boxes,
    Contours,
    Gridded,
    Kind,
    MultiVolume,
    PointCloud,
    Points,
    verb,
)


@verb
def crop(value: Kind, to: Grid) -> Kind:
    """The part of ``value`` that lies within the grid ``to``; nothing is interpolated or made up.

    - Volumes, masks and probabilities: their voxels on ``to``, which must be voxels of theirs; its
      axes may run another way. Memory is shared where the axes do not.
    - Points and point clouds: those in the box of ``to``, up to the outer edges of its voxels. The
      high edges are left out, so that each point is in one only of the pieces a scan is cut into.
    - Boxes: those whose middle is within, whole, for the same reason.
    - Contours: polygons that reach into the box, whole: none is cut open, and none that may touch
      it is left out. What counts is what encloses a polygon along the axes of the grid.
    - Answers: as they are.

    Raises:
        ValueError: for a grid whose voxels are not voxels of the value, or that reaches beyond it.

    Example:
        >>> inner = Grid.from_axes((4, 4, 4)).window((1, 1, 1), (2, 2, 2))
        >>> crop(Points([[1, 1, 1], [3, 1, 1]], ("in", "out")), inner).names
        ('in',)
    """
    raise AssertionError


@crop.register
def _(value: Gridded, to: Grid) -> Gridded:
    index_map: FloatArray = np.linalg.inv(value.grid.affine) @ to.affine
    nothing = [0.0] * len(value.data)  # no voxel is filled: all lie within
    if (data := aligned(value.data, index_map, to.shape, "copy", nothing)) is None:
        raise ValueError(
            "the voxels of the grid are not voxels of the value; resample it, or make the grid by "
            f"Grid.window: {value.grid.difference(to)}"
        )
    reached = value.grid.to_index(to.corners())
    low, high = box(value.grid.shape)
    if (reached < low).any() or (reached > high).any():
        raise ValueError(
            f"the grid ({to}) reaches beyond the value ({value.grid}), where nothing is known; "
            "Pad it first, or take a smaller grid"
        )
    return replace(value, data=data, grid=to)


@crop.register
def _(value: MultiVolume, to: Grid) -> MultiVolume:
    return replace(value, parts=tuple(crop(part, to) for part in value.parts))


@crop.register
def _(value: Points, to: Grid) -> Points:
    kept = _within(value.coordinates, to)
    names = tuple(np.array(value.names, dtype=object)[kept]) if value.names else ()
    return Points(value.coordinates[kept], names)


@crop.register
def _(value: PointCloud, to: Grid) -> PointCloud:
    kept = _within(value.coordinates, to)
    features = None if value.features is None else value.features[kept.tolist()]
    return PointCloud(value.coordinates[kept], features)


@crop.register
def _(value: Boxes, to: Grid) -> Boxes:
    kept = np.flatnonzero(_within(value.centres, to)).tolist()
    ids = tuple(value.ids[k] for k in kept) if value.ids else ()
    scores = tuple(value.scores[k] for k in kept) if value.scores else ()
    return replace(value, corners=value.corners[kept], ids=ids, scores=scores)


@crop.register
def _(value: Contours, to: Grid) -> Contours:
    ends = np.cumsum((0, *value.lengths)).tolist()
    polygons = [value.coordinates[a:b] for a, b in pairwise(ends)]
    kept = [k for k, polygon in enumerate(polygons) if _reaches(polygon, to)]
    coordinates = np.concatenate([polygons[k] for k in kept]) if kept else np.empty((0, 3))
    lengths, ids = (tuple(row[k] for k in kept) for row in (value.lengths, value.ids))
    return replace(value, coordinates=coordinates, lengths=lengths, ids=ids)


@crop.register
def _(value: Answer, to: Grid) -> Answer:
    return value


def _within(places: FloatArray, grid: Grid) -> npt.NDArray[np.bool_]:
    """Which of the places (n, 3) lie in the box of the grid."""
    index = grid.to_index(places)
    return np.asarray(((index >= -0.5) & (index < np.array(grid.shape) - 0.5)).all(-1))


def _reaches(polygon: FloatArray, grid: Grid) -> bool:
    index = grid.to_index(polygon)
    low, high = box(grid.shape)
    return bool((index.max(0) >= low).all() and (index.min(0) <= high).all())
