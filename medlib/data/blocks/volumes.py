"""Blocks of scans: to be seen, or to be made out of others."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from medlib.data.blocks.block import Block
from medlib.data.cases import Case
from medlib.infer import MultiVolumeInput, Output, VolumeInput
from medlib.io import Stack
from medlib.space import Grid
from medlib.types import Kind, MultiVolume, Volume


@dataclass(frozen=True)
class VolumeBlock(Block):
    """A scan of one kind.

    Args:
        kind: for example :class:`medlib.types.CTVolume`.
        series: which of several that a case has; left out, its scan.
    """

    kind: type[Volume]
    series: str = ""

    @property
    def input(self) -> VolumeInput:
        """One channel."""
        return VolumeInput(self.kind, self.series or "scan")

    @property
    def output(self) -> Output:
        """Not yet."""
        raise NotImplementedError

    def read(self, case: Case, *, on: Grid) -> Volume:
        """The scan.

        Raises:
            ValueError: when it cannot be read, is of another kind, or lies on another grid.
        """
        stack = _series(case, self.series) if self.series else case.scan
        return _read(stack, self.kind, on)

    def tensor(self, value: Kind) -> Tensor:
        """Its voxels: (channel, slice, row, column), float32."""
        assert isinstance(value, Volume)
        return value.data.float()


@dataclass(frozen=True)
class MultiVolumeBlock(Block):
    """Several co-registered series of a case, as one value: the sequences of an MR, a PET/CT.

    Args:
        kinds: of each series, by its name.
    """

    kinds: tuple[tuple[str, type[Volume]], ...]

    @property
    def input(self) -> MultiVolumeInput:
        """A channel a series."""
        return MultiVolumeInput(self.kinds)

    @property
    def output(self) -> Output:
        """Not yet."""
        raise NotImplementedError

    def read(self, case: Case, *, on: Grid) -> MultiVolume:
        """The series, on the grid of the case's scan.

        Raises:
            ValueError: when one is missing, cannot be read, or lies on another grid.
        """
        parts = tuple(_read(_series(case, name), kind, on) for name, kind in self.kinds)
        return MultiVolume(parts, tuple(name for name, _ in self.kinds))

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


def _read(stack: Stack, kind: type[Volume], on: Grid) -> Volume:
    if not stack.grid.close_to(on):
        raise ValueError(
            f"{stack.name} lies on another grid than the scan: {on.difference(stack.grid)}; "
            "resample it to the scan, after registration if the patient has moved"
        )
    return stack.read(kind=kind)
