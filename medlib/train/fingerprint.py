"""What training scans are like: what a plan is made from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import torch

from medlib.data import BoxesBlock, Case, Dataset, MultiVolumeBlock, VolumeBlock
from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.train.levels import triple
from medlib.types import Boxes, Category, Kind, Mask, MultiVolume, Radiograph, Volume

ScanKind = type[Volume] | tuple[tuple[str, type[Volume]], ...]
"""The kind of scan; of several series the name and the kind of each, in order."""


@dataclass(frozen=True)
class Intensities:
    """What the voxels that count hold, in scans of one kind.

    Args:
        kind: of scan.
        low, high: 0.5th and 99.5th percentile.
        mean, deviation: after clipping to these.
    """

    kind: type[Volume]
    low: float
    high: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class Structure:
    """What a labelled structure is like, where it is there.

    Args:
        name: as the label table has it.
        share: of all voxels, mean.
        extent: median size in millimetres along (slice, row, column).
        scans: in how many of those that were looked at it is.
    """

    name: str
    share: float
    extent: tuple[float, float, float]
    scans: int


@dataclass(frozen=True)
class Fingerprint:
    """What the training scans are like.

    What counts is said of the voxels inside labels, of those in and about boxes, or, where nothing
    is outlined, of all voxels.

    Args:
        kind: of scan, or of each series by name.
        spacing: median millimetres along (slice, row, column), axes as in ``orientation``.
        extent: median size of a scan in millimetres, likewise.
        largest: largest extent of any scan, likewise.
        intensities: of each kind there is.
        finding: shortest length of a small finding (the 10th percentile), in millimetres; infinite
            where it is not boxes that are learned.
        structures: what is labelled, where something is.
        answers: how often each word is true, where words are learned.
        cases: to be trained on.
        orientation: ``"SPL"``; of radiographs the one they share, or empty where some show the
            patient from another side.
        sized: whether millimetres are known: of radiographs they may not be.

    Example:
        >>> from medlib.types import MRVolume
        >>> voxels = (Intensities(MRVolume, low=0, high=9, mean=4, deviation=2),)
        >>> Fingerprint(MRVolume, (2, 1, 1), (40, 60, 60), (48, 64, 64), voxels).flat
        False
    """

    kind: ScanKind
    spacing: tuple[float, float, float]
    extent: tuple[float, float, float]
    largest: tuple[float, float, float]
    intensities: tuple[Intensities, ...]
    finding: float = inf
    structures: tuple[Structure, ...] = ()
    answers: tuple[tuple[str, int], ...] = ()
    cases: int = 0
    orientation: str = "SPL"
    sized: bool = True

    @property
    def flat(self) -> bool:
        """Whether these are radiographs, one slice each."""
        return isinstance(self.kind, type) and issubclass(self.kind, Radiograph)

    @classmethod
    def of(cls, data: Dataset, *, most: int = 30, beside: Iterable[Case] = ()) -> Fingerprint:
        """Look at the headers of all cases, and at the voxels of some of them.

        Args:
            data: the cases to be trained on; the first that is seen of them is their scan.
            most: of how many to read the voxels, evenly spread.
            beside: cases that will be seen too, of which only the sizes are looked at.

        Raises:
            ValueError: when no label has a voxel in any of them, or it is no scan that is seen
                first.
        """
        kind = scan_kind(data)
        boxes = _boxes(data)
        bearing = [n for n, found in boxes.items() if len(found)] or range(len(data))
        at = np.linspace(0, len(bearing) - 1, min(most, len(bearing))).round().astype(int)
        voxels: dict[type[Volume], list[FloatArray]] = defaultdict(list)
        masks = []
        for k in at:
            scan, *_, truth = data.raw(bearing[k]).values
            parts = scan.parts if isinstance(scan, MultiVolume) else (scan,)
            for part in parts:
                assert isinstance(part, Volume)
                voxels[type(part)].append(_counted(part, truth))
            masks += [truth] if isinstance(truth, Mask) else []
        flat = isinstance(kind, type) and issubclass(kind, Radiograph)
        seen = [case.leading for case in (*data.cases, *beside)]
        shared = {stack.grid.orientation for stack in seen} if flat else {"SPL"}
        orientation = _usual_side(shared, [stack.grid.orientation for stack in seen])
        grids = [s.grid.reoriented(orientation) if orientation else s.grid for s in seen]
        train = grids[: len(data)]
        truths = (data.truth(number) for number in range(len(data)))
        return cls(
            kind=kind,
            spacing=triple(np.median([grid.spacing for grid in train], axis=0)),
            extent=triple(np.median([_extent(grid) for grid in train], axis=0)),
            largest=triple(np.max([_extent(grid) for grid in grids], axis=0)),
            intensities=tuple(_intensities(k, found) for k, found in voxels.items()),
            finding=_small(list(boxes.values())),
            structures=tuple(_structures(masks)),
            answers=tuple(Counter(t.name for t in truths if isinstance(t, Category)).items()),
            cases=len(data),
            orientation=orientation,
            sized=all(stack.calibration != "none" for stack in seen),
        )


def scan_kind(data: Dataset) -> ScanKind:
    """The kind of the scans that are seen first.

    Raises:
        ValueError: when what is seen first is no scan.
    """
    first = data.blocks[0]
    if isinstance(first, VolumeBlock):
        return first.kind
    if isinstance(first, MultiVolumeBlock):
        return first.kinds
    raise ValueError(f"plans are made for scans, and a {type(first).__name__} is seen first")


def _usual_side(there: set[str], all_: Sequence[str]) -> str:
    """The orientation that is most frequent; empty where some are across it."""
    if len({frozenset(_AXES[letter] for letter in sides[:1]) for sides in there}) > 1:
        return ""
    return Counter(all_).most_common(1)[0][0] if len(there) > 1 else next(iter(there))


_AXES = {letter: axis for axis in ("LR", "AP", "SI") for letter in axis}


def _extent(grid: Grid) -> Any:
    return np.array(grid.spacing) * grid.shape


def _intensities(kind: type[Volume], found: Sequence[FloatArray]) -> Intensities:
    voxels = np.concatenate(found)
    if len(voxels) == 0:
        raise ValueError("no scan that was looked at has a single labelled voxel")
    low, high = np.percentile(voxels, [0.5, 99.5])
    clipped = voxels.clip(low, high)
    return Intensities(
        kind, float(low), float(high), float(clipped.mean()), float(max(clipped.std(), 1e-6))
    )


def _structures(masks: Sequence[Mask]) -> Iterator[Structure]:
    """What each structure is like, in the order of the label table."""
    for label in masks[0].labels if masks else ():
        shares, extents = [], []
        for mask in masks:
            window = mask.extents().get(label.id)
            if window is None:
                continue
            size = np.array([side.stop - side.start for side in window]) * mask.grid.spacing
            turned = mask.grid.reoriented("SPL") if mask.grid.shape[0] > 1 else mask.grid
            # Which of the mask's axes each axis of the turned grid is.
            order = np.abs(mask.grid.directions.T @ turned.directions).argmax(0)
            extents.append(size[order])
            inside = int((mask.data[:, *window] == label.id).any(0).sum())
            shares.append(inside / np.prod(mask.grid.shape))
        if extents:
            middle = triple(np.median(extents, axis=0))
            yield Structure(label.name, float(np.mean(shares)), middle, len(extents))


def _boxes(data: Dataset) -> dict[int, Boxes]:
    """The boxes of each case, where it is boxes that are learned; else nothing."""
    if not isinstance(data.blocks[-1], BoxesBlock):
        return {}
    truths = ((number, data.truth(number)) for number in range(len(data)))
    return {number: truth for number, truth in truths if isinstance(truth, Boxes)}


def _small(found: Sequence[Boxes]) -> float:
    """The 10th percentile of the boxes' shortest sides; infinite without any."""
    corners = np.concatenate([np.empty((0, 8, 3)), *(boxes.corners for boxes in found)])
    cubes = corners.reshape(-1, 2, 2, 2, 3)
    edges = [np.diff(cubes, axis=1 + k).mean((1, 2, 3)) for k in range(3)]
    shortest = np.linalg.norm(edges, axis=-1).min(0)
    return float(np.percentile(shortest, 10)) if len(shortest) else inf


def _about(boxes: Boxes, grid: Grid) -> Any:
    """Which voxels lie in the boxes, made twice as long: (slice, row, column)."""
    inside = np.zeros(grid.shape, dtype=np.bool_)
    for low, high in boxes.on(grid):
        half = (high - low) / 2
        first = np.clip(np.rint(low - half), 0, np.array(grid.shape) - 1).astype(int)
        last = np.clip(np.rint(high + half), 0, np.array(grid.shape) - 1).astype(int)
        inside[tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))] = True
    return torch.from_numpy(inside)


def _counted(scan: Volume, truth: Kind) -> Any:
    """Some 20,000 of the voxels that count, float32."""
    if isinstance(truth, Mask):
        inside = scan.data[:, (truth.data > 0).any(0)]
    else:
        inside = scan.data[:, _about(truth, scan.grid)] if isinstance(truth, Boxes) else scan.data
    found = inside.flatten()
    return found[:: max(1, len(found) // 20_000)].float().numpy()
