"""How synthetic anatomy looks: like no scanner in particular, and each time like another one.

Structures are given tissues, tissues brightnesses at random, as in SynthSeg (Billot et al., Medical
Image Analysis 86, 2023); what scanners do to them are the library's own transforms.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from numpy.typing import NDArray
from torch import Tensor

from medlib.models.pretraining.shapes import Shapes
from medlib.models.pretraining.solids import AIR, TISSUE
from medlib.transforms import (
    BiasField,
    Blur,
    Clip,
    Gamma,
    Ghosting,
    Gibbs,
    HistogramShift,
    Item,
    LowResolution,
    Noise,
    Normalise,
    OneOf,
    Pipeline,
    RicianNoise,
    Spikes,
    Transform,
)
from medlib.transforms.chance import Chance
from medlib.transforms.intensity.noise import gaussian
from medlib.types import MRVolume

Table = NDArray[np.float64]

_TEXTURES = (1.5, 3.0, 8.0)  # finest voxels from grain to grain
_THICK = OneOf(  # slices along any axis, or everything
    tuple(
        LowResolution(least) for least in ((0.2, 1.0, 1.0), (1.0, 0.2, 1.0), (1.0, 1.0, 0.2), 0.5)
    ),
    probability=0.45,
)
_MAGNETIC: tuple[Transform, ...] = (
    Blur(0.3, 0.9),  # as a voxel is shared by what lies in it
    BiasField(0.35, probability=0.7),
    _THICK,
    Gibbs(0.55, probability=0.3),
    Ghosting(up_to=0.4, probability=0.1),
    RicianNoise(0.1, probability=0.8),
    Spikes(up_to=0.3, probability=0.06),
    HistogramShift(6, probability=0.3),
    Gamma(0.6, 1.7, probability=0.4),
    Normalise(),
)
_COMPUTED: tuple[Transform, ...] = (
    Blur(0.4, 1.1),
    _THICK,
    Noise(0.07, probability=0.9),
)


def appearance(made: Shapes, number: int, view: int, *, seed: int = 0) -> Tensor:
    """One appearance of a volume, (1, slice, row, column), float32, of mean 0 and deviation 1.

    Half of them have the wide contrasts of magnetic resonance, half the narrow ones of computed
    tomography, where air is far from everything and soft tissues are near one another.

    Args:
        made: the volume.
        number: of it.
        view: which of its appearances: 0, 1, …
        seed: of the run.

    Example:
        >>> from medlib.models.pretraining.shapes import shapes
        >>> made = shapes(7, (24, 24, 24))
        >>> one, other = (appearance(made, 7, view) for view in (0, 1))
        >>> one.shape, bool(torch.equal(one, other))
        (torch.Size([1, 24, 24, 24]), False)
    """
    name = f"appearance {number} {view}"
    chance = Chance(seed=seed, name=name)
    magnetic = chance.happens(0.5)
    means = (_wide if magnetic else _narrow)(len(made.families), chance)
    clean = _textured(made, means, chance)
    steps = _MAGNETIC if magnetic else (*_COMPUTED, _window(chance), Normalise())
    scan = MRVolume(clean[None], made.grid)
    done = Pipeline(steps)(Item((scan,), name=name), seed=seed).values[0]
    assert isinstance(done, MRVolume)
    return done.data


def _wide(count: int, chance: Chance) -> Table:
    """Brightness of each structure: a few tissues, anywhere between black and white."""
    tissues = chance.rng.uniform(0.05, 1.0, int(chance.rng.integers(4, 13)))
    means = _shared(tissues, count, chance, spread=0.04)
    means[AIR] = 0.0
    return means


def _narrow(count: int, chance: Chance) -> Table:
    """Brightness of each structure: soft tissues near one another, a few of bone, fat, and gas."""
    soft = 1.0 + chance.uniform(0.08, 0.25) * chance.rng.uniform(
        -1, 1, int(chance.rng.integers(4, 10))
    )
    means = _shared(soft, count, chance, spread=0.02)
    rare = chance.rng.random(count)
    rare[TISSUE] = 0.5
    hard, gas = rare < 0.12, rare > 0.96
    means[hard] += chance.rng.uniform(0.3, 1.2, int(hard.sum()))
    means[gas] = chance.rng.uniform(0.0, 0.5, int(gas.sum()))
    means[AIR] = 0.0
    return means


def _shared(tissues: Table, count: int, chance: Chance, *, spread: float) -> Table:
    """Each structure's tissue, and a little of its own."""
    own: Table = tissues[chance.rng.integers(len(tissues), size=count)]
    return own + chance.rng.normal(0, spread, count)


def _textured(made: Shapes, means: Table, chance: Chance) -> Tensor:
    """Every structure with its brightness, grain of its own strength, and perhaps a rim."""
    count = len(means)
    grain = np.abs(chance.rng.normal(0, chance.uniform(0.0, 0.08), (count, len(_TEXTURES))))
    rims = chance.rng.normal(0, 0.03, count) * (chance.rng.random(count) < 0.4)
    grain[AIR], rims[AIR] = 0.0, 0.0
    which = made.instance.int()

    def of_each(values: Table) -> Tensor:
        return torch.from_numpy(values).float().to(made.distance.device)[which]

    image = of_each(means) + of_each(rims) * made.distance
    for place, size in enumerate(_TEXTURES):
        image += of_each(grain[:, place]) * _texture(made, size, chance.seed())
    return image.clamp_(min=0.0)


def _texture(made: Shapes, size: float, seed: int) -> Tensor:
    """Smooth noise of about unit variance, its grains ``size`` finest voxels apart."""
    shape, spacing = made.grid.shape, made.grid.spacing
    coarse = [max(2, round(n * step / size)) for n, step in zip(shape, spacing, strict=True)]
    coarse = [min(n, few) for n, few in zip(shape, coarse, strict=True)]
    knots = gaussian(torch.empty(coarse, device=made.distance.device), seed)
    smooth = F.interpolate(knots[None, None], shape, mode="trilinear", align_corners=True)
    return 1.5 * smooth[0, 0]


def _window(chance: Chance) -> Transform:
    """What is looked at: all between gas and bone, or little more than the soft tissues."""
    width = chance.factor(0.15, 1.2)
    return Clip(max(0.0, 1.0 - width), 1.0 + width)
