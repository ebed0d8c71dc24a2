"""Recipes for brightness and contrast: what differs between scanners and protocols."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from medlib.transforms.chance import Chance
from medlib.transforms.intensity.pointwise import PiecewiseLinear, Power, Rescale
from medlib.transforms.recipe import Intensity
from medlib.types import Volume


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

    def draw_for(self, scan: Volume, chance: Chance) -> Rescale | None:
        """A factor and a shift."""
        factor = chance.uniform(1 - self.contrast, 1 + self.contrast, neutral=1.0)
        shift = chance.uniform(-self.shift, self.shift, neutral=0.0)
        if (factor, shift) == (1.0, 0.0):
            return None
        return Rescale(-shift, factor, units=scan.units)


@dataclass(frozen=True)
class Contrast(Intensity):
    """Stretches intensities about their mean; what would leave the scan's range is clipped to it.

    As in nnU-Net (Isensee et al., Nature Methods 18, 2021).

    Args:
        low: the least factor.
        high: the greatest factor.

    Raises:
        ValueError: for factors that are not positive, or do not rise.
    """

    low: float = 0.75
    high: float = 1.25

    def __post_init__(self) -> None:
        _check_factors(self.low, self.high)

    def draw_for(self, scan: Volume, chance: Chance) -> Rescale | None:
        """The stretch for this scan."""
        factor = chance.factor(self.low, self.high)
        least, greatest = span(scan)
        if factor == 1 or least == greatest:
            return None
        mean = float(scan.data.float().mean())
        # Clipped beforehand to what is stretched to the ends of the range.
        ends = [mean + (end - mean) / factor for end in (least, greatest)] if factor > 1 else []
        return Rescale(mean - mean / factor, factor, *ends, units=scan.units)


@dataclass(frozen=True)
class Gamma(Intensity):
    """Brightens or darkens the middle of the scan's range and keeps its ends.

    The range reaches from the least value (or that of empty space, if it is less) to the
    greatest; see :class:`Power`.

    Args:
        low: the least exponent; below 1 brightens.
        high: the greatest exponent; above 1 darkens.

    Raises:
        ValueError: for exponents that are not positive, or do not rise.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Item, Pipeline
        >>> from medlib.types import MRVolume
        >>> scan = MRVolume(torch.tensor([0.0, 5, 10]).view(1, 1, 1, 3), Grid.from_axes((1, 1, 3)))
        >>> darker = Pipeline((Gamma(2, 2),))(Item((scan,)))
        >>> darker.values[0].data.flatten()
        tensor([ 0.0000,  2.5000, 10.0000])
        >>> darker.trail.decode(darker.values[0]).data.flatten().round()
        tensor([ 0.,  5., 10.])
    """

    low: float = 0.7
    high: float = 1.5

    def __post_init__(self) -> None:
        _check_factors(self.low, self.high)

    def draw_for(self, scan: Volume, chance: Chance) -> Power | None:
        """The exponent, on this scan's range."""
        gamma = chance.factor(self.low, self.high)
        least, greatest = span(scan)
        if gamma == 1 or least == greatest:
            return None
        return Power(gamma, least, greatest, units=scan.units)


@dataclass(frozen=True)
class HistogramShift(Intensity):
    """Stretches some brightnesses and squeezes others, never changing which is the brighter.

    Points evenly spaced over the scan's range each move at random between their neighbours, and
    intensities follow, straight in between; the ends stay.

    Args:
        points: their number, the ends among them.

    Raises:
        ValueError: for fewer than three points, of which none could move.
    """

    points: int = 8

    def __post_init__(self) -> None:
        if self.points < 3:
            raise ValueError(f"a histogram is bent at three points or more, not {self.points}")

    def draw_for(self, scan: Volume, chance: Chance) -> PiecewiseLinear | None:
        """The bent line for this scan."""
        least, greatest = span(scan)
        step = (greatest - least) / (self.points - 1)
        before = [least + step * k for k in range(self.points)]
        after = list(before)
        for k in range(1, self.points - 1):
            low, high = after[k - 1], after[k + 1]
            room = 0.1 * (high - low)  # nothing is squeezed so much that it cannot be undone
            after[k] = chance.uniform(low + room, high - room, neutral=before[k])
        if after == before:
            return None
        return PiecewiseLinear(tuple(before), tuple(after), units=scan.units)


def span(scan: Volume) -> tuple[float, float]:
    """The least and the greatest value of a scan and of empty space."""
    least, greatest = (float(end) for end in torch.aminmax(scan.data))
    return min(least, scan.background), max(greatest, scan.background)


def _check_factors(low: float, high: float) -> None:
    if not 0 < low <= high:
        raise ValueError(f"factors must be positive and rise, not {low:g} and {high:g}")
