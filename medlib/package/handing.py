"""What people hand to a model, as values of the kinds that its inputs take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medlib import io
from medlib.data.series import read_on
from medlib.infer import (
    BoxesInput,
    Input,
    MaskInput,
    MeasurementInput,
    MultiVolumeInput,
    PointsInput,
    VolumeInput,
    WordsInput,
)
from medlib.space import Grid
from medlib.types import Categories, Category, Kind, Measurement, MultiVolume, Volume, verb


@verb
def handed(wanted: Input, given: object, *, on: Grid | None = None) -> Kind:
    """The value that an input takes, read or made from what was given for it.

    ==========================  ================================================================
    a value                     itself
    a scan                      a path that holds exactly one, or a stack
    several series              the path, stack or volume of each, by its name
    a mask, landmarks, boxes    the path of a file
    a measurement               a number, in the unit that the model was trained with
    a category                  a word
    categories                  the words that are true
    ==========================  ================================================================

    Args:
        wanted: the input.
        given: what is handed to it.
        on: the grid that gridded values have to lie on, once it is known.

    Raises:
        ValueError: when a file cannot be read, is of another kind, or lies on another grid.
        TypeError: for what no value can be made from.

    Example:
        >>> handed(MeasurementInput("a", mean=50, deviation=20, name="age"), 61)
        Measurement(value=61.0, unit='a', name='age')
    """
    raise AssertionError


@handed.register
def _(wanted: Input, given: Kind, *, on: Grid | None = None) -> Kind:
    return given


@handed.register
def _(wanted: VolumeInput, given: io.Stack, *, on: Grid | None = None) -> Volume:
    return given.read(wanted.kind)


@handed.register
def _(wanted: VolumeInput, given: str | Path, *, on: Grid | None = None) -> Volume:
    return io.read_volume(given, wanted.kind)


@handed.register
def _(wanted: MultiVolumeInput, given: Mapping, *, on: Grid | None = None) -> MultiVolume:  # type: ignore[type-arg]
    names = [name for name, _ in wanted.series]
    if missing := [name for name in names if name not in given]:
        raise ValueError(
            f"the series {', '.join(missing)} is missing; it is shown {', '.join(names)}"
        )
    found = {
        name: io.find_one(given[name]) if isinstance(given[name], str | Path) else given[name]
        for name in names
    }
    scan = found[names[0]]
    parts = tuple(
        read_on(found[name], scan, kind)
        if isinstance(found[name], io.Stack) and isinstance(scan, io.Stack)
        else handed(VolumeInput(kind, name), found[name])
        for name, kind in wanted.series
    )
    return MultiVolume(parts, tuple(names))


@handed.register
def _(wanted: MaskInput, given: str | Path, *, on: Grid | None = None) -> Kind:
    return io.read_mask(given, labels=wanted.labels, on=on)


@handed.register
def _(wanted: PointsInput, given: str | Path, *, on: Grid | None = None) -> Kind:
    return io.read_points(Path(given))


@handed.register
def _(wanted: BoxesInput, given: str | Path, *, on: Grid | None = None) -> Kind:
    return io.read_boxes(Path(given))


@handed.register
def _(wanted: MeasurementInput, given: int | float, *, on: Grid | None = None) -> Measurement:
    return Measurement(given, wanted.unit, wanted.name)


@handed.register
def _(wanted: WordsInput, given: str, *, on: Grid | None = None) -> Category | Categories:
    if wanted.exclusive:
        return Category(given, wanted.vocabulary)
    return Categories((given,), wanted.vocabulary)


@handed.register
def _(wanted: WordsInput, given: list | tuple | set, *, on: Grid | None = None) -> Categories:  # type: ignore[type-arg]
    return Categories(tuple(given), wanted.vocabulary)


def handed_all(inputs: Iterable[Input], given: Iterable[Any]) -> tuple[Kind, ...]:
    """A value for each input; the first that has a grid says what the others have to lie on."""
    values: list[Kind] = []
    grid: Grid | None = None
    for wanted, one in zip(inputs, given, strict=True):
        values.append(handed(wanted, one, on=grid))
        grid = grid or getattr(values[-1], "grid", None)
    return tuple(values)
