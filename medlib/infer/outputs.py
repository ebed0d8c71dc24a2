"""What a network's numbers stand for: each output turns them into a value of its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from medlib.space import Grid
from medlib.transforms.spec import Spec
from medlib.types import Belief, Kind, Labels, Measurement, Points, Probabilities


@dataclass(frozen=True)
class Output(Spec, ABC):
    """What is asked of a network, as plain values.

    Two steps lead from its numbers to a value: :meth:`answer`, for a batch, gives what the loss
    compares with the :meth:`target`; :meth:`wrap`, for one item, gives the value that it stands
    for.
    """

    voxelwise: ClassVar[bool]
    """Whether the network answers for each voxel, and not once for the whole scan."""

    whole: ClassVar[bool]
    """Whether it must see the whole scan at once, and not window after window."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """How many numbers the network gives, for the scan or for each voxel."""

    def answer(self, raw: Tensor, grids: Sequence[Grid]) -> Any:
        """What the loss compares: the network's numbers themselves, unless a kind needs more.

        A tensor, or, where a loss has to know what the voxels lie on, a value that says it; with
        ``[number]`` either gives one item's part.

        Args:
            raw: (item, channel) or (item, channel, slice, row, column), as the network gives them.
            grids: what each item lies on.
        """
        return raw

    def target(self, truth: Kind) -> Kind:
        """What the loss compares an answer with: the truth itself, unless a kind needs more."""
        return truth

    @abstractmethod
    def wrap(self, answer: Any, grid: Grid) -> Kind:
        """The value that one item's answer stands for, on the grid that the network saw."""


@dataclass(frozen=True)
class MaskOutput(Output):
    """Structures, outlined voxel by voxel: logits, background first.

    Args:
        labels: in the order of the channels after background.
    """

    labels: Labels

    voxelwise = True
    whole = False

    @property
    def channels(self) -> int:
        """Background, then each label."""
        return 1 + len(self.labels)

    def wrap(self, answer: Tensor, grid: Grid) -> Probabilities:
        """How sure the network is of each structure, voxel by voxel."""
        return Probabilities(torch.softmax(answer.float(), 0), grid, self.labels)


@dataclass(frozen=True)
class PointsOutput(Output):
    """Landmarks: of each a map of heat, whose centre is where it is (Sun et al., Integral human
    pose regression, ECCV 2018).

    Args:
        names: of the landmarks, in the order of the channels.
    """

    names: tuple[str, ...]

    voxelwise = True
    whole = True

    @property
    def channels(self) -> int:
        """One map a landmark."""
        return len(self.names)

    def answer(self, raw: Tensor, grids: Sequence[Grid]) -> Tensor:
        """LPS millimetres, (item, landmark, 3)."""
        heat = torch.softmax(raw.float().flatten(2), 2).view(raw.shape)
        index = torch.stack([_centre(heat, axis) for axis in range(3)], dim=-1)
        affines = torch.stack([torch.from_numpy(grid.affine.copy()) for grid in grids]).to(index)
        return index @ affines[:, :3, :3].transpose(1, 2) + affines[:, None, :3, 3]

    def target(self, truth: Kind) -> Points:
        """The landmarks in the order of the maps: where left was made right, it has changed."""
        assert isinstance(truth, Points)
        return truth.select(self.names)

    def wrap(self, answer: Tensor, grid: Grid) -> Points:
        """The landmarks, by name."""
        return Points(answer.double().cpu().numpy(), self.names)


def _centre(heat: Tensor, axis: int) -> Tensor:
    """The mean index along an axis, (item, channel)."""
    others = [2 + k for k in range(3) if k != axis]
    along = heat.sum(dim=others)
    return along @ torch.arange(along.shape[-1], device=heat.device, dtype=heat.dtype)


@dataclass(frozen=True)
class BeliefOutput(Output):
    """Answers out of a vocabulary: logits, one a word.

    Args:
        vocabulary: in the order of the channels.
        exclusive: whether exactly one is true, or each may be.
    """

    vocabulary: tuple[str, ...]
    exclusive: bool = True

    voxelwise = False
    whole = True

    @property
    def channels(self) -> int:
        """One logit a word."""
        return len(self.vocabulary)

    def wrap(self, answer: Tensor, grid: Grid) -> Belief:
        """How sure the network is of each answer."""
        logits = answer.double()
        shares = torch.softmax(logits, 0) if self.exclusive else torch.sigmoid(logits)
        return Belief(tuple(shares.cpu().tolist()), self.vocabulary, self.exclusive)


@dataclass(frozen=True)
class MeasurementOutput(Output):
    """A number with a unit; the network gives it in deviations from what is usual.

    Args:
        name: of what is measured.
        unit: a UCUM code.
        mean: of the training cases, in the unit.
        deviation: of the training cases, in the unit.
    """

    name: str
    unit: str
    mean: float = 0.0
    deviation: float = 1.0

    voxelwise = False
    whole = True

    @property
    def channels(self) -> int:
        """One number."""
        return 1

    def answer(self, raw: Tensor, grids: Sequence[Grid]) -> Tensor:
        """In the unit, (item,)."""
        return raw.float()[:, 0] * self.deviation + self.mean

    def wrap(self, answer: Tensor, grid: Grid) -> Measurement:
        """The measurement."""
        return Measurement(float(answer), self.unit, self.name)
