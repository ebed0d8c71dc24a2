"""Outlining one structure from a box around it and a few clicks.

What speaks for each voxel being inside (:mod:`medlib.assist.evidence`) is weighed; a small network
(:mod:`medlib.assist.refiner`), which has learned from synthetic structures only, looks at the box,
the clicks and these odds once more; and from the second click on what is thought by then is held to
the scan's edges (:mod:`medlib.assist.settling`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from medlib.assist.evidence import Scene, rated
from medlib.assist.filters import Filter
from medlib.assist.flooding import averaged, coarsening
from medlib.assist.inputs import (
    Flags,
    Voxels,
    Window,
    indices_of,
    must_be_finite,
    voxels_of,
)
from medlib.assist.refiner import refined
from medlib.assist.settling import settled
from medlib.space import Grid
from medlib.types import Boxes, Label, Labels, Mask, Points, Volume

T = TypeVar("T", bound=np.generic)

NO_CLICKS = Points(np.empty((0, 3)))

_MOST_VOXELS = 50_000  # that are weighed one by one
_UPRIGHT = "SPL"  # every scene lies so, that the answer does not hang on how a scan is stored


@dataclass(frozen=True)
class Look:
    """A scene, which lies upright, and the voxels of the scan that it is of.

    Args:
        scene: the box, perhaps coarser; slices towards the head, rows towards the back, columns
            towards the left, or as near to it as the scan's axes are.
        window: of the scan, as it is stored.
        shape: of the window, laid upright.
        clicks: (n, 3), the voxels of the upright window that were clicked.
        factors: how many voxels of the window the scene takes as one, along each upright axis.
        order: which axis of the scan each upright one is.
        flips: the axes of the scan that run the other way.
    """

    scene: Scene
    window: Window
    shape: tuple[int, ...]
    clicks: npt.NDArray[np.int64]
    factors: npt.NDArray[np.int64]
    order: tuple[int, ...]
    flips: tuple[int, ...]

    def upright(self, stored: npt.NDArray[T]) -> npt.NDArray[T]:
        """What is stored as the scan's window is, laid as the scene."""
        return np.flip(stored, self.flips).transpose(self.order)

    def as_stored(self, upright: npt.NDArray[T]) -> npt.NDArray[T]:
        """What lies as the scene, laid as the scan's window is stored."""
        return np.flip(upright.transpose(np.argsort(self.order).tolist()), self.flips)


def box_around(scan: Volume, click: Points, extent_mm: float) -> Boxes:
    """A box for those who only clicked: a cube about the click, along the patient's axes.

    Args:
        scan: that was clicked on.
        click: one point.
        extent_mm: the cube's side; nothing beyond it will be outlined.

    Raises:
        ValueError: for another number of points, or one outside of the scan.

    Example:
        >>> from medlib.space import Grid
        >>> scan = Volume(torch.zeros(1, 9, 9, 9), Grid.from_axes((9, 9, 9)))
        >>> box_around(scan, Points([[4, 4, 4]]), 4).low
        array([[2., 2., 2.]])
    """
    if len(click.coordinates) != 1 or not extent_mm > 0:
        raise ValueError(
            f"a box is drawn about one click, of more than 0 mm; not {len(click.coordinates)} "
            f"clicks and {extent_mm} mm"
        )
    indices_of(click, scan.grid, "click")
    return Boxes.between(click.coordinates - extent_mm / 2, click.coordinates + extent_mm / 2)


def outline(
    scan: Volume,
    label: Label,
    box: Boxes,
    inside: Points,
    outside: Points = NO_CLICKS,
) -> Mask:
    """Outline the structure that the clicks are on.

    Clicks are kept: a voxel clicked as inside is inside, one clicked as outside is not. Nothing
    beyond the box is outlined. What the scan's own border cuts through is followed up to it. A
    box of more than some 37³ voxels is looked at in groups of voxels, and edges between groups
    are interpolated.

    Args:
        scan: one channel.
        label: what the structure is.
        box: one box, around the structure with little to spare; its sides count as outside.
        inside: clicks on the structure, at least one.
        outside: clicks on what is none of it, within the box or without (where they say nothing).

    Returns:
        A mask of the one label, on the scan's grid.

    Raises:
        ValueError: for another number of boxes, a box that lies outside the scan, no click on the
            structure, clicks outside the scan, a click on the structure outside the box, and
            clicks that say both of one voxel.

    Example:
        >>> from medlib.space import Grid
        >>> voxels = torch.zeros(1, 12, 12, 12)
        >>> voxels[0, 3:9, 3:9, 3:9] = 100
        >>> scan = Volume(voxels, Grid.from_axes((12, 12, 12)))
        >>> box = Boxes.between([[1, 1, 1]], [[10, 10, 10]])
        >>> cyst = outline(scan, Label(1, "cyst"), box, Points([[5, 5, 5]]))
        >>> cyst.data[0, 5, 5].tolist()
        [0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    """
    look = looked_at(scan, box, inside, outside)
    odds = refined(look.scene, rated(look.scene))
    found = decided(settled(look.scene, odds), look)
    data = np.zeros(scan.grid.shape, dtype=np.int32 if label.id > 255 else np.uint8)
    data[look.window][found] = label.id
    return Mask(torch.from_numpy(data[None]), scan.grid, Labels((label,)))


def looked_at(scan: Volume, box: Boxes, inside: Points, outside: Points) -> Look:
    """What is looked at for a box and clicks.

    Raises:
        ValueError: as :func:`outline` does.
    """
    if len(box) != 1:
        raise ValueError(f"a structure is outlined in one box, not {len(box)}")
    window = _window(box, scan.grid)
    on, off = (indices_of(c, scan.grid, "click") for c in (inside, outside))
    _agree(on, off, window)
    start = np.array([w.start for w in window])
    stop = np.array([w.stop for w in window])
    off = off[((off >= start) & (off < stop)).all(1)]
    cut = voxels_of(scan)[window].astype(np.float32)
    must_be_finite(cut)
    stored = scan.grid.window(start.tolist(), cut.shape)
    upright = stored.reoriented(_UPRIGHT)
    order, flips = map(tuple, stored.permutation(_UPRIGHT))
    clicks = np.concatenate([on, off]) - start
    clicks = np.rint(upright.to_index(stored.to_patient(clicks))).astype(np.int64)
    walls = [(w.start > 0, w.stop < n) for w, n in zip(window, scan.grid.shape, strict=True)]
    walls = [ends[::-1] if axis in flips else ends for axis, ends in enumerate(walls)]
    factors = np.array(coarsening(upright.shape, upright.spacing, _MOST_VOXELS))
    a, b, c = np.multiply(upright.spacing, factors).tolist()
    scene = Scene(
        averaged(np.flip(cut, flips).transpose(order), factors.tolist()),
        (a, b, c),
        (clicks - (factors - 1) / 2) / factors,
        np.arange(len(clicks)) < len(on),
        tuple(walls[axis] for axis in order),
    )
    return Look(scene, window, upright.shape, clicks, factors, order, flips)


def _window(box: Boxes, grid: Grid) -> Window:
    """The voxels whose centres a box holds, along the grid's axes."""
    low, high = box.on(grid)[0]
    start = np.maximum(np.ceil(low - 1e-6), 0).astype(int).tolist()
    stop = np.minimum(np.floor(high + 1e-6) + 1, grid.shape).astype(int).tolist()
    if any(b - a < 1 for a, b in zip(start, stop, strict=True)):
        raise ValueError("the box holds no voxel of the scan: draw it on the structure")
    return slice(start[0], stop[0]), slice(start[1], stop[1]), slice(start[2], stop[2])


def _agree(on: npt.NDArray[np.int64], off: npt.NDArray[np.int64], window: Window) -> None:
    """Refuse clicks that cannot all be right."""
    if not len(on):
        raise ValueError("click on the structure at least once: nothing says where it is")
    for number, index in enumerate(on.tolist(), 1):
        if not all(w.start <= i < w.stop for w, i in zip(window, index, strict=True)):
            raise ValueError(
                f"click {number} on the structure lies outside the box: draw the box around it"
            )
    if both := set(map(tuple, on.tolist())) & set(map(tuple, off.tolist())):
        raise ValueError(
            f"the voxel {min(both)} (slice, row, column) was clicked as inside and as outside"
        )


def decided(odds: Voxels, look: Look) -> Flags:
    """The structure: what is more likely inside, in pieces that were clicked on, without holes.

    Returns:
        (slice, row, column) of the look's window, as the scan is stored.
    """
    from scipy.ndimage import label as numbered

    factors, inside = look.factors.tolist(), look.scene.inside
    if max(factors) > 1:
        odds = Filter.enlarging(odds.shape, factors, look.shape)(odds)
    found = odds > 0
    at = tuple(look.clicks.T)
    found[at] = inside
    pieces, count = numbered(found, np.ones((3, 3, 3), dtype=bool))
    kept = np.zeros(count + 1, dtype=bool)
    kept[pieces[at][inside]] = True
    kept[0] = False
    whole = _without_holes(kept[pieces])
    whole[at] = inside
    return look.as_stored(whole)


def _without_holes(inside: Flags) -> Flags:
    """With all that no side of the box is joined to.

    SciPy's ``binary_fill_holes`` gives the same, and takes twice as long, which is felt at each click.
    """
    from scipy.ndimage import label as numbered

    pieces, count = numbered(~inside)
    is_open = np.zeros(count + 1, dtype=bool)
    for axis in range(3):
        is_open[np.moveaxis(pieces, axis, 0)[[0, -1]]] = True
    is_open[0] = False
    filled: Flags = ~is_open[pieces]
    return filled
