"""Items as plain JSON and tensors, and back: nothing that is read is ever run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from medlib.space import Grid
from medlib.transforms import STEPS, Item, Step, Trail
from medlib.types import Kind, Labels, Mask, verb

Tensors = dict[str, Tensor]
T = TypeVar("T")


def packed(item: Item) -> tuple[dict[str, Any], Tensors]:
    """An item as plain JSON values, and the tensors that they refer to by name.

    Any kind will do that is a dataclass of tensors, arrays, grids, label tables, kinds, plain
    values and tuples of these. Tensors are contiguous and share no memory. With a mask goes where
    its labels are (:attr:`medlib.types.Mask.sites`), so that whoever reads it need not look again.

    Raises:
        TypeError: for a kind that holds anything else.
    """
    tensors: Tensors = {}
    values = _plain(item.values, tensors)
    return {"name": item.name, "trail": item.trail.to_dict(), "values": values}, tensors


def unpacked(said: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Item:
    """The item that :func:`packed` took apart; its tensors are those given, not copies.

    Raises:
        ValueError: for a kind or a step that no class here is called by.
    """
    # Where a class of one's own is called as one of the library's, the library's is meant.
    trail = Trail.from_dict(said["trail"], steps=(*_below(Step), *STEPS))
    return Item(_rich(said["values"], tensors), trail, said["name"])


@verb
def _plain(value: object, tensors: Tensors) -> Any:
    """JSON values that :func:`_rich` reads; what is no JSON is ``{form: …}``."""


@_plain.register
def _(value: bool | int | str | None, tensors: Tensors) -> Any:
    return value


@_plain.register
def _(value: float, tensors: Tensors) -> Any:
    return value if math.isfinite(value) else {"float": repr(value)}


@_plain.register
def _(value: tuple | list, tensors: Tensors) -> Any:  # type: ignore[type-arg]
    return [_plain(one, tensors) for one in value]


@_plain.register
def _(value: Tensor, tensors: Tensors) -> Any:
    return {"tensor": _added(value, tensors)}


@_plain.register
def _(value: np.ndarray, tensors: Tensors) -> Any:
    return {"array": _added(torch.from_numpy(np.array(value)), tensors)}


@_plain.register
def _(value: Grid, tensors: Tensors) -> Any:
    return {"grid": value.to_dict()}


@_plain.register
def _(value: Labels, tensors: Tensors) -> Any:
    return {"labels": value.to_list()}


@_plain.register
def _(value: Kind, tensors: Tensors) -> Any:
    named = (f.name for f in fields(value))  # type: ignore[arg-type]
    held = {name: _plain(getattr(value, name), tensors) for name in named}
    return {"kind": {"class": _name(type(value)), "fields": held}}


@_plain.register
def _(value: Mask, tensors: Tensors) -> Any:
    held = {f.name: _plain(getattr(value, f.name), tensors) for f in fields(value)}
    sites = _plain(tuple(value.sites.items()), tensors)
    return {"mask": {"class": _name(type(value)), "fields": held, "sites": sites}}


def _rich(said: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(said, list):
        return tuple(_rich(one, tensors) for one in said)
    if not isinstance(said, dict):
        return said
    ((form, held),) = said.items()
    return _FORMS[form](held, tensors)


def _kind(said: Any, tensors: Mapping[str, Tensor]) -> Kind:
    kinds = {_name(kind): kind for kind in _below(Kind)}
    if said["class"] not in kinds:
        raise ValueError(f"there is no kind {said['class']!r} here")
    return kinds[said["class"]](**{k: _rich(v, tensors) for k, v in said["fields"].items()})


def _mask(said: Any, tensors: Mapping[str, Tensor]) -> Kind:
    mask, sites = _kind(said, tensors), dict(_rich(said["sites"], tensors))
    for places in sites.values():
        places.setflags(write=False)
    vars(mask)["sites"] = sites  # as if they had been looked for
    return mask


_FORMS: Mapping[str, Callable[[Any, Mapping[str, Tensor]], Any]] = MappingProxyType(
    {
        "tensor": lambda name, tensors: tensors[name],
        "array": lambda name, tensors: tensors[name].numpy(),
        "float": lambda number, _: float(number),
        "grid": lambda grid, _: Grid.from_dict(grid),
        "labels": lambda rows, _: Labels.from_list(rows),
        "kind": _kind,
        "mask": _mask,
    }
)


def _added(tensor: Tensor, tensors: Tensors) -> str:
    whole = tensor.detach().cpu().contiguous()
    shared = {other.untyped_storage().data_ptr() for other in tensors.values()}
    memory = whole.untyped_storage()
    if memory.nbytes() != whole.nbytes or memory.data_ptr() in shared:
        whole = whole.clone()
    name = str(len(tensors))
    tensors[name] = whole
    return name


def _below(base: type[T]) -> Iterator[type[T]]:
    """All classes that are derived from one, and that somebody has imported."""
    for kind in base.__subclasses__():
        yield kind
        yield from _below(kind)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
