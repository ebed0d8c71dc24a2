"""Blocks of what a table says of a case: words, yes and no, numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan
from statistics import fmean, pstdev

import torch
from torch import Tensor

from medlib.data.blocks.block import Block
from medlib.data.cases import Answer, Case
from medlib.infer import BeliefOutput, MeasurementInput, MeasurementOutput, WordsInput
from medlib.space import Grid
from medlib.types import Categories, Category, Kind, Measurement


@dataclass(frozen=True)
class CategoryBlock(Block):
    """One answer about the whole scan, out of a vocabulary.

    Args:
        column: of the table that the answers come from.
        vocabulary: all that is answered.
    """

    column: str
    vocabulary: tuple[str, ...]

    @property
    def input(self) -> WordsInput:
        """A channel a word."""
        return WordsInput(self.vocabulary, name=self.column)

    @property
    def output(self) -> BeliefOutput:
        """How likely each word is; exactly one is true."""
        return BeliefOutput(self.vocabulary)

    def read(self, case: Case, *, on: Grid) -> Category:
        """The answer."""
        return Category(str(_answer(case, self.column)), self.vocabulary)

    def tensor(self, value: Kind) -> Tensor:
        """Its place in the vocabulary: (), int64."""
        assert isinstance(value, Category)
        return torch.tensor(value.index)


@dataclass(frozen=True)
class CategoriesBlock(Block):
    """Several yes-or-no answers about the whole scan, of which some may be unknown.

    Args:
        columns: of the table that the answers come from, a column a question.
    """

    columns: tuple[str, ...]

    @property
    def input(self) -> WordsInput:
        """A channel a question."""
        return WordsInput(self.columns, exclusive=False, name="answers")

    @property
    def output(self) -> BeliefOutput:
        """How likely each is."""
        return BeliefOutput(self.columns, exclusive=False)

    def read(self, case: Case, *, on: Grid) -> Categories:
        """The questions that are answered yes, and those of which the table says nothing."""
        unknown = tuple(column for column in self.columns if column not in case.answers)
        true = [column for column in self.columns if column in case.answers and _yes(case, column)]
        return Categories(tuple(true), self.columns, unknown)

    def tensor(self, value: Kind) -> Tensor:
        """Yes or no, NaN where nobody knows: (question,), float32."""
        assert isinstance(value, Categories)
        return torch.tensor([nan if yes is None else float(yes) for yes in value.answered])


@dataclass(frozen=True)
class MeasurementBlock(Block):
    """A number about the whole scan.

    Args:
        column: of the table that the numbers come from.
        unit: a UCUM code, such as ``"ml"``.
        mean: what is usual; left out, the training cases' own, once they are known.
        deviation: from what is usual; likewise.
    """

    column: str
    unit: str
    mean: float | None = None
    deviation: float | None = None

    def scaled_to(self, cases: Sequence[Case]) -> MeasurementBlock:
        """The same block, for numbers as these cases have them, unless it says what is usual."""
        if self.mean is not None or self.deviation is not None:
            return self
        values = [_number(case, self.column) for case in cases]
        return replace(self, mean=fmean(values), deviation=pstdev(values) or 1.0)

    def seen_in(self, cases: Sequence[Case]) -> MeasurementBlock:
        """As :meth:`scaled_to`."""
        return self.scaled_to(cases)

    @property
    def input(self) -> MeasurementInput:
        """One channel, in deviations from what is usual."""
        return MeasurementInput(self.unit, *self._usual, name=self.column)

    @property
    def output(self) -> MeasurementOutput:
        """The number."""
        return MeasurementOutput(self.column, self.unit, *self._usual)

    @property
    def _usual(self) -> tuple[float, float]:
        return self.mean or 0.0, self.deviation or 1.0

    def read(self, case: Case, *, on: Grid) -> Measurement:
        """The number, with its unit."""
        return Measurement(_number(case, self.column), self.unit, self.column)

    def tensor(self, value: Kind) -> Tensor:
        """In the unit: (), float32."""
        assert isinstance(value, Measurement)
        return torch.tensor(value.value)


def _answer(case: Case, column: str) -> Answer:
    if column not in case.answers:
        raise ValueError(
            f"{case.name}: the table has no {column!r} for it; it has: "
            f"{', '.join(case.answers) or 'nothing'}"
        )
    return case.answers[column]


def _number(case: Case, column: str) -> float:
    answer = _answer(case, column)
    if isinstance(answer, str):
        raise ValueError(f"{case.name}: {column} is {answer!r}, and a number is needed")
    return float(answer)


def _yes(case: Case, column: str) -> bool:
    answer = _answer(case, column)
    if answer in {True, False}:  # 1 and 0 too
        return bool(answer)
    if str(answer).strip().lower() in {"yes", "true", "no", "false"}:
        return str(answer).strip().lower() in {"yes", "true"}
    raise ValueError(f"{case.name}: {column} is {answer!r}, and yes or no is needed")
