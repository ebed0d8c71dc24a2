"""Blocks of structures outlined voxel by voxel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from medlib import io
from medlib.data.blocks.block import Block
from medlib.data.cases import Case
from medlib.infer import MaskInput, MaskOutput
from medlib.space import Grid
from medlib.types import Kind, Labels, Mask


@dataclass(frozen=True)
class MaskBlock(Block):
    """Structures outlined on a scan.

    Args:
        labels: their order is that of the model's channels.
        called: which of several masks that a case has (:attr:`medlib.data.Case.masks`); left out,
            its label.
    """

    labels: Labels
    called: str = ""

    @property
    def input(self) -> MaskInput:
        """A channel a structure."""
        return MaskInput(self._table, self.called or "mask")

    @property
    def output(self) -> MaskOutput:
        """A probability of each structure for each voxel."""
        return MaskOutput(self._table)

    @property
    def _table(self) -> Labels:
        return replace(self.labels, ignored=None)

    def read(self, case: Case, *, on: Grid) -> Mask:
        """The mask, on the grid of its scan.

        Raises:
            ValueError: when there is none, it lies on another grid, or has ids that the table does
                not know; or when its structures overlap, which one answer a voxel cannot say.
        """
        path = case.masks.get(self.called) if self.called else case.label
        if path is None:
            raise ValueError(f"{case.name} has no {self.called or 'labels'}")
        mask = self.read_file(path, on=on)
        if self.called or case.annotated is None:
            return mask
        names = tuple(name for name in case.annotated if name in self.labels)
        return replace(mask, annotated=names)

    def read_file(self, source: Path, *, on: Grid) -> Mask:
        """The mask in a file; see :meth:`read`."""
        mask = io.read_mask(source, labels=self.labels, on=on)
        if mask.overlaps:
            raise ValueError(
                f"the structures in {source} overlap, and a voxel can be learned as one only; "
                "decide which goes before which, and write them as one label map"
            )
        return mask

    def tensor(self, value: Kind) -> Tensor:
        """Channel numbers: (1, slice, row, column), int64; -1 where nobody looked."""
        assert isinstance(value, Mask)
        ids, ignored = value.data, self.labels.ignored
        lookup = torch.zeros(max([*self.labels.ids, ignored or 0]) + 1, dtype=torch.int64)
        lookup[list(self.labels.ids)] = torch.arange(1, len(self.labels) + 1)
        if ignored is not None:
            lookup[ignored] = -1
        return lookup.to(ids.device, non_blocking=True)[ids.long()]
