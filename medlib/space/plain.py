"""Maps from plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medlib.space.flow import Flow
from medlib.space.maps import Affine, Map, composed


def map_from_dict(values: Mapping[str, Any]) -> Map:
    """The map that :meth:`medlib.space.Map.to_dict` wrote.

    Raises:
        ValueError: for a type that is no map.

    Example:
        >>> map_from_dict(Affine.translation((1, 2, 3)).to_dict())([0, 0, 0])
        array([1., 2., 3.])
    """
    match values.get("type"):
        case "Affine":
            return Affine.from_dict(values)
        case "Flow":
            return Flow.from_dict(values)
        case "Chain":
            return composed([map_from_dict(factor) for factor in values["factors"]])
        case other:
            raise ValueError(f"{other!r} is no map of space; there are Affine, Flow and Chain")
