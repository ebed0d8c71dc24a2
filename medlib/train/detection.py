"""How well boxes were found: their overlaps, and average precision."""

from __future__ import annotations

from math import nan

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray

_FLAT_MM = 1e-6


def overlaps(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """Intersection over union of each of our boxes with each of theirs: (n, m).

    Boxes may be turned or sheared in any way; one that was bent counts as its convex hull. One
    without a volume overlaps with nothing.

    Args:
        ours: corners (n, 8, 3), LPS millimetres.
        theirs: corners (m, 8, 3).

    Example:
        >>> from medlib.types import Boxes
        >>> cube = Boxes.between([[0, 0, 0]], [[2, 2, 2]]).corners
        >>> overlaps(cube, cube + [1, 0, 0]).round(6)
        array([[0.333333]])
    """
    found = np.zeros((len(ours), len(theirs)))
    meet = (ours.max(1)[:, None] > theirs.min(1)) & (ours.min(1)[:, None] < theirs.max(1))
    for i, j in np.argwhere(meet.all(2)):
        found[i, j] = _overlap(ours[i], theirs[j])
    return found


def average_precision(shared: FloatArray, scores: FloatArray, least: float) -> float:
    """The area under the curve of precision over recall (all points; Everingham 2010).

    The surest box chooses first, of the targets not yet claimed the one that it overlaps most.
    Boxes of one score are one point of the curve.

    Args:
        shared: intersection over union of predicted boxes and targets, (n, m).
        scores: (n,).
        least: the overlap that makes a hit.

    Returns:
        0 to 1; NaN with neither boxes nor targets, 0 with only one of them.
    """
    count, targets = shared.shape
    if not count or not targets:
        return nan if count == targets else 0.0
    return area_under_precision(claims(shared, scores, least), scores, targets)


def claims(shared: FloatArray, scores: FloatArray, least: float) -> npt.NDArray[np.bool_]:
    """Which predicted boxes claim a target: the surest first, of those left what it overlaps most.

    Args:
        shared: intersection over union of predicted boxes and targets, (n, m).
        scores: (n,).
        least: the overlap that makes a hit.
    """
    count, targets = shared.shape
    hits = np.zeros(count, dtype=np.bool_)
    free = np.ones(targets, dtype=np.bool_)
    for box in np.argsort(-scores, kind="stable") if targets else ():
        chosen = int(np.where(free, shared[box], -1.0).argmax())
        hits[box] = free[chosen] and shared[box, chosen] >= least
        free[chosen] &= not hits[box]
    return hits


def area_under_precision(hits: npt.NDArray[np.bool_], scores: FloatArray, targets: int) -> float:
    """The area under the envelope of precision over recall, boxes of one score being one point.

    Args:
        hits: whether each predicted box claims a target.
        scores: of each.
        targets: how many there are, at least one.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)[: len(order)])
    found = np.cumsum(hits[order])[ends]
    precision = found / (ends + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.diff(found, prepend=0) @ envelope / targets)


def _overlap(one: FloatArray, other: FloatArray) -> float:
    from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

    try:
        hulls = ConvexHull(one), ConvexHull(other)
    except QhullError:  # flat
        return 0.0
    faces = np.concatenate([hull.equations for hull in hulls])
    middle = _deepest(faces)
    if middle is None:
        return 0.0
    both = ConvexHull(HalfspaceIntersection(faces, middle).intersections).volume
    return float(both / (hulls[0].volume + hulls[1].volume - both))


def _deepest(faces: FloatArray) -> npt.NDArray[np.float64] | None:
    """The centre of the largest sphere within planes (normal, offset); None if there is no room."""
    from scipy.optimize import linprog

    # Its radius is to be as large as can be: x · normal + radius <= -offset for every plane.
    found = linprog(
        (0, 0, 0, -1),
        A_ub=np.column_stack([faces[:, :3], np.ones(len(faces))]),
        b_ub=-faces[:, 3],
        bounds=[(None, None)] * 3 + [(0, None)],
    )
    if found.x is None or found.x[3] < _FLAT_MM:
        return None
    middle: npt.NDArray[np.float64] = found.x[:3]
    return middle
