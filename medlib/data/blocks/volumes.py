"""Blocks of scans: to be seen, or to be made out of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from medlib.data.blocks.block import Block
from medlib.data.cases import Case
from medlib.data.series import read_on
from medlib.infer import MultiVolumeInput, MultiVolumeOutput, VolumeInput, VolumeOutput
from medlib.io import Stack
from medlib.space import Grid
from medlib.types import Kind, MultiVolume, Volume


@dataclass(frozen=True)
class VolumeBlock(Block):
    """A scan of one kind.

    Args:
        kind: for example :class:`medlib.types.CTVolume`.
        series: which of several that a case has; left out, its scan.
        mean: of the voxels of scans that are to be learned, in the kind's units; left out, the
            training cases' own, once they are known.
        deviation: likewise.
    """

    kind: type[Volume]
    series: str = ""
    mean: float | None = None
    deviation: float | None = None

    @property
    def input(self) -> VolumeInput:
        """One channel."""
        return VolumeInput(self.kind, self.series or "scan")

    @property
    def output(self) -> VolumeOutput:
        """A number for each voxel, in deviations from what is usual."""
        return VolumeOutput(self.kind, self.mean or 0.0, self.deviation or 1.0, self.series)

    @property
    def leads(self) -> str:
        """The series, or the case's scan."""
        return self.series

    def scaled_to(self, cases: Sequence[Case]) -> VolumeBlock:
        """The same block, for voxels as these cases have them, unless it says what is usual."""
        if self.mean is not None or self.deviation is not None:
            return self
        mean, deviation = _usual([self.read(case, on=case.leading.grid) for case in _some(cases)])
        return replace(self, mean=mean, deviation=deviation)

    def read(self, case: Case, *, on: Grid) -> Volume:
        """The scan.

        Raises:
            ValueError: when it cannot be read, is of another kind, or lies on another grid.
        """
        stack = _series(case, self.series) if self.series else case.scan
        return read_on(stack, case.leading, self.kind)

    def tensor(self, value: Kind) -> Tensor:
        """Its voxels: (channel, slice, row, column), float32."""
        assert isinstance(value, Volume)
        return value.data.float()


@dataclass(frozen=True)
class MultiVolumeBlock(Block):
    """Several co-registered series of a case, as one value: the sequences of an MR, a PET/CT.

    Args:
        kinds: of each series, by its name.
        usual: of each, mean and deviation of its voxels, where they are to be learned; left out,
            the training cases' own, once they are known.
    """

    kinds: tuple[tuple[str, type[Volume]], ...]
    usual: tuple[tuple[float, float], ...] = ()

    @property
    def parts(self) -> tuple[VolumeBlock, ...]:
        """Each series as a block of its own."""
        usual = self.usual or ((None, None),) * len(self.kinds)
        pairs = zip(self.kinds, usual, strict=True)
        return tuple(VolumeBlock(kind, name, *numbers) for (name, kind), numbers in pairs)

    @property
    def input(self) -> MultiVolumeInput:
        """A channel a series."""
        return MultiVolumeInput(self.kinds)

    @property
    def output(self) -> MultiVolumeOutput:
        """A number for each voxel of each series."""
        return MultiVolumeOutput(tuple(part.output for part in self.parts))

    @property
    def leads(self) -> str:
        """The first of them."""
        return self.kinds[0][0]

    def scaled_to(self, cases: Sequence[Case]) -> MultiVolumeBlock:
        """The same block, for voxels as these cases have them, unless it says what is usual."""
        scaled = [part.scaled_to(cases).output for part in self.parts]
        return replace(self, usual=tuple((one.mean, one.deviation) for one in scaled))

    def read(self, case: Case, *, on: Grid) -> MultiVolume:
        """The series, on the grid of the case's leading one.

        Raises:
            ValueError: when one is missing, cannot be read, or lies on another grid.
        """
        names = tuple(name for name, _ in self.kinds)
        return MultiVolume(tuple(part.read(case, on=on) for part in self.parts), names)

    def tensor(self, value: Kind) -> Tensor:
        """The voxels of all: (series, slice, row, column), float32."""
        assert isinstance(value, MultiVolume)
        return value.data


def _series(case: Case, name: str) -> Stack:
    if name not in case.series:
        raise ValueError(
            f"{case.name} has no series called {name}; it has: "
            f"{', '.join(case.series) or 'one without a name'}"
        )
    return case.series[name]


def _some(cases: Sequence[Case]) -> Sequence[Case]:
    """At most thirty, evenly spread: enough to know what voxels are usually like."""
    return [cases[k] for k in sorted({round(i * (len(cases) - 1) / 29) for i in range(30)})]


def _usual(scans: Sequence[Volume]) -> tuple[float, float]:
    """Mean and deviation of all voxels together."""
    count = sum(scan.data.numel() for scan in scans)
    mean = sum(float(scan.data.double().sum()) for scan in scans) / count
    squares = sum(float(((scan.data.double() - mean) ** 2).sum()) for scan in scans)
    return mean, (squares / count) ** 0.5 or 1.0
