"""Other people's programs that know the answer too."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest
import torch
from torch import Tensor

from medlib.space import Affine, Grid


def oracle(name: str) -> Any:
    """The package of this name; the test is skipped without it, or fails where all is required."""
    if os.environ.get("MEDLIB_REQUIRE_ALL") == "1":
        return importlib.import_module(name)
    return pytest.importorskip(name, reason=f"{name} is what this is compared with")


def itk_image(data: Tensor, grid: Grid) -> Any:
    """(slice, row, column) as an image of ITK's, whose axes are (column, row, slice)."""
    sitk = oracle("SimpleITK")
    image = sitk.GetImageFromArray(data.contiguous().numpy())
    image.SetSpacing(grid.spacing[::-1])
    image.SetOrigin(grid.origin.tolist())
    image.SetDirection(grid.directions[:, ::-1].ravel().tolist())
    return image


def itk_resampled(
    data: Tensor,
    source: Grid,
    landing: Grid,
    *,
    going: Affine,
    linear: bool = True,
    fill: float = 0.0,
) -> Tensor:
    """``data``, whose points go where ``going`` takes them, on the landing grid, by ITK.

    ITK asks the other way round: where in the source does a point of the result come from.
    """
    sitk = oracle("SimpleITK")
    coming = sitk.AffineTransform(3)
    coming.SetMatrix(going.inverse.matrix[:3, :3].ravel().tolist())
    coming.SetTranslation(going.inverse.matrix[:3, 3].tolist())
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(itk_image(torch.zeros(landing.shape), landing))
    resampler.SetTransform(coming)
    resampler.SetInterpolator(sitk.sitkLinear if linear else sitk.sitkNearestNeighbor)
    resampler.SetDefaultPixelValue(fill)
    resampler.SetNumberOfThreads(1)
    return torch.from_numpy(sitk.GetArrayFromImage(resampler.Execute(itk_image(data, source))))
