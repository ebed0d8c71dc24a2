"""Steps that change voxel values and leave them in place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

import torch
from torch import Tensor

from medlib.transforms.steps import Step, apply, undo
from medlib.types import Category, Mask, Points, Probabilities, Volume

Unscanned = Mask | Probabilities | Points | Category  # kinds without intensities


@dataclass(frozen=True)
class Rescale(Step):
    """Clips to ``low``…``high``, subtracts ``offset``, multiplies by ``factor``.

    Args:
        offset: in the volume's units.
        factor: per unit.
        low: values below are set to it; None for no such bound.
        high: values above are set to it; None for no such bound.
        units: of the volume before; afterwards they are ``"1"``.

    Raises:
        ValueError: for a factor of 0, which could not be undone.
    """

    offset: float
    factor: float
    low: float | None = None
    high: float | None = None
    units: str = "arbitrary"

    def __post_init__(self) -> None:
        if self.factor == 0 or not isfinite(self.factor):
            raise ValueError(f"intensities cannot be multiplied by {self.factor:g} and back")

    @property
    def lost(self) -> str:
        """That values were clipped, if they were."""
        ends = [("below", self.low), ("above", self.high)]
        clipped = " and ".join(f"{side} {end:g}" for side, end in ends if end is not None)
        return f"values {clipped} ({self.units}) were clipped" if clipped else ""

    def of(self, value: float) -> float:
        """What becomes of one value."""
        value = value if self.low is None else max(value, self.low)
        value = value if self.high is None else min(value, self.high)
        return (value - self.offset) * self.factor


@apply.register
def _(step: Rescale, value: Volume) -> Volume:
    data = value.data.float()
    if step.low is not None or step.high is not None:
        data = data.clamp(step.low, step.high)
    data = (data - step.offset).mul_(step.factor)
    return replace(value, data=data, background=step.of(value.background), units="1")


@undo.register
def _(step: Rescale, value: Volume) -> Volume:
    data = (value.data / step.factor).add_(step.offset)
    background = value.background / step.factor + step.offset
    return replace(value, data=data, background=background, units=step.units)


@dataclass(frozen=True)
class AddNoise(Step):
    """Adds Gaussian noise, drawn anew from its seed wherever the step is taken.

    Args:
        deviation: standard deviation, in the volume's units.
        seed: of the noise.
    """

    deviation: float
    seed: int

    @property
    def lost(self) -> str:
        """That noise was added."""
        return f"noise of standard deviation {self.deviation:.3g} was added"

    def noise(self, like: Tensor) -> Tensor:
        """The noise, float32, drawn on the CPU so that every device gets the same."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.randn(like.shape, generator=generator).mul_(self.deviation).to(like.device)


@apply.register
def _(step: AddNoise, value: Volume) -> Volume:
    return replace(value, data=step.noise(value.data).add_(value.data))


@undo.register
def _(step: AddNoise, value: Volume) -> Volume:
    return value


@apply.register
def _(step: Rescale | AddNoise, value: Unscanned) -> Unscanned:
    return value


@undo.register
def _(step: Rescale | AddNoise, value: Unscanned) -> Unscanned:
    return value
