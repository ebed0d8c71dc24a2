"""Blocks: how a value is read, what the model sees of it, and what its answer means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medlib import io
from medlib.space import Grid
from medlib.types import Labels, Mask, Volume


@dataclass(frozen=True)
class VolumeBlock:
    """A scan of one kind.

    Args:
        kind: for example :class:`medlib.types.CTVolume`.
    """

    kind: type[Volume]

    @property
    def channels(self) -> int:
        """How many channels the model sees."""
        return 1

    def read(self, source: io.Stack | Path) -> Volume:
        """The scan, on its own grid.

        Raises:
            ValueError: when it cannot be read, or is of another kind.
        """
        if isinstance(source, Path):
            return io.read_volume(source, kind=self.kind)
        return source.read(kind=self.kind)

    def tensor(self, value: Volume) -> Tensor:
        """What the model sees: (channel, slice, row, column), float32."""
        return value.data.float()


@dataclass(frozen=True)
class MaskBlock:
    """Structures outlined on a scan.

    Args:
        labels: those to be learned; their order is that of the model's channels.
    """

    labels: Labels

    @property
    def channels(self) -> int:
        """How many channels the model gives: background, then each label."""
        return 1 + len(self.labels)

    def read(self, source: Path, *, on: Grid) -> Mask:
        """The mask, on the grid of its scan.

        Raises:
            ValueError: when it lies on another grid, or has ids that the table does not know;
                or when its structures overlap, which one answer a voxel cannot say.
        """
        mask = io.read_mask(source, labels=self.labels, on=on)
        if mask.overlaps:
            raise ValueError(
                f"the structures in {source} overlap, and a voxel can be learned as one only; "
                "decide which goes before which, and write them as one label map"
            )
        return mask

    def tensor(self, value: Mask) -> Tensor:
        """What the loss compares with: (1, slice, row, column), int64 channel numbers."""
        ids = value.data
        lookup = torch.zeros(max(self.labels.ids, default=0) + 1, dtype=torch.int64)
        lookup[list(self.labels.ids)] = torch.arange(1, len(self.labels) + 1)
        return lookup[ids.long()]
