"""Which structures a synthetic volume is made of, and where they lie.

All that is random is drawn here, on the processor, from the volume's own name: the same numbers on
every device and in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from medlib.models.pretraining.solids import (
    AIR,
    FAMILIES,
    TISSUE,
    Blob,
    Cone,
    Ellipsoid,
    Placed,
    Prism,
    Segment,
    Shell,
    Solid,
    Superquadric,
)

Vector = NDArray[np.float64]
Generator = np.random.Generator

_THINNEST = 1.2  # radius at least, in finest voxels
_SMALLEST, _LARGEST = 0.08, 0.8  # radii, as shares of half of the body's mean width
_NESTED, _PAIRED = 0.25, 0.15  # shares of structures within, or opposite to, another one
_CLOSE_UP = 0.35  # share of volumes in which the body is larger than the picture
_SEGMENTS = 24  # of a tube at most


@dataclass(frozen=True)
class Layout:
    """The parts of a volume in the order in which they are painted, and what they belong to.

    Args:
        parts: the body's envelope first.
        families: of each structure by its number, as places in :data:`FAMILIES`; 0 is air, 1 the
            envelope.
    """

    parts: tuple[Placed, ...]
    families: tuple[int, ...]

    @classmethod
    def drawn(cls, extent: Sequence[float], structures: tuple[int, int], rng: Generator) -> Layout:
        """A body full of structures, the largest first, so that small ones lie on large ones.

        Args:
            extent: of the volume along (slice, row, column), in finest voxels.
            structures: the fewest and the most.
            rng: where chance comes from.

        Example:
            >>> layout = Layout.drawn((64, 64, 64), (15, 40), np.random.default_rng(0))
            >>> 15 <= len(layout.families) - 2 <= 40
            True
        """
        body = _Body.drawn(np.array(extent, dtype=np.float64), rng)
        parts = [Placed(body.shape, TISSUE, body.centre, np.diag(body.half))]
        families = [AIR, TISSUE]
        count = int(rng.integers(structures[0], structures[1] + 1))
        sizes = np.exp(rng.uniform(log(_SMALLEST), log(_LARGEST), count))
        for number, size in enumerate(sorted(sizes.tolist(), reverse=True), start=len(families)):
            made = _structure(body, parts[1:], number, size, rng)
            parts += made
            families.append(FAMILIES.index(made[0].solid.family))
        return cls(tuple(parts), tuple(families))


@dataclass(frozen=True)
class _Body:
    """The envelope, in a picture that may show all of it or a part."""

    extent: Vector  # of the picture
    shape: Superquadric
    centre: Vector
    half: Vector  # of its sides
    unit: float  # by which structures are measured

    @classmethod
    def drawn(cls, extent: Vector, rng: Generator) -> _Body:
        zoom = rng.uniform(1.5, 2.6) if rng.random() < _CLOSE_UP else 1.0
        half = extent / 2 * rng.uniform(0.72, 1.02, 3) * zoom
        centre = extent / 2 * (1 + 0.5 * (zoom - 1) * rng.uniform(-1, 1, 3))
        shape = Superquadric(rng.uniform(2, 6), rng.uniform(2, 4))
        unit = float(np.prod(extent) ** (1 / 3)) / 2 * zoom**0.6
        return cls(extent, shape, centre, half, unit)

    def place(self, rng: Generator) -> Vector:
        """Somewhere in it, and in the picture."""
        low = np.maximum(self.centre - 0.85 * self.half, 0.0)
        return rng.uniform(low, np.minimum(self.centre + 0.85 * self.half, self.extent))

    def shows(self, point: Vector) -> bool:
        """Whether a point is in the picture."""
        return bool(((point >= 0) & (point <= self.extent)).all())


def _structure(
    body: _Body, others: Sequence[Placed], number: int, size: float, rng: Generator
) -> list[Placed]:
    """One more structure: opposite to the last one, within another one, or anywhere."""
    kind = rng.choice(["paired", "nested", "free"], p=[_PAIRED, _NESTED, 1 - _PAIRED - _NESTED])
    last = [part for part in others if part.instance == number - 1 and part.within is None]
    if kind == "paired" and last:
        twins = [_mirrored(part, number, body.centre[2]) for part in last]
        if body.shows(twins[0].centre):
            return twins
    hosts = [part for part in others if isinstance(part.solid, _HOSTS)]
    if kind == "nested" and hosts:
        host = hosts[int(rng.integers(len(hosts)))]
        radius = float(np.linalg.norm(host.frame, axis=0).min()) * rng.uniform(0.3, 0.7)
        centre = host.centre + host.frame @ rng.uniform(-0.3, 0.3, 3)
        return [_placed(_any_solid(rng), number, centre, radius, rng, within=host.instance)]
    if rng.random() < 1 / (len(_MADE) + 1):
        return _tree(number, body.place(rng), body.unit, rng)
    return [_placed(_any_solid(rng), number, body.place(rng), body.unit * size, rng)]


def _placed(
    solid: Solid,
    number: int,
    centre: Vector,
    radius: float,
    rng: Generator,
    *,
    within: int | None = None,
) -> Placed:
    """Turned at random, and of another radius along each of its axes."""
    radii = np.maximum(radius * np.exp(rng.normal(0, 0.3, 3)), _THINNEST)
    return Placed(solid, number, centre, _rotation(rng) * radii, within)


def _mirrored(part: Placed, number: int, middle: float) -> Placed:
    """The same on the other side of a column."""
    centre, frame = part.centre.copy(), part.frame.copy()
    centre[2] = 2 * middle - centre[2]
    frame[2] *= -1
    return Placed(part.solid, number, centre, frame)


def _rotation(rng: Generator) -> Vector:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    turned: Vector = q * np.sign(np.diag(r))
    return turned


# --- each family ----------------------------------------------------------------------------------


def _ellipsoid(rng: Generator) -> Solid:
    return Ellipsoid()


def _superquadric(rng: Generator) -> Solid:
    return Superquadric(rng.uniform(1.2, 8), rng.uniform(1.2, 8))


def _cone(rng: Generator) -> Solid:
    a, b, c, d = rng.uniform(0.15, 0.7, 4)
    return Cone(
        (a, b, c, d), rng.uniform(0.5, 1.0), (rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3))
    )


def _prism(rng: Generator) -> Solid:
    return Prism(int(rng.integers(3, 7)), rng.uniform(-1, 1), rng.uniform(0, 0.6))


def _shell(rng: Generator) -> Solid:
    return Shell(rng.uniform(1.8, 4), rng.uniform(1.8, 4), rng.uniform(0.55, 0.85))


def _blob(rng: Generator) -> Solid:
    directions = rng.normal(size=(8, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    swings = directions * rng.uniform(2, 7, (8, 1))
    waves = np.column_stack([swings, rng.uniform(0, 2 * np.pi, 8)])
    return Blob(tuple((a, b, c, d) for a, b, c, d in waves.tolist()), rng.uniform(0.2, 0.4))


_MADE: tuple[Callable[[Generator], Solid], ...] = (
    *(_ellipsoid, _superquadric, _cone, _prism, _shell, _blob),
)
_HOSTS = (Ellipsoid, Superquadric, Prism, Blob)  # solids whose middle is their own


def _any_solid(rng: Generator) -> Solid:
    return _MADE[int(rng.integers(len(_MADE)))](rng)


def _tree(number: int, root: Vector, unit: float, rng: Generator) -> list[Placed]:
    """A tube that bends and branches, ever thinner: each pair of branches carries what the trunk did.

    (Murray, *The physiological principle of minimum work*, PNAS 12, 1926: cubes of radii add up.)
    """
    segments: list[Placed] = []
    radius = max(_THINNEST, unit * rng.uniform(0.04, 0.12))
    step = unit * rng.uniform(0.2, 0.45)
    tips = [(root, _rotation(rng)[0], radius)]
    while tips and len(segments) < _SEGMENTS:
        start, heading, thick = tips.pop(0)
        heading = heading + rng.normal(0, 0.35, 3)
        heading /= np.linalg.norm(heading)
        thin = max(_THINNEST, thick * 0.93)
        segments.append(_segment(number, start, start + step * heading, thick, thin))
        end = start + step * heading
        if rng.random() < 0.35 and thin > _THINNEST:
            share = rng.uniform(0.35, 0.65)
            aside = np.cross(heading, rng.normal(size=3)) * 0.8
            tips += [
                (end, heading + sense * aside, max(_THINNEST, thin * part ** (1 / 3)))
                for sense, part in ((1, share), (-1, 1 - share))
            ]
        elif len(segments) < 4 or rng.random() < 0.85:
            tips.append((end, heading, thin))
    return segments


def _segment(number: int, start: Vector, end: Vector, thick: float, thin: float) -> Placed:
    along = end - start
    length = float(np.linalg.norm(along))
    size = length / 2 + thick
    first = along / length
    second = np.cross(first, np.eye(3)[np.abs(first).argmin()])
    second /= np.linalg.norm(second)
    frame = np.column_stack([first, second, np.cross(first, second)]) * size
    solid = Segment(length / 2 / size, thick / size, thin / size)
    return Placed(solid, number, (start + end) / 2, frame)
