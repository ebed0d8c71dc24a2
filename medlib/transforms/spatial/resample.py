"""What a move does to each kind of value: one function a kind, for every spatial transform there is."""

from __future__ import annotations

from dataclasses import replace

from medlib.transforms.spatial.move import Move
from medlib.transforms.spatial.sampler import Sampler
from medlib.transforms.steps import apply, undo
from medlib.types import (
    Answer,
    Boxes,
    Contours,
    Kind,
    Mask,
    MultiVolume,
    PointCloud,
    Points,
    Probabilities,
    Reference,
    Volume,
    verb,
)


@verb
def resample(value: object, sampler: object) -> object:
    """``value`` moved: linear for scalars, label-aware for masks, exact for points.

    Register an implementation for ``(YourKind, Sampler)`` to teach every spatial transform a new
    kind at once: ``sampler.map`` takes points, ``sampler.linear`` and ``sampler.nearest`` take
    tensors on the grid that the move starts from.

    Args:
        value: of any kind that is registered.
        sampler: a :class:`Sampler`, or the :class:`Move` to make one of.

    Raises:
        ValueError: when the value is not on the grid that the move starts from.
        TypeError: for a kind that nothing is registered for.
    """
    raise AssertionError


@resample.register
def _(value: Kind, move: Move) -> Kind:
    moved: Kind = resample(value, Sampler(move))
    return moved


@resample.register
def _(value: Volume, sampler: Sampler) -> Volume:
    sampler.check(value.grid)
    data = sampler.linear(value.data, fill=value.background)
    return replace(value, data=data, grid=sampler.landing)


@resample.register
def _(value: MultiVolume, sampler: Sampler) -> MultiVolume:
    return replace(value, parts=tuple(resample(part, sampler) for part in value.parts))


@resample.register
def _(value: Reference, sampler: Sampler) -> Reference:
    return replace(value, scan=resample(value.scan, sampler))


@resample.register
def _(value: Mask, sampler: Sampler) -> Mask:
    sampler.check(value.grid)
    return replace(value, data=sampler.labels(value.data), grid=sampler.landing)


@resample.register
def _(value: Probabilities, sampler: Sampler) -> Probabilities:
    sampler.check(value.grid)
    nothing = [1.0] + [0.0] * len(value.labels)  # certainly background
    return replace(value, data=sampler.linear(value.data, fill=nothing), grid=sampler.landing)


@resample.register
def _(value: Points | PointCloud | Contours, sampler: Sampler) -> Points | PointCloud | Contours:
    return replace(value, coordinates=sampler.map(value.coordinates))


@resample.register
def _(value: Boxes, sampler: Sampler) -> Boxes:
    return replace(value, corners=sampler.map(value.corners))


@resample.register
def _(value: Answer, sampler: Sampler) -> Answer:
    return value


@apply.register
def _(step: Move, value: Kind) -> Kind:
    moved: Kind = resample(value, step)
    return moved


@undo.register
def _(step: Move, value: Kind) -> Kind:
    moved: Kind = resample(value, step.inverse)
    return moved
