"""medlib: pipelines of recipes, called as in training. Where peers take the nearest label, so does it."""

from __future__ import annotations

from functools import partial
from typing import Any

from side import Side
from torch import Tensor

from medlib import transforms as tf
from medlib.space import Grid
from medlib.types import Labels, Mask, MRVolume

_SEED = 50  # draws an elastic deformation of some 7 mm, by itself and in the composite
_ORGANS = tuple((number, f"organ {number}") for number in range(1, 8))


def side(scan: Tensor, labels: Tensor) -> Side:
    """medlib on this scan, (1, slice, row, column)."""
    shape = (scan.shape[1], scan.shape[2], scan.shape[3])
    grid, table = Grid.from_axes(shape), Labels.of(dict(_ORGANS))

    def fresh() -> tf.Item:
        volume, mask = MRVolume(scan.clone(), grid), Mask(labels.clone(), grid, table)
        return tf.Item((volume, mask), name="phantom")

    def look(item: tf.Item) -> tuple[Tensor, Tensor]:
        volume, mask = item.values
        return volume.data, mask.data  # type: ignore[attr-defined]

    works = {
        name: partial(tf.Pipeline(recipes), seed=_SEED) for name, recipes in _works(shape).items()
    }
    return Side(fresh, works, look)


def _works(shape: tuple[int, int, int]) -> dict[str, tuple[Any, ...]]:
    flip = tf.Flip("anterior-posterior")
    affine = tf.RandomAffine(degrees=10, scale=0.1, labels="nearest")
    # As 7 control points an axis, of which the outer two at each end keep still.
    elastic = tf.Elastic(up_to=7.5, spacing=21, labels="nearest")
    resample = tf.Spacing((1.5, 1.5, 1.5), labels="nearest")
    gamma, noise, bias = tf.Gamma(1.35, 1.35), tf.Noise(0.05), tf.BiasField()
    composite = (flip, affine, elastic, resample, gamma, noise, bias)
    joined = {"organ 3": "organ 1", "organ 5": "organ 2"}
    kept = tuple((number, name) for number, name in _ORGANS if name not in joined)
    return {
        "flip": (flip,),
        "reorient": (tf.Reorient("PIR"),),
        "crop": (tf.CropOrPad((96, 96, 96)),),
        "pad": (tf.CropOrPad((160, 160, 160)),),
        "affine": (affine,),
        "elastic": (elastic,),
        "resample to 1.5 mm": (resample,),
        "resize": (tf.Resize((96, 96, 96), labels="nearest"),),
        "patch anywhere": (tf.RandomPatch((64, 64, 64), on_label=0),),
        "patch on a label": (tf.RandomPatch((64, 64, 64), on_label=1),),
        "low resolution": (tf.LowResolution(0.5),),
        "window": (tf.Window(0.5, 0.6),),
        "clip": (tf.Clip(0.2, 0.8),),
        "z-score": (tf.Normalise(),),
        "percentile rescale": (tf.Percentiles(1, 99),),
        "histogram standardisation": (
            tf.HistogramStandardise((0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)),
        ),
        "gamma": (gamma,),
        "brightness and contrast": (tf.Brightness(contrast=0, shift=0.1), tf.Contrast()),
        "Gaussian noise": (noise,),
        "Rician noise": (tf.RicianNoise(0.05),),
        "blur": (tf.Blur(1.5, 1.5),),
        "sharpen": (tf.Sharpen(),),
        "bias field": (bias,),
        "motion": (tf.Motion(movements=2),),
        "ghosting": (tf.Ghosting(4, 4),),
        "spikes": (tf.Spikes(),),
        "Gibbs ringing": (tf.Gibbs(),),
        "cut-out": (tf.CutOut(boxes=5, up_to=0.375),),  # sides of 24 voxels, on average
        "histogram shift": (tf.HistogramShift(7),),
        "remap labels": (
            tf.Remap(tuple((name, joined.get(name, name)) for _, name in _ORGANS), kept),
        ),
        "one-hot": (tf.OneHot(),),
        "keep largest": (tf.KeepLargest(),),
        "composite": composite,
        "composite, peers fused": composite,
        "identity": (
            tf.Reorient("SPL"),
            tf.Spacing((1, 1, 1)),
            tf.CropOrPad(shape),
            tf.Flip("anterior-posterior", probability=0),
        ),
    }
