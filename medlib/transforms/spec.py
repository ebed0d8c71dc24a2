"""Plain JSON for the frozen dataclasses that recipes and steps are.

A spec is ``{"type": class name, field: value, …}``. Reading one back takes the classes that may
be built, by name: nothing else in a file can be made to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from medlib.space import Affine, Grid

_GEOMETRY: dict[str, type[Grid] | type[Affine]] = {"Grid": Grid, "Affine": Affine}


@dataclass(frozen=True)
class Spec:
    """A frozen dataclass of plain values, grids, maps, and tuples of these, that JSON can hold."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that :func:`from_dict` reads back to an equal object."""
        values = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {"type": type(self).__name__} | values


S = TypeVar("S", bound=Spec)


def from_dict(values: Mapping[str, Any], classes: Iterable[type[S]]) -> S:
    """The object that :meth:`Spec.to_dict` wrote, if its class is one of ``classes``.

    Raises:
        ValueError: for a type that is not among ``classes``, or other fields than it has.
    """
    known = {c.__name__: c for c in classes}
    name = values.get("type")
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{name!r} is not one of the types allowed here: {', '.join(known)}")
    cls = known[name]
    arguments = {key: _rich(value) for key, value in values.items() if key != "type"}
    unknown = set(arguments) - {f.name for f in fields(cls)}
    if unknown:
        raise ValueError(f"{name} has no {', '.join(sorted(unknown))}")
    needed = {f.name for f in fields(cls) if f.default is MISSING}
    if missing := needed - set(arguments):
        raise ValueError(f"{name} needs {', '.join(sorted(missing))}")
    return cls(**arguments)


def _plain(value: Any) -> Any:
    if isinstance(value, Grid | Affine):
        return {type(value).__name__: value.to_dict()}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a spec cannot hold a {type(value).__name__}")


def _rich(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_rich(v) for v in value)
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, inner),) = value.items()
        if name in _GEOMETRY:
            return _GEOMETRY[name].from_dict(inner)
    return value
