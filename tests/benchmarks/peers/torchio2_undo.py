"""TorchIO 2, back by the transforms that a subject remembers; labels are read one by one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import torchio as tio
from undo_scene import Scene, flipped

Way = list[Any]
_BY_LABEL: dict[str, Any] = {"label_interpolation": "label"}
_RAS = np.array([-1.0, -1.0, 1.0])


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
    """The history in plain values."""
    return [asdict(each) for each in way]


def from_json(values: Any) -> Way:
    """The history that :func:`to_json` wrote."""
    return [tio.AppliedTransform(**each) for each in values]


def _transform(work: str, size: float) -> Any:
    match work:
        case "flip":
            return tio.Flip(axes=1)
        case "crop" | "pad":
            return tio.CropOrPad(int(size))
        case "reorient":
            return tio.Reorient("RIP")
        case "affine":
            return tio.Affine(scales=1.1, degrees=size, **_BY_LABEL)
        case "resample":
            return tio.Resample(size, **_BY_LABEL)
        case "elastic":
            return tio.ElasticDeformation(num_control_points=7, max_displacement=size, **_BY_LABEL)
    raise KeyError(work)


def _subject(scene: Scene) -> tio.Subject:
    affine = flipped(scene.affine)
    points = {}
    if scene.points is not None:
        ras = torch.from_numpy(scene.points * _RAS)
        points["points"] = tio.Points(ras, axes="RAS", affine=affine)
    return tio.Subject(
        scan=tio.ScalarImage(torch.tensor(scene.scan.transpose(0, 3, 2, 1)), affine=affine),
        labels=tio.LabelMap(torch.tensor(scene.labels.T[None]), affine=affine),
        seen=tio.LabelMap(torch.tensor(scene.seen.T[None]), affine=affine),
        **points,
    )


def _scene(subject: tio.Subject) -> Scene:
    points = subject.points.get("points")
    return Scene(
        subject.scan.data.numpy().transpose(0, 3, 2, 1).astype(np.float32),
        subject.labels.data.numpy()[0].T.astype(np.uint8),
        subject.seen.data.numpy()[0].T.astype(np.uint8),
        flipped(np.array(subject.scan.affine, dtype=np.float64)),
        None if points is None else points.to_axes("RAS").data.numpy() * _RAS,
    )
