"""Smooth solids described by a field: negative inside, zero on the surface, positive outside.

Fields are in millimetres, near enough to a signed distance close to the surface for solids to be
grown, shrunk and blended with one another (Quilez, "Distance functions", 2008–2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
FieldFunction = Callable[[Field], Field]
Vector = Sequence[float] | npt.NDArray[np.floating]

_EVERYWHERE = 1e4  # millimetres: beyond any patient


@dataclass(frozen=True)
class Solid:
    """A solid in the body's own millimetres.

    Args:
        field: takes points, (3, ...) float32, to signed millimetres, (...).
        low: a corner of a box that holds the solid, (3,).
        high: the opposite corner, (3,).
    """

    field: FieldFunction
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    def grown(self, mm: float) -> Solid:
        """The solid whose surface lies ``mm`` further out (or in, where negative)."""
        return Solid(lambda p: self.field(p) - np.float32(mm), self.low - mm, self.high + mm)

    def join(self, *others: Solid, blend: float = 0.0) -> Solid:
        """What is inside this solid or any other, their seams filleted over ``blend`` mm."""
        solids = (self, *others)

        def field(p: Field) -> Field:
            result = self.field(p)
            for other in others:
                result = _soft_minimum(result, other.field(p), blend)
            return result

        return Solid(
            field,
            np.min([s.low for s in solids], axis=0) - blend,
            np.max([s.high for s in solids], axis=0) + blend,
        )

    def meet(self, other: Solid, *, blend: float = 0.0) -> Solid:
        """What is inside both."""
        return Solid(
            lambda p: -_soft_minimum(-self.field(p), -other.field(p), blend),
            np.maximum(self.low, other.low),
            np.minimum(self.high, other.high),
        )

    def cut(self, other: Solid, *, blend: float = 0.0) -> Solid:
        """What is inside this solid and outside the other."""
        return replace(self, field=lambda p: -_soft_minimum(-self.field(p), other.field(p), blend))

    def down_from(self, z: float) -> Solid:
        """The solid above ``z``, and below it its section there, without end."""

        def field(p: Field) -> Field:
            return self.field(np.stack([p[0], p[1], np.maximum(p[2], np.float32(z))]))

        low = self.low.copy()
        low[2] = -_EVERYWHERE
        return replace(self, field=field, low=low)

    def repeated(self, *, period: float, phase: float, slope: float = 0.0) -> Solid:
        """The solid at every ``phase + n * period`` mm along z, sheared by ``slope`` mm per mm of y."""

        def field(p: Field) -> Field:
            height = p[2] - np.float32(slope) * p[1] - np.float32(phase)
            turns = np.rint(height / np.float32(period))
            return self.field(np.stack([p[0], p[1], height - np.float32(period) * turns]))

        low, high = self.low.copy(), self.high.copy()
        low[2], high[2] = -_EVERYWHERE, _EVERYWHERE
        return Solid(field, low, high)

    def bumpy(self, rng: np.random.Generator, *, height: float, wavelength: float) -> Solid:
        """The solid with a surface that undulates by about ``height`` mm, as no organ is smooth."""
        directions = rng.standard_normal((4, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        waves = (directions * 2 * np.pi / wavelength).astype(np.float32)
        phases = rng.uniform(0, 2 * np.pi, 4).astype(np.float32)

        def field(p: Field) -> Field:
            swell = sum(
                np.sin(w[0] * p[0] + w[1] * p[1] + w[2] * p[2] + phase)
                for w, phase in zip(waves, phases, strict=True)
            )
            return self.field(p) + np.float32(height / 1.4) * np.asarray(swell, np.float32)

        return Solid(field, self.low - 2 * height, self.high + 2 * height)


def ellipsoid(
    centre: Vector, radii: Vector, *, turn: Vector = (0.0, 0.0, 0.0), power: float = 2.0
) -> Solid:
    """A superellipsoid.

    Args:
        centre: millimetres, (3,).
        radii: half-lengths along its own three axes; ``inf`` makes a cylinder along that axis.
        turn: degrees about x, y and z.
        power: 2 is an ellipsoid; larger is squarer. A multiple of a half.
    """
    middle = np.asarray(centre, np.float64)
    rotation = _rotation(turn)
    finite = np.minimum(np.asarray(radii, np.float64), _EVERYWHERE)
    matrix = (rotation.T / finite[:, None]).astype(np.float32)
    inverse_radii = (1 / finite).astype(np.float32)
    axes = [i for i in range(3) if finite[i] < _EVERYWHERE]

    def field(p: Field) -> Field:
        total = np.zeros(p.shape[1:], np.float32)
        slope = np.full(p.shape[1:], 1e-12, np.float32)
        offset = [p[j] - np.float32(middle[j]) for j in range(3)]
        for i in axes:
            u = np.abs(
                matrix[i, 0] * offset[0] + matrix[i, 1] * offset[1] + matrix[i, 2] * offset[2]
            )
            raised = _raised(u, power - 1)
            slope += np.square(raised * inverse_radii[i])
            raised *= u
            total += raised
        # Distance to first order: (r - 1) / |grad r| with r the norm of u.
        radius = np.sqrt(total) if power == 2 else total ** np.float32(1 / power)
        distance = (radius - 1) * _raised(radius, power - 1) / np.sqrt(slope)
        return distance.astype(np.float32, copy=False)

    reach = np.sqrt(((rotation * finite) ** 2).sum(axis=1)) * (1 if power <= 2 else 3**0.5)
    return Solid(field, middle - reach, middle + reach)


def tube(path: npt.ArrayLike, radii: float | Vector, *, rounds: int = 2) -> Solid:
    """A tube along a smoothed path, with spherical ends.

    Args:
        path: (n, 3) millimetres.
        radii: one for all of it, or one for each point.
        rounds: of corner cutting (Chaikin 1974) by which the path is smoothed.
    """
    points = np.asarray(path, np.float64)
    thickness = np.broadcast_to(np.asarray(radii, np.float64), (len(points),))
    nodes = np.column_stack([points, thickness])
    for _ in range(rounds if len(points) > 2 else 0):
        near = 0.75 * nodes[:-1] + 0.25 * nodes[1:]
        far = 0.25 * nodes[:-1] + 0.75 * nodes[1:]
        inner = np.stack([near, far], axis=1).reshape(-1, 4)[1:-1]
        nodes = np.concatenate([nodes[:1], inner, nodes[-1:]])
    starts, ends = nodes[:-1].astype(np.float32), nodes[1:].astype(np.float32)

    def field(p: Field) -> Field:
        result: Field | None = None
        for a, b in zip(starts, ends, strict=True):
            step = b[:3] - a[:3]
            offset = [p[j] - a[j] for j in range(3)]
            along = sum(offset[j] * step[j] for j in range(3)) / np.float32(step @ step + 1e-6)
            along = np.clip(along, 0, 1)
            squared = sum(np.square(offset[j] - along * step[j]) for j in range(3))
            distance = np.sqrt(squared) - (a[3] + along * (b[3] - a[3]))
            result = distance if result is None else np.minimum(result, distance)
        assert result is not None
        return np.asarray(result, np.float32)

    widest = nodes[:, 3].max()
    return Solid(field, nodes[:, :3].min(axis=0) - widest, nodes[:, :3].max(axis=0) + widest)


def beyond(normal: Vector, offset: float) -> Solid:
    """The half of space in which the component along ``normal`` exceeds ``offset`` mm."""
    direction = np.asarray(normal, np.float64)
    n = (direction / np.linalg.norm(direction)).astype(np.float32)
    everywhere = np.full(3, _EVERYWHERE)
    return Solid(
        lambda p: np.float32(offset) - (n[0] * p[0] + n[1] * p[1] + n[2] * p[2]),
        -everywhere,
        everywhere,
    )


def _raised(base: Field, exponent: float) -> Field:
    """A power, from products and a root: several times faster than ``**`` of a fraction."""
    result = base.copy() if exponent >= 1 else np.ones_like(base)
    for _ in range(int(exponent) - 1):
        result *= base
    if exponent % 1:
        result *= np.sqrt(base)
    return result


def _soft_minimum(a: Field, b: Field, blend: float) -> Field:
    lower = np.minimum(a, b)
    if blend > 0:
        near = np.maximum(np.float32(blend) - np.abs(a - b), 0)
        lower -= np.square(near) / np.float32(4 * blend)
    return lower


def _rotation(degrees: Vector) -> npt.NDArray[np.float64]:
    """(3, 3): about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    rotation: npt.NDArray[np.float64] = about_z @ about_y @ about_x
    return rotation
