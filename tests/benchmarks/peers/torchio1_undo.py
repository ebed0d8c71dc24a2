"""TorchIO 1, back by the transforms that a subject remembers. It has no points."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torchio as tio
from undo_scene import Scene, flipped

Way = list[Any]


def there(scene: Scene, work: str, size: float) -> tuple[Scene, Way]:
    """The scene after the work, and the subject's history."""
    torch.manual_seed(0)
    moved = _transform(work, size)(_subject(scene))
    return _scene(moved), moved.applied_transforms


def back(moved: Scene, way: Way) -> Scene:
    """The scene as the history's inverse leaves it."""
    subject = _subject(moved)
    subject.applied_transforms = list(way)
    return _scene(subject.apply_inverse_transform())


def to_json(way: Way) -> Any:
    """The history as it is: names and arguments."""
    return way


def from_json(values: Any) -> Way:
    """The history that was written."""
    return [tuple(each) for each in values]


def _transform(work: str, size: float) -> Any:
    match work:
        case "flip":
            return tio.RandomFlip(axes=(1,), flip_probability=1)
        case "crop" | "pad":
            return tio.CropOrPad(int(size))
        case "reorient":
            return tio.ToOrientation("RIP")
        case "affine":
            return tio.RandomAffine(scales=(1.1, 1.1) * 3, degrees=(size, size) * 3)
        case "resample":
            return tio.Resample(size)
        case "elastic":
            return tio.RandomElasticDeformation(num_control_points=7, max_displacement=size)
    raise KeyError(work)


def _subject(scene: Scene) -> tio.Subject:
    affine = flipped(scene.affine)
    return tio.Subject(
        scan=tio.ScalarImage(tensor=scene.scan.transpose(0, 3, 2, 1).copy(), affine=affine),
        labels=tio.LabelMap(tensor=scene.labels.T[None].copy(), affine=affine),
        seen=tio.LabelMap(tensor=scene.seen.T[None].copy(), affine=affine),
    )


def _scene(subject: tio.Subject) -> Scene:
    return Scene(
        subject.scan.numpy().transpose(0, 3, 2, 1).astype(np.float32),
        subject.labels.numpy()[0].T.astype(np.uint8),
        subject.seen.numpy()[0].T.astype(np.uint8),
        flipped(np.array(subject.scan.affine)),
    )
