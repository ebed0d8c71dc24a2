"""What a network is shown: each input turns a value of its kind into channels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.transforms.spec import Spec
from medlib.types import (
    Boxes,
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


@dataclass(frozen=True)
class Input(Spec, ABC):
    """One of the things that a network is shown, as plain values: the other side of an output.

    What has a grid comes as it is; what has none (landmarks, answers) is drawn on the grid of what
    has, so that all of it is channels side by side.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called where several things are shown."""

    @property
    @abstractmethod
    def kind(self) -> type[Kind]:
        """What it takes."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """How many channels it becomes."""

    @abstractmethod
    def tensor(self, value: Kind, grid: Grid) -> Tensor:
        """What the network sees of it: (channel, slice, row, column), float32.

        Raises:
            ValueError: when the value lacks something that the network was trained with.
        """

    def empty(self, value: Kind) -> tuple[float, ...]:
        """Of each channel the number that stands for empty space, beyond the scan."""
        return (0.0,) * self.channels

    def check(self, value: Kind) -> None:
        """Refuse what is of another kind.

        Raises:
            ValueError: saying what is wanted.
        """
        if not isinstance(value, self.kind):
            raise ValueError(
                f"this model was trained on {self.kind.__name__}, and the {self.name} is a "
                f"{type(value).__name__}; read it as one, if that is what it is"
            )


def shown(inputs: Sequence[Input], values: Sequence[Kind], grid: Grid) -> Tensor:
    """All that a network sees of one item: (channel, slice, row, column), float32.

    Args:
        inputs: what is shown, in order.
        values: one for each.
        grid: that the gridded among them lie on.
    """
    parts = [one.tensor(value, grid) for one, value in zip(inputs, values, strict=True)]
    device = next((p.device for p in parts if p.device.type != "cpu"), torch.device("cpu"))
    return torch.cat([part.to(device) for part in parts])


# --- what has a grid ------------------------------------------------------------------------------


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
        """Refuse what lacks a series, or has one of another kind or in another place."""
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
        _has("label", self.labels.names, value.labels.names, self.name)
        return torch.stack([value.structure(name) for name in self.labels.names]).float()


# --- what has a place -----------------------------------------------------------------------------


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
        _has("label", self.labels.names, value.labels.names, self.name)
        filled = torch.zeros(len(self.labels), *grid.shape)
        for corners, number in zip(value.corners, value.ids, strict=True):
            label = value.labels.by_id(number).name
            if label in self.labels:
                filled[self.labels.names.index(label)][_inside(corners, grid)] = 1.0
        return filled


# --- what lies nowhere ----------------------------------------------------------------------------


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
        said = (value.name,) if isinstance(value, Category) else value.names
        _has("word", said, self.vocabulary, self.name)
        return tuple(float(word in said) for word in self.vocabulary)


INPUTS: tuple[type[Input], ...] = (
    *(VolumeInput, MultiVolumeInput, MaskInput, PointsInput, BoxesInput),
    *(MeasurementInput, WordsInput),
)


def _has(what: str, wanted: Sequence[str], found: Sequence[str], name: str) -> None:
    """Refuse what lacks a name.

    Raises:
        ValueError: saying which.
    """
    if missing := [one for one in wanted if one not in found]:
        raise ValueError(
            f"the {name}: there is no {what} called {', '.join(missing)}; there are: "
            f"{', '.join(found) or 'none'}"
        )


def _everywhere(numbers: Sequence[float], grid: Grid) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None, None].expand(-1, *grid.shape)


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
