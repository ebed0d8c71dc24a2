"""Areas of planar polygons, and stacks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray

_FLAT_MM = 0.1  # slices are further apart, and coordinates are written more finely


@dataclass(frozen=True)
class Stack:
    """Parallel planes with outlines in them.

    Args:
        areas: square millimetres, a plane.
        thickness: millimetres from plane to plane; None for a single plane, or for planes that
            do not lie on a regular lattice.
    """

    areas: tuple[float, ...]
    thickness: float | None


def stacked(outlines: Sequence[FloatArray]) -> Stack | None:
    """The planes that polygons (n, 3) lie in, or None when they are not planar and parallel."""
    largest = max(outlines, key=lambda polygon: float(np.linalg.norm(_area_vector(polygon))))
    vector = _area_vector(largest)
    if not vector.any():
        return None
    normal = vector / np.linalg.norm(vector)
    u = np.linalg.svd(normal[None])[2][1]
    flat_axes = np.column_stack([u, np.cross(normal, u)])
    heights = [polygon @ normal for polygon in outlines]
    if max(float(np.ptp(h)) for h in heights) > _FLAT_MM:
        return None
    planes: dict[int, list[FloatArray]] = {}
    middles = np.array([h.mean() for h in heights])
    levels = _levels(middles)
    for polygon, middle in zip(outlines, middles, strict=True):
        planes.setdefault(int(np.abs(levels - middle).argmin()), []).append(polygon @ flat_axes)
    return Stack(tuple(_area(planes[k]) for k in sorted(planes)), _thickness(levels))


def _area_vector(polygon: FloatArray) -> FloatArray:
    """The vector at right angles to a polygon, as long as its area (Newell's method)."""
    centred = polygon - polygon.mean(0)
    vector: FloatArray = np.cross(centred, np.roll(centred, -1, axis=0)).sum(0) / 2
    return vector


def _levels(heights: FloatArray) -> FloatArray:
    """The distinct heights, in order."""
    ordered = np.sort(heights)
    fresh = np.concatenate([[True], np.diff(ordered) > _FLAT_MM])
    levels: FloatArray = ordered[fresh]
    return levels


def _thickness(levels: FloatArray) -> float | None:
    """From plane to plane, where all gaps are whole multiples of the smallest."""
    if len(levels) < 2:
        return None
    gaps = np.diff(levels)
    step = float(gaps.min())
    multiples = np.round(gaps / step)
    off = float(np.abs(gaps - multiples * step).max())
    return float(np.ptp(levels) / multiples.sum()) if off <= 0.1 * step else None


def _area(outlines: Sequence[FloatArray]) -> float:
    """The area inside an odd number of polygons (n, 2), none of which cross."""
    area = 0.0
    for number, polygon in enumerate(outlines):
        others = [p for k, p in enumerate(outlines) if k != number]
        depth = sum(_contains(other, polygon) for other in others)
        x, y = (polygon - polygon.mean(0)).T
        own = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
        area += -own if depth % 2 else own
    return area


def _contains(polygon: FloatArray, other: FloatArray) -> bool:
    """Whether most corners of ``other`` lie in the polygon: it may touch it from within."""
    start, stop = polygon, np.roll(polygon, -1, axis=0)
    x, y = other[:, :1], other[:, 1:]
    spans: npt.NDArray[np.bool_] = (start[:, 1] > y) != (stop[:, 1] > y)
    rise = np.where(stop[:, 1] == start[:, 1], 1.0, stop[:, 1] - start[:, 1])
    crossing = start[:, 0] + (y - start[:, 1]) / rise * (stop[:, 0] - start[:, 0])
    inside = (spans & (x < crossing)).sum(1) % 2 == 1
    return bool(inside.mean() > 0.5)
