"""Structures that overlap, kept apart in layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def layered(structures: Iterable[tuple[int, Array]], shape: Sequence[int], *, top: int) -> Array:
    """Structures in as few layers as a greedy choice finds, so that overlaps lose nothing.

    Args:
        structures: (id, where it is as booleans (slice, row, column)).
        shape: (slice, row, column).
        top: the largest id.

    Returns:
        (layer, slice, row, column), uint8 or int32; one empty layer if there are no structures.

    Example:
        >>> liver, tumour = np.array([[[1, 1, 0]]], bool), np.array([[[0, 1, 0]]], bool)
        >>> layered([(1, liver), (2, tumour)], (1, 1, 3), top=2).tolist()
        [[[[1, 1, 0]]], [[[0, 2, 0]]]]
    """
    dtype = np.uint8 if top < 256 else np.int32
    layers = [np.zeros(tuple(shape), dtype)]
    for label_id, where in structures:
        slices = np.flatnonzero(where.any((1, 2)))
        if not len(slices):
            continue
        slab = np.s_[slices[0] : slices[-1] + 1]  # most structures are in few slices
        free = next((x for x in layers if not (x[slab].astype(bool) & where[slab]).any()), None)
        if free is None:
            free = np.zeros(tuple(shape), dtype)
            layers.append(free)
        np.putmask(free[slab], where[slab], label_id)
    return np.stack(layers) if len(layers) > 1 else layers[0][None]
