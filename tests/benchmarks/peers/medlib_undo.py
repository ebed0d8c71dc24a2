"""medlib, there by a pipeline and back by the trail."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from undo_scene import Scene

from medlib import transforms as tf
from medlib.space import Affine, Grid
from medlib.transforms import Item, Trail
from medlib.types import Labels, Mask, MRVolume, Points

_SEED = 50  # draws nearly the greatest distance that is asked for


def there(scene: Scene, work: str, size: float) -> tuple[Scene, Trail]:
    """The scene after the work, and its trail."""
    item = Item((*_values(scene), Points(scene.points)), name="scene")
    moved = tf.Pipeline((_recipe(work, size, item.grid),))(item, seed=_SEED)
    return _scene(moved.values), moved.trail


def back(moved: Scene, trail: Trail) -> Scene:
    """The scene as the trail brings it home."""
    values = (*_values(moved), Points(moved.points))
    return _scene(tuple(trail.decode(value) for value in values))


def to_json(trail: Trail) -> Any:
    """The trail in plain values."""
    return trail.to_dict()


def from_json(values: Any) -> Trail:
    """The trail that :func:`to_json` wrote."""
    return Trail.from_dict(values)


def _recipe(work: str, size: float, grid: Grid) -> tf.Transform:
    match work:
        case "flip":
            return tf.Flip("anterior-posterior")
        case "crop" | "pad":
            return tf.CropOrPad((int(size), int(size), int(size)))
        case "reorient":
            return tf.Reorient("PIR")
        case "affine":
            turn = Affine.rotation((size, size, size)).matrix[:3, :3]
            return tf.MoveBy(Affine.linear(1.1 * turn, centre=grid.centre))
        case "resample":
            return tf.Spacing((size, size, size))
        case "elastic":
            return tf.Elastic(up_to=size, spacing=21)
    raise KeyError(work)


def _values(scene: Scene) -> tuple[MRVolume, Mask, Mask]:
    shape = scene.labels.shape
    grid = Grid((shape[0], shape[1], shape[2]), scene.affine)
    organs = Labels.of({k: f"organ {k}" for k in range(1, 1 + int(scene.labels.max()))})
    return (
        MRVolume(torch.from_numpy(scene.scan), grid),
        Mask(torch.from_numpy(scene.labels)[None], grid, organs),
        Mask(torch.from_numpy(scene.seen)[None], grid, Labels.of(["seen"])),
    )


def _scene(values: tuple[Any, ...]) -> Scene:
    scan, labels, seen, points = values
    return Scene(
        scan.data.numpy(),
        labels.data[0].numpy().astype(np.uint8),
        seen.data[0].numpy().astype(np.uint8),
        np.array(scan.grid.affine),
        np.array(points.coordinates),
    )
