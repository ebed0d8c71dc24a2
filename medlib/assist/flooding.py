"""Marker watershed over a scan's gradient, on voxels of any shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medlib.assist.inputs import Voxels

Ids = npt.NDArray[np.int32]


def coarsening(shape: Sequence[int], spacing: Sequence[float], most: int) -> tuple[int, int, int]:
    """How many voxels along each axis to take as one, so that no more than ``most`` are left.

    The finest axis first, so that what is left is about as long as wide.
    """
    factors = [1, 1, 1]
    while np.prod([-(-n // f) for n, f in zip(shape, factors, strict=True)]) > most:
        sides = [
            s * f if n > f else np.inf for s, f, n in zip(spacing, factors, shape, strict=True)
        ]
        factors[int(np.argmin(sides))] += 1
    return factors[0], factors[1], factors[2]


def averaged(voxels: Voxels, factors: Sequence[int]) -> Voxels:
    """The means of groups of voxels; the last group along an axis repeats its last voxel."""
    if max(factors) == 1:
        return voxels
    missing = [(0, -n % f) for n, f in zip(voxels.shape, factors, strict=True)]
    split = [k for n, f in zip(voxels.shape, factors, strict=True) for k in (-(-n // f), f)]
    means: Voxels = np.pad(voxels, missing, mode="edge").reshape(split).mean((1, 3, 5))
    return means


def repeated(
    groups: npt.NDArray[Any], factors: Sequence[int], shape: Sequence[int]
) -> npt.NDArray[Any]:
    """Each group's value for all of its voxels."""
    for axis, factor in enumerate(factors):
        if factor > 1:
            groups = groups.repeat(factor, axis)
    return groups[: shape[0], : shape[1], : shape[2]].copy()


def relief(voxels: Voxels, spacing: Sequence[float], mm: float) -> Voxels:
    """The gradient's length, per millimetre, at a scale; along thick slices at theirs.

    Args:
        voxels: (slice, row, column).
        spacing: millimetres along these.
        mm: deviation of the Gaussian; along no axis less than 0.7 voxels, or it sees none.
    """
    from scipy.ndimage import gaussian_filter1d

    sigma = [max(mm / step, 0.7) for step in spacing]
    squares = np.zeros(voxels.shape, dtype=np.float32)
    for along in range(3):
        if voxels.shape[along] < 2:
            continue
        slope = voxels
        for axis in range(3):
            slope = gaussian_filter1d(
                slope, sigma[axis], axis, order=int(axis == along), mode="nearest", truncate=3
            )
        squares += (slope / np.float32(spacing[along])) ** 2
    length: Voxels = np.sqrt(squares)
    return length


def markers_of(markers: Ids, factors: Sequence[int]) -> Ids:
    """The marker of each group of voxels, 0 for none; where several are in one, the largest."""
    missing = [(0, -n % f) for n, f in zip(markers.shape, factors, strict=True)]
    split = [k for n, f in zip(markers.shape, factors, strict=True) for k in (-(-n // f), f)]
    found: Ids = np.pad(markers, missing).reshape(split).max((1, 3, 5))
    return found


def flooded(heights: Voxels, markers: Ids) -> Ids:
    """Which marker each voxel is flooded from; those of markers keep theirs.

    The heights are told apart in a few thousand steps, as rounding would else decide.
    """
    from skimage.segmentation import watershed

    top = float(heights.max())
    steps = np.rint(heights * (4095 / top)).astype(np.int32) if top > 0 else markers * 0
    found: Ids = watershed(steps, markers)
    return found
