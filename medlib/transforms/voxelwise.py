"""Steps that change each voxel by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

from torch import Tensor

from medlib.transforms.noise_field import gaussian
from medlib.transforms.steps import IntensityStep, apply, undo
from medlib.types import Volume


@dataclass(frozen=True)
class Rescale(IntensityStep):
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

    def forward(self, scan: Volume) -> Tensor:
        """The voxels clipped, shifted and scaled, float32."""
        data = scan.data.float()
        if self.low is not None or self.high is not None:
            data = data.clamp(self.low, self.high)
        return (data - self.offset).mul_(self.factor)

    def backward(self, scan: Volume) -> Tensor:
        """The voxels in their first units, but for what was clipped."""
        return (scan.data / self.factor).add_(self.offset)

    def of(self, background: float) -> float:
        """What becomes of one value."""
        background = background if self.low is None else max(background, self.low)
        background = background if self.high is None else min(background, self.high)
        return (background - self.offset) * self.factor

    def back(self, background: float) -> float:
        """The value that became this one."""
        return background / self.factor + self.offset


@apply.register
def _(step: Rescale, value: Volume) -> Volume:
    data, background = step.forward(value), step.of(value.background)
    return replace(value, data=data, background=background, units="1")


@undo.register
def _(step: Rescale, value: Volume) -> Volume:
    data, background = step.backward(value), step.back(value.background)
    return replace(value, data=data, background=background, units=step.units)


@dataclass(frozen=True)
class AddNoise(IntensityStep):
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

    def forward(self, scan: Volume) -> Tensor:
        """The voxels and the noise, float32."""
        return gaussian(scan.data, self.seed).mul_(self.deviation).add_(scan.data)
