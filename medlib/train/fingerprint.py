"""What training scans are like: what a plan is made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from medlib.data import Case, Dataset
from medlib.space import Grid
from medlib.types import Mask, Volume


@dataclass(frozen=True)
class Fingerprint:
    """What the training scans are like.

    What counts is said of the voxels inside labels, or, where nothing is outlined, of all voxels.

    Args:
        kind: of scan.
        spacing: median millimetres along (slice, row, column), axes as in ``SPL``.
        extent: median size of a scan in millimetres, likewise.
        largest: largest extent of any scan, likewise.
        low, high: 0.5th and 99.5th percentile of the voxels that count.
        mean, deviation: of the voxels that count, after clipping to these.
    """

    kind: type[Volume]
    spacing: tuple[float, float, float]
    extent: tuple[float, float, float]
    largest: tuple[float, float, float]
    low: float
    high: float
    mean: float
    deviation: float

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
        numbers = np.linspace(0, len(data) - 1, min(most, len(data))).round().astype(int)
        voxels = np.concatenate([_counted(*data.raw(int(number)).values) for number in numbers])
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
        )


def triple(values: Any) -> tuple[float, float, float]:
    """Three plain numbers."""
    a, b, c = (float(v) for v in values)
    return a, b, c


def _extent(grid: Grid) -> Any:
    return np.array(grid.spacing) * grid.shape


def _counted(scan: Any, truth: Any) -> Any:
    """Some 20,000 of the voxels that count, float32."""
    inside = scan.data[:, (truth.data > 0).any(0)] if isinstance(truth, Mask) else scan.data
    found = inside.flatten()
    return found[:: max(1, len(found) // 20_000)].float().numpy()
