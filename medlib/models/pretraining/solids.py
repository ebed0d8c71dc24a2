"""Solids: the families of shapes that synthetic anatomy is made of.

Each lies within the cube from -1 to 1 of its own frame, and says of places there whether they are
inside. (Superquadrics: Barr, *Superquadrics and angle-preserving transformations*, IEEE Computer
Graphics and Applications 1(1), 1981.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FAMILIES = (
    *("air", "tissue", "ellipsoid", "superquadric", "cone", "prism", "tube", "shell", "blob"),
)
"""What a voxel may belong to: nothing, the body's envelope, or a structure of one of the families."""
AIR, TISSUE = 0, 1


class Solid(ABC):
    """A shape in its own frame."""

    family: str

    @abstractmethod
    def inside(self, p: Tensor) -> Tensor:
        """Which places, (3, ...), are in it; all of those lie within the cube from -1 to 1."""


@dataclass(frozen=True)
class Ellipsoid(Solid):
    """The unit ball, which its frame stretches."""

    family = "ellipsoid"

    def inside(self, p: Tensor) -> Tensor:
        """Which places are in it."""
        return _squared(p) <= 1


@dataclass(frozen=True)
class Superquadric(Solid):
    """Between a box, a cylinder, a ball and an octahedron.

    Args:
        along: exponent of the profile along the first axis; 2 is round, more is squarer.
        across: exponent of the cross-section.
    """

    along: float
    across: float
    family = "superquadric"

    def inside(self, p: Tensor) -> Tensor:
        """Which places are in it."""
        return _superquadric(p, self.along, self.across) <= 1


@dataclass(frozen=True)
class Cone(Solid):
    """A generalised cone: an elliptic cross-section swept along a bent axis, as its profile says.

    Args:
        profile: radius at the ends of three equal parts of the axis, four numbers up to 0.7.
        flat: the cross-section's shorter radius as a share of the longer.
        bend: how far the middle of the axis lies off a straight line, up to 0.3 along two axes.
    """

    profile: tuple[float, float, float, float]
    flat: float
    bend: tuple[float, float]
    family = "cone"

    def inside(self, p: Tensor) -> Tensor:
        """Which places are in it."""
        z = p[0]
        # The cubic through the four radii, and an arch that ends on the axis.
        c = np.polyfit(np.linspace(-1, 1, 4), self.profile, 3).tolist()
        radius = ((c[0] * z + c[1]) * z + c[2]) * z + c[3]
        arch = 1 - z * z
        x, y = p[1] - self.bend[0] * arch, p[2] - self.bend[1] * arch
        across = x * x + (y / self.flat) ** 2
        inside: Tensor = (across <= radius * radius) & (radius > 0) & (z.abs() <= 1)
        return inside


@dataclass(frozen=True)
class Prism(Solid):
    """A regular polygon swept along an axis, turning and narrowing on its way.

    Args:
        sides: of the polygon, 3 or more.
        twist: radians that it turns by from one end to the other.
        taper: share of its size that it loses from one end to the other, below 1.
    """

    sides: int
    twist: float
    taper: float
    family = "prism"

    def inside(self, p: Tensor) -> Tensor:
        """Which places are in it."""
        z = p[0]
        angle = torch.atan2(p[2], p[1]) + self.twist / 2 * z
        sector = 2 * pi / self.sides
        off_middle = torch.remainder(angle, sector) - sector / 2
        apothem = (p[1] * p[1] + p[2] * p[2]).sqrt() * off_middle.cos()
        size = float(np.cos(sector / 2)) * (1 - self.taper * (1 + z) / 2)
        return (apothem <= size) & (z.abs() <= 1)


@dataclass(frozen=True)
class Segment(Solid):
    """A piece of a tube, with round ends; its frame turns and scales all axes alike.

    Args:
        half: of its length.
        start: radius at one end; with ``half`` at most 1.
        end: radius at the other.
    """

    half: float
    start: float
    end: float
    family = "tube"

    def inside(self, p: Tensor) -> Tensor:
        """Which places are in it."""
        place = p[0].clamp(-self.half, self.half)
        share = (place + self.half) / (2 * self.half)
        radius = torch.lerp(
            torch.full_like(share, self.start), torch.full_like(share, self.end), share
        )
        off = p[0] - place
        return off * off + p[1] * p[1] + p[2] * p[2] <= radius * radius


@dataclass(frozen=True)
class Shell(Solid):
    """The wall of a hollow superquadric; what is within is no part of it.

    Args:
        along: exponent, as of a superquadric.
        across: exponent, likewise.
        hollow: share of each radius that is hollow, below 1.
    """

    along: float
    across: float
    hollow: float
    family = "shell"

    def inside(self, p: Tensor) -> Tensor:
        """Which places are in it."""
        outer = _superquadric(p, self.along, self.across) <= 1
        return outer & (_superquadric(p / self.hollow, self.along, self.across) > 1)


@dataclass(frozen=True)
class Blob(Solid):
    """A ball whose radius is noise: a sum of plane waves.

    Args:
        waves: of each wave the three components of its direction, times its frequency, and its
            phase, in radians.
        rough: how much of the radius is noise, below 0.5.
    """

    waves: tuple[tuple[float, float, float, float], ...]
    rough: float
    family = "blob"

    def inside(self, p: Tensor) -> Tensor:
        """Which places are in it."""
        noise = torch.zeros_like(p[0])
        for a, b, c, phase in self.waves:
            noise += torch.sin(a * p[0] + b * p[1] + c * p[2] + phase)
        radius = 1 - self.rough + self.rough / len(self.waves) ** 0.5 * noise
        inside: Tensor = _squared(p) <= radius.clamp(0, 1).square()
        return inside


@dataclass(frozen=True, eq=False)
class Placed:
    """A solid somewhere in a volume, as a part of a structure.

    Args:
        solid: in its own frame.
        instance: which structure it is a part of.
        centre: (slice, row, column), in finest voxels.
        frame: (3, 3), its columns half the sides of the solid's cube.
        within: the structure beyond which it is not painted; None for anywhere in the body.
    """

    solid: Solid
    instance: int
    centre: NDArray[np.float64]
    frame: NDArray[np.float64]
    within: int | None = None

    @property
    def reach(self) -> NDArray[np.float64]:
        """How far it can extend from its centre along each axis."""
        extent: NDArray[np.float64] = np.abs(self.frame).sum(1)
        return extent

    def inside(self, points: Tensor) -> Tensor:
        """Which points of the volume, (3, ...), are in it."""
        inverse = np.linalg.inv(self.frame)
        shift = inverse @ self.centre
        local = [
            float(row[0]) * points[0]
            + float(row[1]) * points[1]
            + float(row[2]) * points[2]
            - float(off)
            for row, off in zip(inverse, shift, strict=True)
        ]
        return self.solid.inside(torch.stack(local))


def _squared(p: Tensor) -> Tensor:
    return p[0] * p[0] + p[1] * p[1] + p[2] * p[2]


def _superquadric(p: Tensor, along: float, across: float) -> Tensor:
    p = p.abs()
    round_section = p[1].pow(across) + p[2].pow(across)
    return p[0].pow(along) + round_section.pow(along / across)
