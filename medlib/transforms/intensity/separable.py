"""Linear operators that work along one axis after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Matrix: TypeAlias = npt.NDArray[np.float64]

_ROWS = 32  # of a band that are multiplied at once: fewer waste less, more are called less often


def multiplied(data: Tensor, matrices: Sequence[Matrix | None]) -> Tensor:
    """``data`` with each of its last axes multiplied by a matrix.

    Matrices whose rows are zero but for a band cost what the band costs.

    Args:
        data: (channel, slice, row, column).
        matrices: for slices, rows and columns: (out, in); None leaves that axis as it is.

    Returns:
        Float32; ``data`` itself if that is what it is and there is nothing to do.

    Example:
        >>> mean = np.full((1, 4), 0.25)
        >>> multiplied(torch.arange(4.0).view(1, 1, 1, 4), (None, None, mean))
        tensor([[[[1.5000]]]])
    """
    data = data.float()
    for axis, matrix in enumerate(matrices):
        if matrix is not None:
            shape = list(data.shape)
            shape[axis + 1] = len(matrix)
            out = data.new_empty(shape)
            for channel, target in zip(data, out, strict=True):
                _along(axis, matrix, channel, target)
            data = out
    return data


def _along(axis: int, matrix: Matrix, data: Tensor, out: Tensor) -> None:
    factors = torch.from_numpy(matrix).to(data)
    for rows, columns in _bands(matrix):
        block = factors[rows, columns]
        if axis == 0:
            torch.mm(block, data[columns].flatten(1), out=out[rows].flatten(1))
        elif axis == 1:
            out[:, rows] = block @ data[:, columns]
        else:  # one large product, rather than one for each slice
            out.view(-1, len(matrix))[:, rows] = data[..., columns].flatten(0, 1) @ block.T


def _bands(matrix: Matrix) -> Iterator[tuple[slice, slice]]:
    """Blocks of rows, and the columns outside which they are zero."""
    for start in range(0, len(matrix), _ROWS):
        rows = slice(start, start + _ROWS)
        used = np.flatnonzero(matrix[rows].any(0))
        yield rows, slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0)


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
    places = ((voxels + 0.5) / width - 0.5).clip(0, count - 1)
    lines = (1 - np.abs(places[:, None] - np.arange(count))).clip(0)
    matrix: Matrix = lines @ (shared.clip(0) / width)
    return matrix


def filtered(data: Tensor, weights: Sequence[Matrix | None]) -> Tensor:
    """``data`` with the frequencies of each axis weighted, by one Fourier transform along each.

    Args:
        data: (channel, slice, row, column).
        weights: for slices, rows and columns: of the frequencies 0, 1, … size // 2 (a frequency
            and its negative have the same); None leaves that axis as it is.

    Returns:
        Float32; ``data`` itself if that is what it is and there is nothing to do.
    """
    data = data.float()
    for axis, factors in enumerate(weights, start=1):
        if factors is not None:
            shape = [1] * data.ndim
            shape[axis] = -1
            spectrum = torch.fft.rfft(data, dim=axis)
            spectrum.mul_(torch.from_numpy(factors).to(data).view(shape))
            data = torch.fft.irfft(spectrum, n=data.shape[axis], dim=axis)
    return data


def frequencies(size: int) -> Matrix:
    """The frequencies, 0, 1, …, that :func:`filtered` weights along an axis of this size."""
    return np.arange(size // 2 + 1, dtype=np.float64)
