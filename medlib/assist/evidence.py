"""What speaks for each voxel of a box being inside the structure that was clicked on.

Three marker watersheds (Meyer 1994) at different scales of the gradient each propose an outline;
how bright the structure is beside the rest of the box is learnt from what they propose (as
Rother, Kolmogorov and Blake, GrabCut, SIGGRAPH 2004, do from the box); clicks vote for what is
near them and as bright as they are; and boxes are drawn so that structures lie in their midst.
A logistic regression weighs these against one another. Its weights were fitted once, on the
example CT of TotalSegmentator (``tests/benchmarks/assist.py --fit``); sizes are taken beside the
box's and brightness by rank, so that they hold for other structures, scans and units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medlib.assist.filters import weighed
from medlib.assist.flooding import flooded, relief
from medlib.assist.inputs import Flags, Voxels
from medlib.space.grid import FloatArray

_RANKS = 32
_INSIDE, _OUTSIDE = 1, 2
_BALLS = (0.08, 0.08, 0.14)  # radius of a click's ball beside the box's size, for each watershed
_SCALES = (0.7, 1.0, 0.7)  # of the gradient, in voxels, for each watershed


# Of the columns of evidence, in their order.
WEIGHTS = np.array(
    [1.57, 1.19, 1.12, 0.04, 0.05, 0.82, -1.12, -1.04, 4.69, 2.44, 0.45, 1.43, -1.49, 0.92, 1.96,
     -0.78, -1.5, 0.72], dtype=np.float32
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What is known of a box before anything is outlined.

    Args:
        voxels: (slice, row, column), the scan in the box, perhaps coarser.
        spacing: millimetres along these.
        clicks: (n, 3), indices into the voxels, fractional.
        inside: (n,), whether a click is on the structure.
        walls: for each axis, whether the box's low and high side are background; a side of the
            scan itself may cut through the structure.
    """

    voxels: Voxels
    spacing: tuple[float, float, float]
    clicks: FloatArray
    inside: Flags
    walls: tuple[tuple[bool, bool], ...]

    @property
    def size_mm(self) -> float:
        """The side of a cube as large as the box."""
        return float(np.prod(np.array(self.voxels.shape) * self.spacing) ** (1 / 3))


def rated(scene: Scene, weights: npt.NDArray[np.float32] = WEIGHTS) -> Voxels:
    """The logarithm of the odds that each voxel is inside, by the evidence, (slice, row, column)."""
    return weighed(evidence(scene), weights).reshape(scene.voxels.shape)


def evidence(scene: Scene) -> npt.NDArray[np.float32]:
    """What speaks for each voxel being inside: (voxel, evidence), to be weighed by the weights."""
    voxels, size = scene.voxels, scene.size_mm
    shape, count = voxels.shape, len(scene.clicks)
    away = _distances(scene)
    few = 1.0 / count
    plain, fine = (_smoothed(voxels, sigma) for sigma in (1.0, 0.5))
    ranks, fine_ranks = _ranks(plain), _ranks(fine)

    marked = [_markers(scene, away, size * ball * min(1, 2 * few + 0.5)) for ball in _BALLS]
    at = [tuple(np.clip(np.rint(c), 0, np.array(shape) - 1).astype(int)) for c in scene.clicks]
    middle = float(np.median([fine[i] for i, on in zip(at, scene.inside, strict=True) if on]))
    spread = float(np.subtract(*np.quantile(fine, [0.9, 0.1]))) / 2 + 1e-6
    seen = (voxels, voxels, np.tanh((voxels - middle) / spread))
    proposals = [
        flooded(relief(what, scene.spacing, scale * min(scene.spacing)), markers) == _INSIDE
        for what, scale, markers in zip(seen, _SCALES, marked, strict=True)
    ]
    agreed = np.sum(proposals, axis=0) >= 2
    depths = [np.tanh(_depth(p, scene.spacing) * (8 / size)) for p in proposals]

    reach = [(n - 1) / 2 for n in shape]
    across = np.indices(shape)
    offset = [(x - r) / (r + 0.5) for x, r in zip(across, reach, strict=True)]
    roundness = np.sqrt(np.square(offset).sum(0))
    sides = [np.minimum(x, n - 1 - x) / n for x, n in zip(across, shape, strict=True)]
    edge = np.min(sides, 0).clip(0, 0.15)
    near = [
        np.min([a for a, on in zip(away, scene.inside, strict=True) if on == which], 0)
        if (scene.inside == which).any()
        else np.full(shape, size)
        for which in (True, False)
    ]
    votes = [_votes(away / (size * far), ranks, at, scene.inside) for far in (0.125, 0.33)]
    likely = (
        _likelihood(ranks, agreed, ~agreed),
        _likelihood(ranks, marked[0] == _INSIDE, marked[0] == _OUTSIDE),
        _likelihood(fine_ranks, agreed, ~agreed),
    )
    on, off = near[0] / size, near[1] / size
    columns = [*depths, *likely, roundness, roundness * few, edge, edge * few, on, on * few]
    columns += [np.exp(-8 * off), np.exp(-8 * on), *votes, np.ones(shape), np.full(shape, few)]
    return np.stack([np.asarray(c, dtype=np.float32).ravel() for c in columns], 1)


def _distances(scene: Scene) -> npt.NDArray[np.float32]:
    """(click, slice, row, column): millimetres from each click."""
    places = np.moveaxis(np.indices(scene.voxels.shape, dtype=np.float32), 0, -1)
    spacing = np.array(scene.spacing, dtype=np.float32)
    found = [
        np.linalg.norm((places - click) * spacing, axis=-1)
        for click in scene.clicks.astype(np.float32)
    ]
    return np.stack(found).astype(np.float32)


def _markers(scene: Scene, away: npt.NDArray[np.float32], radius: float) -> npt.NDArray[np.int32]:
    """A ball about each click, the nearest click deciding; the box's walls."""
    nearest = away.argmin(0)
    within = away.min(0) <= max(radius, *scene.spacing)
    markers = np.where(within, np.where(scene.inside[nearest], _INSIDE, _OUTSIDE), 0)
    for axis, ends in enumerate(scene.walls):
        sides = np.moveaxis(markers, axis, 0)
        for end, is_wall in zip((0, -1), ends, strict=True):
            if is_wall and len(sides) > 2:
                sides[end][sides[end] == 0] = _OUTSIDE
    return markers.astype(np.int32)


def _smoothed(voxels: Voxels, sigma: float) -> Voxels:
    from scipy.ndimage import gaussian_filter

    found: Voxels = gaussian_filter(voxels, sigma, mode="nearest", truncate=3)
    return found


def _ranks(voxels: Voxels) -> npt.NDArray[np.int64]:
    """Which of so many equally filled classes each voxel is in."""
    bounds = np.quantile(voxels, np.linspace(0, 1, _RANKS + 1)[1:-1])
    return np.searchsorted(bounds, voxels)


def _likelihood(ranks: npt.NDArray[np.int64], inside: Flags, outside: Flags) -> Voxels:
    """The logarithm of how much likelier each voxel's brightness is inside than outside."""
    counts = [np.bincount(ranks[where], minlength=_RANKS) for where in (inside, outside)]
    smooth = [np.convolve(c, np.array([1, 4, 6, 4, 1]) / 16, "same") + 0.5 for c in counts]
    ratio = np.log(smooth[0] / smooth[0].sum()) - np.log(smooth[1] / smooth[1].sum())
    found: Voxels = ratio.clip(-4, 4).astype(np.float32)[ranks]
    return found


def _votes(
    away: npt.NDArray[np.float32],
    ranks: npt.NDArray[np.int64],
    at: Sequence[tuple[int, ...]],
    inside: Flags,
) -> Voxels:
    """Each click's vote for its like: less the farther away, and the brighter or darker."""
    votes = np.zeros(ranks.shape, dtype=np.float32)
    for far, index, on in zip(away, at, inside, strict=True):
        unlike = np.abs(ranks - ranks[index]) / np.float32(0.15 * _RANKS)
        votes += (1 if on else -1) * np.exp(-far - unlike)
    found: Voxels = np.tanh(votes)
    return found


def _depth(inside: Flags, spacing: Sequence[float]) -> Voxels:
    """Millimetres to the outline, positive inside."""
    from scipy.ndimage import distance_transform_edt

    if inside.all() or not inside.any():
        return np.full(inside.shape, 1e3 if inside.all() else -1e3, dtype=np.float32)
    depth: Voxels = distance_transform_edt(inside, sampling=spacing).astype(np.float32)
    depth -= distance_transform_edt(~inside, sampling=spacing)
    return depth
