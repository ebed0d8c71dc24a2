"""Reading a tensor at other places than its voxels.

One function, :func:`sample`, with three ways of doing it, the cheapest that is exact being taken:
copying (the new voxels are old voxels), one axis after another (the axes stay parallel), and the
general affine case. ``index_map`` is always (4, 4), from the index in the result to the index in
the source, both (slice, row, column).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from medlib.space.grid import FloatArray

Interpolation = Literal["nearest", "linear"]
Shape = tuple[int, int, int]

_EXACT = 1e-4  # voxels: closer than this to old voxels is on them
_SLAB = 1 << 23  # voxels sampled at once in the general case, to bound its memory


def sample(data: Tensor, index_map: FloatArray, shape: Shape, how: Interpolation) -> Tensor:
    """``data`` read at the voxels of another lattice; beyond its edge the edge's value is read.

    Args:
        data: (channel, slice, row, column).
        index_map: (4, 4), index in the result to index in ``data``.
        shape: of the result.
        how: ``"nearest"`` keeps the dtype; ``"linear"`` gives floating point.

    Returns:
        (channel, slice, row, column). Where the voxels coincide, a copy of theirs, bit for bit; where
        nothing changes at all, ``data`` itself.
    """
    exact = as_permutation(index_map, shape)
    if exact is not None:
        return _copied(data, exact, shape)
    if how == "linear" and not data.is_floating_point():
        data = data.float()
    order = _parallel_axes(index_map)
    if order is not None:
        return _axis_by_axis(data, index_map, shape, order, how)
    return _general(data, index_map, shape, how)


def contained(index_map: FloatArray, shape: Shape, source: Shape) -> bool:
    """Whether every voxel of the result lies within the source's box (its corners tell)."""
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(shape) - 1)
    reached = corners @ index_map[:3, :3].T + index_map[:3, 3]
    low, high = _box(source)
    return bool((reached >= low).all() and (reached <= high).all())


def outside(index_map: FloatArray, shape: Shape, source: Shape) -> Tensor:
    """Which voxels of the result lie outside the source's box: (slice, row, column), bool."""
    axes = [torch.arange(n, dtype=torch.float64) for n in shape]
    within = torch.ones(shape, dtype=torch.bool)
    for row, low, high in zip(index_map[:3], *_box(source), strict=True):
        along = [float(row[k]) * axes[k] for k in range(3)]
        place = along[0].view(-1, 1, 1) + along[1].view(-1, 1) + (along[2] + float(row[3]))
        within &= (place >= float(low)) & (place <= float(high))
    return ~within


def _box(source: Shape) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest index that is still inside, to the outer edges of the outer voxels."""
    return np.full(3, -0.5 - _EXACT), np.array(source) - 0.5 + _EXACT


def as_permutation(index_map: FloatArray, shape: Shape) -> FloatArray | None:
    """The map rounded to a signed permutation with whole offsets, if it is one; else None."""
    rounded = np.rint(index_map)
    linear = np.abs(rounded[:3, :3])
    if not ((linear.sum(0) == 1).all() and (linear.sum(1) == 1).all()):
        return None
    reach = np.abs(index_map - rounded)[:3] @ np.array([*shape, 1.0])
    return rounded if reach.max() < _EXACT else None


def _parallel_axes(index_map: FloatArray) -> list[int] | None:
    """For each source axis the result's axis along it, if every axis has just one; else None."""
    weights = np.abs(index_map[:3, :3])
    order = [int(k) for k in weights.argmax(1)]
    off = weights.copy()
    off[range(3), order] = 0.0
    return order if sorted(order) == [0, 1, 2] and off.max() < 1e-9 else None


def _copied(data: Tensor, index_map: FloatArray, shape: Shape) -> Tensor:
    order = [int(k) for k in np.abs(index_map[:3, :3]).argmax(1)]  # source axis -> result axis
    data = data.permute(0, *(1 + order.index(k) for k in range(3)))
    for k in range(3):
        source = order.index(k)
        sign, start = index_map[source, k], int(index_map[source, 3])
        n, count = data.shape[1 + k], shape[k]
        if sign > 0 and start >= 0 and start + count <= n:
            data = data.narrow(1 + k, start, count)
        elif sign < 0 and start - count + 1 >= 0 and start < n:
            data = data.narrow(1 + k, start - count + 1, count).flip(1 + k)
        else:  # it reaches beyond the edge
            places = (torch.arange(count) * int(sign) + start).clamp(0, n - 1)
            data = data.index_select(1 + k, places.to(data.device))
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
            data = data.index_select(1 + k, _nearest(place).to(data.device))
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


def _nearest(place: Tensor) -> Tensor:
    """Halfway goes down: the same rule everywhere, whatever the parity."""
    return (place - 0.5 - 1e-9).ceil().long().clamp(min=0)


def _general(data: Tensor, index_map: FloatArray, shape: Shape, how: Interpolation) -> Tensor:
    slab = max(1, _SLAB // (shape[1] * shape[2]))
    if slab < shape[0]:
        pieces = []
        for start in range(0, shape[0], slab):
            moved = index_map.copy()
            moved[:3, 3] += index_map[:3, 0] * start
            part = (min(slab, shape[0] - start), shape[1], shape[2])
            pieces.append(_general(data, moved, part, how))
        return torch.cat(pieces, dim=1)
    theta = _normalised(tuple(data.shape[1:])) @ index_map @ np.linalg.inv(_normalised(shape))
    theta = theta[[2, 1, 0]][:, [2, 1, 0, 3]]  # grid_sample speaks (column, row, slice)
    grid = F.affine_grid(
        torch.as_tensor(theta, dtype=torch.float32, device=data.device)[None],
        [1, 1, *shape],
        align_corners=False,
    )
    mode = "bilinear" if how == "linear" else "nearest"
    source = data if data.dtype == torch.float32 else data.float()
    out = F.grid_sample(source[None], grid, mode=mode, padding_mode="border", align_corners=False)
    return out[0] if how == "linear" else out[0].to(data.dtype)


def _normalised(shape: tuple[int, ...]) -> FloatArray:
    """(4, 4), index to the range -1…1 from outer edge to outer edge that grid_sample uses."""
    sizes = np.array(shape, dtype=np.float64)
    matrix = np.diag([*(2.0 / sizes), 1.0])
    matrix[:3, 3] = 1.0 / sizes - 1.0
    return matrix
