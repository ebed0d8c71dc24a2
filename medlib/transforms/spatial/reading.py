"""Reading a tensor at places that lie anywhere between its voxels.

Places are (3, slice, row, column), float32: along each axis of the source from -1 at its one outer
edge to 1 at the other, as :meth:`medlib.transforms.spatial.places.Places.part` gives them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from medlib.transforms.spatial.lattices import EXACT, Shape

_TIE = 1e-5


def outside(places: Tensor, source: Shape) -> Tensor:
    """Which places lie beyond the source's outer edges: (slice, row, column), bool."""
    beyond = [p.abs() > 1 + 2 * EXACT / n for p, n in zip(places, source, strict=True)]
    hidden: Tensor = beyond[0].logical_or_(beyond[1]).logical_or_(beyond[2])
    return hidden


def filled(data: Tensor, hidden: Tensor, fill: Sequence[float]) -> Tensor:
    """``data``, (channel, slice, row, column), with each channel's ``fill`` written where hidden."""
    for channel, value in zip(data, fill, strict=True):
        channel.masked_fill_(hidden, value)
    return data


def interpolated(data: Tensor, places: Tensor) -> Tensor:
    """Floating-point tensors interpolated linearly; edges are carried outwards.

    Args:
        data: (item, channel, slice, row, column).
        places: (item, 3, slice, row, column).
    """
    grid = torch.stack(places.unbind(1)[::-1], dim=-1)  # grid_sample speaks (column, row, slice)
    return F.grid_sample(
        data, grid.to(data), mode="bilinear", padding_mode="border", align_corners=False
    )


def nearest_voxel(data: Tensor, places: Tensor) -> Tensor:
    """``data``, (channel, …), of any dtype, from the voxels nearest by; halfway goes down."""
    voxel = _flat_index([_from_zero(p, n, -1.0).ceil_() for p, n in _axes(data, places)], data)
    read = data.flatten(1).index_select(1, voxel.flatten())
    return read.view(len(data), *places.shape[1:])


def strongest_neighbour(data: Tensor, places: Tensor) -> Tensor:
    """Label ids, (layer, …): each label interpolated linearly by itself, the strongest wins.

    Where a place's eight neighbours agree, that is their id; only at borders must labels be
    weighed against one another. At a tie the nearest voxel decides.
    """
    lower, weight = [], []
    for p, n in _axes(data, places):
        index = _from_zero(p, n, -0.5).clamp_(0, n - 1)
        below = index.floor().clamp_(max=max(n - 2, 0))
        weight.append(index.sub_(below))
        lower.append(below)
    first = _flat_index(lower, data).flatten()
    out = torch.empty((len(data), *places.shape[1:]), dtype=data.dtype, device=data.device)
    for layer, target in zip(data, out, strict=True):
        flat = layer.flatten()
        found = flat.index_select(0, first)
        mixed = _mixed(layer).flatten().index_select(0, first).nonzero().flatten()
        if len(mixed):
            weights = torch.stack([w.flatten().index_select(0, mixed) for w in weight])
            near = first.index_select(0, mixed)
            found.index_copy_(0, mixed, _vote(flat, near, weights, layer.shape))
        target.copy_(found.view(target.shape))
    return out


def _vote(flat: Tensor, near: Tensor, weights: Tensor, shape: torch.Size) -> Tensor:
    """Of the eight voxels from ``near``, (n,), upwards, the id that has most weight, (n,).

    At a tie it is that of the nearest voxel. Were it always the lower id, background would win
    every tie, and organs would shrink by some percent whenever they are resampled.
    """
    strides = [shape[1] * shape[2], shape[2], 1]
    steps = [stride if n > 1 else 0 for stride, n in zip(strides, shape, strict=True)]
    ids, shares = [], []
    for bits in itertools.product((0, 1), repeat=3):
        share = torch.ones_like(weights[0])
        for bit, weight in zip(bits, weights, strict=True):
            share = share * (weight if bit else 1 - weight)
        ids.append(
            flat.index_select(0, near + sum(b * n for b, n in zip(bits, steps, strict=True)))
        )
        shares.append(share)
    nearest = near
    for weight, step in zip(weights, steps, strict=True):
        nearest = nearest + (weight > 0.5 + EXACT).to(near.dtype) * step
    winner = flat.index_select(0, nearest)
    best = torch.zeros_like(shares[0])
    for other, share in zip(ids, shares, strict=True):
        best.addcmul_((other == winner).to(share), share)
    best += _TIE  # what is not clearly more is no more
    # Mostly there are few ids at a border: each is weighed once, not once for each neighbour.
    every = torch.cat(ids)
    if every.dtype == torch.uint8:  # to count is quicker than to sort
        present = torch.bincount(every).nonzero().flatten().to(every.dtype)
    else:
        present = torch.unique(every)
    for candidate in present.unbind() if len(present) < len(ids) else ids:
        total = torch.zeros_like(best)
        for other, share in zip(ids, shares, strict=True):
            total.addcmul_((other == candidate).to(share), share)
        winner = torch.where(total > best, candidate, winner)
        torch.maximum(best, total, out=best)
    return winner


def _mixed(layer: Tensor) -> Tensor:
    """Whether the voxel and its seven neighbours upwards differ: (slice, row, column), bool."""
    low = high = layer
    for axis in range(3):
        if layer.shape[axis] > 1:
            n = layer.shape[axis]
            above = torch.cat([torch.arange(1, n), torch.tensor([n - 1])]).to(layer.device)
            low = torch.minimum(low, low.index_select(axis, above))
            high = torch.maximum(high, high.index_select(axis, above))
    return low != high


def _axes(data: Tensor, places: Tensor) -> list[tuple[Tensor, int]]:
    return list(zip(places, data.shape[1:], strict=True))


def _from_zero(place: Tensor, size: int, shift: float) -> Tensor:
    """Voxel indices, of which ``shift`` is -0.5; a new tensor."""
    return torch.mul(place, size / 2).add_(size / 2 + shift)


def _flat_index(index: list[Tensor], data: Tensor) -> Tensor:
    """One whole number a place, from three; beyond the edge, the edge's."""
    flat: Tensor | None = None
    for part, n in zip(index, data.shape[1:], strict=True):
        along = part.clamp_(0, n - 1).to(torch.int32 if data[0].numel() < 2**31 else torch.int64)
        flat = along if flat is None else flat.mul_(n).add_(along)
    assert flat is not None
    return flat
