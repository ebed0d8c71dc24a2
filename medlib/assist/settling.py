"""The last look, once there are several clicks: what is thought so far is held to the scan's edges.

The evidence and the network say roughly where a structure is, and a click tells them little about
the next bend of its border. Here the outline so far is a beginning: about each voxel, what is
inside by it and what is outside are told apart anew by their brightness (guided filters: He, Sun
and Tang, PAMI 2013; means on both sides of the border: Lankton and Tannenbaum, IEEE TIP 2008), and
paths from the clicks that shun edges (GeoS: Criminisi, Sharp and Blake, ECCV 2008) say on whose
side it lies. All of this moves the odds, the more the more clicks there are: of an outline from
one click too much may be wrong to learn from it, and the odds then stay as they are.

The weights were fitted on synthetic structures and on those of one CT (:mod:`medlib.assist.weighing`;
docs/assist.md says what they do elsewhere); all lengths are taken beside the box's or the voxels'.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medlib.assist.evidence import Scene
from medlib.assist.inputs import Flags, Voxels, sharpness
from medlib.assist.paths import paths

_GUIDED = (1.0, 2.0, 4.0)  # deviations, in sides of the finest voxel
_BESIDE = (1.5, 3.0, 6.0)
_SMOOTHED = (1.0, 2.0)
_LEAST = 0.5  # deviation in voxels, along thick slices too
_TOLL = 1.5  # of the box's size, for the way from dark to bright
_REACH = 0.25  # of the box's size, beyond which paths are long

# Of the columns of signs, in their order.
WEIGHTS = np.array(
    [0.48, 0.54, 0.55, 0.5, 0.36, 0.32, 0.66, 0.63, 0.4, 0.55, 0.39, 0.89, -0.49, 0.2, 0.24,
     -0.83], dtype=np.float32
)  # fmt: skip


def settled(scene: Scene, odds: Voxels, weights: npt.NDArray[np.float32] = WEIGHTS) -> Voxels:
    """The odds, after the last look.

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
    moved: Voxels = odds + (signs(scene, odds) @ weights).reshape(odds.shape)
    return moved


def signs(scene: Scene, odds: Voxels) -> npt.NDArray[np.float32]:
    """What speaks for moving the odds up: (voxel, sign), to be weighed by the weights.

    Args:
        scene: the box and its clicks.
        odds: so far, (slice, row, column).
    """
    low, high = np.quantile(scene.voxels, [0.02, 0.98])
    bright = (np.clip(scene.voxels, low, high) - low) / np.float32(high - low + 1e-6)
    likely = 1 / (1 + np.exp(-odds.clip(-30, 30)))
    columns: list[Voxels] = []
    for reach in _GUIDED:
        columns += _guided(bright, likely, _deviations(scene, reach))
    columns += [_sided(bright, likely, _deviations(scene, reach)) for reach in _BESIDE]
    columns += _nearer(scene, bright)
    columns += [np.tanh(odds / 2)]
    columns += [_blurred(likely, _deviations(scene, reach)) for reach in _SMOOTHED]
    columns += [np.ones_like(likely)]
    many = np.float32(1 - 1 / len(scene.clicks))
    return many * np.stack([np.asarray(c, dtype=np.float32).ravel() for c in columns], 1)


def _deviations(scene: Scene, reach: float) -> list[float]:
    """So many sides of the finest voxel, in voxels along each axis."""
    sigma = np.maximum(sharpness(reach * min(scene.spacing), scene.spacing), _LEAST)
    return [float(deviation) for deviation in sigma]


def _blurred(values: Voxels, sigma: list[float]) -> Voxels:
    from scipy.ndimage import gaussian_filter

    found: Voxels = gaussian_filter(values, sigma, mode="nearest", truncate=2)
    return found


def _guided(bright: Voxels, likely: Voxels, sigma: list[float]) -> tuple[Voxels, Voxels]:
    """What the voxel's brightness says by the line that fits best about it, and by all such lines.

    Args:
        bright: 0 to 1.
        likely: whether each voxel is inside, 0 to 1.
        sigma: how far about is looked.
    """
    brightness, share = _blurred(bright, sigma), _blurred(likely, sigma)
    variance = _blurred(bright * bright, sigma) - brightness**2
    together = _blurred(bright * likely, sigma) - brightness * share
    slope = together / (variance + 1e-3 * bright.var() + 1e-12)
    base = share - slope * brightness
    return slope * bright + base, _blurred(slope, sigma) * bright + _blurred(base, sigma)


def _sided(bright: Voxels, likely: Voxels, sigma: list[float]) -> Voxels:
    """Whether a voxel is as bright as what is inside about it, 1, or as what is not, -1."""
    share = _blurred(likely, sigma)
    inside, outside = share + np.float32(1e-3), 1 - share + np.float32(1e-3)
    part, whole = _blurred(bright * likely, sigma), _blurred(bright, sigma)
    within, without = part / inside, (whole - part) / outside
    spread = _blurred(bright * bright, sigma) - within**2 * inside - without**2 * outside
    spread = spread.clip(0) + 0.01 * bright.var() + 1e-12
    found: Voxels = np.tanh(((bright - without) ** 2 - (bright - within) ** 2) / (4 * spread))
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
    voxels = _blurred(bright, [_LEAST] * 3)
    inner, outer = paths(voxels, seeds, scene.spacing, _TOLL * size)
    ahead = (outer - inner) / np.float32(_REACH * size)
    share = (outer - inner) / (outer + inner + np.float32(1e-3))
    return [np.tanh(ahead), np.tanh(4 * ahead), share]
