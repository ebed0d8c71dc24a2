"""What training scans are like: what a plan is made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import torch

from medlib.data import BoxesBlock, Case, Dataset
from medlib.space import Grid
from medlib.types import Boxes, Mask, Volume


@dataclass(frozen=True)
class Fingerprint:
    """What the training scans are like.

    What counts is said of the voxels inside labels, of those in and about boxes, or, where nothing
    is outlined, of all voxels.

    Args:
        kind: of scan.
        spacing: median millimetres along (slice, row, column), axes as in ``SPL``.
        extent: median size of a scan in millimetres, likewise.
        largest: largest extent of any scan, likewise.
        low, high: 0.5th and 99.5th percentile of the voxels that count.
        mean, deviation: of the voxels that count, after clipping to these.
        finding: shortest length of a small finding (the 10th percentile), in millimetres; infinite
            where it is not boxes that are learned.
    """

    kind: type[Volume]
    spacing: tuple[float, float, float]
    extent: tuple[float, float, float]
    largest: tuple[float, float, float]
    low: float
    high: float
    mean: float
    deviation: float
    finding: float = inf

    @classmethod
    def of(cls, data: Dataset, *, most: int = 30, beside: Iterable[Case] = ()) -> Fingerprint:
        """Look at the headers of all cases, and at the voxels of some of them.

        Args:
            data: the cases to be trained on.
            most: of how many to read the voxels, evenly spread.
            beside: cases that will be seen too, of which only the sizes are looked at.

        Raises:
            ValueError: when no label has a voxel in any of them, or scans have several series.
        """
        kind = data.blocks[0].input.kind
        if not issubclass(kind, Volume):
            raise ValueError("plans are made for scans of one series")
        boxes = _boxes(data)
        bearing = [n for n, found in boxes.items() if len(found)] or range(len(data))
        at = np.linspace(0, len(bearing) - 1, min(most, len(bearing))).round().astype(int)
        voxels = np.concatenate([_counted(*data.raw(bearing[k]).values) for k in at])
        if len(voxels) == 0:
            raise ValueError("no scan that was looked at has a single labelled voxel")
        low, high = np.percentile(voxels, [0.5, 99.5])
        clipped = voxels.clip(low, high)
        grids = [case.scan.grid.reoriented("SPL") for case in data.cases]
        others = [case.scan.grid.reoriented("SPL") for case in beside]
        return cls(
            kind=kind,
            spacing=triple(np.median([grid.spacing for grid in grids], axis=0)),
            extent=triple(np.median([_extent(grid) for grid in grids], axis=0)),
            largest=triple(np.max([_extent(grid) for grid in (*grids, *others)], axis=0)),
            low=float(low),
            high=float(high),
            mean=float(clipped.mean()),
            deviation=float(max(clipped.std(), 1e-6)),
            finding=_small(list(boxes.values())),
        )


def triple(values: Any) -> tuple[float, float, float]:
    """Three plain numbers."""
    a, b, c = (float(v) for v in values)
    return a, b, c


def _extent(grid: Grid) -> Any:
    return np.array(grid.spacing) * grid.shape


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


def _counted(scan: Any, truth: Any) -> Any:
    """Some 20,000 of the voxels that count, float32."""
    if isinstance(truth, Mask):
        inside = scan.data[:, (truth.data > 0).any(0)]
    else:
        inside = scan.data[:, _about(truth, scan.grid)] if isinstance(truth, Boxes) else scan.data
    found = inside.flatten()
    return found[:: max(1, len(found) // 20_000)].float().numpy()
