"""Steps that change each voxel by itself, by a rule that does not look at its neighbours."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import isfinite, log2

import torch
from torch import Tensor
from torch.nn.functional import threshold

from medlib.transforms.steps import IntensityStep, apply, undo
from medlib.types import Volume


@dataclass(frozen=True)
class Pointwise(IntensityStep):
    """A map of numbers to numbers: the same for voxels and for the value of empty space.

    Args:
        units: of the volume before; afterwards they are ``"1"``, for what is mapped is no longer
            in Hounsfield units, say.
    """

    units: str = field(default="arbitrary", kw_only=True)

    @abstractmethod
    def map(self, values: Tensor) -> Tensor:
        """New float32 values; ``values`` stay as they are."""

    @abstractmethod
    def unmap(self, values: Tensor) -> Tensor:
        """The values that became these, as far as can be known."""

    def forward(self, scan: Volume) -> Tensor:
        """The voxels mapped, float32."""
        return self.map(scan.data)

    def backward(self, scan: Volume) -> Tensor:
        """The voxels in their first units."""
        return self.unmap(scan.data)

    def of(self, background: float) -> float:
        """What becomes of one value: the very number that a voxel of it becomes."""
        return float(self.map(torch.tensor([background])))

    def back(self, background: float) -> float:
        """The value that became this one."""
        return float(self.unmap(torch.tensor([background])))


@apply.register
def _(step: Pointwise, value: Volume) -> Volume:
    data, background = step.forward(value), step.of(value.background)
    return replace(value, data=data, background=background, units="1")


@undo.register
def _(step: Pointwise, value: Volume) -> Volume:
    data, background = step.backward(value), step.back(value.background)
    return replace(value, data=data, background=background, units=step.units)


@dataclass(frozen=True)
class Rescale(Pointwise):
    """Clips to ``low``…``high``, subtracts ``offset``, multiplies by ``factor``.

    Args:
        offset: in the volume's units.
        factor: per unit.
        low: values below are set to it; None for no such bound.
        high: values above are set to it; None for no such bound.
        units: of the volume before; afterwards they are ``"1"``.

    Raises:
        ValueError: for a factor of 0, which could not be undone.

    Example:
        >>> Rescale(offset=40, factor=0.01, low=-60, high=140).map(torch.tensor([-1000, 90]))
        tensor([-1.0000,  0.5000])
    """

    offset: float
    factor: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.factor == 0 or not isfinite(self.factor):
            raise ValueError(f"intensities cannot be multiplied by {self.factor:g} and back")

    @property
    def lost(self) -> str:
        """That values were clipped, if they were."""
        return clipped(self.low, self.high, self.units)

    def map(self, values: Tensor) -> Tensor:
        """Clipped, shifted and scaled."""
        values = values.float()
        if self.low is not None or self.high is not None:
            return values.clamp(self.low, self.high).sub_(self.offset).mul_(self.factor)
        return (values - self.offset).mul_(self.factor)

    def unmap(self, values: Tensor) -> Tensor:
        """Scaled and shifted back."""
        return (values / self.factor).add_(self.offset)


@dataclass(frozen=True)
class Clamp(IntensityStep):
    """Sets values below ``low`` to it, and values above ``high`` to that; units stay.

    Args:
        low: in the volume's units; None for no such bound.
        high: in the volume's units; None for no such bound.
    """

    low: float | None = None
    high: float | None = None

    @property
    def lost(self) -> str:
        """That values were clipped."""
        return clipped(self.low, self.high)

    def forward(self, scan: Volume) -> Tensor:
        """The voxels clipped, float32."""
        return scan.data.float().clamp(self.low, self.high)

    def of(self, background: float) -> float:
        """What becomes of one value."""
        return float(torch.tensor(background).clamp(self.low, self.high))


@dataclass(frozen=True)
class Power(Pointwise):
    """Raises values to a power on a range of their own, which stays the range they have.

    Args:
        gamma: the exponent; below 1 brightens, above 1 darkens.
        low: becomes 0 before the power is taken, and ``low`` again after it; values below are
            set to it.
        high: becomes 1, and ``high`` again.
        units: of the volume before.

    Raises:
        ValueError: for an exponent that is not positive, or a range without extent.

    Example:
        >>> Power(2.0, low=0, high=10).map(torch.tensor([0.0, 5.0, 10.0]))
        tensor([ 0.0000,  2.5000, 10.0000])
    """

    gamma: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (self.gamma > 0 and isfinite(self.gamma)):
            raise ValueError(f"an exponent must be positive, not {self.gamma:g}")
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")

    def map(self, values: Tensor) -> Tensor:
        """The values bent."""
        return self._bent(values, self.gamma)

    def unmap(self, values: Tensor) -> Tensor:
        """The values bent back."""
        return self._bent(values, 1 / self.gamma)

    def _bent(self, values: Tensor, gamma: float) -> Tensor:
        # By logarithms to base 2, which are quicker than pow, but for those of 0, which are much
        # slower: so nothing stands for 0, and becomes 0 again.
        scale, nothing = (1 - gamma) * log2(self.high - self.low), -120
        share = (values.float() - self.low).clamp_(min=2.0**nothing).log2_()
        torch.add(torch.tensor(scale), share, alpha=gamma, out=share)
        least = 1.01 * 2.0 ** (gamma * nothing + scale)
        bent: Tensor = threshold(share.exp2_(), least, 0.0, inplace=True)
        return bent.add_(self.low)


@dataclass(frozen=True)
class PiecewiseLinear(Pointwise):
    """A rising line with bends; beyond its ends it goes straight on.

    Args:
        before: values where it bends, rising, at least two.
        after: what they become, rising, as many.
        units: of the volume before.

    Raises:
        ValueError: for values that do not rise, which could not be undone.

    Example:
        >>> PiecewiseLinear((0, 1, 2), (0, 10, 11)).map(torch.tensor([0.5, 1.5, 3.0]))
        tensor([ 5.0000, 10.5000, 12.0000])
    """

    before: tuple[float, ...]
    after: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.before) != len(self.after) or len(self.before) < 2:
            raise ValueError(
                f"a bent line needs two values or more and what each becomes, not "
                f"{len(self.before)} and {len(self.after)}"
            )
        for values in (self.before, self.after):
            if any(a >= b for a, b in pairwise(values)):
                raise ValueError(f"the values of a bent line must rise: {values}")

    def map(self, values: Tensor) -> Tensor:
        """The values along the line."""
        return _along(values, self.before, self.after)

    def unmap(self, values: Tensor) -> Tensor:
        """The values that the line leads here."""
        return _along(values, self.after, self.before)


def _along(values: Tensor, before: tuple[float, ...], after: tuple[float, ...]) -> Tensor:
    # A sum of clamped pieces: quicker than looking up each voxel's piece, and never falling.
    values = values.float()
    out, piece = torch.full_like(values, after[0]), torch.empty_like(values)
    last = len(before) - 2
    for k in range(last + 1):
        slope = (after[k + 1] - after[k]) / (before[k + 1] - before[k])
        low = None if k == 0 else before[k]
        high = None if k == last else before[k + 1]
        if low is None and high is None:
            piece.copy_(values)
        else:
            torch.clamp(values, low, high, out=piece)
        out.add_(piece.sub_(before[k]), alpha=slope)
    return out


def clipped(low: float | None, high: float | None, units: str = "") -> str:
    """In words, that values beyond these bounds were clipped; empty without bounds."""
    ends = [("below", low), ("above", high)]
    said = " and ".join(f"{side} {end:g}" for side, end in ends if end is not None)
    return f"values {said}{f' ({units})' if units else ''} were clipped" if said else ""
