"""SimpleITK, where it is the quicker: one volume, on a processor, in any direction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medlib.space.grid import FloatArray
from medlib.transforms.spatial.lattices import Interpolation, Shape

_SUPPORTED = {
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float32),
    torch.float64,
}


@lru_cache(maxsize=1)
def _simpleitk() -> Any:
    """The package, or None where it is not installed."""
    try:
        import SimpleITK as sitk  # noqa: N813 (its usual name)
    except ImportError:
        return None
    return sitk


def suits(data: Tensor) -> bool:
    """Whether SimpleITK is there and can read this tensor."""
    return data.device.type == "cpu" and data.dtype in _SUPPORTED and _simpleitk() is not None


def resampled(
    data: Tensor, index_map: FloatArray, shape: Shape, how: Interpolation, fill: Sequence[float]
) -> Tensor:
    """``data`` read at the voxels of another lattice.

    Args:
        data: (channel, slice, row, column), which :func:`suits`.
        index_map: (4, 4), index in the result to index in ``data``, both (slice, row, column).
        shape: of the result.
        how: ``"nearest"`` takes the voxel nearest by; ``"linear"`` interpolates.
        fill: for each channel, the value of what lies outside.

    Returns:
        (channel, slice, row, column), of the dtype of ``data``.
    """
    sitk = _simpleitk()
    turned = index_map[2::-1, 2::-1]  # ITK speaks (column, row, slice)
    transform = sitk.AffineTransform(turned.ravel().tolist(), index_map[2::-1, 3].tolist())
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in reversed(shape)])
    resampler.SetTransform(transform)
    resampler.SetInterpolator(sitk.sitkLinear if how == "linear" else sitk.sitkNearestNeighbor)
    resampler.SetNumberOfThreads(torch.get_num_threads())
    out = torch.empty((len(data), *shape), dtype=data.dtype)
    for channel, target, value in zip(data, out, fill, strict=True):
        resampler.SetDefaultPixelValue(float(value))
        image = resampler.Execute(sitk.GetImageFromArray(np.asarray(channel)))
        target.copy_(torch.from_numpy(sitk.GetArrayFromImage(image)))
    return out
