"""Scans as what is asked of a network: a CT made out of an MR, a scan without its noise, a map."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medlib.infer.outputs import Output
from medlib.space import Grid
from medlib.types import Kind, MultiVolume, Volume


@dataclass(frozen=True)
class VolumeOutput(Output):
    """A scan of one kind, voxel by voxel; the network gives it in deviations from what is usual.

    Where the scan that it is made from shows nothing, it is the kind's empty space.

    Args:
        kind: of scan.
        mean: of the training cases' voxels, in the kind's units.
        deviation: likewise.
        name: what it is called; empty for one without a name.

    Example:
        >>> from medlib.types import CTVolume
        >>> made = VolumeOutput(CTVolume, mean=40.0, deviation=20.0)
        >>> made.wrap(torch.full((1, 1, 1, 2), 0.5), Grid.from_axes((1, 1, 2))).data.tolist()
        [[[[50.0, 50.0]]]]
    """

    kind: type[Volume]
    mean: float = 0.0
    deviation: float = 1.0
    name: str = ""

    voxelwise = True
    whole = False

    @property
    def channels(self) -> int:
        """One."""
        return 1

    def target(self, truth: Kind) -> Volume:
        """The scan in deviations from what is usual."""
        assert isinstance(truth, Volume)
        scaled = (truth.data.float() - self.mean) / self.deviation
        empty = (truth.background - self.mean) / self.deviation
        return replace(truth, data=scaled, background=empty, units="1")

    def wrap(self, answer: Tensor, grid: Grid) -> Volume:
        """The scan, in the kind's units."""
        return self.kind(answer.float().cpu() * self.deviation + self.mean, grid)


@dataclass(frozen=True)
class MultiVolumeOutput(Output):
    """Several scans on one grid.

    Args:
        parts: what is asked of each, in order; each needs a name.
    """

    parts: tuple[VolumeOutput, ...]

    voxelwise = True
    whole = False

    @property
    def channels(self) -> int:
        """One a scan."""
        return len(self.parts)

    @property
    def names(self) -> tuple[str, ...]:
        """What the scans are called."""
        return tuple(part.name for part in self.parts)

    def target(self, truth: Kind) -> MultiVolume:
        """Each scan in deviations from what is usual."""
        assert isinstance(truth, MultiVolume)
        pairs = zip(self.parts, truth.parts, strict=True)
        return replace(truth, parts=tuple(own.target(part) for own, part in pairs))

    def wrap(self, answer: Tensor, grid: Grid) -> MultiVolume:
        """The scans, each in its kind's units."""
        pairs = zip(self.parts, torch.split(answer, 1), strict=True)
        return MultiVolume(tuple(own.wrap(part, grid) for own, part in pairs), self.names)
