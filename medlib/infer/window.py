"""Predicting a whole volume with a network that sees a window at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Shape = tuple[int, int, int]


def sliding_window(
    network: Callable[[Tensor], Tensor],
    x: Tensor,
    window: Shape,
    *,
    overlap: float = 0.5,
    fill: Sequence[float] = (),
) -> Tensor:
    """Logits of a whole volume from overlapping windows, weighted towards each window's middle.

    The weights are a Gaussian of an eighth of the window, as in nnU-Net (Isensee et al. 2021).
    A volume smaller than the window is padded and cut back.

    Args:
        network: from (1, channel, slice, row, column) to (1, classes, …) of the same size.
        x: (channel, slice, row, column).
        window: size that the network sees.
        overlap: share of the window that neighbours have in common, 0 to below 1.
        fill: what to pad each channel with, as training patches were padded; left out, 0.

    Returns:
        (classes, slice, row, column), float32, on the device of ``x``.
    """
    size = (x.shape[1], x.shape[2], x.shape[3])
    missing = [max(0, w - n) for w, n in zip(window, size, strict=True)]
    cut = tuple(slice(m // 2, m // 2 + n) for m, n in zip(missing, size, strict=True))
    padded = _padded(x, missing, cut, fill)[None] if any(missing) else x[None]
    starts = [_starts(n, w, overlap) for n, w in zip(padded.shape[2:], window, strict=True)]

    if all(len(s) == 1 for s in starts):
        return network(padded)[0].float()[(slice(None), *cut)]

    weight = _gaussian(window).to(x.device)
    total: Tensor | None = None
    weights = torch.zeros(padded.shape[2:], device=x.device)
    for start in itertools.product(*starts):
        place = tuple(slice(a, a + w) for a, w in zip(start, window, strict=True))
        logits = network(padded[(slice(None), slice(None), *place)])[0].float()
        if total is None:
            total = torch.zeros((len(logits), *weights.shape), device=x.device)
        total[(slice(None), *place)] += logits * weight
        weights[place] += weight
    assert total is not None
    return total.div_(weights)[(slice(None), *cut)]


def window_count(size: Sequence[int], window: Sequence[int], *, overlap: float = 0.5) -> int:
    """How many windows a volume of this size is seen in.

    Example:
        >>> window_count((100, 64, 40), (64, 64, 64), overlap=0.5)
        3
    """
    return math.prod(len(_starts(n, w, overlap)) for n, w in zip(size, window, strict=True))


def _padded(
    x: Tensor, missing: Sequence[int], cut: tuple[slice, ...], fill: Sequence[float]
) -> Tensor:
    """``x`` with a rim of each channel's own value."""
    values = torch.tensor(fill or [0.0] * len(x), dtype=x.dtype, device=x.device)
    whole = [n + m for n, m in zip(x.shape[1:], missing, strict=True)]
    padded = values[:, None, None, None].repeat(1, *whole)
    padded[(slice(None), *cut)] = x
    return padded


def _starts(size: int, window: int, overlap: float) -> list[int]:
    """First voxels of the windows along one axis: evenly spread, the last one at the end."""
    if size <= window:
        return [0]
    count = -(-(size - window) // max(1, int(window * (1 - overlap)))) + 1
    return [round(k * (size - window) / (count - 1)) for k in range(count)]


def _gaussian(window: Shape) -> Tensor:
    weight = torch.ones(())
    for n in window:
        along = (torch.arange(n) - (n - 1) / 2) / (n / 8)
        weight = weight[..., None] * torch.exp(-(along**2) / 2)
    return weight.clamp(min=1e-3)
