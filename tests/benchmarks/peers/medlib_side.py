"""medlib: pipelines of recipes, called as in training."""

from __future__ import annotations

from functools import partial
from typing import Any

from side import Side
from torch import Tensor

from medlib import transforms as tf
from medlib.space import Grid
from medlib.types import Labels, Mask, MRVolume

_SEED = 50  # draws an elastic deformation of some 7 mm, by itself and in the composite


def side(scan: Tensor, labels: Tensor) -> Side:
    """medlib on this scan, (1, slice, row, column)."""
    shape = (scan.shape[1], scan.shape[2], scan.shape[3])
    grid = Grid.from_axes(shape)
    table = Labels.of([f"organ {number}" for number in range(1, 8)])

    def fresh() -> tf.Item:
        volume = MRVolume(scan.clone(), grid)
        return tf.Item((volume, Mask(labels.clone(), grid, table)), name="phantom")

    def look(item: tf.Item) -> tuple[Tensor, Tensor]:
        volume, mask = item.values
        return volume.data, mask.data  # type: ignore[attr-defined]

    return Side(
        fresh, {name: tf.Pipeline(recipes) for name, recipes in _works(shape).items()}, look
    )


def _works(shape: tuple[int, int, int]) -> dict[str, Any]:
    works = {}
    for name, recipes in {
        "flip": lambda: (tf.Flip("anterior-posterior"),),
        "reorient": lambda: (tf.Reorient("PIR"),),
        "crop": lambda: (tf.CropOrPad((96, 96, 96)),),
        "pad": lambda: (tf.CropOrPad((160, 160, 160)),),
        "affine": lambda: (tf.RandomAffine(degrees=10, scale=0.1, labels="nearest"),),
        # As 7 control points an axis, the outer two of which keep still.
        "elastic": lambda: (tf.Elastic(up_to=7.5, spacing=21, labels="nearest"),),
        "resample to 1.5 mm": lambda: (tf.Spacing((1.5, 1.5, 1.5), labels="nearest"),),
        "resize": lambda: (tf.Resize((96, 96, 96), labels="nearest"),),
        "patch anywhere": lambda: (tf.RandomPatch((64, 64, 64), on_label=0),),
        "patch on a label": lambda: (tf.RandomPatch((64, 64, 64), on_label=1),),
        "window": lambda: (tf.Window(0.5, 0.6),),
        "z-score": lambda: (tf.Normalise(),),
        "Gaussian noise": lambda: (tf.Noise(0.05),),
        "composite": lambda: (
            tf.Flip("anterior-posterior"),
            tf.RandomAffine(degrees=10, scale=0.1, labels="nearest"),
            tf.Elastic(up_to=7.5, spacing=21, labels="nearest"),
            tf.Spacing((1.5, 1.5, 1.5), labels="nearest"),
            tf.Gamma(),
            tf.Noise(0.05),
            tf.BiasField(),
        ),
        "identity": lambda: (
            tf.Reorient("SPL"),
            tf.Spacing((1, 1, 1)),
            tf.CropOrPad(shape),
            tf.Flip("anterior-posterior", probability=0),
        ),
    }.items():
        try:
            works[name] = recipes()
        except (AttributeError, TypeError):
            continue
    return works
