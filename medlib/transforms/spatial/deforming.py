"""Recipes that turn, scale, shear, shift and bend the patient, about the middle of the grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medlib.space import Affine, Flow, Grid, Map
from medlib.space.grid import FloatArray
from medlib.transforms.chance import Chance
from medlib.transforms.recipe import Transform
from medlib.transforms.scene import Scene
from medlib.transforms.spatial.lattices import Interpolation
from medlib.transforms.spatial.move import Move

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class MoveBy(Transform):
    """Moves the patient by one map, always the same; lands on the same grid.

    Args:
        map: where a point of the patient, in LPS millimetres, goes.
        labels: how masks are read; see :class:`medlib.transforms.Move`.
    """

    map: Map
    labels: Interpolation = "linear"

    def draw(self, scene: Scene, chance: Chance) -> Move:
        """The move."""
        return Move(scene.grid, scene.grid, self.map, labels=self.labels)


@dataclass(frozen=True)
class RandomAffine(Transform):
    """Turns, scales, shears and shifts the patient at random.

    All is about the middle of the grid, along its own axes. A single slice stays in its plane.

    Args:
        degrees: the largest turn about (slice, row, column) axis; one number for all three.
        scale: each axis is scaled by ``1 / (1 + scale)`` to ``1 + scale``.
        shear: each axis leans towards each other by up to this share of a millimetre a millimetre.
        shift: the largest shift along (slice, row, column), in millimetres; or one for all.
        labels: how masks are read; see :class:`medlib.transforms.Move`.

    Raises:
        ValueError: for a range below 0, or a shear that could fold space.

    Example:
        >>> from medlib.transforms import Item, Pipeline
        >>> from medlib.types import Points
        >>> import torch
        >>> from medlib.types import MRVolume
        >>> scan = MRVolume(torch.rand(1, 8, 8, 8), Grid.from_axes((8, 8, 8)))
        >>> tip = Points([[3.0, 4.0, 5.0]], ("tip",))
        >>> turned = Pipeline((RandomAffine(degrees=30),))(Item((scan, tip)))
        >>> turned.trail.decode(turned.values[1]).coordinates.round(6)
        array([[3., 4., 5.]])
    """

    degrees: float | Triple = 15.0
    scale: float = 0.1
    shear: float = 0.0
    shift: float | Triple = 0.0
    labels: Interpolation = "linear"

    def __post_init__(self) -> None:
        ranges = (*_three(self.degrees), self.scale, self.shear, *_three(self.shift))
        if min(ranges) < 0:
            raise ValueError("turns, scales, shears and shifts are ranges of at least 0")
        if self.shear >= 0.5:
            raise ValueError(f"a shear of {self.shear:g} could fold space; keep it below 0.5")

    def draw(self, scene: Scene, chance: Chance) -> Move:
        """An affine move that lands on the same grid."""
        turn = [chance.uniform(-d, d, neutral=0.0) for d in _three(self.degrees)]
        size = [chance.factor(1 / (1 + self.scale), 1 + self.scale) for _ in range(3)]
        lean = [chance.uniform(-self.shear, self.shear, neutral=0.0) for _ in range(6)]
        away = [chance.uniform(-s, s, neutral=0.0) for s in _three(self.shift)]
        moved = about_the_middle(scene.grid, turn, size, lean, away)
        return Move(scene.grid, scene.grid, moved, labels=self.labels)


def about_the_middle(
    grid: Grid,
    degrees: list[float],
    factors: list[float],
    leans: list[float],
    millimetres: list[float],
) -> Affine:
    """Shears, scales, turns, then shifts along a grid's own axes; one slice stays in its plane.

    Args:
        grid: whose middle stays where it is, but for the shift.
        degrees: about the (slice, row, column) axis.
        factors: along each.
        leans: of slice towards row, slice towards column, row towards slice, row towards column,
            column towards slice, column towards row.
        millimetres: along each.
    """
    flat = [n == 1 for n in grid.shape]
    turn, shear = np.array(degrees), np.eye(3)
    shear[~np.eye(3, dtype=bool)] = leans
    size, away = np.array(factors), np.array(millimetres)
    for axis in np.flatnonzero(flat):
        turn[[k for k in range(3) if k != axis]] = 0.0
        size[axis], away[axis] = 1.0, 0.0
        shear[axis, :] = shear[:, axis] = np.eye(3)[axis]
    u, _, v = np.linalg.svd(grid.directions)
    frame: FloatArray = u @ v  # at right angles, even where the gantry was tilted
    local = Affine.rotation(turn.tolist()).matrix[:3, :3] @ np.diag(size) @ shear
    whole = Affine.linear(frame @ local @ frame.T, centre=grid.centre)
    return Affine.translation((frame @ away).tolist()) @ whole


@dataclass(frozen=True)
class Rotate(Transform):
    """Turns the patient at random.

    Args:
        degrees: the largest turn about (slice, row, column) axis; one number for all three.
        labels: how masks are read; see :class:`medlib.transforms.Move`.
    """

    degrees: float | Triple = 15.0
    labels: Interpolation = "linear"

    def draw(self, scene: Scene, chance: Chance) -> Move:
        """A turn that lands on the same grid."""
        return RandomAffine(self.degrees, scale=0.0, labels=self.labels).draw(scene, chance)


@dataclass(frozen=True)
class Scale(Transform):
    """Makes the patient larger or smaller at random, along each axis of the grid for itself.

    Args:
        by: each axis is scaled by ``1 / (1 + by)`` to ``1 + by``.
        labels: how masks are read; see :class:`medlib.transforms.Move`.
    """

    by: float = 0.1
    labels: Interpolation = "linear"

    def draw(self, scene: Scene, chance: Chance) -> Move:
        """A stretch that lands on the same grid."""
        return RandomAffine(0.0, scale=self.by, labels=self.labels).draw(scene, chance)


@dataclass(frozen=True)
class Shear(Transform):
    """Makes the patient lean at random.

    Args:
        by: the largest lean of each axis towards each other, in millimetres a millimetre.
        labels: how masks are read; see :class:`medlib.transforms.Move`.
    """

    by: float = 0.1
    labels: Interpolation = "linear"

    def draw(self, scene: Scene, chance: Chance) -> Move:
        """A shear that lands on the same grid."""
        return RandomAffine(0.0, scale=0.0, shear=self.by, labels=self.labels).draw(scene, chance)


@dataclass(frozen=True)
class Translate(Transform):
    """Shifts the patient at random.

    Args:
        millimetres: the largest shift along (slice, row, column) axis; one number for all three.
        labels: how masks are read; see :class:`medlib.transforms.Move`.
    """

    millimetres: float | Triple = 10.0
    labels: Interpolation = "linear"

    def draw(self, scene: Scene, chance: Chance) -> Move:
        """A shift that lands on the same grid."""
        shift = RandomAffine(0.0, scale=0.0, shift=self.millimetres, labels=self.labels)
        return shift.draw(scene, chance)


@dataclass(frozen=True)
class Elastic(Transform):
    """Bends the patient at random, smoothly and without folds; what lies at the border stays.

    The deformation is the flow along a random velocity (:class:`medlib.space.Flow`), so that it
    can be undone.

    Args:
        up_to: the furthest that any point may go, in millimetres; each item draws its own.
        spacing: millimetres between control points: smaller bends are finer. Where the grid is
            less than four spacings long the control points come closer along that axis.
        labels: how masks are read; see :class:`medlib.transforms.Move`.

    Raises:
        ValueError: for a spacing that is not positive; or for a furthest distance so large, for
            this spacing, that the image could not be followed.
    """

    up_to: float = 7.5
    spacing: float = 24.0
    labels: Interpolation = "linear"

    def __post_init__(self) -> None:
        if self.spacing <= 0 or self.up_to < 0:
            raise ValueError("an elastic deformation needs a positive spacing and a distance")
        if self.up_to > 0.75 * self.spacing:
            raise ValueError(
                f"points {self.spacing:g} mm apart cannot be bent by {self.up_to:g} mm without "
                f"folds; go up to {0.75 * self.spacing:g} mm, or take a larger spacing"
            )

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """An elastic move that lands on the same grid."""
        lattice = _control_points(scene.grid, self.spacing)
        velocity = chance.rng.uniform(-1.0, 1.0, (*lattice.shape, 3))
        flat = [k for k, n in enumerate(scene.grid.shape) if n == 1]
        for axis in flat:  # a single slice stays in its plane
            normal = scene.grid.directions[:, axis]
            velocity -= (velocity @ normal)[..., None] * normal
        furthest = chance.uniform(0.0, self._furthest(lattice, flat), neutral=0.0)
        if furthest < 1e-3:
            return None
        # Rounded, so that a trail is short to write and says exactly what was done.
        velocity = np.round(velocity * (furthest / _greatest_speed(velocity)), 4)
        flow = Flow(lattice, velocity)
        return Move(scene.grid, scene.grid, flow, labels=self.labels)

    def _furthest(self, lattice: Grid, flat: list[int]) -> float:
        closest = min(s for k, s in enumerate(lattice.spacing) if k not in flat)
        return min(self.up_to, 0.75 * closest)


def _control_points(grid: Grid, millimetres: float) -> Grid:
    """Control points so far inside a grid that nothing moves at its border."""
    shape, start, step = [], [], []
    for n, spacing in zip(grid.shape, grid.spacing, strict=True):
        length = n * spacing
        parts = max(4, int(length / millimetres))
        shape.append(parts - 3)
        step.append(n / parts)
        start.append(2 * n / parts - 0.5)
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_patient(start)
    affine[:3, :3] *= step
    return Grid((shape[0], shape[1], shape[2]), affine)


def _greatest_speed(velocity: FloatArray) -> float:
    """The greatest speed at the control points themselves, where it is nearly greatest of all."""
    smoothed = np.pad(velocity, ((1, 1), (1, 1), (1, 1), (0, 0)))
    for axis in range(3):
        n = velocity.shape[axis]
        low, middle, high = (np.take(smoothed, range(k, k + n), axis=axis) for k in range(3))
        smoothed = (low + 4 * middle + high) / 6
    return float(np.linalg.norm(smoothed, axis=-1).max())


def _three(values: float | Triple) -> Triple:
    return (values, values, values) if isinstance(values, int | float) else values
