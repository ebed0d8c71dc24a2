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

_UNKNOWN = -2  # of an id that the table has not


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
        """Channel numbers: (1, slice, row, column), int64; -1 where nobody looked.

        Raises:
            ValueError: for ids that the table has not; not on a graphics card, which would have to
                be waited for.
        """
        assert isinstance(value, Mask)
        known, ignored = self.labels.ids, self.labels.ignored
        largest = max([*known, ignored or 0])
        lookup = torch.full((largest + 3,), _UNKNOWN)  # of ids from -1, which stands for all below
        lookup[1] = 0
        lookup[[number + 1 for number in known]] = torch.arange(1, len(known) + 1)
        if ignored is not None:
            lookup[ignored + 1] = -1
        place = value.data.reshape(-1).int().clamp(-1, largest + 1).add_(1)
        numbers = lookup.to(place.device, non_blocking=True).index_select(0, place)
        if place.device.type == "cpu" and len(numbers) and int(numbers.min()) == _UNKNOWN:
            strange = sorted(set(value.present_ids()) - set(known))
            raise ValueError(f"the mask holds ids that its table has not: {strange}")
        return numbers.view(value.data.shape)
