"""The last looks, once there are several clicks: what is thought so far is held to the scan's edges.

The evidence and the network say roughly where a structure is, and a click tells them little about
the next bend of its border. Here the outline so far is a beginning: about each voxel, what is
inside by it and what is outside are told apart anew by their brightness (guided filters: He, Sun
and Tang, PAMI 2013; means on both sides of the border: Lankton and Tannenbaum, IEEE TIP 2008), and
paths from the clicks that shun edges (GeoS: Criminisi, Sharp and Blake, ECCV 2008) say on whose
side it lies. All of this moves the odds, the more the more clicks there are: of an outline from
one click too much may be wrong to learn from it, and the odds then stay as they are. With some
clicks more, what came of it is itself a better beginning, and is looked at once more.

The weights were fitted on synthetic structures and on those of one CT (:mod:`medlib.assist.weighing`;
docs/assist.md says what they do elsewhere); all lengths are taken beside the box's or the voxels'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medlib.assist.evidence import Scene
from medlib.assist.filters import Filter, weighed
from medlib.assist.inputs import Flags, Voxels, sharpness
from medlib.assist.paths import paths

_GUIDED = (1.0, 2.0, 4.0)  # deviations, in sides of the finest voxel
_BESIDE = (1.5, 3.0, 6.0)
_SMOOTHED = (1.0, 2.0)
_LEAST = 0.5  # deviation in voxels, along thick slices too
_TOLL = 1.5  # of the box's size, for the way from dark to bright
_REACH = 0.25  # of the box's size, beyond which paths are long
_SEVERAL = 4  # clicks, from which on there are two looks

# Of the columns of signs, in their order.
WEIGHTS = np.array(
    [0.48, 0.54, 0.55, 0.5, 0.36, 0.32, 0.66, 0.63, 0.4, 0.55, 0.39, 0.89, -0.49, 0.2, 0.24,
     -0.83], dtype=np.float32
)  # fmt: skip


def settled(scene: Scene, odds: Voxels, weights: npt.NDArray[np.float32] = WEIGHTS) -> Voxels:
    """The odds, after the last looks.

    Args:
        scene: the box and its clicks.
        odds: so far, (slice, row, column), logarithms, above 0 for inside.
        weights: of the signs.

    Returns:
        Likewise; where there is but one click, the odds as they are.

    Example:
        >>> voxels = np.zeros((9, 9, 9), dtype=np.float32)
        >>> voxels[2:7, 2:7, 2:7] = 1
        >>> clicks = np.array([[4.0, 4, 4], [0, 4, 4]])
        >>> scene = Scene(voxels, (1, 1, 1), clicks, np.array([True, False]), ((True, True),) * 3)
        >>> odds = np.where(voxels > 0, 2, -2).astype(np.float32)
        >>> odds[4, 4, 6] = -0.2  # a corner was missed
        >>> bool(settled(scene, odds)[4, 4, 6] > -0.2)
        True
    """
    if len(scene.clicks) < 2:
        return odds
    edges = Edges(scene)
    for _ in range(1 if len(scene.clicks) < _SEVERAL else 2):
        odds = odds + weighed(edges.signs(odds), weights).reshape(odds.shape)
    return odds


class Edges:
    """What a box's brightness and its clicks say, by which any outline is judged.

    Args:
        scene: the box and its clicks.
    """

    def __init__(self, scene: Scene) -> None:
        low, high = np.quantile(scene.voxels, [0.02, 0.98]).astype(np.float32)
        self._bright = (np.clip(scene.voxels, low, high) - low) / np.float32(high - low + 1e-6)
        self._guided, self._beside = (
            [_About.of(self._bright, _blur(scene, reach)) for reach in reaches]
            for reaches in (_GUIDED, _BESIDE)
        )
        self._smoothing = [_blur(scene, reach) for reach in _SMOOTHED]
        self._nearer = _nearer(scene, self._bright)
        self._trust = np.float32(1 - 1 / len(scene.clicks))

    def signs(self, odds: Voxels) -> npt.NDArray[np.float32]:
        """What speaks for moving the odds up: (voxel, sign), to be weighed by the weights.

        Args:
            odds: so far, (slice, row, column).
        """
        likely = 1 / (1 + np.exp(-odds.clip(-30, 30)))
        columns: list[Voxels] = []
        for about in self._guided:
            columns += about.guided(likely)
        columns += [about.sided(likely) for about in self._beside]
        columns += self._nearer
        columns += [np.tanh(odds / 2)]
        columns += [blur(likely) for blur in self._smoothing]
        columns += [np.ones_like(likely)]
        return self._trust * np.stack([np.asarray(c, np.float32).ravel() for c in columns], 1)


def _blur(scene: Scene, reach: float) -> Filter:
    """So many sides of the finest voxel, along each axis."""
    sigma = np.maximum(sharpness(reach * min(scene.spacing), scene.spacing), _LEAST)
    return Filter.gaussian(scene.voxels.shape, sigma.tolist())


@dataclass(frozen=True)
class _About:
    """How bright it is about each voxel.

    Args:
        bright: 0 to 1.
        blur: how far about is looked.
        mean: of the brightness.
        square: the mean of its square.
    """

    bright: Voxels
    blur: Filter
    mean: Voxels
    square: Voxels

    @classmethod
    def of(cls, bright: Voxels, blur: Filter) -> _About:
        return cls(bright, blur, blur(bright), blur(bright * bright))

    def guided(self, likely: Voxels) -> tuple[Voxels, Voxels]:
        """What the voxel's brightness says by the line that fits best about it, and by all such.

        Args:
            likely: whether each voxel is inside, 0 to 1.
        """
        share = self.blur(likely)
        variance = self.square - self.mean**2
        together = self.blur(self.bright * likely) - self.mean * share
        slope = together / (variance + 1e-3 * self.bright.var() + 1e-12)
        base = share - slope * self.mean
        return slope * self.bright + base, self.blur(slope) * self.bright + self.blur(base)

    def sided(self, likely: Voxels) -> Voxels:
        """Whether a voxel is as bright as what is inside about it, 1, or as what is not, -1."""
        share, part = self.blur(likely), self.blur(self.bright * likely)
        inside, outside = share + np.float32(1e-3), 1 - share + np.float32(1e-3)
        within, without = part / inside, (self.mean - part) / outside
        spread = self.square - within**2 * inside - without**2 * outside
        spread = spread.clip(0) + 0.01 * self.bright.var() + 1e-12
        unlike = (self.bright - without) ** 2 - (self.bright - within) ** 2
        found: Voxels = np.tanh(unlike / (4 * spread))
        return found


def _nearer(scene: Scene, bright: Voxels) -> list[Voxels]:
    """Whose paths are shorter, above 0 for those from the structure: by how much, and what share."""
    size, shape = scene.size_mm, bright.shape
    seeds: Flags = np.zeros((2, *shape), dtype=bool)
    for axis, ends in enumerate(scene.walls):
        sides = np.moveaxis(seeds[1], axis, 0)
        for end, is_wall in zip((0, -1), ends, strict=True):
            if is_wall and len(sides) > 2:
                sides[end] = True
    at = np.clip(np.rint(scene.clicks), 0, np.array(shape) - 1).astype(int)
    for index, on in zip(at.tolist(), scene.inside, strict=True):
        seeds[(slice(None), *index)] = (on, not on)
    voxels = Filter.gaussian(shape, [_LEAST] * 3)(bright)
    inner, outer = paths(voxels, seeds, scene.spacing, _TOLL * size)
    ahead = (outer - inner) / np.float32(_REACH * size)
    share = (outer - inner) / (outer + inner + np.float32(1e-3))
    return [np.tanh(ahead), np.tanh(4 * ahead), share]
