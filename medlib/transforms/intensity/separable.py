"""Linear operators that work along one axis after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Matrix: TypeAlias = npt.NDArray[np.float64]
Operator: TypeAlias = Callable[[Tensor], Tensor]

# Smaller would waste less on a quiet machine; on a busy one each call waits for its threads.
_ROWS = 64  # of a band that are multiplied at once
_SLAB = 1 << 21  # voxels that are worked on at once


def multiplied(data: Tensor, matrices: Sequence[Matrix | None]) -> Tensor:
    """``data`` with each of its last axes multiplied by a matrix.

    Matrices whose rows are zero but for a band cost what the band costs.

    Args:
        data: (channel, slice, row, column).
        matrices: for slices, rows and columns: (size, size); None leaves that axis as it is.

    Returns:
        Float32; ``data`` itself if that is what it is and there is nothing to do.

    Example:
        >>> mean = np.full((4, 4), 0.25)
        >>> multiplied(torch.arange(4.0).view(1, 1, 1, 4), (None, None, mean))
        tensor([[[[1.5000, 1.5000, 1.5000, 1.5000]]]])
    """
    operators = [
        None if matrix is None else partial(_product, axis, list(_bands(matrix, data.device)))
        for axis, matrix in enumerate(matrices)
    ]
    return _in_slabs(data.float(), operators)


def filtered(data: Tensor, weights: Sequence[Matrix | None]) -> Tensor:
    """``data`` with the frequencies of each axis weighted, by one Fourier transform along each.

    Args:
        data: (channel, slice, row, column).
        weights: for slices, rows and columns: of the frequencies 0, 1, … size // 2 (a frequency
            and its negative have the same); None leaves that axis as it is.

    Returns:
        Float32; ``data`` itself if that is what it is and there is nothing to do.
    """
    operators = [
        None if factors is None else partial(_weighted, axis, factors)
        for axis, factors in enumerate(weights)
    ]
    return _in_slabs(data.float(), operators)


def frequencies(size: int) -> Matrix:
    """The frequencies, 0, 1, …, that :func:`filtered` weights along an axis of this size."""
    return np.arange(size // 2 + 1, dtype=np.float64)


def _in_slabs(data: Tensor, operators: Sequence[Operator | None]) -> Tensor:
    # Nothing as large as the scan is made but the result: memory that is new to the process
    # costs more than the sums.
    if all(operator is None for operator in operators):
        return data
    along_slices, *within = operators
    out = torch.empty(data.shape, dtype=data.dtype, device=data.device)
    for source, target in zip(data, out, strict=True):
        for slab in _slabs(len(source), source[0].numel()):
            piece = source[slab]
            for operator in within:
                piece = piece if operator is None else operator(piece)
            target[slab] = piece
        if along_slices is not None:
            for slab in _slabs(target.shape[1], target[:, 0].numel()):
                target[:, slab] = along_slices(target[:, slab])
    return out


def _slabs(count: int, voxels: int) -> Iterator[slice]:
    thick = max(1, _SLAB // voxels)
    return (slice(start, start + thick) for start in range(0, count, thick))


def _product(axis: int, bands: list[tuple[slice, slice, Tensor]], data: Tensor) -> Tensor:
    out = data.new_empty(data.shape)
    for rows, columns, block in bands:
        if axis == 0:
            torch.mm(block, data[columns].flatten(1), out=out[rows].flatten(1))
        elif axis == 1:
            out[:, rows] = block @ data[:, columns]
        else:  # one large product, rather than one for each slice
            out.view(-1, out.shape[2])[:, rows] = data[..., columns].flatten(0, 1) @ block.T
    return out


def _bands(matrix: Matrix, device: torch.device) -> Iterator[tuple[slice, slice, Tensor]]:
    """Blocks of rows, the columns outside which they are zero, and what lies within."""
    factors = torch.from_numpy(matrix).to(device, torch.float32)
    for start in range(0, len(matrix), _ROWS):
        rows = slice(start, start + _ROWS)
        used = np.flatnonzero(matrix[rows].any(0))
        columns = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0)
        yield rows, columns, factors[rows, columns]


def _weighted(axis: int, factors: Matrix, data: Tensor) -> Tensor:
    spectrum = torch.fft.rfft(data, dim=axis)
    spectrum.mul_(
        torch.from_numpy(factors).to(data).view([-1 if k == axis else 1 for k in range(3)])
    )
    out: Tensor = torch.fft.irfft(spectrum, n=data.shape[axis], dim=axis)
    return out


def gaussian(size: int, sigma: float) -> Matrix | None:
    """A Gaussian of ``sigma`` voxels, cut at 4 sigma; beyond its ends the axis is mirrored.

    Returns:
        (size, size), its rows of sum 1; None where it would change nothing.
    """
    reach = int(4 * sigma + 0.5)
    if size == 1 or reach == 0:
        return None
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (steps / sigma) ** 2)
    places = (np.arange(size)[:, None] + steps) % (2 * size)
    mirrored = np.minimum(places, 2 * size - 1 - places)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], mirrored), weights / weights.sum())
    return matrix


def coarsened(size: int, count: int) -> Matrix | None:
    """Means over ``count`` equal cells, and straight lines between the cells' middles.

    Returns:
        (size, size), its rows of sum 1; None for as many cells as voxels.
    """
    if count == size:
        return None
    width = size / count
    starts, voxels = np.arange(count)[:, None] * width, np.arange(size)
    shared = np.minimum(starts + width, voxels + 1) - np.maximum(starts, voxels)
    cells = shared.clip(0) / width
    places = ((voxels + 0.5) / width - 0.5).clip(0, count - 1)
    # By rows, not by a product: numpy's threads and torch's would get in each other's way.
    last = places.astype(int)
    share = (places - last)[:, None]
    matrix: Matrix = (1 - share) * cells[last] + share * cells[(last + 1).clip(max=count - 1)]
    return matrix
