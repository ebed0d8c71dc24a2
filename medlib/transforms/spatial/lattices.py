"""Reading a tensor at the voxels of another lattice whose axes run along its own.

Copying, where the new voxels are old voxels; one axis after another, where the axes stay parallel.
``index_map`` is always (4, 4), from the index in the result to the index in the source, both
(slice, row, column).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medlib.space.grid import FloatArray

Interpolation = Literal["nearest", "linear"]
Shape = tuple[int, int, int]

EXACT = 1e-4  # voxels: closer than this to old voxels is on them


def contained(index_map: FloatArray, low: FloatArray, high: FloatArray, source: Shape) -> bool:
    """Whether a box of the result's index lies within the source's box.

    Args:
        index_map: (4, 4), index in the result to index in the source.
        low: (3,), the lowest index of the box.
        high: (3,), the highest.
        source: its shape.
    """
    middle = index_map[:3, :3] @ ((low + high) / 2) + index_map[:3, 3]
    away = np.abs(index_map[:3, :3]) @ ((high - low) / 2)
    least, most = box(source)
    return bool((middle - away >= least).all() and (middle + away <= most).all())


def box(source: Shape) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest index that is still inside, to the outer edges of the outer voxels."""
    return np.full(3, -0.5 - EXACT), np.array(source) - 0.5 + EXACT


def as_permutation(index_map: FloatArray, shape: Shape) -> FloatArray | None:
    """The map rounded to a signed permutation with whole offsets, if it is one; else None."""
    rounded = np.rint(index_map)
    linear = np.abs(rounded[:3, :3])
    if not ((linear.sum(0) == 1).all() and (linear.sum(1) == 1).all()):
        return None
    reach = np.abs(index_map - rounded)[:3] @ np.array([*shape, 1.0])
    return rounded if reach.max() < EXACT else None


def parallel_axes(index_map: FloatArray, shape: Shape) -> list[int] | None:
    """For each source axis the result's axis along it, if every axis has just one; else None."""
    reach = np.abs(index_map[:3, :3]) * np.array(shape)
    order = [int(k) for k in np.abs(index_map[:3, :3]).argmax(1)]
    reach[range(3), order] = 0.0
    return order if sorted(order) == [0, 1, 2] and reach.sum(1).max() < EXACT else None


def aligned(
    data: Tensor,
    index_map: FloatArray,
    shape: Shape,
    how: Interpolation | Literal["copy"],
    fill: Sequence[float],
) -> Tensor | None:
    """``data`` read along its own axes, or None where that cannot be done.

    It can be done where the axes stay parallel; to copy, voxels must also fall on voxels.

    Args:
        data: (channel, slice, row, column).
        index_map: (4, 4), index in the result to index in ``data``.
        shape: of the result.
        how: ``"copy"``; ``"nearest"`` takes the voxel nearest by; ``"linear"`` interpolates.
        fill: for each channel, the value of what lies outside.

    Returns:
        (channel, slice, row, column), of the dtype of ``data``. Where the voxels coincide, theirs,
        bit for bit (a view of ``data`` if one will do).
    """
    order = parallel_axes(index_map, shape)
    if order is None or (how == "copy" and as_permutation(index_map, shape) is None):
        return None
    seen = [_seen(index_map[k], order[k], shape, data.shape[1 + k]) for k in range(3)]
    inner = [seen[order.index(k)] for k in range(3)]
    inside = tuple(slice(a, b) for a, b in inner)
    part = tuple(b - a for a, b in inner)
    if part == tuple(shape):
        return _read(data, index_map, shape, order, how)
    out = torch.empty((len(data), *shape), dtype=data.dtype, device=data.device)
    for channel, value in zip(out, fill, strict=True):
        channel.fill_(value)
    if min(part) > 0:
        shifted = index_map.copy()
        shifted[:3, 3] += index_map[:3, :3] @ np.array([a for a, _ in inner], dtype=np.float64)
        out[:, *inside] = _read(data, shifted, (part[0], part[1], part[2]), order, how)
    return out


def _read(
    data: Tensor,
    index_map: FloatArray,
    shape: Shape,
    order: list[int],
    how: Interpolation | Literal["copy"],
) -> Tensor:
    """``data`` where the result lies within it."""
    exact = as_permutation(index_map, shape)
    if exact is not None:
        return _copied(data, exact, shape)
    return _axis_by_axis(data, index_map, shape, order, "linear" if how == "linear" else "nearest")


def _seen(row: FloatArray, along: int, shape: Shape, size: int) -> tuple[int, int]:
    """The first voxel along one of the result's axes that lies in the source, and the one after."""
    low, high = -0.5 - EXACT, size - 0.5 + EXACT
    ends = sorted(((low - row[3]) / row[along], (high - row[3]) / row[along]))
    return max(0, int(np.ceil(ends[0]))), min(shape[along], int(np.floor(ends[1])) + 1)


def _copied(data: Tensor, index_map: FloatArray, shape: Shape) -> Tensor:
    order = [int(k) for k in np.abs(index_map[:3, :3]).argmax(1)]  # source axis -> result axis
    data = data.permute(0, *(1 + order.index(k) for k in range(3)))
    for k in range(3):
        source = order.index(k)
        sign, start = index_map[source, k], int(index_map[source, 3])
        count = shape[k]
        if sign > 0:
            data = data.narrow(1 + k, start, count)
        else:
            data = data.narrow(1 + k, start - count + 1, count).flip(1 + k)
    return data


def _axis_by_axis(
    data: Tensor, index_map: FloatArray, shape: Shape, order: list[int], how: Interpolation
) -> Tensor:
    data = data.permute(0, *(1 + order.index(k) for k in range(3)))
    # The axis that shrinks most goes first: the others then have less to do.
    for k in sorted(range(3), key=lambda axis: shape[axis] / data.shape[1 + axis]):
        source = order.index(k)
        n = data.shape[1 + k]
        place = torch.arange(shape[k], dtype=torch.float64) * float(index_map[source, k])
        place = (place + float(index_map[source, 3])).clamp(0, n - 1)
        if how == "nearest":
            data = data.index_select(1 + k, _nearest(place, n).to(data.device))
            continue
        below = place.floor().clamp(max=max(n - 2, 0)).long()
        weight = (place - below).to(data.dtype).to(data.device)
        if not weight.any():
            data = data.index_select(1 + k, below.to(data.device))
            continue
        lower = data.index_select(1 + k, below.to(data.device))
        upper = data.index_select(1 + k, (below + 1).clamp(max=n - 1).to(data.device))
        weight = weight.view(-1, *(1,) * (2 - k))
        data = lower.lerp_(upper, weight)
    return data


def _nearest(place: Tensor, n: int) -> Tensor:
    """Halfway goes down: the same rule everywhere, whatever the parity."""
    return (place - (0.5 + 1e-9)).ceil_().clamp_(0, n - 1).long()
