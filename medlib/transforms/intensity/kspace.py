"""Artefacts of MR acquisition: ghosts, spikes, and a patient who moved."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from medlib.space import Grid, Map
from medlib.transforms.chance import Chance
from medlib.transforms.intensity.separable import Matrix, filtered, frequencies
from medlib.transforms.recipe import Intensity
from medlib.transforms.spatial.deforming import about_the_middle
from medlib.transforms.spatial.move import Move
from medlib.transforms.spatial.sampler import Sampler
from medlib.transforms.steps import IntensityStep
from medlib.types import Volume


@dataclass(frozen=True)
class AddGhosts(IntensityStep):
    """Weakens every so many lines of k-space along one axis: faint copies appear along it.

    Args:
        axis: 0, 1 or 2, of (slice, row, column).
        ghosts: each how many lines one is weakened: the number of copies, the scan included.
        intensity: share of those lines that is lost, below 1.
        restore: share of the lines, about the middle of k-space, that is left alone.

    Raises:
        ValueError: for another axis, fewer than two ghosts, or an intensity that is not from 0
            to below 1.
    """

    axis: int
    ghosts: int
    intensity: float
    restore: float = 0.02

    def __post_init__(self) -> None:
        if self.axis not in {0, 1, 2}:
            raise ValueError(f"ghosts lie along axis 0, 1 or 2, not {self.axis}")
        if self.ghosts < 2 or not 0 <= self.intensity < 1:
            raise ValueError(
                "ghosts must be two at least and of an intensity from 0 to below 1, not "
                f"{self.ghosts} and {self.intensity:g}"
            )

    def forward(self, scan: Volume) -> Tensor:
        """The voxels with ghosts, float32."""
        return filtered(scan.data, self._weights(scan.grid, 1 - self.intensity))

    def backward(self, scan: Volume) -> Tensor:
        """The voxels without them: the lines are made as strong as they were."""
        return filtered(scan.data, self._weights(scan.grid, 1 / (1 - self.intensity)))

    def _weights(self, grid: Grid, weight: float) -> list[Matrix | None]:
        size = grid.shape[self.axis]
        lines = frequencies(size)
        weakened = (lines % self.ghosts == 0) & (lines > self.restore * size / 2)
        weights: list[Matrix | None] = [None, None, None]
        weights[self.axis] = np.where(weakened, weight, 1.0)
        return weights


@dataclass(frozen=True)
class Ghosting(Intensity):
    """Adds ghosts, such as breathing and flowing blood cause, along an axis drawn at random.

    Args:
        least: the fewest ghosts.
        most: the most.
        up_to: the greatest intensity, below 1.
        restore: share of the lines, about the middle of k-space, that is left alone.

    Raises:
        ValueError: for fewer than two ghosts, numbers that do not rise, or an intensity that is
            not from 0 to below 1.
    """

    least: int = 4
    most: int = 10
    up_to: float = 0.7
    restore: float = 0.02

    def __post_init__(self) -> None:
        AddGhosts(0, self.least, self.up_to, self.restore)
        if self.least > self.most:
            raise ValueError(f"least ({self.least}) must not be above most ({self.most})")

    def draw_for(self, scan: Volume, chance: Chance) -> AddGhosts | None:
        """Ghosts along an axis that has more than one voxel."""
        axis = _drawn_axis(scan.grid, chance)
        ghosts = int(chance.uniform(self.least, self.most + 1))
        intensity = chance.uniform(0.0, self.up_to, neutral=0.0)
        if axis is None or intensity == 0:
            return None
        return AddGhosts(axis, min(ghosts, self.most), intensity, self.restore)


@dataclass(frozen=True)
class AddWaves(IntensityStep):
    """Adds plane waves: what single points of k-space that are too bright become.

    Args:
        waves: of each, its amplitude in the volume's units, its phase in radians, and how often
            it swings over the field of view along slice, row and column.
    """

    waves: tuple[tuple[float, float, float, float, float], ...]

    def forward(self, scan: Volume) -> Tensor:
        """The voxels and the waves, float32."""
        return self._added(scan, 1.0)

    def backward(self, scan: Volume) -> Tensor:
        """The voxels without them."""
        return self._added(scan, -1.0)

    def _added(self, scan: Volume, sense: float) -> Tensor:
        # cos(a + b) = cos a cos b - sin a sin b, where b is the columns' part of the phase.
        turn = 2j * np.pi / np.array(scan.grid.shape)
        slices, rows, columns = (
            np.exp(np.outer([wave[axis + 2] for wave in self.waves], np.arange(n)) * turn[axis])
            for axis, n in enumerate(scan.grid.shape)
        )
        strength = np.array([sense * wave[0] * np.exp(1j * wave[1]) for wave in self.waves])
        planes = np.einsum("w,ws,wr->srw", strength, slices, rows).reshape(-1, len(self.waves))
        left, right = (
            torch.from_numpy(x).to(scan.data.device, torch.float32)
            for x in (
                np.concatenate([planes.real, -planes.imag], 1),
                np.concatenate([columns.real, columns.imag]),
            )
        )
        flat = scan.data.float().reshape(len(scan.data), -1, scan.grid.shape[2])
        return torch.stack([torch.addmm(c, left, right) for c in flat]).view(scan.data.shape)


@dataclass(frozen=True)
class Spikes(Intensity):
    """Adds stripes, such as sparks near the receiver cause.

    Args:
        count: how many waves.
        up_to: the greatest amplitude, as a share of the scan's mean brightness above empty space:
            of the brightest point of its k-space.

    Raises:
        ValueError: for fewer than one wave, or an amplitude below 0.
    """

    count: int = 1
    up_to: float = 1.0

    def __post_init__(self) -> None:
        if self.count < 1 or not self.up_to >= 0:
            raise ValueError(
                "spikes must be one at least, with an amplitude of at least 0, not "
                f"{self.count} and {self.up_to:g}"
            )

    def draw_for(self, scan: Volume, chance: Chance) -> AddWaves | None:
        """Waves in directions drawn at random."""
        mean = abs(float(scan.data.float().mean()) - scan.background)
        waves = []
        for _ in range(self.count):
            amplitude = mean * chance.uniform(0.0, self.up_to, neutral=0.0)
            phase = chance.uniform(0, 2 * np.pi)
            often = [float(round(chance.uniform(-(n // 2), n // 2))) for n in scan.grid.shape]
            waves.append((amplitude, phase, often[0], often[1], often[2]))
        return AddWaves(tuple(waves)) if any(wave[0] for wave in waves) else None


@dataclass(frozen=True)
class MixMoved(IntensityStep):
    """Takes k-space's lines along one axis from a patient who has moved in between.

    The lines are read from one end to the other. While the middle one is read the patient lies
    where the scan shows him, so that masks still fit.

    Args:
        axis: 0, 1 or 2, of (slice, row, column), along which lines follow one another.
        times: when the patient moved, rising, each between 0 and 1.
        poses: where his points, LPS millimetres, were: one map for each of the pieces of time, but
            for the one in which the middle line is read.

    Raises:
        ValueError: for times that do not rise within 0…1, or not a pose for each.
    """

    axis: int
    times: tuple[float, ...]
    poses: tuple[Map, ...]

    def __post_init__(self) -> None:
        if any(a > b for a, b in pairwise((0.0, *self.times, 1.0))):
            raise ValueError(f"times must rise, from 0 at least to 1 at most, not {self.times}")
        if len(self.poses) != len(self.times) or self.axis not in {0, 1, 2}:
            raise ValueError(
                f"{len(self.times)} movements along axis {self.axis} need as many poses, and an "
                f"axis from 0 to 2; there are {len(self.poses)}"
            )

    @property
    def lost(self) -> str:
        """That the patient moved."""
        return f"the patient moved {len(self.times)} times"

    def forward(self, scan: Volume) -> Tensor:
        """The voxels as reconstructed from all poses, float32."""
        data = scan.data.float()
        size = scan.grid.shape[self.axis]
        bounds = [0, *(round(t * size) for t in self.times), size]
        moved = iter(self.poses)
        out = data
        for start, stop in pairwise(bounds):
            if start <= size // 2 < stop:
                continue
            pose = Sampler(Move(scan.grid, scan.grid, next(moved)))
            change = pose.linear(data, fill=scan.background) - data
            weights: list[Matrix | None] = [None, None, None]
            weights[self.axis] = _share(size, start, stop)
            out = out + filtered(change, weights)
        return out


def _share(size: int, start: int, stop: int) -> Matrix:
    """How much of each frequency and its negative lies in these lines of a centred k-space.

    The image of one piece alone is complex; its real part is what weights the two alike.
    """
    inside = np.zeros(size)
    inside[start:stop] = 1.0
    inside = np.fft.ifftshift(inside)
    both = (inside + inside[-np.arange(size)]) / 2
    half: Matrix = both[: size // 2 + 1]
    return half


@dataclass(frozen=True)
class Motion(Intensity):
    """Blurs and doubles the scan as if the patient had moved while it was made.

    Rigid movements at random times; see :class:`MixMoved`. After Shaw et al., *MRI k-space motion
    artefact augmentation*, MIDL 2019.

    Args:
        movements: their number.
        degrees: the largest turn about each axis of the grid.
        millimetres: the largest shift along each.

    Raises:
        ValueError: for no movements, or ranges below 0.
    """

    movements: int = 2
    degrees: float = 5.0
    millimetres: float = 5.0

    def __post_init__(self) -> None:
        if self.movements < 1 or not min(self.degrees, self.millimetres) >= 0:
            raise ValueError(
                "a patient moves once at least, by ranges of at least 0, not "
                f"{self.movements} times by {self.degrees:g} degrees and {self.millimetres:g} mm"
            )

    def draw_for(self, scan: Volume, chance: Chance) -> MixMoved | None:
        """Movements, along an axis that has more than one voxel."""
        axis = _drawn_axis(scan.grid, chance)
        times = sorted(chance.uniform(0, 1) for _ in range(self.movements))
        turns, shifts = (
            [[chance.uniform(-b, b, neutral=0.0) for _ in range(3)] for _ in times]
            for b in (self.degrees, self.millimetres)
        )
        if axis is None or not np.any((turns, shifts)):
            return None
        poses = [
            about_the_middle(scan.grid, turn, [1.0] * 3, [0.0] * 6, shift)
            for turn, shift in zip(turns, shifts, strict=True)
        ]
        return MixMoved(axis, tuple(times), tuple(poses))


def _drawn_axis(grid: Grid, chance: Chance) -> int | None:
    wide = [axis for axis, n in enumerate(grid.shape) if n > 1]
    place = chance.uniform(0, len(wide))
    return wide[min(int(place), len(wide) - 1)] if wide else None
