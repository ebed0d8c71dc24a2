"""Tensors of ids: looked up in tables, and structures that overlap kept apart in layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]

LARGEST = 65535


def looked_up(data: Tensor, table: Tensor) -> Tensor:
    """``table[data]``, layer by layer, in the tensor's own type where that can hold the new ids.

    Args:
        data: (layer, slice, row, column), ids.
        table: (65536,), the new id of each, on the processor; -1 for ids that may not occur.

    Raises:
        ValueError: for ids that no label can have, and for those that may not occur.

    Example:
        >>> table = torch.arange(65536)
        >>> table[[1, 2]] = table[[2, 1]]
        >>> looked_up(torch.tensor([[[[0, 1, 2, 3]]]]), table).flatten().tolist()
        [0, 2, 1, 3]
    """
    whole = data.byte() if data.dtype == torch.bool else data
    low, high = (int(end) for end in whole.aminmax()) if data.numel() else (0, 0)
    if low < 0 or high > LARGEST:
        raise ValueError(f"the mask holds ids from {low} to {high}; ids run from 1 to {LARGEST}")
    reached = table[: high + 1]
    if bool((reached < 0).any()):
        present = torch.bincount(whole.reshape(-1), minlength=high + 1).cpu() > 0
        if unknown := (present & (reached < 0)).nonzero().flatten().tolist():
            raise ValueError(
                f"the mask holds the ids {', '.join(map(str, unknown))}, of which nothing is "
                "said; say what they become, or what all others do"
            )
    changed = reached[reached != torch.arange(len(reached))]
    wide = (
        data.dtype == torch.bool or max(changed.tolist(), default=0) > torch.iinfo(data.dtype).max
    )
    entries = reached.to(data.device, torch.int32 if wide else data.dtype)
    layers = [entries.index_select(0, layer.int().reshape(-1)) for layer in whole]
    return torch.stack(layers).reshape(data.shape)


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
