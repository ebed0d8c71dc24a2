"""MONAI, on MetaTensors, with grids cached and float32 where that is its choice to offer."""

from __future__ import annotations

import math
from typing import Any

import torch
from monai import transforms as mt
from monai.data import MetaTensor
from side import Side
from torch import Tensor

_BOTH, _SCAN, _LABELS = ("scan", "labels"), ("scan",), ("labels",)
_MODES = ("bilinear", "nearest")
# From (x, y, z) indices of a grid whose axes run left, posterior, superior to RAS millimetres.
_AFFINE = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64))


def side(scan: Tensor, labels: Tensor) -> Side:
    """MONAI on this scan, (1, slice, row, column)."""
    voxels, ids = (data.permute(0, 3, 2, 1).contiguous() for data in (scan, labels))

    def fresh() -> dict[str, Any]:
        return {
            "scan": MetaTensor(voxels.clone(), affine=_AFFINE),
            "labels": MetaTensor(ids.clone(), affine=_AFFINE),
        }

    def look(item: dict[str, Any]) -> tuple[Tensor, Tensor]:
        return item["scan"].as_tensor(), item["labels"].as_tensor()

    return Side(fresh, _works(tuple(voxels.shape[1:])), look)


def _works(shape: tuple[int, ...]) -> dict[str, Any]:
    turn = math.radians(10)
    flip = mt.RandFlipd(_BOTH, prob=1, spatial_axis=1)
    turns: dict[str, Any] = {
        "spatial_size": shape,
        "prob": 1,
        "rotate_range": ((turn, turn),) * 3,
        "mode": _MODES,
        "padding_mode": "border",
        "cache_grid": True,
    }
    # Noise from -1 to 1, smoothed by 8 voxels, reaches 0.015: 7.5 mm when multiplied by 500.
    elastic = mt.Rand3DElasticd(
        _BOTH,
        sigma_range=(8, 8),
        magnitude_range=(500, 500),
        spatial_size=shape,
        prob=1,
        mode=_MODES,
        padding_mode="border",
    )
    resample = mt.Spacingd(_BOTH, (1.5,) * 3, mode=_MODES, dtype=torch.float32)
    gamma = mt.RandAdjustContrastd(_SCAN, prob=1, gamma=(1.35, 1.35))
    noise = mt.RandGaussianNoised(_SCAN, prob=1, std=0.05, sample_std=False)
    bias = mt.RandBiasFieldd(_SCAN, prob=1, degree=3, coeff_range=(0.0, 0.3))
    on_label = mt.RandCropByLabelClassesd(
        _BOTH, "labels", (64,) * 3, ratios=[0, *[1] * 7], num_classes=8, warn=False
    )
    # No scaling here: MONAI writes it into the affine, and Spacing would land on another size.
    composite = (flip, mt.RandAffined(_BOTH, **turns), elastic, resample, gamma, noise, bias)
    sigma = {f"sigma_{axis}": (1.5, 1.5) for axis in "xyz"}
    return {
        "flip": flip,
        "reorient": mt.Orientationd(_BOTH, axcodes="RIP", labels=None),
        "crop": mt.CenterSpatialCropd(_BOTH, (96,) * 3),
        "pad": mt.SpatialPadd(_BOTH, (160,) * 3),
        "affine": mt.RandAffined(_BOTH, **turns, scale_range=((0.1, 0.1),) * 3),
        "elastic": elastic,
        "resample to 1.5 mm": resample,
        "resize": mt.Resized(_BOTH, (96,) * 3, mode=("trilinear", "nearest")),
        "low resolution": mt.RandSimulateLowResolutiond(_SCAN, prob=1, zoom_range=(0.5, 0.5)),
        "patch anywhere": mt.RandSpatialCropd(_BOTH, (64,) * 3, random_size=False),
        "patch on a label": lambda item: on_label(item)[0],
        "window": mt.ScaleIntensityRanged(_SCAN, 0.2, 0.8, 0, 1, clip=True),
        "clip": mt.Lambdad(_SCAN, lambda scan: scan.clamp(0.2, 0.8)),
        "z-score": mt.NormalizeIntensityd(_SCAN),
        "percentile rescale": mt.ScaleIntensityRangePercentilesd(_SCAN, 1, 99, 0, 1, clip=True),
        "gamma": gamma,
        "brightness and contrast": mt.Compose(
            [
                mt.RandShiftIntensityd(_SCAN, offsets=(0.1, 0.1), prob=1),
                mt.RandScaleIntensityFixedMeand(_SCAN, factors=(0.2, 0.2), prob=1),
            ]
        ),
        "Gaussian noise": noise,
        "Rician noise": mt.RandRicianNoised(_SCAN, prob=1, std=0.05, sample_std=False),
        "blur": mt.RandGaussianSmoothd(_SCAN, prob=1, **sigma),
        "sharpen": mt.RandGaussianSharpend(_SCAN, prob=1),
        "bias field": bias,
        "spikes": mt.RandKSpaceSpikeNoised(_SCAN, prob=1),
        "Gibbs ringing": mt.RandGibbsNoised(_SCAN, prob=1, alpha=(0.5, 0.5)),
        "cut-out": mt.RandCoarseDropoutd(_SCAN, prob=1, holes=5, spatial_size=24, fill_value=0),
        "histogram shift": mt.RandHistogramShiftd(_SCAN, prob=1, num_control_points=7),
        "remap labels": mt.MapLabelValued(_LABELS, [3, 5], [1, 2], dtype=torch.uint8),
        "one-hot": mt.AsDiscreted(_LABELS, to_onehot=8),
        "keep largest": mt.KeepLargestConnectedComponentd(_LABELS),
        "composite": mt.Compose(composite),
        "composite, peers fused": mt.Compose(composite, lazy=True),
        "identity": mt.Compose(
            [
                mt.Orientationd(_BOTH, axcodes="LPS", labels=None),
                mt.Spacingd(_BOTH, (1,) * 3, mode=_MODES, dtype=None),
                mt.ResizeWithPadOrCropd(_BOTH, shape),
                mt.RandFlipd(_BOTH, prob=0, spatial_axis=1),
            ]
        ),
    }
