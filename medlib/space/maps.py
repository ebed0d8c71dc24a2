"""Maps of patient space onto itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray, determinant


class Map(ABC):
    """A map of patient space: it takes LPS millimetres to LPS millimetres, and can be undone.

    ``(a @ b)(points)`` is ``a(b(points))``. Everything is in float64.
    """

    __slots__ = ()

    @abstractmethod
    def __call__(self, points: npt.ArrayLike) -> FloatArray:
        """Where LPS points, (..., 3), go."""

    @property
    @abstractmethod
    def inverse(self) -> Map:
        """The map that undoes this one."""

    @property
    @abstractmethod
    def factors(self) -> tuple[Map, ...]:
        """The maps that this one is composed of, none of them composed: the last acts first."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that :func:`medlib.space.map_from_dict` reads back to an equal map."""

    @property
    def mirrors(self) -> bool:
        """Whether a left hand becomes a right one."""
        return False

    def absorb(self, first: Map) -> Map | None:
        """``self @ first`` as a map that is not composed; None where there is none."""
        return None

    def is_identity(self, *, tolerance: float = 1e-9) -> bool:
        """Whether it is known to leave everything where it is."""
        return False

    def __matmul__(self, first: Map) -> Map:
        return composed((*self.factors, *first.factors))


@dataclass(frozen=True, eq=False)
class Affine(Map):
    """A map that keeps straight lines straight: turns, shifts, scales, shears, mirrors.

    Args:
        matrix: (4, 4), acting on column vectors (x, y, z, 1).

    Raises:
        ValueError: when the matrix is not a finite, invertible (4, 4) affine matrix.

    Example:
        >>> turn = Affine.rotation((0, 0, 90), centre=(10, 0, 0))
        >>> turn([[11, 0, 0]]).round(6)
        array([[10.,  1.,  0.]])
        >>> (turn.inverse @ turn).is_identity()
        True
    """

    matrix: FloatArray

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise ValueError("an affine map needs a finite 4×4 matrix")
        if matrix[3].tolist() != [0.0, 0.0, 0.0, 1.0]:
            raise ValueError("the last row of an affine map must be (0, 0, 0, 1)")
        if abs(determinant(matrix)) < 1e-12:
            raise ValueError("an affine map must be invertible")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    def __reduce__(self) -> tuple[type[Affine], tuple[FloatArray]]:
        return Affine, (self.matrix,)  # or a pickled map's matrix would be writeable

    @classmethod
    def identity(cls) -> Affine:
        """The map that leaves everything where it is."""
        return cls(np.eye(4))

    @classmethod
    def translation(cls, millimetres: Sequence[float]) -> Affine:
        """A shift by (x, y, z) millimetres."""
        matrix = np.eye(4)
        matrix[:3, 3] = millimetres
        return cls(matrix)

    @classmethod
    def linear(cls, matrix: npt.ArrayLike, *, centre: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Affine:
        """The (3, 3) ``matrix`` applied about ``centre``, which stays where it is."""
        linear = np.asarray(matrix, dtype=np.float64)
        point = np.asarray(centre, dtype=np.float64)
        whole = np.eye(4)
        whole[:3, :3] = linear
        whole[:3, 3] = point - linear @ point
        return cls(whole)

    @classmethod
    def rotation(
        cls, degrees: Sequence[float], *, centre: npt.ArrayLike = (0.0, 0.0, 0.0)
    ) -> Affine:
        """Turns about the x, then the y, then the z axis through ``centre``, right-handed."""
        matrix = np.eye(3)
        for axis, angle in enumerate(np.radians(np.asarray(degrees, dtype=np.float64))):
            turn = np.eye(3)
            i, j = (axis + 1) % 3, (axis + 2) % 3
            turn[i, i] = turn[j, j] = np.cos(angle)
            turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
            matrix = turn @ matrix
        return cls.linear(matrix, centre=centre)

    @classmethod
    def reflection(
        cls, normal: npt.ArrayLike, *, centre: npt.ArrayLike = (0.0, 0.0, 0.0)
    ) -> Affine:
        """The mirror image in the plane through ``centre`` with this ``normal`` vector."""
        unit = np.asarray(normal, dtype=np.float64)
        unit = unit / np.linalg.norm(unit)
        return cls.linear(np.eye(3) - 2 * np.outer(unit, unit), centre=centre)

    @property
    def inverse(self) -> Affine:
        """The map that undoes this one; its inverse is this very map."""
        found: Affine | None = self.__dict__.get("_inverse")
        if found is None:
            found = Affine(_with_exact_last_row(np.linalg.inv(self.matrix)))
            object.__setattr__(self, "_inverse", found)
            object.__setattr__(found, "_inverse", self)
        return found

    @property
    def factors(self) -> tuple[Map, ...]:
        """Itself."""
        return (self,)

    def absorb(self, first: Map) -> Map | None:
        """An affine map after another is one."""
        return self @ first if isinstance(first, Affine) else None

    @property
    def mirrors(self) -> bool:
        """Whether left becomes right (the determinant is negative)."""
        return determinant(self.matrix) < 0

    def is_identity(self, *, tolerance: float = 1e-9) -> bool:
        """Whether no entry differs from the identity's by more than ``tolerance``."""
        return bool(np.abs(self.matrix - np.eye(4)).max() <= tolerance)

    def __call__(self, points: npt.ArrayLike) -> FloatArray:
        """Where LPS points, (..., 3), go."""
        return np.asarray(points, dtype=np.float64) @ self.matrix[:3, :3].T + self.matrix[:3, 3]

    @overload
    def __matmul__(self, first: Affine) -> Affine: ...

    @overload
    def __matmul__(self, first: Map) -> Map: ...

    def __matmul__(self, first: Map) -> Map:
        if isinstance(first, Affine):
            return Affine(_with_exact_last_row(self.matrix @ first.matrix))
        return super().__matmul__(first)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Affine):
            return NotImplemented
        return np.array_equal(self.matrix, other.matrix)

    def __hash__(self) -> int:
        return hash((self.matrix + 0.0).tobytes())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_dict` reads back to an equal map."""
        return {"type": "Affine", "matrix": self.matrix[:3].tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Affine:
        """The map that :meth:`to_dict` wrote."""
        return cls(np.vstack([values["matrix"], [0.0, 0.0, 0.0, 1.0]]))


@dataclass(frozen=True)
class Chain(Map):
    """Maps one after the other; made by ``a @ b``, where that is not a single map.

    Args:
        maps: the last acts first; none is composed itself, and no two neighbours can be one.
    """

    maps: tuple[Map, ...]

    @property
    def factors(self) -> tuple[Map, ...]:
        """The maps that it is made of, the last acting first."""
        return self.maps

    @property
    def mirrors(self) -> bool:
        """Whether a left hand becomes a right one."""
        return sum(factor.mirrors for factor in self.maps) % 2 == 1

    def __call__(self, points: npt.ArrayLike) -> FloatArray:
        """Where LPS points, (..., 3), go."""
        moved = np.asarray(points, dtype=np.float64)
        for factor in reversed(self.maps):
            moved = factor(moved)
        return moved

    @property
    def inverse(self) -> Chain:
        """The map that undoes this one."""
        return Chain(tuple(factor.inverse for factor in reversed(self.maps)))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"type": "Chain", "factors": [factor.to_dict() for factor in self.maps]}


def composed(factors: Sequence[Map]) -> Map:
    """The maps one after the other, the last first, in as few as can be.

    Affine maps in a row become one, and a map next to its inverse goes, with what that brings
    together: ``(a @ b) @ (b.inverse @ a.inverse)`` is the identity.
    """
    kept: list[Map] = []
    for factor in factors:
        following = factor
        while kept and (one := kept[-1].absorb(following)) is not None:
            kept.pop()
            following = one
        if not following.is_identity(tolerance=1e-11):
            kept.append(following)
    if not kept:
        return Affine.identity()
    return kept[0] if len(kept) == 1 else Chain(tuple(kept))


def _with_exact_last_row(matrix: npt.ArrayLike) -> FloatArray:
    exact = np.array(matrix, dtype=np.float64)
    exact[3] = (0.0, 0.0, 0.0, 1.0)
    return exact
