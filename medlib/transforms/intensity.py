"""Recipes for voxel values: windows, normalisation, noise."""

from __future__ import annotations

from dataclasses import dataclass

from medlib.transforms.chance import Chance
from medlib.transforms.recipe import Intensity
from medlib.transforms.voxelwise import AddNoise, Rescale
from medlib.types import Volume


@dataclass(frozen=True)
class Normalise(Intensity):
    """Brings intensities to a mean of about 0 and a standard deviation of about 1.

    Left as it is, mean and deviation are each scan's own, which suits MR, whose units are
    arbitrary. For CT and PET, whose units mean something, give those of the training set.

    Args:
        mean: in the volume's units; with ``deviation``, or neither.
        deviation: in the volume's units.
        low: values below are clipped to it first.
        high: values above are clipped to it first.

    Raises:
        ValueError: for a mean without a deviation, a deviation that is not positive, or a
            ``low`` that is not below ``high``.
    """

    mean: float | None = None
    deviation: float | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.deviation is None):
            raise ValueError("Normalise takes a mean and a deviation, or neither")
        if self.deviation is not None and self.deviation <= 0:
            raise ValueError(f"a deviation must be positive, not {self.deviation:g}")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")

    def draw_for(self, scan: Volume, chance: Chance) -> Rescale:
        """The rescaling for this scan."""
        mean, deviation = self.mean, self.deviation
        if mean is None or deviation is None:
            data = scan.data.float()
            if self.low is not None or self.high is not None:
                data = data.clamp(self.low, self.high)
            mean, deviation = float(data.mean()), float(data.std(correction=0))
        factor = 1.0 / deviation if deviation > 1e-8 else 1.0  # a scan of one value stays so
        return Rescale(mean, factor, self.low, self.high, scan.units)


@dataclass(frozen=True)
class Window(Intensity):
    """Brings the window from ``level - width/2`` to ``level + width/2`` to 0…1, clipping the rest.

    Args:
        level: middle of the window, in the volume's units (HU for CT).
        width: of the window.

    Raises:
        ValueError: for a width that is not positive.
    """

    level: float
    width: float

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise ValueError(f"a window's width must be positive, not {self.width:g}")

    def draw_for(self, scan: Volume, chance: Chance) -> Rescale:
        """The rescaling, the same for every scan."""
        low, high = self.level - self.width / 2, self.level + self.width / 2
        return Rescale(low, 1.0 / self.width, low, high, scan.units)


@dataclass(frozen=True)
class Noise(Intensity):
    """Adds Gaussian noise of a random strength.

    Args:
        up_to: largest standard deviation, in the volume's units at that place in the pipeline.
    """

    up_to: float = 0.1

    def draw_for(self, scan: Volume, chance: Chance) -> AddNoise:
        """Noise of a strength between 0 and ``up_to``."""
        return AddNoise(chance.uniform(0.0, self.up_to, neutral=0.0), chance.seed())


@dataclass(frozen=True)
class Brightness(Intensity):
    """Stretches and shifts intensities at random: contrast and brightness.

    Args:
        contrast: the factor is drawn from ``1 - contrast`` to ``1 + contrast``.
        shift: added, from ``-shift`` to ``shift``, in the volume's units.

    Raises:
        ValueError: for a contrast of 1 or more, which could turn the scan into its negative.
    """

    contrast: float = 0.2
    shift: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.contrast < 1:
            raise ValueError(f"contrast must be at least 0 and below 1, not {self.contrast:g}")

    def draw_for(self, scan: Volume, chance: Chance) -> Rescale:
        """A factor and a shift."""
        factor = chance.uniform(1 - self.contrast, 1 + self.contrast, neutral=1.0)
        shift = chance.uniform(-self.shift, self.shift, neutral=0.0)
        return Rescale(-shift, factor, units=scan.units)
