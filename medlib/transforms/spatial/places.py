"""Where the voxels of one lattice come from on another, through any map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medlib.space import Affine, Grid, Map
from medlib.space.grid import FloatArray
from medlib.transforms.spatial.knots import Knots
from medlib.transforms.spatial.lattices import Shape

_SLAB = 1 << 22  # voxels whose places are held at once, to bound memory


@dataclass(frozen=True)
class Places:
    """Where voxels of a landing grid are read on a source.

    Args:
        pull: from a point of the landing grid's frame to one of the source's.
        landing: the grid whose voxels are looked for.
        source: the grid that they are read on.
        knots: of the landing grid, for maps that bend; others who look from there share them.
    """

    pull: Map
    landing: Grid
    source: Grid
    knots: Knots

    @property
    def index_map(self) -> FloatArray | None:
        """(4, 4), index on the landing grid to index on the source; None where it is not affine."""
        if not isinstance(self.pull, Affine):
            return None
        index_map: FloatArray = self.source.inverse_affine @ self.pull.matrix @ self.landing.affine
        return index_map

    def slabs(self) -> Iterator[slice]:
        """Slices of the landing grid, a bounded number of voxels at a time."""
        thickness = max(1, _SLAB // (self.landing.shape[1] * self.landing.shape[2]))
        for start in range(0, self.landing.shape[0], thickness):
            yield slice(start, min(start + thickness, self.landing.shape[0]))

    def part(self, slices: slice, device: torch.device) -> Tensor:
        """The places of some slices: (3, slice, row, column), float32.

        Along each axis of the source, from -1 at its one outer edge to 1 at the other.

        Raises:
            ValueError: when the map folds.
        """
        sizes = np.array(self.source.shape, dtype=np.float64)
        outer = np.diag([*(2.0 / sizes), 1.0])
        outer[:3, 3] = 1.0 / sizes - 1.0
        to_source = outer @ self.source.inverse_affine
        if isinstance(self.pull, Affine):
            index_map = to_source @ self.pull.matrix @ self.landing.affine
            return _affine_places(index_map, slices, self.landing.shape, device)
        return self.knots.spread(self.pull, to_source, slices, device)


def _affine_places(
    index_map: FloatArray, slices: slice, shape: Shape, device: torch.device
) -> Tensor:
    count = slices.stop - slices.start
    out = torch.empty((3, count, *shape[1:]), dtype=torch.float32, device=device)
    s = np.arange(slices.start, slices.stop)[:, None, None]
    r, c = np.arange(shape[1])[:, None], np.arange(shape[2])
    for target, (by_slice, by_row, by_column, start) in zip(out, index_map[:3], strict=True):
        lines = torch.from_numpy((start + by_slice * s + by_row * r).astype(np.float32))
        along = torch.from_numpy((by_column * c).astype(np.float32))
        torch.add(lines.to(device), along.to(device), out=target)
    return out
