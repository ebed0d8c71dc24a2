"""Blocks: how the values of a case are read, and what is asked of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, pstdev

import torch
from torch import Tensor

from medlib import io
from medlib.data.cases import Answer, Case
from medlib.infer import BeliefOutput, MaskOutput, MeasurementOutput, Output, PointsOutput
from medlib.space import Grid
from medlib.types import (
    Categories,
    Category,
    Kind,
    Labels,
    Mask,
    Measurement,
    MultiVolume,
    Points,
    Volume,
)

# --- what a network is shown ----------------------------------------------------------------------


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

    def read(self, case: Case) -> Volume:
        """The scan, on its own grid.

        Raises:
            ValueError: when it cannot be read, or is of another kind.
        """
        return case.scan.read(kind=self.kind)

    def tensor(self, value: Volume) -> Tensor:
        """What the model sees: (channel, slice, row, column), float32."""
        return value.data.float()


@dataclass(frozen=True)
class MultiVolumeBlock:
    """Several co-registered series of a case, as one value: the sequences of an MR, a PET/CT.

    Args:
        kinds: of each series, by its name.
    """

    kinds: tuple[tuple[str, type[Volume]], ...]

    @property
    def kind(self) -> type[MultiVolume]:
        """What is read."""
        return MultiVolume

    @property
    def channels(self) -> int:
        """How many channels the model sees: one a series."""
        return len(self.kinds)

    def read(self, case: Case) -> MultiVolume:
        """The series, on the grid of the first.

        Raises:
            ValueError: when one is missing, cannot be read, or lies on another grid.
        """
        missing = [name for name, _ in self.kinds if name not in case.series]
        if missing:
            raise ValueError(
                f"{case.name} has no series called {', '.join(missing)}; it has: "
                f"{', '.join(case.series) or 'one without a name'}"
            )
        parts = tuple(case.series[name].read(kind=kind) for name, kind in self.kinds)
        return MultiVolume(parts, tuple(name for name, _ in self.kinds))

    def tensor(self, value: MultiVolume) -> Tensor:
        """What the model sees: (series, slice, row, column), float32."""
        return value.data.float()


ScanBlock = VolumeBlock | MultiVolumeBlock


# --- what a network is asked -------------------------------------------------------------------


class TargetBlock(ABC):
    """Something to be learned of a scan."""

    @property
    @abstractmethod
    def output(self) -> Output:
        """What is asked of a network."""

    @abstractmethod
    def read(self, case: Case, *, on: Grid) -> Kind:
        """The truth about a case.

        Raises:
            ValueError: naming the case or file, when it is not known or does not fit.
        """

    @abstractmethod
    def tensor(self, value: Kind) -> Tensor:
        """The truth in plain numbers, for losses that know no kinds."""


@dataclass(frozen=True)
class MaskBlock(TargetBlock):
    """Structures outlined on a scan.

    Args:
        labels: those to be learned; their order is that of the model's channels.
    """

    labels: Labels

    @property
    def output(self) -> MaskOutput:
        """A probability of each structure for each voxel."""
        return MaskOutput(replace(self.labels, ignored=None))

    def read(self, case: Case, *, on: Grid) -> Mask:
        """The mask, on the grid of its scan.

        Raises:
            ValueError: when there is none, it lies on another grid, or has ids that the table does
                not know; or when its structures overlap, which one answer a voxel cannot say.
        """
        if case.label is None:
            raise ValueError(f"{case.name} has no labels")
        mask = self.read_file(case.label, on=on)
        if case.annotated is None:
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
        return lookup.to(ids.device)[ids.long()]


@dataclass(frozen=True)
class CategoryBlock(TargetBlock):
    """One answer about the whole scan, out of a vocabulary.

    Args:
        column: of the table that the answers come from.
        vocabulary: all that is answered.
    """

    column: str
    vocabulary: tuple[str, ...]

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
class CategoriesBlock(TargetBlock):
    """Several yes-or-no answers about the whole scan.

    Args:
        columns: of the table that the answers come from, a column a question.
    """

    columns: tuple[str, ...]

    @property
    def output(self) -> BeliefOutput:
        """How likely each is."""
        return BeliefOutput(self.columns, exclusive=False)

    def read(self, case: Case, *, on: Grid) -> Categories:
        """The questions that are answered yes."""
        true = [column for column in self.columns if _yes(case, column)]
        return Categories(tuple(true), self.columns)

    def tensor(self, value: Kind) -> Tensor:
        """Yes or no: (question,), float32."""
        assert isinstance(value, Categories)
        return value.vector.float()


@dataclass(frozen=True)
class MeasurementBlock(TargetBlock):
    """A number about the whole scan.

    Args:
        column: of the table that the numbers come from.
        unit: a UCUM code, such as ``"ml"``.
        mean: of the training cases; see :meth:`scaled_to`.
        deviation: of the training cases.
    """

    column: str
    unit: str
    mean: float = 0.0
    deviation: float = 1.0

    def scaled_to(self, cases: list[Case]) -> MeasurementBlock:
        """The same block, for numbers as these cases have them."""
        values = [_number(case, self.column) for case in cases]
        return MeasurementBlock(self.column, self.unit, fmean(values), pstdev(values) or 1.0)

    @property
    def output(self) -> MeasurementOutput:
        """The number."""
        return MeasurementOutput(self.column, self.unit, self.mean, self.deviation)

    def read(self, case: Case, *, on: Grid) -> Measurement:
        """The number, with its unit."""
        return Measurement(_number(case, self.column), self.unit, self.column)

    def tensor(self, value: Kind) -> Tensor:
        """In the unit: (), float32."""
        assert isinstance(value, Measurement)
        return torch.tensor(value.value)


@dataclass(frozen=True)
class PointsBlock(TargetBlock):
    """Landmarks on a scan.

    Args:
        names: those to be learned.
    """

    names: tuple[str, ...]

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
