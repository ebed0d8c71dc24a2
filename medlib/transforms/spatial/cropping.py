"""Recipes that choose a part of the scan, or add empty space around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import torch

from medlib.space.grid import FloatArray
from medlib.transforms.chance import Chance
from medlib.transforms.labels.recipes import known_names
from medlib.transforms.recipe import Transform, the_scan
from medlib.transforms.scene import Scene
from medlib.transforms.spatial.move import Move
from medlib.transforms.spatial.sites import Site, sites
from medlib.types import Mask, MultiVolume

Shape = tuple[int, int, int]

_TRIES = 32  # voxels of a label that are tried first; where moves took all away, all of its sites


@dataclass(frozen=True)
class Crop(Transform):
    """Cuts voxels away from the sides.

    Args:
        before: voxels from the first on, along (slice, row, column).
        after: voxels up to the last, along (slice, row, column).

    Raises:
        ValueError: for numbers below 0, and for a scan of which nothing would be left.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Item, Pipeline
        >>> from medlib.types import MRVolume
        >>> scan = MRVolume(torch.zeros(1, 9, 8, 8), Grid.from_axes((9, 8, 8)))
        >>> Pipeline((Crop(before=(2, 0, 0), after=(3, 1, 0)),))(Item((scan,))).grid.shape
        (4, 7, 8)
    """

    before: Shape = (0, 0, 0)
    after: Shape = (0, 0, 0)

    def __post_init__(self) -> None:
        _check_sides(self.before, self.after)

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when nothing is cut."""
        stop = np.array(scene.grid.shape) - self.after
        if (stop <= self.before).any():
            raise ValueError(
                f"cutting {self.before} and {self.after} voxels from the sides of a scan of "
                f"{scene.grid.shape} leaves nothing"
            )
        return _window(scene, self.before, stop.tolist())


@dataclass(frozen=True)
class Pad(Transform):
    """Adds voxels of empty space at the sides.

    Args:
        before: voxels ahead of the first, along (slice, row, column).
        after: voxels after the last, along (slice, row, column).

    Raises:
        ValueError: for numbers below 0.
    """

    before: Shape = (0, 0, 0)
    after: Shape = (0, 0, 0)

    def __post_init__(self) -> None:
        _check_sides(self.before, self.after)

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when nothing is added."""
        stop = np.array(scene.grid.shape) + self.after
        return _window(scene, [-n for n in self.before], stop.tolist())


@dataclass(frozen=True)
class _Sized(Transform):
    """What has a size to reach; 0 leaves an axis as it is."""

    shape: Shape

    def __post_init__(self) -> None:
        _check_shape(self.shape, least=0)


@dataclass(frozen=True)
class CropOrPad(_Sized):
    """Cuts or pads to ``shape`` voxels about the middle.

    Args:
        shape: along (slice, row, column); 0 leaves that axis as it is.

    Raises:
        ValueError: for sizes below 0.
    """

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when the size is already so."""
        own = scene.grid.shape
        wanted = [w or n for w, n in zip(self.shape, own, strict=True)]
        start = [(n - w) // 2 for n, w in zip(own, wanted, strict=True)]
        return _window(scene, start, [a + w for a, w in zip(start, wanted, strict=True)])


@dataclass(frozen=True)
class PadTo(_Sized):
    """Pads to at least ``shape`` voxels, about the middle; cuts nothing.

    Args:
        shape: along (slice, row, column); 0 leaves that axis as it is.

    Raises:
        ValueError: for sizes below 0.
    """

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when the scan is large enough."""
        larger = tuple(max(n, w) for n, w in zip(scene.grid.shape, self.shape, strict=True))
        return CropOrPad((larger[0], larger[1], larger[2])).draw(scene, chance)


@dataclass(frozen=True)
class CropToForeground(Transform):
    """Cuts away the empty space around what is brighter than a threshold.

    Of several series, what is bright in any of them is kept. A scan in which nothing is bright is
    left as it is.

    Args:
        above: in the volume's units; None takes the volume's background value, each series' own.
        margin: voxels kept around it, within the scan.

    Raises:
        ValueError: for a margin below 0.
    """

    above: float | None = None
    margin: int = 0

    def __post_init__(self) -> None:
        if self.margin < 0:
            raise ValueError(f"a margin is 0 voxels or more, not {self.margin}")

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when there is nothing to cut (or nothing to keep)."""
        scan = the_scan(scene.values)
        series = scan.parts if isinstance(scan, MultiVolume) else (scan,)
        bright = torch.zeros(scan.grid.shape, dtype=torch.bool, device=series[0].data.device)
        for part in series:
            bright |= (part.data > (part.background if self.above is None else self.above)).any(0)
        start, stop = [], []
        for axis in range(3):
            others = [k for k in range(3) if k != axis]
            reached = bright.any(others[1]).any(others[0]).nonzero()
            if len(reached) == 0:
                return None
            start.append(int(reached[0]) - self.margin)
            stop.append(int(reached[-1]) + 1 + self.margin)
        return _window(scene, *_inside(scene, start, stop))


@dataclass(frozen=True)
class CropToLabels(Transform):
    """Cuts away what is further from the named structures than a margin.

    For training, and wherever else there is a mask: of a scan alone it does not know what to cut.
    An item whose masks know the names but hold no voxel of them is left as it is.

    Args:
        labels: names of the structures; all that there are when there is none.
        margin_mm: kept around them on all sides, within the scan: at least as much, up to whole
            voxels.

    Raises:
        ValueError: for a margin below 0; for an item without a mask, or none of whose masks has
            one of the names.
    """

    labels: tuple[str, ...] = ()
    margin_mm: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.margin_mm < inf:
            raise ValueError(f"a margin is 0 mm or more, not {self.margin_mm:g}")

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when there is nothing to cut (or nothing to keep)."""
        known_names(scene, self.labels)
        masks = [v for v in scene.values if isinstance(v, Mask)]
        if not masks:
            raise ValueError("there is no mask, so it is not known where the structures are")
        extents = [extent for mask in masks for extent in self._extents(mask)]
        if not extents:
            return None
        # How far apart the planes of voxels are, which in a sheared grid is not the spacing.
        apart = 1 / np.linalg.norm(np.linalg.inv(scene.grid.affine)[:3, :3], axis=1)
        margin = np.ceil(self.margin_mm / apart - 1e-6).astype(int)
        ends = np.array([[[s.start, s.stop] for s in extent] for extent in extents])
        start, stop = ends[..., 0].min(0) - margin, ends[..., 1].max(0) + margin
        return _window(scene, *_inside(scene, start.tolist(), stop.tolist()))

    def _extents(self, mask: Mask) -> list[tuple[slice, slice, slice]]:
        wanted = {label.id for label in mask.labels if label.name in self.labels}
        extents = mask.extents().items()
        return [extent for label_id, extent in extents if not self.labels or label_id in wanted]


@dataclass(frozen=True)
class RandomPatch(Transform):
    """Cuts a patch at random, often centred on a labelled structure, or on a box.

    Moves before it are not carried out on the whole scan: the patch is the only grid that
    voxels are read on. Labels take turns: a small lesion is chosen as often as a large liver.
    Where labels are is looked for once for each mask (:attr:`medlib.types.Mask.sites`), so that
    many patches of one mask cost no more than the first. Where a mask was drawn on some slices
    only, patches lie about voxels that somebody looked at.

    Args:
        shape: of the patch, along (slice, row, column); a scan that is smaller is padded.
        on_label: how often the patch is centred on a voxel, or the middle of a box, of a label
            drawn at random from those in the masks and boxes, rather than anywhere.

    Raises:
        ValueError: for sizes below 1, or a share that is not from 0 to 1.
    """

    shape: Shape
    on_label: float = 0.5

    def __post_init__(self) -> None:
        _check_shape(self.shape, least=1)
        if not 0 <= self.on_label <= 1:
            raise ValueError(f"on_label is a share, from 0 to 1, not {self.on_label:g}")

    def draw(self, scene: Scene, chance: Chance) -> Move:
        """The move onto the patch."""
        room = np.array(scene.grid.shape) - np.array(self.shape)
        # A scan that is no larger is all in the patch, wherever it lies.
        centre = self._centre(scene, chance) if (room > 0).any() else None
        if centre is None:
            start = np.floor(chance.rng.random(3) * (np.abs(room) + 1)) * np.sign(room)
        else:
            wobble = (chance.rng.random(3) - 0.5) * np.array(self.shape) / 2
            start = np.rint(centre + wobble - (np.array(self.shape) - 1) / 2)
        start = np.clip(start, np.minimum(room, 0), np.maximum(room, 0))
        return Move(scene.grid, scene.grid.window(start.astype(int).tolist(), self.shape))

    def _centre(self, scene: Scene, chance: Chance) -> FloatArray | None:
        """Index of what the patch lies about; None where that may be anywhere."""
        if chance.happens(self.on_label):
            found = [site for value in scene.unmoved for site in sites(value)]
            if (centre := _one_of(found, scene, chance.rng)) is not None:
                return centre
        masks = [value for value in scene.unmoved if isinstance(value, Mask)]
        looked = [(m.grid, m.looked_at) for m in masks if m.labels.ignored is not None]
        seen = [Site(voxels, grid.to_patient) for grid, voxels in looked if voxels is not None]
        return _one_of(seen, scene, chance.rng)


def _one_of(places: Sequence[Site], scene: Scene, rng: np.random.Generator) -> FloatArray | None:
    """Index on the scene's grid of one of some marks; None where none of them is to be seen.

    Sites, and then marks, are tried in random order, since moves may have taken them away.
    """
    for number in rng.permutation(len(places)):
        marks, place = places[number].marks, places[number].place
        for tried in (marks[rng.integers(len(marks), size=_TRIES)], marks):
            moved = scene.grid.to_index(scene.moved(place(tried)))
            inside = ((moved >= -0.5) & (moved <= np.array(scene.grid.shape) - 0.5)).all(-1)
            if inside.any():
                return moved[rng.choice(np.flatnonzero(inside))]  # type: ignore[no-any-return]
    return None


def _window(scene: Scene, start: Sequence[int], stop: Sequence[int]) -> Move | None:
    """The move onto the voxels from ``start`` to before ``stop``; nothing when these are all."""
    shape = [b - a for a, b in zip(start, stop, strict=True)]
    if not any(start) and shape == list(scene.grid.shape):
        return None
    return Move(scene.grid, scene.grid.window(start, shape))


def _inside(scene: Scene, start: Sequence[int], stop: Sequence[int]) -> tuple[list[int], list[int]]:
    """Both ends, brought to within the scan."""
    ends = zip(stop, scene.grid.shape, strict=True)
    return [max(0, a) for a in start], [min(b, n) for b, n in ends]


def _check_sides(before: Sequence[int], after: Sequence[int]) -> None:
    if len(before) != 3 or len(after) != 3 or min(*before, *after) < 0:
        raise ValueError(
            "voxels at the sides are three numbers of at least 0 (slice, row, column), not "
            f"{before} and {after}"
        )


def _check_shape(shape: Sequence[int], *, least: int) -> None:
    if len(shape) != 3 or min(shape) < least:
        raise ValueError(
            f"a shape is three sizes of at least {least} (slice, row, column), not {shape}"
        )
