"""What the worker asks of a library: fresh inputs, its transforms by name, and a look at results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Side:
    """One library, ready to be timed on one scan with its labels.

    Args:
        fresh: makes an input that nothing else refers to, so that it may be changed in place.
        works: the transforms, by the names that all sides share; what is missing is not offered.
        look: the voxels and the labels of an input or a result.
    """

    fresh: Callable[[], Any]
    works: Mapping[str, Callable[[Any], Any]]
    look: Callable[[Any], tuple[Tensor, Tensor]]
