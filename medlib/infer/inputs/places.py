"""Places as they are shown to a network: drawn on the grid of the scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medlib.infer.inputs.base import Input, require
from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.types import Boxes, Kind, Labels, Points


@dataclass(frozen=True)
class PointsInput(Input):
    """Landmarks that are known, each as a ball of heat.

    Args:
        names: of the landmarks, a channel each.
        sigma_mm: of the Gaussian about each.
        name: what they are called together.

    Example:
        >>> tip = Points([[0, 0, 0]], ("tip",))
        >>> PointsInput(("tip",), sigma_mm=1.0).tensor(tip, Grid.from_axes((1, 1, 3)))
        tensor([[[[1.0000, 0.6065, 0.1353]]]])
    """

    names: tuple[str, ...]
    sigma_mm: float = 5.0
    name: str = "points"

    @property
    def kind(self) -> type[Points]:
        """Points."""
        return Points

    @property
    def channels(self) -> int:
        """One a landmark."""
        return len(self.names)

    def tensor(self, value: Kind, grid: Grid) -> Tensor:
        """exp(-d²/2σ²) of the distance from each landmark in the patient, whatever the voxels."""
        assert isinstance(value, Points)
        heat = []
        for place in value.select(self.names).coordinates:
            away = _affine_fields(grid, np.eye(3), -place)
            heat.append(torch.exp(-sum(a**2 for a in away) / (2 * self.sigma_mm**2)))  # type: ignore[arg-type]
        return torch.stack(heat)


@dataclass(frozen=True)
class BoxesInput(Input):
    """Boxes that are known, filled.

    Args:
        labels: a channel each, in order; they are found by their names.
        name: what the boxes are called.
    """

    labels: Labels
    name: str = "boxes"

    @property
    def kind(self) -> type[Boxes]:
        """Boxes."""
        return Boxes

    @property
    def channels(self) -> int:
        """One a label."""
        return len(self.labels)

    def tensor(self, value: Kind, grid: Grid) -> Tensor:
        """1 within a box of the label, borders included, else 0."""
        assert isinstance(value, Boxes)
        require("label", self.labels.names, value.labels.names, self.name)
        filled = torch.zeros(len(self.labels), *grid.shape)
        for corners, number in zip(value.corners, value.ids, strict=True):
            label = value.labels.by_id(number).name
            if label in self.labels:
                filled[self.labels.names.index(label)][_inside(corners, grid)] = 1.0
        return filled


def _affine_fields(grid: Grid, matrix: FloatArray, offset: FloatArray) -> list[Tensor]:
    """``matrix`` · (place + ``offset``) for all voxels: of each row a (slice, row, column) tensor.

    Summed up from a number for each slice, row and column, so that no place is ever held.
    """
    along = matrix @ grid.affine[:3, :3]
    first = matrix @ (grid.affine[:3, 3] + offset)
    fields = []
    for row in range(len(matrix)):
        parts = [
            torch.from_numpy(along[row, axis] * np.arange(n)) for axis, n in enumerate(grid.shape)
        ]
        ends = (parts[0] + first[row]).float()[:, None, None], parts[1].float()[:, None]
        fields.append(ends[0] + ends[1] + parts[2].float())
    return fields


def _inside(corners: FloatArray, grid: Grid) -> Tensor:
    """Which voxels have their centre in a box: (slice, row, column), bool."""
    cube = corners.reshape(2, 2, 2, 3)
    # Corners that were bent are no box: the mean of each four sides makes one.
    sides = np.stack([np.diff(cube, axis=k).reshape(-1, 3).mean(0) for k in range(3)], axis=1)
    lengths = np.linalg.norm(sides, axis=0)
    if abs(np.linalg.det(sides)) <= 1e-9 * max(1e-12, float(lengths.prod())):
        raise ValueError("a box without a volume cannot be shown to a network; give it a thickness")
    start = corners.mean(0) - sides.sum(1) / 2
    shares = _affine_fields(grid, np.linalg.inv(sides), -start)
    within = [(share > -1e-6) & (share < 1 + 1e-6) for share in shares]
    return within[0] & within[1] & within[2]
