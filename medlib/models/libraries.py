"""Libraries that some networks need, and that are not always installed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

import torch


@cache
def torchvision() -> ModuleType:
    """The package ``torchvision``, also beside a PyTorch that its compiled part was not made for.

    Raises:
        ImportError: when it is not installed.
    """
    try:
        return _installed("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    # Only CUDA builds are published, and beside a CPU build of PyTorch their operators do not
    # load. Nothing here calls them, but torchvision looks their schemas up when it is imported.
    _schemas()
    return _installed("torchvision")


@cache
def timm() -> ModuleType:
    """The package ``timm``, which needs torchvision.

    Raises:
        ImportError: when either is not installed.
    """
    torchvision()
    return _installed("timm")


def einops() -> ModuleType:
    """The package ``einops``, which MONAI's transformers are written with.

    Raises:
        ImportError: when it is not installed.
    """
    return _installed("einops")


@cache
def _schemas() -> torch.library.Library:
    """Declarations of torchvision's operators, valid for as long as this object lives."""
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library.define(schema)  # type: ignore[no-untyped-call]
    return library


def _installed(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(
            f"this network needs {name}, which is not installed: pip install {name}"
        ) from error
