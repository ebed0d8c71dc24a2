"""Elastic maps that can be undone: the flow along a velocity that does not change with time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray, Grid
from medlib.space.maps import Affine, Map

_CHUNK = 1 << 14  # points integrated at once, to bound memory


@dataclass(frozen=True, eq=False)
class Flow(Map):
    """Where points are carried in one unit of time by a smooth, stationary velocity field.

    Such a map has no folds, and its inverse is the flow along the negative velocity: elastic
    deformation that can truly be undone. (Arsigny et al., A log-Euclidean framework for
    statistics on diffeomorphisms, MICCAI 2006; Ashburner, NeuroImage 38, 2007.)

    Args:
        lattice: the grid of control points, in any direction.
        velocity: (slice, row, column, 3), LPS millimetres per unit of time: coefficients of
            cubic B-splines at the control points. Two control spacings beyond the lattice, all
            stands still.

    Raises:
        ValueError: when the velocity does not fit the lattice or is not finite.

    Example:
        >>> push = np.zeros((1, 1, 1, 3))
        >>> push[..., 0] = 6.0
        >>> flow = Flow(Grid.from_axes((1, 1, 1), spacing=(20, 20, 20)), push)
        >>> moved = flow([[0, 0, 0], [100, 0, 0]])
        >>> moved.round(2)
        array([[  1.77,   0.  ,   0.  ],
               [100.  ,   0.  ,   0.  ]])
        >>> bool(np.abs(flow.inverse(moved)[0]).max() < 1e-6)
        True
    """

    lattice: Grid
    velocity: FloatArray

    def __post_init__(self) -> None:
        velocity = np.array(self.velocity, dtype=np.float64)
        if velocity.shape != (*self.lattice.shape, 3) or not np.isfinite(velocity).all():
            raise ValueError(
                f"a flow needs finite velocities {(*self.lattice.shape, 3)}, one a control point, "
                f"got {velocity.shape}"
            )
        velocity.setflags(write=False)
        object.__setattr__(self, "velocity", velocity)

    def __reduce__(self) -> tuple[type[Flow], tuple[Any, ...]]:
        return Flow, (self.lattice, self.velocity)

    @property
    def inverse(self) -> Flow:
        """The flow along the negative velocity; its inverse is equal to this one."""
        return Flow(self.lattice, -self.velocity)

    @property
    def factors(self) -> tuple[Map, ...]:
        """Itself."""
        return (self,)

    def absorb(self, first: Map) -> Map | None:
        """A flow after its own inverse leaves everything where it was."""
        if not isinstance(first, Flow) or self.lattice != first.lattice:
            return None
        return Affine.identity() if np.array_equal(self.velocity, -first.velocity) else None

    @property
    def reach(self) -> float:
        """Millimetres that no point is carried further than."""
        return float(np.linalg.norm(self.velocity, axis=-1).max())

    @cached_property
    def strain(self) -> float:
        """A bound on the change of velocity from place to place, per unit of time.

        Neighbouring points come apart, or together, by no more than a factor of its exponential.
        """
        to_index = np.linalg.inv(self.lattice.affine[:3, :3])
        around = np.pad(self.velocity, ((1, 1), (1, 1), (1, 1), (0, 0)))
        steepest = [np.linalg.norm(np.diff(around, axis=k), axis=-1).max() for k in range(3)]
        return float(np.dot(steepest, np.linalg.norm(to_index, axis=1)))

    @cached_property
    def steps(self) -> int:
        """Runge–Kutta steps by which points are integrated to about 1e-5 mm."""
        return int(np.clip(np.ceil(1.5 * self.strain), 8, 64))

    def __call__(self, points: npt.ArrayLike) -> FloatArray:
        """Where LPS points, (..., 3), go: integrated along the velocity by Runge–Kutta 4."""
        given = np.asarray(points, dtype=np.float64)
        index = self.lattice.to_index(given).reshape(-1, 3)
        moved = np.empty_like(index)
        for start in range(0, len(index), _CHUNK):
            part = slice(start, start + _CHUNK)
            moved[part] = self._integrated(index[part])
        return given + ((moved - index) @ self.lattice.affine[:3, :3].T).reshape(given.shape)

    def jacobian(self, points: npt.ArrayLike) -> FloatArray:
        """(..., 3, 3): how the surroundings of LPS points, (..., 3), are turned and stretched.

        The determinant is the change in volume; it is positive everywhere.
        """
        given = np.asarray(points, dtype=np.float64)
        place = self.lattice.to_index(given).reshape(-1, 3)
        change = np.broadcast_to(np.eye(3), (len(place), 3, 3)).copy()
        dt = 1.0 / self.steps

        def slopes(at: FloatArray, so_far: FloatArray) -> tuple[FloatArray, FloatArray]:
            speed, gradient = self._speed_and_gradient(at)
            return speed, gradient @ so_far

        for _ in range(self.steps):
            k1, g1 = slopes(place, change)
            k2, g2 = slopes(place + dt / 2 * k1, change + dt / 2 * g1)
            k3, g3 = slopes(place + dt / 2 * k2, change + dt / 2 * g2)
            k4, g4 = slopes(place + dt * k3, change + dt * g3)
            place = place + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            change = change + dt / 6 * (g1 + 2 * g2 + 2 * g3 + g4)
        axes = self.lattice.affine[:3, :3]
        lps: FloatArray = axes @ change @ np.linalg.inv(axes)
        return lps.reshape(*given.shape, 3)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_dict` reads back to an equal map."""
        return {
            "type": "Flow",
            "lattice": self.lattice.to_dict(),
            "velocity": self.velocity.tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Flow:
        """The map that :meth:`to_dict` wrote."""
        return cls(Grid.from_dict(values["lattice"]), values["velocity"])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Flow):
            return NotImplemented
        return self.lattice == other.lattice and np.array_equal(self.velocity, other.velocity)

    def __hash__(self) -> int:
        return hash((self.lattice, (self.velocity + 0.0).tobytes()))

    # --- in the lattice's own index, where the splines are ------------------------------------

    @cached_property
    def _coefficients(self) -> FloatArray:
        """Velocity in index units, with so many zeros around that every place has neighbours."""
        speed = self.velocity @ np.linalg.inv(self.lattice.affine[:3, :3]).T
        return np.pad(speed, ((4, 4), (4, 4), (4, 4), (0, 0)))

    def _integrated(self, place: FloatArray) -> FloatArray:
        dt = 1.0 / self.steps
        for _ in range(self.steps):
            k1 = self._speed(place)
            k2 = self._speed(place + dt / 2 * k1)
            k3 = self._speed(place + dt / 2 * k2)
            k4 = self._speed(place + dt * k3)
            place = place + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return place

    def _speed(self, place: FloatArray) -> FloatArray:
        near, between = self._neighbours(place)
        return _weighted(near, *map(cubic_weights, between))

    def _speed_and_gradient(self, place: FloatArray) -> tuple[FloatArray, FloatArray]:
        near, between = self._neighbours(place)
        (a, b, c), (da, db, dc) = map(cubic_weights, between), map(_cubic_slopes, between)
        along = [_weighted(near, *w) for w in ((da, b, c), (a, db, c), (a, b, dc))]
        return _weighted(near, a, b, c), np.stack(along, axis=-1)

    def _neighbours(self, place: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The 64 coefficients about each place, and how far it is from the middle ones, (3, n)."""
        base = np.floor(place)
        _, n, m, _ = sizes = self._coefficients.shape
        s, r, c = np.clip(base + 3, 0, np.array(sizes[:3]) - 4).astype(np.intp).T  # base - 1
        around = np.arange(4)
        offsets = (around[:, None, None] * n + around[:, None]) * m + around
        first = (s * n + r) * m + c
        near = self._coefficients.reshape(-1, 3)[first[:, None] + offsets.ravel()]
        return near, (place - base).T


def _weighted(near: FloatArray, a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    """(n, 3): the 64 values, (n, 64, 3), by the product of their weights, (n, 4) each."""
    weights = (a[:, :, None, None] * b[:, None, :, None] * c[:, None, None, :]).reshape(-1, 1, 64)
    summed: FloatArray = (weights @ near)[:, 0]
    return summed


def cubic_weights(t: FloatArray) -> FloatArray:
    """(n, 4): weights of the cubic B-splines at -1, 0, 1, 2 for places ``t``, (n,), in 0…1."""
    u = 1 - t
    return np.stack(
        [u**3, 3 * t**3 - 6 * t**2 + 4, 3 * u**3 - 6 * u**2 + 4, t**3], axis=-1
    ) / 6.0  # fmt: skip


def _cubic_slopes(t: FloatArray) -> FloatArray:
    u = 1 - t
    return np.stack([-(u**2), 3 * t**2 - 4 * t, 4 * u - 3 * u**2, t**2], axis=-1) / 2.0
