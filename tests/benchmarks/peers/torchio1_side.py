"""TorchIO 1. ``copy=False`` throughout: the input is ours to change, and copies are not timed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torchio as tio
from side import Side
from torch import Tensor

# From (x, y, z) indices of a grid whose axes run left, posterior, superior to RAS millimetres.
_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
_PLAIN: dict[str, Any] = {"copy": False}


def side(scan: Tensor, labels: Tensor) -> Side:
    """TorchIO 1 on this scan, (1, slice, row, column)."""
    voxels, ids = (data.permute(0, 3, 2, 1).contiguous() for data in (scan, labels))

    def fresh() -> tio.Subject:
        return tio.Subject(
            scan=tio.ScalarImage(tensor=voxels.clone(), affine=_AFFINE),
            labels=tio.LabelMap(tensor=ids.clone(), affine=_AFFINE),
        )

    return Side(fresh, _works(tuple(voxels.shape[1:])), lambda s: (s.scan.data, s.labels.data))


def _works(shape: tuple[int, ...]) -> dict[str, Any]:
    flip = tio.RandomFlip(axes=(1,), flip_probability=1, **_PLAIN)
    affine = {"scales": (1.1, 1.1) * 3, "degrees": (10, 10) * 3}
    elastic = {"num_control_points": 7, "max_displacement": 7.5}
    resample = tio.Resample(1.5, **_PLAIN)
    gamma = tio.RandomGamma(log_gamma=(0.3, 0.3), **_PLAIN)
    noise = tio.RandomNoise(std=(0.05, 0.05), **_PLAIN)
    bias = tio.RandomBiasField(coefficients=0.5, order=3, **_PLAIN)
    moved = tio.RandomAffine(**affine, **_PLAIN)
    bent = tio.RandomElasticDeformation(**elastic, **_PLAIN)
    both = tio.RandomAffineElasticDeformation(
        affine_kwargs=affine, elastic_kwargs=elastic, **_PLAIN
    )
    anywhere, on_label = tio.UniformSampler(64), tio.LabelSampler(64, "labels")
    return {
        "flip": flip,
        "reorient": tio.ToOrientation("RIP", **_PLAIN),
        "crop": tio.CropOrPad(96, **_PLAIN),
        "pad": tio.CropOrPad(160, **_PLAIN),
        "affine": moved,
        "elastic": bent,
        "resample to 1.5 mm": resample,
        "resize": tio.Resize(96, **_PLAIN),
        "low resolution": tio.RandomAnisotropy(axes=(2,), downsampling=(2, 2), **_PLAIN),
        "patch anywhere": lambda s: next(iter(anywhere(s, 1))),
        "patch on a label": lambda s: next(iter(on_label(s, 1))),
        "window": tio.Compose(
            [tio.Clamp(0.2, 0.8, **_PLAIN), tio.RescaleIntensity(in_min_max=(0.2, 0.8), **_PLAIN)],
            **_PLAIN,
        ),
        "clip": tio.Clamp(0.2, 0.8, **_PLAIN),
        "z-score": tio.ZNormalization(**_PLAIN),
        "percentile rescale": tio.RescaleIntensity(percentiles=(1, 99), **_PLAIN),
        "histogram standardisation": tio.HistogramStandardization(
            {"scan": np.linspace(0, 100, 13)}, **_PLAIN
        ),
        "gamma": gamma,
        "Gaussian noise": noise,
        "blur": tio.RandomBlur(std=(1.5, 1.5), **_PLAIN),
        "bias field": bias,
        "motion": tio.RandomMotion(degrees=(5, 5), translation=(5, 5), num_transforms=2, **_PLAIN),
        "ghosting": tio.RandomGhosting(
            num_ghosts=(4, 4), axes=(1,), intensity=(0.7, 0.7), **_PLAIN
        ),
        "spikes": tio.RandomSpike(intensity=(1, 1), **_PLAIN),
        # It swaps boxes rather than emptying them; the voxels moved are as many.
        "cut-out": tio.RandomSwap(patch_size=24, num_iterations=5, **_PLAIN),
        "remap labels": tio.RemapLabels({3: 1, 5: 2}, **_PLAIN),
        "one-hot": tio.OneHot(8, **_PLAIN),
        "composite": tio.Compose([flip, moved, bent, resample, gamma, noise, bias], **_PLAIN),
        "composite, peers fused": tio.Compose([flip, both, resample, gamma, noise, bias], **_PLAIN),
        "identity": tio.Compose(
            [
                tio.ToOrientation("LPS", **_PLAIN),
                tio.Resample(1, **_PLAIN),
                tio.CropOrPad(shape, **_PLAIN),
                tio.RandomFlip(axes=(1,), flip_probability=0, **_PLAIN),
            ],
            **_PLAIN,
        ),
    }
