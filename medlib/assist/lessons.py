"""Boxes to practise on: synthetic structures, clicked on as a patient reader would.

The structures are those of :mod:`medlib.models.pretraining`, so that nothing of a patient is in
them. The reader clicks where the structure is thickest, and from then on in the middle of the
largest piece that is wrong, as interactive segmentation is commonly simulated (Xu et al., Deep
interactive object selection, CVPR 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from medlib.assist.clicks import decided, looked_at
from medlib.assist.evidence import Scene, rated
from medlib.assist.flooding import averaged
from medlib.assist.inputs import Flags, Voxels
from medlib.assist.refiner import refined
from medlib.models.pretraining.appearance import appearance
from medlib.models.pretraining.shapes import shapes
from medlib.models.pretraining.solids import AIR, TISSUE
from medlib.space import Grid
from medlib.types import Boxes, Points, Volume

Index = tuple[int, ...]
Clicks = list[tuple[Index, bool]]

MOST_CLICKS = 10
_FORMS = (  # size and spacing of a volume, and how many of a hundred have them
    ((64, 64, 64), (1.0, 1.0, 1.0), 50),
    ((80, 80, 80), (1.0, 1.0, 1.0), 25),
    ((40, 72, 72), (2.0, 1.0, 1.0), 13),
    ((24, 80, 80), (4.0, 1.0, 1.0), 12),
)
_STRUCTURES = (15, 40)
_REACH = 6.0
_BOXES = 8  # of a volume
_SMALLEST, _CRUMB = 120, 20  # voxels
_KEPT = 5  # of the moments of a box


@dataclass(frozen=True)
class Lesson:
    """A moment in the outlining of a structure.

    Args:
        scene: the box, and what has been clicked.
        odds: what the evidence says of each voxel, (slice, row, column).
        truth: likewise, the structure.
    """

    scene: Scene
    odds: Voxels
    truth: Flags


def lessons(number: int, network: nn.Module | None = None, *, seed: int = 0) -> list[Lesson]:
    """The lessons of one synthetic volume: the same whenever it is asked for.

    Args:
        number: of the volume.
        network: a refiner whose mistakes the clicks are to mend; left out, those of the evidence.
        seed: of all of them.

    Example:
        >>> found = lessons(3)
        >>> found[0].scene.voxels.shape == found[0].odds.shape == found[0].truth.shape
        True
    """
    rng = np.random.default_rng((seed, number))
    size, spacing, _ = _FORMS[rng.choice(len(_FORMS), p=[share / 100 for *_, share in _FORMS])]
    made = shapes(number, size, seed=seed, spacing=spacing, structures=_STRUCTURES, reach=_REACH)
    image = appearance(made, number, 0, seed=seed)[0].numpy()
    which = made.instance.numpy()
    sizes = np.bincount(which.ravel())
    large = [n for n, count in enumerate(sizes) if n not in {AIR, TISSUE} and count >= _SMALLEST]
    rng.shuffle(large)
    found: list[Lesson] = []
    for structure in large[:_BOXES]:
        if (cut := _boxed(image, which == structure, spacing, rng)) is not None:
            found += _walked(*cut, network, rng)
    return found


def middle(region: Flags) -> Index:
    """Where a region is thickest."""
    from scipy import ndimage

    window = ndimage.find_objects(region.astype(np.int8))[0]
    depth = ndimage.distance_transform_edt(np.pad(region[window], 1))[1:-1, 1:-1, 1:-1]
    index = np.unravel_index(depth.argmax(), depth.shape)
    return tuple(int(i) + w.start for i, w in zip(index, window, strict=True))


def correction(found: Flags, truth: Flags) -> tuple[Index, bool] | None:
    """The next click, and whether it is on the structure; None where nothing is wrong."""
    from scipy import ndimage

    largest, where, on = 0, found, True
    for wrong, inside in ((truth & ~found, True), (found & ~truth, False)):
        pieces, count = ndimage.label(wrong)
        sizes = np.bincount(pieces.ravel())[1:]
        if count and sizes.max() > largest:
            largest, where, on = int(sizes.max()), pieces == sizes.argmax() + 1, inside
    return (middle(where), on) if largest else None


def points(clicks: Clicks, grid: Grid, on: bool) -> Points:
    """The clicks on the structure, or those off it, in the patient."""
    chosen = [index for index, inside in clicks if inside is on]
    return Points(grid.to_patient(np.array(chosen, dtype=float).reshape(-1, 3)))


def _boxed(
    image: Voxels, truth: Flags, spacing: tuple[float, float, float], rng: np.random.Generator
) -> tuple[Volume, Flags, Boxes] | None:
    """A structure, the scan about it, and a box drawn with a little to spare."""
    from scipy import ndimage

    pieces, count = ndimage.label(truth)
    if count > 1:  # what others hide in part leaves crumbs, which nobody would ask for
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        truth = np.isin(pieces, np.flatnonzero(sizes >= max(_CRUMB, sizes.max() / 10)))
    extent = ndimage.find_objects(truth.astype(np.int8))[0]
    spare = int(rng.integers(1, 4)) if rng.random() < 0.4 else 2
    box = [
        (max(0, w.start - spare), min(n, w.stop + spare))
        for w, n in zip(extent, truth.shape, strict=True)
    ]
    if min(stop - start for start, stop in box) < 3:
        return None
    # A voxel more on each side than the box has, but where the scan itself ends.
    window = tuple(
        slice(max(0, start - 1), min(n, stop + 1))
        for (start, stop), n in zip(box, truth.shape, strict=True)
    )
    scan = Volume(
        torch.from_numpy(image[window].copy())[None],
        Grid.from_axes(truth[window].shape, spacing=spacing),
    )
    ends = np.array(
        [(a - w.start, b - 1 - w.start) for (a, b), w in zip(box, window, strict=True)], dtype=float
    )
    corners = scan.grid.to_patient(ends.T)
    return scan, truth[window], Boxes.between(corners.min(0)[None], corners.max(0)[None])


def _walked(
    scan: Volume, truth: Flags, box: Boxes, network: nn.Module | None, rng: np.random.Generator
) -> Iterator[Lesson]:
    """Some of the moments of an outlining, the first click always among them."""
    clicks: Clicks = [(middle(truth), True)]
    kept = {1, *rng.choice(np.arange(2, MOST_CLICKS + 1), _KEPT - 1, replace=False).tolist()}
    for count in range(1, max(kept) + 1):
        on, off = (points(clicks, scan.grid, inside) for inside in (True, False))
        look = looked_at(scan, box, on, off)
        odds = rated(look.scene)
        if count in kept:
            share = averaged(
                look.upright(truth[look.window]).astype(np.float32), look.factors.tolist()
            )
            yield Lesson(look.scene, odds, share >= 0.5)
        answer = odds if network is None else refined(look.scene, odds, network)
        found = np.zeros(truth.shape, dtype=bool)
        found[look.window] = decided(answer, look)
        more = correction(found, truth)
        if more is None or more in clicks:
            return
        clicks.append(more)
