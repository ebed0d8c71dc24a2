"""Plain JSON for the frozen dataclasses that recipes and steps are.

A spec is ``{"type": class name, field: value, …}``. Reading one back takes the classes that may
be built, by name: nothing else in a file can be made to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import Any, TypeVar

from medlib.space import Grid, Map, map_from_dict
from medlib.types import SCAN_KINDS, Labels, Volume


@dataclass(frozen=True)
class Spec:
    """A frozen dataclass that JSON can hold.

    Its fields are plain values, grids, maps, label tables, the library's kinds of scan, other specs,
    and tuples of these.
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
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for tag, (cls, write, _) in _TAGGED.items():
        if isinstance(value, cls):
            return {tag: write(value)}
    raise TypeError(f"a spec cannot hold a {type(value).__name__}")


def _rich(value: Any, known: Mapping[str, type[Spec]]) -> Any:
    if isinstance(value, list):
        return tuple(_rich(v, known) for v in value)
    if not isinstance(value, Mapping):
        return value
    if "type" in value:
        return from_dict(value, known.values())
    (tag, *more) = value or ("",)
    return _TAGGED[tag][2](value[tag]) if tag in _TAGGED and not more else value


def _kind(name: str) -> type[Volume]:
    if name not in _KINDS:
        raise ValueError(f"{name!r} is no kind of scan; there are: {', '.join(_KINDS)}")
    return _KINDS[name]


def _name(kind: type) -> str:
    if kind not in _KINDS.values():
        raise TypeError(f"a spec holds the library's own kinds of scan, and not {kind.__name__}")
    return kind.__name__


_SCANS: tuple[type[Volume], ...] = (Volume, *SCAN_KINDS.values())
_KINDS = {kind.__name__: kind for kind in _SCANS}

# What is no plain value, the word that marks it, and how it is written and read.
_TAGGED: Mapping[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = MappingProxyType(
    {
        "Grid": (Grid, Grid.to_dict, Grid.from_dict),
        "Map": (Map, lambda found: found.to_dict(), map_from_dict),
        "Labels": (Labels, Labels.to_list, Labels.from_list),
        "Kind": (type, _name, _kind),
    }
)
