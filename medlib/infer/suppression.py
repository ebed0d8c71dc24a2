"""Which of several boxes around one finding is kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray


def upright_overlaps(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """Intersection over union of boxes along one set of axes: (n, m).

    Of boxes that are turned any way, :func:`medlib.train.detection.overlaps` says it.

    Args:
        ours: (n, 2, 3), low and high ends.
        theirs: (m, 2, 3).

    Example:
        >>> cube = np.array([[[0.0, 0, 0], [2, 2, 2]]])
        >>> upright_overlaps(cube, cube + [1, 0, 0]).round(6)
        array([[0.333333]])
    """
    low = np.maximum(ours[:, None, 0], theirs[None, :, 0])
    high = np.minimum(ours[:, None, 1], theirs[None, :, 1])
    both = (high - low).clip(min=0).prod(-1)
    size, other = ((ends[:, 1] - ends[:, 0]).prod(-1) for ends in (ours, theirs))
    whole = size[:, None] + other[None] - both
    shared: FloatArray = np.divide(both, whole, out=np.zeros_like(both), where=whole > 0)
    return shared


def suppressed(ends: FloatArray, scores: FloatArray, most: float) -> npt.NDArray[np.intp]:
    """The numbers of the boxes to keep, the surest first (non-maximum suppression).

    Args:
        ends: (n, 2, 3), low and high, along one set of axes.
        scores: (n,).
        most: a box that overlaps one that is kept by more than this is not.

    Example:
        >>> cube = np.array([[0.0, 0, 0], [2, 2, 2]])
        >>> suppressed(np.stack([cube, cube + 0.1, cube + 5]), np.array([0.6, 0.9, 0.5]), 0.2)
        array([1, 2])
    """
    order = np.argsort(-scores, kind="stable")
    shared = upright_overlaps(ends[order], ends[order])
    kept = np.ones(len(order), dtype=np.bool_)
    for rank in range(len(order)):
        if kept[rank]:
            kept[rank + 1 :] &= shared[rank, rank + 1 :] <= most
    return order[kept]
