"""Sizes: how coarse scans are looked at, and how networks halve them from level to level."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
import numpy.typing as npt

Triple = tuple[int, int, int]
SMALLEST = 5
"""Voxels along any axis, at the coarsest level."""
_FEWEST = 3  # voxels along an axis that is halved; in bf16 processors get two wrong
_SHARE = 0.5  # of the finest level's arithmetic, that each coarser one may take


def channels(strides: Sequence[Triple], *, finest: int = 16, most: int = 256) -> tuple[int, ...]:
    """Of each level, from the finest.

    Each coarser level has at least twice as many, up to a limit, and as many as make half of the
    finest one's work: where all axes are halved a level has an eighth of the voxels, so that what
    is to be known of shapes and places costs little there.

    Args:
        strides: between levels.
        finest: of the finest level.
        most: of any other.

    Example:
        >>> channels(((2, 2, 2), (2, 2, 2), (2, 2, 2)))
        (16, 32, 96, 256)
        >>> channels(((1, 2, 2), (1, 2, 2), (2, 2, 2)))
        (16, 32, 64, 128)
    """
    fewer = np.cumprod([np.prod(stride) for stride in strides])  # voxels, for one
    found = [finest]
    for level, times in enumerate(fewer, start=1):
        worth = round(float(np.sqrt(_SHARE * times))) * finest
        found.append(min(most, max(finest * 2**level, worth)))
    return tuple(found)


def triple(values: npt.ArrayLike) -> tuple[float, float, float]:
    """Three plain numbers."""
    a, b, c = (float(v) for v in np.asarray(values))
    return a, b, c


def affordable(
    spacing: Sequence[float], extent: Sequence[float], voxels: float, limit: float = inf
) -> tuple[float, float, float]:
    """A spacing, coarsened until a scan of this extent has at most so many voxels.

    The finest axes are coarsened first, until they are as coarse as the others. None is coarsened
    beyond ``limit``, in millimetres.

    Example:
        >>> affordable((2.0, 1.0, 1.0), (64, 64, 64), 40**3)
        (2.0, 1.457, 1.457)
    """
    coarse, size = np.array(spacing), np.array(extent)
    for _ in range(1000):
        if np.prod(size / coarse) <= voxels or coarse.min() >= limit:
            break
        coarse = np.maximum(coarse, min(coarse.min() * 1.02, limit))
    return triple(np.round(coarse, 3))


def levels(
    size: npt.ArrayLike, spacing: Sequence[float], voxels: float, *, most: int = 4
) -> tuple[tuple[Triple, ...], Triple]:
    """How to halve from level to level, and a window that can be halved so.

    As in nnU-Net, an axis is halved only while its voxels are not much larger than the finest
    ones, and while at least :data:`SMALLEST` of them remain.

    Args:
        size: of the largest scan, in voxels of ``spacing``.
        spacing: millimetres.
        voxels: that a window may have.
        most: how often to halve at most.
    """
    # A tiny scan is padded, so that there is something to halve at all.
    size = np.maximum(size, 2 * SMALLEST)
    window = size.astype(np.float64)
    while np.prod(window) > voxels:
        window[np.argmax(window)] *= 0.99
    voxel, left = np.array(spacing, dtype=np.float64), window.copy()
    strides: list[Triple] = []
    for _ in range(most):
        halve = (voxel < 2 * voxel.min()) & (np.round(left / 2) >= SMALLEST)
        if not halve.any():
            break
        step = np.where(halve, 2, 1)
        voxel, left = voxel * step, left / step
        strides.append((int(step[0]), int(step[1]), int(step[2])))
    divisor = np.prod(strides, axis=0)
    whole = np.ceil(size / divisor) * divisor  # no need for more than the whole scan
    rounded = np.minimum(np.maximum(np.round(window / divisor), 1) * divisor, whole).astype(int)
    while np.prod(rounded) > 1.05 * voxels and (rounded > divisor).any():  # rounded up too often
        axis = np.argmax(np.where(rounded > divisor, rounded, 0))
        rounded[axis] -= divisor[axis]
    return tuple(strides), (int(rounded[0]), int(rounded[1]), int(rounded[2]))


def deepened(strides: Sequence[Triple], window: Sequence[int], count: int) -> tuple[Triple, ...]:
    """More levels of the same kind, for a network whose weights were learned with so many.

    An axis is halved further while it can be and three voxels remain; else it stays as it is, which
    costs a level little, and its weights fit.

    Args:
        strides: between the levels that there are.
        window: voxels that the network sees.
        count: of the strides that there shall be.

    Example:
        >>> deepened(((2, 2, 2),) * 3, (48, 64, 40), 4)
        ((2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 1))
    """
    deeper = list(strides)
    left = np.array(window) // np.prod(strides, axis=0, dtype=int)
    while len(deeper) < count:
        step = np.where((left % 2 == 0) & (left >= 2 * _FEWEST), 2, 1)
        deeper.append((int(step[0]), int(step[1]), int(step[2])))
        left = left // step
    return tuple(deeper)
