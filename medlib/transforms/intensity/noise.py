"""Noise: the same for a seed on every machine, thread count and device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from medlib.transforms.chance import Chance
from medlib.transforms.recipe import Intensity
from medlib.transforms.steps import IntensityStep
from medlib.types import Volume

_LEVELS = 1 << 16
_PIECE = 1 << 20  # numbers drawn at once


def levels(count: int, source: np.random.SFC64) -> Tensor:
    """The next evenly spread random integers from 0 to 65535, int32."""
    words = source.random_raw(-(-count // 4))
    return torch.from_numpy(words.view(np.uint16)[:count]).int()


@lru_cache(maxsize=1)
def quantiles() -> Tensor:
    """The middles of 65536 equal shares of the normal distribution, scaled to a variance of 1.

    A random integer looks up a normal deviate in it: finer than any image shows, at a third of the
    time that drawing one takes. The greatest is 4.3 standard deviations.
    """
    normal = ndtri((np.arange(_LEVELS) + 0.5) / _LEVELS)
    return torch.from_numpy(normal / normal.std()).float()


def looked_up(table: Tensor, like: Tensor, source: np.random.SFC64) -> Tensor:
    """What ``table`` holds for random integers, of the shape and on the device of ``like``.

    Drawn on the processor, whatever the device.
    """
    out = torch.empty(like.numel())
    for piece in torch.split(out, _PIECE):
        torch.index_select(table, 0, levels(len(piece), source), out=piece)
    return out.view(like.shape).to(like.device)


def gaussian(like: Tensor, seed: int, deviation: float = 1.0) -> Tensor:
    """Normal deviates, float32, of the shape and on the device of ``like``.

    Example:
        >>> bool((gaussian(torch.zeros(3), 1) == gaussian(torch.ones(3), 1)).all())
        True
    """
    return looked_up(quantiles() * deviation, like, np.random.SFC64(seed))


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
        return gaussian(scan.data, self.seed, self.deviation).add_(scan.data)


@dataclass(frozen=True)
class AddRicianNoise(IntensityStep):
    """Takes the magnitude of a signal with Gaussian noise in both of its parts, as MR shows it.

    The signal is what a voxel has more than empty space, so a normalised scan may be given. After
    Gudbjartsson and Patz, *The Rician distribution of noisy MRI data*, Magnetic Resonance in
    Medicine 34(6), 1995.

    Args:
        deviation: of each part's noise, in the volume's units.
        seed: of the noise.
    """

    deviation: float
    seed: int

    @property
    def lost(self) -> str:
        """That noise was added."""
        return f"Rician noise of standard deviation {self.deviation:.3g} was added"

    def forward(self, scan: Volume) -> Tensor:
        """The magnitudes, float32."""
        source, noise = np.random.SFC64(self.seed), quantiles() * self.deviation
        real = looked_up(noise, scan.data, source).add_(scan.data).sub_(scan.background)
        imaginary = looked_up(noise.square(), scan.data, source)
        return imaginary.addcmul_(real, real).sqrt_().add_(scan.background)


@dataclass(frozen=True)
class Noise(Intensity):
    """Adds Gaussian noise of a random strength.

    Args:
        up_to: largest standard deviation, in the volume's units at that place in the pipeline.

    Raises:
        ValueError: for a deviation below 0.
    """

    up_to: float = 0.1

    step: ClassVar[type[AddNoise | AddRicianNoise]] = AddNoise

    def __post_init__(self) -> None:
        if not self.up_to >= 0:
            raise ValueError(f"a standard deviation must be at least 0, not {self.up_to:g}")

    def draw_for(self, scan: Volume, chance: Chance) -> AddNoise | AddRicianNoise | None:
        """Noise of a strength between 0 and ``up_to``."""
        deviation, seed = chance.uniform(0.0, self.up_to, neutral=0.0), chance.seed()
        return self.step(deviation, seed) if deviation else None


@dataclass(frozen=True)
class RicianNoise(Noise):
    """Adds noise of a random strength as a magnitude image of MR shows it; see AddRicianNoise."""

    step = AddRicianNoise
