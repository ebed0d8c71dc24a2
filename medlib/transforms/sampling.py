"""Reading a tensor at other places than its voxels.

One function, :func:`sample`, with three ways of doing it, the cheapest that is exact being taken:
copying (the new voxels are old voxels), one axis after another (the axes stay parallel), and the
general affine case. ``index_map`` is always (4, 4), from the index in the result to the index in
the source, both (slice, row, column).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from medlib.space.grid import FloatArray

Interpolation = Literal["nearest", "linear"]
Shape = tuple[int, int, int]

_EXACT = 1e-4  # voxels: closer than this to old voxels is on them
_SLAB = 1 << 22  # voxels whose places are held at once, to bound memory


def sample(data: Tensor, index_map: FloatArray, shape: Shape, how: Interpolation) -> Tensor:
    """``data`` read at the voxels of another lattice; beyond its edge the edge's value is read.

    Args:
        data: (channel, slice, row, column).
        index_map: (4, 4), index in the result to index in ``data``.
        shape: of the result.
        how: ``"nearest"`` takes the voxel nearest by; ``"linear"`` interpolates, in float32 or
            better.

    Returns:
        (channel, slice, row, column). Where the voxels coincide, theirs, bit for bit (a view of
        ``data`` if one will do). The dtype is kept, but for integers interpolated, which become
        float32.
    """
    exact = as_permutation(index_map, shape)
    if exact is not None:
        return _copied(data, exact, shape)
    order = _parallel_axes(index_map, shape)
    if how == "nearest":
        if order is not None:
            return _axis_by_axis(data, index_map, shape, order, how)
        return _general_nearest(data, index_map, shape)
    kept = data.dtype if data.is_floating_point() else torch.float32
    data = data if data.dtype == torch.float64 else data.float()
    if order is not None:
        return _axis_by_axis(data, index_map, shape, order, how).to(kept)
    return _general_linear(data, index_map, shape).to(kept)


def contained(index_map: FloatArray, shape: Shape, source: Shape, *, rim: float = 0.0) -> bool:
    """Whether every voxel of the result lies within the source's box (its corners tell).

    Args:
        index_map: (4, 4), index in the result to index in the source.
        shape: of the result.
        source: its shape.
        rim: how far around the voxels' centres must lie within too, in voxels of the result.
    """
    ends = np.stack([np.full(3, -rim), np.array(shape) - 1 + rim])
    corners = ends[np.indices((2, 2, 2)).reshape(3, -1).T, np.arange(3)]
    reached = corners @ index_map[:3, :3].T + index_map[:3, 3]
    low, high = _box(source)
    return bool((reached >= low).all() and (reached <= high).all())


def outside(index_map: FloatArray, shape: Shape, source: Shape) -> Tensor:
    """Which voxels of the result lie outside the source's box: (slice, row, column), bool."""
    hidden = torch.empty(shape, dtype=torch.bool)
    low, high = _box(source)
    for slices, part_map, part in _slabs(index_map, shape):
        within = torch.ones(1, 1, 1, dtype=torch.bool)
        for axis in range(3):
            place = _places(part_map[axis], part)
            within = within & (place >= float(low[axis])) & (place <= float(high[axis]))
        hidden[slices] = ~within
    return hidden


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


def _parallel_axes(index_map: FloatArray, shape: Shape) -> list[int] | None:
    """For each source axis the result's axis along it, if every axis has just one; else None."""
    reach = np.abs(index_map[:3, :3]) * np.array(shape)
    order = [int(k) for k in np.abs(index_map[:3, :3]).argmax(1)]
    reach[range(3), order] = 0.0
    return order if sorted(order) == [0, 1, 2] and reach.sum(1).max() < _EXACT else None


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


def _general_nearest(data: Tensor, index_map: FloatArray, shape: Shape) -> Tensor:
    flat = data.flatten(1)
    out = torch.empty((len(data), *shape), dtype=data.dtype, device=data.device)
    for slices, part_map, part in _slabs(index_map, shape):
        voxel = torch.zeros(1, 1, 1, dtype=torch.int64)
        for row, n in zip(part_map[:3], data.shape[1:], strict=True):
            voxel = voxel * n + _nearest(_places(row, part), n)
        voxel = voxel.expand(part).reshape(-1).to(data.device)
        out[:, slices] = flat.index_select(1, voxel).view(-1, *part)
    return out


def _general_linear(data: Tensor, index_map: FloatArray, shape: Shape) -> Tensor:
    # grid_sample speaks (column, row, slice), from -1 to 1 between the outer edges.
    sizes = np.array(data.shape[1:], dtype=np.float64)
    relative = index_map[:3] * (2.0 / sizes)[:, None]
    relative[:, 3] += 1.0 / sizes - 1.0
    out = torch.empty((len(data), *shape), dtype=data.dtype, device=data.device)
    for slices, part_map, part in _slabs(relative, shape):
        places = torch.empty((1, *part, 3), dtype=data.dtype)
        for axis in range(3):
            places[0, ..., 2 - axis] = _places(part_map[axis], part)
        out[:, slices] = F.grid_sample(
            data[None],
            places.to(data.device),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )[0]
    return out


def _slabs(index_map: FloatArray, shape: Shape) -> Iterator[tuple[slice, FloatArray, Shape]]:
    """The result in slabs of bounded size: of each its slices, its index map and its shape."""
    thickness = max(1, _SLAB // (shape[1] * shape[2]))
    for start in range(0, shape[0], thickness):
        stop = min(start + thickness, shape[0])
        moved = index_map.copy()
        moved[:3, 3] += index_map[:3, 0] * start
        yield slice(start, stop), moved, (stop - start, shape[1], shape[2])


def _places(row: FloatArray, shape: Shape) -> Tensor:
    """Where along one source axis the voxels of the result fall, float64.

    Args:
        row: of the index map.
        shape: of the result.

    Returns:
        A tensor that broadcasts to ``shape``: an axis along which nothing changes has size 1.
    """
    place = torch.full((1, 1, 1), float(row[3]), dtype=torch.float64)
    for axis, weight in enumerate(row[:3]):
        if weight != 0.0:
            along = torch.arange(shape[axis], dtype=torch.float64) * float(weight)
            place = place + along.view(-1, *(1,) * (2 - axis))
    return place
