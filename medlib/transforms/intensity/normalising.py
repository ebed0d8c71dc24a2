"""Recipes that bring scans to a common range: windows, clipping, normalisation, landmarks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from medlib.transforms.chance import Chance
from medlib.transforms.intensity.pointwise import Clamp, PiecewiseLinear, Rescale
from medlib.transforms.intensity.ranks import counted, percentiles
from medlib.transforms.recipe import Intensity
from medlib.types import Volume

DECILES = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)


@dataclass(frozen=True)
class Window(Intensity):
    """Brings the window from ``level - width/2`` to ``level + width/2`` to 0…1, clipping the rest.

    Args:
        level: middle of the window, in the volume's units (HU for CT).
        width: of the window.

    Raises:
        ValueError: for a width that is not positive.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Item, Pipeline
        >>> from medlib.types import CTVolume
        >>> scan = CTVolume(torch.full((1, 2, 2, 2), 90.0), Grid.from_axes((2, 2, 2)))
        >>> float(Pipeline((Window(40, 400),))(Item((scan,))).values[0].data.mean())
        0.625
    """

    level: float
    width: float

    def __post_init__(self) -> None:
        if self.width <= 0:
            raise ValueError(f"a window's width must be positive, not {self.width:g}")

    def draw_for(self, scan: Volume, chance: Chance) -> Rescale:
        """The rescaling, the same for every scan."""
        low, high = self.level - self.width / 2, self.level + self.width / 2
        return Rescale(low, 1.0 / self.width, low, high, units=scan.units)


@dataclass(frozen=True)
class Clip(Intensity):
    """Sets values beyond the bounds to the bounds; units stay what they are.

    Args:
        low: in the volume's units; None for no such bound.
        high: in the volume's units; None for no such bound.

    Raises:
        ValueError: without a bound, or for a ``low`` that is not below ``high``.
    """

    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ValueError("Clip needs low, high, or both")
        _check_bounds(self.low, self.high)

    def draw_for(self, scan: Volume, chance: Chance) -> Clamp:
        """The clipping, the same for every scan."""
        return Clamp(self.low, self.high)


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
        above: only voxels above this value count for the scan's own mean and deviation, such as
            0 for an MR whose skull was stripped; None to count all.

    Raises:
        ValueError: for a mean without a deviation, a deviation that is not positive, a
            ``low`` that is not below ``high``, or ``above`` where nothing is counted. When
            applied: for a scan without voxels above ``above``.
    """

    mean: float | None = None
    deviation: float | None = None
    low: float | None = None
    high: float | None = None
    above: float | None = None

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.deviation is None):
            raise ValueError("Normalise takes a mean and a deviation, or neither")
        if self.deviation is not None and self.deviation <= 0:
            raise ValueError(f"a deviation must be positive, not {self.deviation:g}")
        if self.mean is not None and self.above is not None:
            raise ValueError("above chooses the voxels for a scan's own mean; one is given already")
        _check_bounds(self.low, self.high)

    def draw_for(self, scan: Volume, chance: Chance) -> Rescale:
        """The rescaling for this scan."""
        mean, deviation = self.mean, self.deviation
        if mean is None or deviation is None:
            values = counted(scan, self.above)
            if self.low is not None or self.high is not None:
                values = values.clamp(self.low, self.high)
            mean = float(values.mean())
            deviation = float((values - mean).square_().mean()) ** 0.5  # half of std()'s time
        factor = 1.0 / deviation if deviation > 1e-8 else 1.0  # a scan of one value stays so
        return Rescale(mean, factor, self.low, self.high, units=scan.units)


@dataclass(frozen=True)
class Percentiles(Intensity):
    """Brings two percentiles of each scan to 0 and 1, clipping the rest.

    Args:
        low: the percentile that becomes 0, in per cent.
        high: the percentile that becomes 1.
        above: only voxels above this value count; None to count all.

    Raises:
        ValueError: for percentiles that do not rise from 0 to 100. When applied: for a scan
            without voxels above ``above``.
    """

    low: float = 0.5
    high: float = 99.5
    above: float | None = None

    def __post_init__(self) -> None:
        _check_ranks((self.low, self.high))

    def draw_for(self, scan: Volume, chance: Chance) -> Rescale:
        """The rescaling for this scan."""
        low, high = percentiles(counted(scan, self.above), (self.low, self.high))
        factor = 1.0 / (high - low) if high > low else 1.0  # a scan of one value becomes 0
        return Rescale(low, factor, low, high, units=scan.units)


@dataclass(frozen=True)
class HistogramStandardise(Intensity):
    """Brings each scan's percentiles to landmarks, straight in between (Nyúl and Udupa).

    Makes the same tissue about as bright in every MR of one contrast. The landmarks come from
    :func:`landmarks` of the training scans.

    Based on Nyúl, Udupa and Zhang, *New variants of a method of MRI scale standardization*, IEEE
    Transactions on Medical Imaging 19(2), 2000.

    Args:
        landmarks: what the percentiles become, rising.
        ranks: the percentiles, in per cent, as many.
        above: only voxels above this value count; None to count all. Give it where empty space
            fills much of the scan.

    Raises:
        ValueError: for landmarks or ranks that do not rise, or are not as many. When applied: for a
            scan with fewer than two different percentiles.
    """

    landmarks: tuple[float, ...]
    ranks: tuple[float, ...] = DECILES
    above: float | None = None

    def __post_init__(self) -> None:
        _check_ranks(self.ranks)
        PiecewiseLinear(self.ranks, self.landmarks)

    def draw_for(self, scan: Volume, chance: Chance) -> PiecewiseLinear:
        """The bent line for this scan. Of percentiles that fall together the highest counts."""
        found = percentiles(counted(scan, self.above), self.ranks)
        line = dict(zip(found, self.landmarks, strict=True))
        if len(line) < 2:
            raise ValueError(
                f"all percentiles of this {type(scan).__name__} are {found[0]:g}: there is no "
                "histogram to standardise; give above, to leave empty space out"
            )
        return PiecewiseLinear(tuple(line), tuple(line.values()), units=scan.units)


def landmarks(
    volumes: Iterable[Volume], *, ranks: Sequence[float] = DECILES, above: float | None = None
) -> tuple[float, ...]:
    """Landmarks for :class:`HistogramStandardise`: the mean percentiles of training scans.

    Each scan's lowest percentile is taken for 0 and its highest for 100. Volumes are looked at
    one after the other, so they may come from a generator that reads them.

    Args:
        volumes: of one modality and contrast.
        ranks: the percentiles, in per cent.
        above: only voxels above this value count; None to count all.

    Raises:
        ValueError: without volumes, for a volume whose percentiles are all the same, or where
            empty space fills so much that percentiles fall together.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.types import MRVolume
        >>> grid = Grid.from_axes((1, 1, 5))
        >>> scans = [MRVolume(torch.arange(5.0).view(1, 1, 1, 5) * k, grid) for k in (1, 7)]
        >>> landmarks(scans, ranks=(0, 50, 100))
        (0.0, 50.0, 100.0)
    """
    sums, count = [0.0] * len(ranks), 0
    _check_ranks(ranks)
    for volume in volumes:
        found = percentiles(counted(volume, above), ranks)
        if found[0] == found[-1]:
            raise ValueError(f"scan number {count} has no histogram: it is {found[0]:g} throughout")
        scale = 100 / (found[-1] - found[0])
        sums = [s + (value - found[0]) * scale for s, value in zip(sums, found, strict=True)]
        count += 1
    if not count:
        raise ValueError("landmarks are the mean of training scans, and there are none")
    if any(a >= b for a, b in pairwise(sums)):
        raise ValueError(
            "percentiles of the training scans fall together: "
            f"{', '.join(f'{s / count:.3g}' for s in sums)}; give above, to leave empty space out"
        )
    return tuple(s / count for s in sums)


def _check_bounds(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low >= high:
        raise ValueError(f"low ({low:g}) must be below high ({high:g})")


def _check_ranks(ranks: Sequence[float]) -> None:
    rising = all(a < b for a, b in pairwise(ranks))
    if len(ranks) < 2 or not rising or not (ranks[0] >= 0 and ranks[-1] <= 100):
        raise ValueError(f"percentiles must rise, from 0 at least to 100 at most, not {ranks}")
