"""Scans and masks as they are shown to a network: voxel for voxel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medlib.infer.inputs.base import Input, require
from medlib.space import Grid
from medlib.types import Kind, Labels, Mask, MultiVolume, Volume, must_be_numbers


@dataclass(frozen=True)
class VolumeInput(Input):
    """A scan.

    Args:
        kind: of scan that the network was trained on; others are refused.
        name: what it is called.
    """

    kind: type[Volume] = Volume
    name: str = "scan"

    @property
    def channels(self) -> int:
        """One."""
        return 1

    def check(self, value: Kind) -> None:
        """Refuse another kind of scan, and one some of whose voxels are no numbers."""
        super().check(value)
        assert isinstance(value, Volume)
        must_be_numbers(value)

    def tensor(self, value: Kind, grid: Grid) -> Tensor:
        """Its voxels."""
        assert isinstance(value, Volume)
        return value.data.float()

    def empty(self, value: Kind) -> tuple[float, ...]:
        """Its background."""
        assert isinstance(value, Volume)
        return (value.background,)


@dataclass(frozen=True)
class MultiVolumeInput(Input):
    """Several co-registered series.

    Args:
        series: the name and the kind of each, in order.
        name: what they are called together.
    """

    series: tuple[tuple[str, type[Volume]], ...]
    name: str = "scan"

    @property
    def kind(self) -> type[MultiVolume]:
        """Several volumes as one value."""
        return MultiVolume

    @property
    def channels(self) -> int:
        """One a series."""
        return len(self.series)

    def check(self, value: Kind) -> None:
        """Refuse what lacks a series, has one of another kind or in another place, or no numbers."""
        super().check(value)
        assert isinstance(value, MultiVolume)
        wanted = ", ".join(f"{name} ({kind.__name__})" for name, kind in self.series)
        parts = list(zip(value.names, value.parts, strict=True))
        fit = len(parts) == len(self.series) and all(
            name == own and isinstance(part, kind)
            for (own, part), (name, kind) in zip(parts, self.series, strict=True)
        )
        if not fit:
            given = ", ".join(f"{name} ({type(part).__name__})" for name, part in parts)
            raise ValueError(
                f"this model was trained on the series {wanted}, in this order, and is given {given}"
            )
        for part in value.parts:
            must_be_numbers(part)

    def tensor(self, value: Kind, grid: Grid) -> Tensor:
        """The voxels of each."""
        assert isinstance(value, MultiVolume)
        return value.data.float()

    def empty(self, value: Kind) -> tuple[float, ...]:
        """The background of each."""
        assert isinstance(value, MultiVolume)
        return tuple(part.background for part in value.parts)


@dataclass(frozen=True)
class MaskInput(Input):
    """Structures that are known: a shape to be judged, an earlier outline, scribbles.

    Args:
        labels: a channel each, in order; they are found by their names.
        name: what the mask is called.

    Example:
        >>> table = Labels.of(["liver", "spleen"])
        >>> mask = Mask(torch.tensor([[[[0, 2, 1]]]]), Grid.from_axes((1, 1, 3)), table)
        >>> MaskInput(table).tensor(mask, mask.grid)[:, 0, 0]
        tensor([[0., 0., 1.],
                [0., 1., 0.]])
    """

    labels: Labels
    name: str = "mask"

    @property
    def kind(self) -> type[Mask]:
        """A mask."""
        return Mask

    @property
    def channels(self) -> int:
        """One a label."""
        return len(self.labels)

    def tensor(self, value: Kind, grid: Grid) -> Tensor:
        """1 where a structure is, else 0; structures may overlap."""
        assert isinstance(value, Mask)
        require("label", self.labels.names, value.labels.names, self.name)
        return torch.stack([value.structure(name) for name in self.labels.names]).float()
