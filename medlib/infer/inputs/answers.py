"""Answers as they are shown to a network: the same in every voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medlib.infer.inputs.base import Input, require
from medlib.space import Grid
from medlib.types import Categories, Category, Kind, Measurement


@dataclass(frozen=True)
class MeasurementInput(Input):
    """A number that is known, such as an age: the same in every voxel.

    Args:
        unit: a UCUM code.
        mean: of the training cases, in the unit.
        deviation: of the training cases, in the unit.
        name: of what is measured.
    """

    unit: str
    mean: float = 0.0
    deviation: float = 1.0
    name: str = "measurement"

    @property
    def kind(self) -> type[Measurement]:
        """A measurement."""
        return Measurement

    @property
    def channels(self) -> int:
        """One."""
        return 1

    def tensor(self, value: Kind, grid: Grid) -> Tensor:
        """In deviations from what is usual."""
        return _everywhere(self.empty(value), grid)

    def empty(self, value: Kind) -> tuple[float, ...]:
        """The number: it holds beyond the scan too."""
        assert isinstance(value, Measurement)
        return ((value.to(self.unit).value - self.mean) / self.deviation,)


@dataclass(frozen=True)
class WordsInput(Input):
    """Answers that are known, such as a sex or a sequence: the same in every voxel.

    Args:
        vocabulary: a channel each word.
        exclusive: whether exactly one is true, or each may be.
        name: what is answered.

    Example:
        >>> sex = WordsInput(("f", "m"), name="sex")
        >>> sex.tensor(Category("m", ("f", "m")), Grid.from_axes((1, 1, 2)))[:, 0, 0]
        tensor([[0., 0.],
                [1., 1.]])
    """

    vocabulary: tuple[str, ...]
    exclusive: bool = True
    name: str = "answer"

    @property
    def kind(self) -> type[Category | Categories]:
        """One category, or several."""
        return Category if self.exclusive else Categories

    @property
    def channels(self) -> int:
        """One a word."""
        return len(self.vocabulary)

    def tensor(self, value: Kind, grid: Grid) -> Tensor:
        """1 for a word that is true, else 0."""
        return _everywhere(self.empty(value), grid)

    def empty(self, value: Kind) -> tuple[float, ...]:
        """The words: they hold beyond the scan too."""
        assert isinstance(value, Category | Categories)
        if isinstance(value, Categories) and value.unknown:
            raise ValueError(
                f"of {', '.join(value.unknown)} nobody knows, and a network can only be shown yes or no"
            )
        said = (value.name,) if isinstance(value, Category) else value.names
        require("word", said, self.vocabulary, self.name)
        return tuple(float(word in said) for word in self.vocabulary)


def _everywhere(numbers: Sequence[float], grid: Grid) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None, None].expand(-1, *grid.shape)
