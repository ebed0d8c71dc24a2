"""TorchIO 2. ``copy=False`` throughout: the input is ours to change, and copies are not timed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torchio as tio
from side import Side
from torch import Tensor

# From (x, y, z) indices of a grid whose axes run left, posterior, superior to RAS millimetres.
_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
_PLAIN: dict[str, Any] = {"copy": False}


def side(scan: Tensor, labels: Tensor) -> Side:
    """TorchIO 2 on this scan, (1, slice, row, column)."""
    voxels, ids = (data.permute(0, 3, 2, 1).contiguous() for data in (scan, labels))

    def fresh() -> tio.Subject:
        return tio.Subject(
            scan=tio.ScalarImage(voxels.clone(), affine=_AFFINE),
            labels=tio.LabelMap(ids.clone(), affine=_AFFINE),
        )

    return Side(fresh, _works(tuple(voxels.shape[1:])), lambda s: (s.scan.data, s.labels.data))


def _works(shape: tuple[int, ...]) -> dict[str, Any]:
    flip = tio.Flip(axes=1, **_PLAIN)
    affine = {"scales": 1.1, "degrees": 10}
    elastic = {"num_control_points": 7, "max_displacement": 7.5}
    gamma = tio.Gamma(log_gamma=0.3, **_PLAIN)
    noise = tio.Noise(std=0.05, **_PLAIN)
    bias = tio.BiasField(**_PLAIN)
    moved = tio.Affine(**affine, **_PLAIN)
    bent = tio.ElasticDeformation(**elastic, **_PLAIN)
    resample = tio.Resample(1.5, **_PLAIN)
    all_at_once = tio.Spatial(target=1.5, **affine, **elastic, **_PLAIN)
    anywhere, on_label = _sampler(tio.UniformSampler), _sampler(tio.LabelSampler, "labels")
    return {
        "flip": flip,
        "reorient": tio.Reorient("RIP", **_PLAIN),
        "crop": tio.CropOrPad(96, **_PLAIN),
        "pad": tio.CropOrPad(160, **_PLAIN),
        "affine": moved,
        "elastic": bent,
        "resample to 1.5 mm": resample,
        "resize": tio.Resize(96, **_PLAIN),
        "low resolution": _coarser,
        "patch anywhere": anywhere,
        "patch on a label": on_label,
        "window": tio.Normalize(in_min=0.2, in_max=0.8, out_min=0, out_max=1, **_PLAIN),
        "clip": tio.Clamp(out_min=0.2, out_max=0.8, **_PLAIN),
        "z-score": tio.ZNormalization(**_PLAIN),
        "percentile rescale": tio.Normalize(
            percentile_low=1, percentile_high=99, out_min=0, out_max=1, **_PLAIN
        ),
        "histogram standardisation": tio.HistogramStandardization(
            torch.linspace(0, 100, 13), **_PLAIN
        ),
        "gamma": gamma,
        "Gaussian noise": noise,
        "Rician noise": tio.Noise(std=0.05, rician=True, **_PLAIN),
        "blur": tio.Blur(std=1.5, **_PLAIN),
        "bias field": bias,
        "motion": tio.Motion(degrees=5, translation=5, num_transforms=2, **_PLAIN),
        "ghosting": tio.Ghosting(num_ghosts=4, axes=(1,), intensity=0.7, **_PLAIN),
        "spikes": tio.Spike(intensity=1, **_PLAIN),
        # It swaps boxes rather than emptying them; the voxels moved are as many.
        "cut-out": tio.Swap(patch_size=24, num_iterations=5, **_PLAIN),
        "remap labels": tio.RemapLabels({3: 1, 5: 2}, **_PLAIN),
        "one-hot": tio.OneHot(num_classes=8, **_PLAIN),
        "keep largest": tio.KeepLargestComponent(**_PLAIN),
        "composite": tio.Compose([flip, moved, bent, resample, gamma, noise, bias], **_PLAIN),
        "composite, peers fused": tio.Compose([flip, all_at_once, gamma, noise, bias], **_PLAIN),
        "identity": tio.Compose(
            [
                tio.Reorient("LPS", **_PLAIN),
                # No Resample: even to the spacing that there is, it changes integers by one.
                tio.CropOrPad(shape, **_PLAIN),
                tio.Flip(axes=1, flip_probability=0, **_PLAIN),
            ],
            **_PLAIN,
        ),
    }


def _coarser(subject: tio.Subject) -> tio.Subject:
    """The scan with half the resolution; given a subject, Anisotropy would do the labels too."""
    coarser = tio.Anisotropy(axes=(2,), downsampling=2, **_PLAIN)
    return tio.Subject(scan=coarser(subject.scan), labels=subject.labels)


def _sampler(kind: Any, *names: str) -> Any:
    return lambda subject: next(iter(kind(subject, 64, *names, num_patches=1)))
