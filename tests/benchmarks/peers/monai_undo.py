"""MONAI, back by the pipeline's own inverse. Points follow by the affine of the scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from monai import transforms as mt
from monai.data import MetaTensor
from scipy.spatial.transform import Rotation
from undo_scene import Array, Scene, flipped

Way = tuple[Any, dict[str, Any]]
_KEYS = ("scan", "labels", "seen")
_MODES = ("bilinear", "nearest", "nearest")
_RAS = np.array([-1.0, -1.0, 1.0])


def there(scene: Scene, work: str, size: float) -> tuple[Scene, Way]:
    """The scene after the work; the pipeline, and what its tensors remember."""
    follow = mt.TransformPointsWorldToImaged("points", refer_keys="scan")
    pipeline = mt.Compose([_transform(scene, work, size), follow])
    pipeline.set_random_state(0)
    data = _tensors(scene)
    data["points"] = MetaTensor(torch.from_numpy(scene.points * _RAS)[None])
    moved = pipeline(data)
    return _scene(moved, _carried(moved["points"][0].numpy(), _affine(moved))), (
        pipeline,
        {key: moved[key].applied_operations for key in (*_KEYS, "points")},
    )


def back(moved: Scene, way: Way) -> Scene:
    """The scene as the pipeline's inverse leaves it."""
    pipeline, operations = way
    data = _tensors(moved)
    index = _carried(moved.points * _RAS, np.linalg.inv(flipped(moved.affine)))
    data["points"] = MetaTensor(torch.from_numpy(index)[None])
    for key, applied in operations.items():
        data[key].applied_operations = list(applied)
    home = pipeline.inverse(data)
    return _scene(home, home["points"][0].numpy())


def to_json(way: Way) -> Any:
    """What the tensors remember."""
    return way[1]


def from_json(values: Any) -> Way:
    """What was written, and the pipeline's first transform by its name: all that there is to it."""
    made = [getattr(mt, each["class"])(_KEYS) for each in values["scan"]]
    return mt.Compose(made), values


def _transform(scene: Scene, work: str, size: float) -> Any:
    match work:
        case "flip":
            return mt.Flipd(_KEYS, spatial_axis=1)
        case "crop" | "pad":
            return mt.ResizeWithPadOrCropd(_KEYS, int(size))
        case "reorient":
            return mt.Orientationd(_KEYS, "RIP")
        case "affine":
            # Its own angles turn indices, not millimetres; slices of 7.7 mm would be torn apart.
            axes = flipped(scene.affine)[:3, :3]
            turn = 1.1 * Rotation.from_euler("xyz", (size, size, size), degrees=True).as_matrix()
            pull = np.eye(4)
            pull[:3, :3] = np.linalg.inv(axes) @ np.linalg.inv(turn) @ axes
            return mt.Affined(
                _KEYS, affine=pull, mode=_MODES, padding_mode="zeros", dtype=np.float64
            )
        case "resample":
            return mt.Spacingd(_KEYS, (size, size, size), mode=_MODES)
        case "elastic":
            # Noise from -1 to 1, smoothed by 8 voxels, reaches 0.015.
            magnitude = size / 0.015
            return mt.Rand3DElasticd(
                _KEYS,
                sigma_range=(8, 8),
                magnitude_range=(magnitude, magnitude),
                prob=1,
                mode=_MODES,
                padding_mode="border",
            )
    raise KeyError(work)


def _tensors(scene: Scene) -> dict[str, Any]:
    affine = torch.from_numpy(flipped(scene.affine))
    arrays = (scene.scan, scene.labels[None], scene.seen[None])
    return {
        key: MetaTensor(
            torch.from_numpy(data.transpose(0, 3, 2, 1).astype(np.float32)), affine=affine
        )
        for key, data in zip(_KEYS, arrays, strict=True)
    }


def _scene(data: dict[str, Any], ras: Array) -> Scene:
    scan, labels, seen = (data[key].numpy().transpose(0, 3, 2, 1) for key in _KEYS)
    return Scene(
        scan.astype(np.float32),
        np.rint(labels[0]).astype(np.uint8),
        np.rint(seen[0]).astype(np.uint8),
        flipped(_affine(data)),
        ras * _RAS,
    )


def _affine(data: dict[str, Any]) -> Array:
    return data["scan"].affine.numpy().astype(np.float64)  # type: ignore[no-any-return]


def _carried(points: Array, affine: Array) -> Array:
    moved: Array = points @ affine[:3, :3].T + affine[:3, 3]
    return moved
