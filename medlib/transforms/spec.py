"""Plain JSON for the frozen dataclasses that recipes and steps are.

A spec is ``{"type": class name, field: value, …}``. Reading one back takes the classes that may
be built, by name: nothing else in a file can be made to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from medlib.space import Grid, Map, map_from_dict
from medlib.types import Labels


@dataclass(frozen=True)
class Spec:
    """A frozen dataclass that JSON can hold.

    Its fields are plain values, grids, maps, label tables, other specs, and tuples of these.
    """

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that :func:`from_dict` reads back to an equal object."""
        values = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {"type": type(self).__name__} | values


S = TypeVar("S", bound=Spec)


def from_dict(values: Mapping[str, Any], classes: Iterable[type[S]]) -> S:
    """The object that :meth:`Spec.to_dict` wrote, if its class is one of ``classes``.

    The same holds for the specs among its fields.

    Raises:
        ValueError: for a type that is not among ``classes``, or other fields than it has.
    """
    known = {c.__name__: c for c in classes}
    name = values.get("type")
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{name!r} is not one of the types allowed here: {', '.join(known)}")
    cls = known[name]
    arguments = {key: _rich(value, known) for key, value in values.items() if key != "type"}
    unknown = set(arguments) - {f.name for f in fields(cls)}
    if unknown:
        raise ValueError(f"{name} has no {', '.join(sorted(unknown))}")
    needed = {f.name for f in fields(cls) if f.default is MISSING}
    if missing := needed - set(arguments):
        raise ValueError(f"{name} needs {', '.join(sorted(missing))}")
    return cls(**arguments)


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.to_dict()
    if isinstance(value, Grid):
        return {"Grid": value.to_dict()}
    if isinstance(value, Map):
        return {"Map": value.to_dict()}
    if isinstance(value, Labels):
        return {"Labels": value.to_list()}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a spec cannot hold a {type(value).__name__}")


def _rich(value: Any, known: Mapping[str, type[Spec]]) -> Any:
    if isinstance(value, list):
        return tuple(_rich(v, known) for v in value)
    if isinstance(value, Mapping):
        if "type" in value:
            return from_dict(value, known.values())
        if set(value) == {"Grid"}:
            return Grid.from_dict(value["Grid"])
        if set(value) == {"Map"}:
            return map_from_dict(value["Map"])
        if set(value) == {"Labels"}:
            return Labels.from_list(value["Labels"])
    return value
