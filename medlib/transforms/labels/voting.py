"""Choosing one label a voxel without holding all labels' strengths at once."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def strongest(strengths: Iterable[tuple[int, Tensor]], dtype: torch.dtype) -> Tensor:
    """For each voxel the id whose strength is greatest; at a tie, the one that comes first.

    Only two strengths are in memory at any time, if they are made as they are asked for.

    Args:
        strengths: (id, strength), strengths of one shape.
        dtype: of the result.

    Raises:
        ValueError: when there are no strengths.

    Example:
        >>> strongest([(0, torch.tensor([0.6, 0.1])), (7, torch.tensor([0.4, 0.9]))], torch.uint8)
        tensor([0, 7], dtype=torch.uint8)
    """
    best: Tensor | None = None
    winner: Tensor | None = None
    for label, strength in strengths:
        if best is None or winner is None:
            best = strength.clone()
            winner = torch.full(strength.shape, label, dtype=dtype, device=strength.device)
            continue
        winner.masked_fill_(strength > best, label)
        torch.maximum(best, strength, out=best)
    if winner is None:
        raise ValueError("there is nothing to choose from")
    return winner
