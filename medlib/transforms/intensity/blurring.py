"""Sharpness: blurring, sharpening, lower resolution, truncated k-space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medlib.space import Grid
from medlib.transforms.chance import Chance
from medlib.transforms.intensity.separable import (
    Matrix,
    coarsened,
    filtered,
    frequencies,
    gaussian,
    multiplied,
)
from medlib.transforms.recipe import Intensity
from medlib.transforms.steps import IntensityStep
from medlib.types import Volume

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class GaussianBlur(IntensityStep):
    """Blurs by a Gaussian, as wide in every direction whatever the voxels are.

    Args:
        sigma: standard deviation, in millimetres.
    """

    sigma: float

    @property
    def lost(self) -> str:
        """That detail was blurred."""
        return f"the scan was blurred by {self.sigma:.3g} mm"

    def forward(self, scan: Volume) -> Tensor:
        """The voxels blurred, float32."""
        return multiplied(scan.data, _gaussians(scan.grid, self.sigma))


@dataclass(frozen=True)
class UnsharpMask(IntensityStep):
    """Adds what a blur takes away.

    Args:
        sigma: of the blur, in millimetres.
        amount: how many times what it takes away is added.
    """

    sigma: float
    amount: float

    @property
    def lost(self) -> str:
        """That edges were sharpened."""
        return f"the scan was sharpened ({self.amount:.3g} times what {self.sigma:.3g} mm blur)"

    def forward(self, scan: Volume) -> Tensor:
        """The voxels sharpened, float32."""
        data = scan.data.float()
        return torch.lerp(data, multiplied(data, _gaussians(scan.grid, self.sigma)), -self.amount)


def _gaussians(grid: Grid, sigma: float) -> list[Matrix | None]:
    return [gaussian(n, sigma / mm) for n, mm in zip(grid.shape, grid.spacing, strict=True)]


@dataclass(frozen=True)
class LoseResolution(IntensityStep):
    """Averages over larger voxels and interpolates linearly between them, on the same grid.

    Args:
        zoom: along (slice, row, column): how many of the larger voxels there are for each of
            the scan's own.
    """

    zoom: Triple

    @property
    def lost(self) -> str:
        """That detail was averaged."""
        said = " × ".join(f"{zoom:.2g}" for zoom in self.zoom)
        return f"the resolution was lowered to {said} of what it was"

    def forward(self, scan: Volume) -> Tensor:
        """The voxels as a coarser scan shows them, float32."""
        shape = scan.grid.shape
        counts = [max(1, round(n * zoom)) for n, zoom in zip(shape, self.zoom, strict=True)]
        return multiplied(scan.data, list(map(coarsened, shape, counts)))


@dataclass(frozen=True)
class TruncateKSpace(IntensityStep):
    """Takes the high frequencies away along each axis, as a short acquisition does.

    Edges then ring (Gibbs).

    Args:
        kept: share of the frequencies that stay, along (slice, row, column).
    """

    kept: Triple

    @property
    def lost(self) -> str:
        """That frequencies are gone."""
        said = " × ".join(f"{kept:.2g}" for kept in self.kept)
        return f"frequencies beyond {said} of the highest were taken away"

    def forward(self, scan: Volume) -> Tensor:
        """The voxels with their edges ringing, float32."""
        weights = [
            (frequencies(n) <= kept * (n // 2)).astype(float) if n > 1 and kept < 1 else None
            for n, kept in zip(scan.grid.shape, self.kept, strict=True)
        ]
        return filtered(scan.data, weights)


@dataclass(frozen=True)
class Blur(Intensity):
    """Blurs by a Gaussian of random width.

    Args:
        low: the least standard deviation, in millimetres.
        high: the greatest.

    Raises:
        ValueError: for widths below 0, or that do not rise.

    Example:
        >>> from medlib.transforms import Item, Pipeline
        >>> from medlib.types import MRVolume
        >>> scan = MRVolume(torch.rand(1, 8, 8, 8), Grid.from_axes((8, 8, 8)))
        >>> blurred = Pipeline((Blur(1, 2),))(Item((scan,))).values[0]
        >>> bool(blurred.data.std() < scan.data.std())
        True
    """

    low: float = 0.5
    high: float = 1.5

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(
                f"a blur's widths must be at least 0 and rise, not {self.low:g} and {self.high:g}"
            )

    def draw_for(self, scan: Volume, chance: Chance) -> GaussianBlur | None:
        """A blur of a width between the two."""
        sigma = chance.uniform(self.low, self.high, neutral=0.0)
        return GaussianBlur(sigma) if sigma else None


@dataclass(frozen=True)
class Sharpen(Intensity):
    """Sharpens edges by a random amount.

    Args:
        up_to: the greatest amount: how many times what a blur takes away is added.
        sigma: of that blur, in millimetres.

    Raises:
        ValueError: for an amount below 0, or a width that is not positive.
    """

    up_to: float = 1.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        if not (self.up_to >= 0 and self.sigma > 0):
            raise ValueError(
                "sharpening takes an amount of at least 0 and a positive width, not "
                f"{self.up_to:g} and {self.sigma:g}"
            )

    def draw_for(self, scan: Volume, chance: Chance) -> UnsharpMask | None:
        """An amount between 0 and ``up_to``."""
        amount = chance.uniform(0.0, self.up_to, neutral=0.0)
        return UnsharpMask(self.sigma, amount) if amount else None


@dataclass(frozen=True)
class LowResolution(Intensity):
    """Shows the scan as if its voxels had been larger, along each axis by a factor of its own.

    Args:
        least: the least share of voxels along (slice, row, column), or one for all; drawn from
            it to 1. ``(0.2, 1, 1)`` makes slices up to five times as thick.

    Raises:
        ValueError: for shares that are not above 0, or above 1.
    """

    least: float | Triple = 0.5

    def __post_init__(self) -> None:
        _check_shares(self.least)

    def draw_for(self, scan: Volume, chance: Chance) -> LoseResolution | None:
        """A share for each axis."""
        zoom = [chance.factor(least, 1.0) for least in _three(self.least)]
        return LoseResolution((zoom[0], zoom[1], zoom[2])) if min(zoom) < 1 else None


@dataclass(frozen=True)
class Gibbs(Intensity):
    """Makes edges ring, as an MR does of which too few frequencies were acquired.

    Args:
        least: the least share of frequencies that stay along (slice, row, column), or one for
            all; drawn from it to 1.

    Raises:
        ValueError: for shares that are not above 0, or above 1.
    """

    least: float | Triple = 0.5

    def __post_init__(self) -> None:
        _check_shares(self.least)

    def draw_for(self, scan: Volume, chance: Chance) -> TruncateKSpace | None:
        """A share for each axis."""
        kept = [chance.uniform(least, 1.0, neutral=1.0) for least in _three(self.least)]
        return TruncateKSpace((kept[0], kept[1], kept[2])) if min(kept) < 1 else None


def _three(value: float | Triple) -> Triple:
    return value if isinstance(value, tuple) else (value, value, value)


def _check_shares(value: float | Triple) -> None:
    if not all(0 < share <= 1 for share in _three(value)):
        raise ValueError(f"shares must be above 0 and at most 1, not {value}")
