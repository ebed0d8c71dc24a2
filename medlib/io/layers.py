"""Structures that overlap, kept apart in layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def layered(structures: Iterable[tuple[int, Array]], shape: Sequence[int]) -> Array:
    """Structures in as few layers as a greedy choice finds, so that overlaps lose nothing.

    Args:
        structures: (id, where it is as booleans (slice, row, column)).
        shape: (slice, row, column).

    Returns:
        (layer, slice, row, column), uint8 or int32; one empty layer if there are no structures.

    Example:
        >>> liver, tumour = np.array([[[1, 1, 0]]], bool), np.array([[[0, 1, 0]]], bool)
        >>> layered([(1, liver), (2, tumour)], (1, 1, 3)).tolist()
        [[[[1, 1, 0]]], [[[0, 2, 0]]]]
    """
    layers: list[Array] = []
    for label_id, where in structures:
        free = next((layer for layer in layers if not layer[where].any()), None)
        if free is None:
            free = np.zeros(tuple(shape), np.int32)
            layers.append(free)
        free[where] = label_id
    stacked = np.stack(layers or [np.zeros(tuple(shape), np.int32)])
    return stacked.astype(np.uint8) if stacked.max() < 256 else stacked
