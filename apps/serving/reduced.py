"""Coarser grids, for browsers that draw without a graphics card; what was not touched stays fine.

A coarse voxel is a block of whole fine voxels. Outlines go down by the block's commonest id. On
the way up, only blocks that were changed are written: everywhere else the fine outline stays as
it was, to the voxel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from medlib.space import Grid
from medlib.types import Mask, Volume
from serving.wire import Window, window_of

MOST_VOXELS = 128**3
"""What a browser on a processor can still draw in about a second."""


@dataclass(frozen=True)
class Blocks:
    """How a grid is made coarser.

    Args:
        grid: the fine one.
        factors: fine voxels in a block, along (slice, row, column).
    """

    grid: Grid
    factors: tuple[int, int, int] = (1, 1, 1)

    @classmethod
    def within(cls, grid: Grid, most: int = MOST_VOXELS) -> Self:
        """The finest blocks that leave at most so many voxels; the finest axis gives way first."""
        factors = [1, 1, 1]
        while np.prod(np.ceil(np.divide(grid.shape, factors))) > most:
            lengths = np.multiply(grid.spacing, factors)
            factors[int(np.argmin(np.where(np.greater(grid.shape, factors), lengths, np.inf)))] += 1
        return cls(grid, (factors[0], factors[1], factors[2]))

    @property
    def coarse(self) -> Grid:
        """The coarse grid: its voxels lie in the middle of their blocks."""
        shape = tuple(-(-n // f) for n, f in zip(self.grid.shape, self.factors, strict=True))
        affine = self.grid.affine.copy()
        affine[:3, :3] *= self.factors
        affine[:3, 3] = self.grid.to_patient([(f - 1) / 2 for f in self.factors])
        return Grid((shape[0], shape[1], shape[2]), affine)

    def fine(self, window: Window) -> Window:
        """The fine voxels of a window of the coarse grid."""
        a, b, c = (
            slice(w.start * f, min(w.stop * f, n))
            for w, f, n in zip(window, self.factors, self.grid.shape, strict=True)
        )
        return a, b, c

    def holding(self, window: Window) -> Window:
        """The blocks that hold a window of the fine grid."""
        a, b, c = (
            slice(w.start // f, -(-w.stop // f)) for w, f in zip(window, self.factors, strict=True)
        )
        return a, b, c

    def part(self, window: Window) -> Blocks:
        """The blocks of a window of the coarse grid."""
        at = self.fine(window)
        start, size = [w.start for w in at], [w.stop - w.start for w in at]
        return replace(self, grid=self.grid.window(start, size))

    def scan(self, volume: Volume) -> Volume:
        """A scan's means over blocks."""
        if self.factors == (1, 1, 1):
            return volume
        blocks = self._blocks(volume.data[0].float())
        return replace(volume, data=blocks.mean(-1)[None], grid=self.coarse)

    def outline(self, mask: Mask) -> Mask:
        """A mask of one layer; of each block the id that most of its voxels have.

        Where a structure ties with background, it wins, so that thin ones do not vanish.
        """
        if self.factors == (1, 1, 1):
            return mask
        coarse = self.coarse
        winner = torch.zeros(coarse.shape, dtype=mask.data.dtype)
        drawn = window_of(mask.data[0].numpy() > 0)
        if drawn is not None:
            at = self.holding(drawn)
            winner[at] = self.part(at)._commonest(mask.data[0][self.fine(at)])
        return replace(mask, data=winner[None], grid=coarse)

    def onto(self, fine: Mask, coarse: Mask) -> Mask:
        """The fine mask with the blocks that ``coarse`` changed."""
        if self.factors == (1, 1, 1):
            return coarse
        changed = coarse.data[0] != self.outline(fine).data[0]
        wide = [torch.arange(n) // f for n, f in zip(self.grid.shape, self.factors, strict=True)]
        index = torch.meshgrid(*wide, indexing="ij")
        fresh = coarse.data[0][index].to(fine.data.dtype)
        return replace(fine, data=torch.where(changed[index], fresh, fine.data[0])[None])

    def _commonest(self, data: torch.Tensor) -> torch.Tensor:
        blocks = self._blocks(data)
        winner = torch.zeros(blocks.shape[:-1], dtype=data.dtype)
        most = (blocks == 0).sum(-1)
        for number in torch.unique(data).tolist():
            if number:
                count = (blocks == number).sum(-1)
                wins = (count >= most) & (count > 0)
                winner[wins], most[wins] = number, count[wins]
        return winner

    def _blocks(self, data: torch.Tensor) -> torch.Tensor:
        """(slice, row, column, voxel of the block); blocks at the far edge repeat its voxels."""
        for axis, f in enumerate(self.factors):
            n = data.shape[axis]
            index = torch.arange(-(-n // f) * f).clamp(max=n - 1)
            data = data.index_select(axis, index)
        k, i, j = (n // f for n, f in zip(data.shape, self.factors, strict=True))
        a, b, c = self.factors
        return data.reshape(k, a, i, b, j, c).permute(0, 2, 4, 1, 3, 5).flatten(3)
