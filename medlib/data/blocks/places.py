"""Blocks of places in the patient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medlib import io
from medlib.data.blocks.block import Block
from medlib.data.cases import Case
from medlib.infer import PointsInput, PointsOutput
from medlib.space import Grid
from medlib.types import Kind, Points


@dataclass(frozen=True)
class PointsBlock(Block):
    """Landmarks on a scan.

    Args:
        names: of the landmarks, in the order of the model's channels.
        sigma_mm: of the heat about each, where they are seen and not asked.
    """

    names: tuple[str, ...]
    sigma_mm: float = 5.0

    @property
    def input(self) -> PointsInput:
        """A ball of heat about each landmark."""
        return PointsInput(self.names, self.sigma_mm)

    @property
    def output(self) -> PointsOutput:
        """A map of heat for each landmark."""
        return PointsOutput(self.names)

    def read(self, case: Case, *, on: Grid) -> Points:
        """The landmarks, in the order of the names."""
        if case.points is None:
            raise ValueError(f"{case.name} has no file of landmarks")
        found = io.read_points(case.points)
        missing = [name for name in self.names if name not in found.names]
        if missing:
            raise ValueError(f"{case.points} has no landmark called {', '.join(missing)}")
        places = [found.coordinates[found.names.index(name)] for name in self.names]
        return Points(places, self.names)  # type: ignore[arg-type]

    def tensor(self, value: Kind) -> Tensor:
        """LPS millimetres: (landmark, 3), float32."""
        assert isinstance(value, Points)
        return torch.from_numpy(value.coordinates.copy()).float()
