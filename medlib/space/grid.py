"""The lattice on which a volume is sampled."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))  # (towards +, towards -) along x, y, z
_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # its own inverse
_REVERSED = np.eye(4)[[2, 1, 0, 3]]  # swaps (slice, row, column) and (column, row, slice)


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular lattice of voxel centres in patient space.

    Args:
        shape: number of voxels along (slice, row, column).
        affine: (4, 4) matrix from the index (slice, row, column, 1) to LPS millimetres. It may
            be oblique, flipped or sheared (a tilted gantry); it must be invertible.

    Raises:
        ValueError: for an empty shape, or an affine that is not finite, not (4, 4), or singular.
        TypeError: for sizes that are not integers.

    Example:
        >>> grid = Grid.from_axes((40, 64, 64), spacing=(3.0, 0.8, 0.8))
        >>> grid.to_patient([0, 0, 10])
        array([8., 0., 0.])
        >>> grid.orientation
        'SPL'
    """

    shape: tuple[int, int, int]
    affine: FloatArray

    def __post_init__(self) -> None:
        shape = tuple(operator.index(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(
                f"a grid needs three sizes of at least one voxel (slice, row, column), got {shape}"
            )
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError("a grid's affine must be a finite 4×4 matrix")
        if affine[3].tolist() != [0.0, 0.0, 0.0, 1.0]:
            raise ValueError("the last row of a grid's affine must be (0, 0, 0, 1)")
        cell = float(np.sqrt((affine[:3, :3] ** 2).sum(0)).prod())  # were its edges at right angles
        if cell <= 0 or abs(determinant(affine)) < 1e-6 * cell:
            raise ValueError("a grid's affine must be invertible: two of its axes are parallel")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    def __reduce__(self) -> tuple[type[Grid], tuple[Any, ...]]:
        return Grid, (self.shape, self.affine)  # or a pickled grid's affine would be writeable

    # --- making one -----------------------------------------------------------------------

    @classmethod
    def from_axes(
        cls,
        shape: Sequence[int],
        *,
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
        directions: npt.ArrayLike | None = None,
        origin: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> Grid:
        """A grid from its spacing, axis directions and first voxel.

        Args:
            shape: voxels along (slice, row, column).
            spacing: millimetres along (slice, row, column).
            directions: (3, 3); column *k* is the unit LPS vector in which index *k* grows.
                Left out: slices towards the head, rows towards the back, columns to the left.
            origin: LPS millimetres of the centre of voxel (0, 0, 0).
        """
        axes = (
            np.eye(3)[:, ::-1] if directions is None else np.asarray(directions, dtype=np.float64)
        )
        affine = np.eye(4)
        affine[:3, :3] = axes * np.asarray(spacing, dtype=np.float64)
        affine[:3, 3] = origin
        return cls((int(shape[0]), int(shape[1]), int(shape[2])), affine)

    @classmethod
    def from_ras(cls, shape: Sequence[int], affine: npt.ArrayLike) -> Grid:
        """From NIfTI's conventions: shape and affine of (i, j, k) = (column, row, slice) to RAS."""
        lps = _LPS_RAS @ np.asarray(affine, dtype=np.float64) @ _REVERSED
        return cls((int(shape[2]), int(shape[1]), int(shape[0])), lps)

    def to_ras(self) -> FloatArray:
        """The (4, 4) affine of NIfTI: (column, row, slice) to RAS millimetres."""
        ras: FloatArray = _LPS_RAS @ self.affine @ _REVERSED
        ras += 0.0  # no negative zeros in files
        return ras

    # --- what it is -----------------------------------------------------------------------

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between neighbours along (slice, row, column)."""
        a, b, c = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(a), float(b), float(c)

    @property
    def directions(self) -> FloatArray:
        """(3, 3): column *k* is the unit LPS vector in which index *k* grows."""
        matrix = self.affine[:3, :3]
        directions: FloatArray = matrix / np.linalg.norm(matrix, axis=0)
        return directions

    @property
    def origin(self) -> FloatArray:
        """LPS millimetres of the centre of voxel (0, 0, 0)."""
        return self.affine[:3, 3].copy()

    @property
    def centre(self) -> FloatArray:
        """LPS millimetres of the middle of the grid."""
        return self.to_patient((np.array(self.shape) - 1) / 2)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return abs(determinant(self.affine)) / 1000.0

    @property
    def is_sheared(self) -> bool:
        """Whether the axes are not at right angles (beyond 0.1 degrees), as with a tilted gantry."""
        axes = self.directions
        return bool(np.abs(axes.T @ axes - np.eye(3)).max() > np.sin(np.radians(0.1)))

    @property
    def orientation(self) -> str:
        """Three letters: the side of the patient towards which slice, row and column grow.

        ``'SPL'`` is the usual axial scan: slices towards the head (Superior), rows towards the
        back (Posterior), columns towards the patient's Left. Oblique axes take the letter of the
        nearest patient axis, each patient axis being used once.
        """
        return "".join(_LETTERS[axis][0 if sign > 0 else 1] for axis, sign in self._nearest_axes())

    def _nearest_axes(self) -> list[tuple[int, int]]:
        """For each array axis, the patient axis nearest to it (each used once) and the sign."""
        remaining = self.directions.copy()
        found: dict[int, tuple[int, int]] = {}
        for _ in range(3):
            patient, array = np.unravel_index(np.argmax(np.abs(remaining)), (3, 3))
            found[int(array)] = (int(patient), 1 if remaining[patient, array] > 0 else -1)
            remaining[patient, :] = 0.0
            remaining[:, array] = 0.0
        return [found[axis] for axis in range(3)]

    # --- from index to patient and back ---------------------------------------------------

    def to_patient(self, index: npt.ArrayLike) -> FloatArray:
        """LPS millimetres, (..., 3), of indices (slice, row, column), (..., 3)."""
        indices = np.asarray(index, dtype=np.float64)
        points: FloatArray = indices @ self.affine[:3, :3].T + self.affine[:3, 3]
        return points

    @property
    def inverse_affine(self) -> FloatArray:
        """(4, 4) matrix from LPS millimetres (x, y, z, 1) to the index (slice, row, column)."""
        known: FloatArray | None = self.__dict__.get("_inverse")
        if known is not None:
            return known
        found = np.array(np.linalg.inv(self.affine), dtype=np.float64)
        found[3] = (0.0, 0.0, 0.0, 1.0)
        found.setflags(write=False)
        object.__setattr__(self, "_inverse", found)
        return found

    def to_index(self, points: npt.ArrayLike) -> FloatArray:
        """Fractional indices (slice, row, column), (..., 3), of LPS millimetres, (..., 3)."""
        inverse = self.inverse_affine
        lps = np.asarray(points, dtype=np.float64)
        indices: FloatArray = lps @ inverse[:3, :3].T + inverse[:3, 3]
        return indices

    def corners(self) -> FloatArray:
        """LPS millimetres of the eight outer corners (half a voxel beyond the centres), (8, 3)."""
        ends = np.stack([np.full(3, -0.5), np.array(self.shape) - 0.5])
        choice = np.indices((2, 2, 2)).reshape(3, -1).T
        return self.to_patient(ends[choice, np.arange(3)])

    # --- other grids from this one --------------------------------------------------------

    def window(self, start: Sequence[int], shape: Sequence[int]) -> Grid:
        """The grid whose first voxel is this one's voxel ``start``: a crop, a pad, or both.

        Example:
            >>> Grid.from_axes((4, 4, 4)).window((-1, 0, 1), (6, 4, 3)).origin
            array([ 1.,  0., -1.])
        """
        affine = self.affine.copy()
        affine[:3, 3] = self.to_patient(start)
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)

    def reoriented(self, orientation: str) -> Grid:
        """The same voxels with axes flipped and swapped to the nearest ``orientation``.

        Raises:
            ValueError: when the letters do not name each patient axis once.
        """
        order, flips = self.permutation(orientation)
        affine = self.affine.copy()
        for axis in flips:
            affine[:3, 3] += affine[:3, axis] * (self.shape[axis] - 1)
            affine[:3, axis] *= -1
        shape = (self.shape[order[0]], self.shape[order[1]], self.shape[order[2]])
        return Grid(shape, affine[:, [*order, 3]])

    def permutation(self, orientation: str) -> tuple[list[int], list[int]]:
        """Which of our axes becomes each new one, and which of ours run the other way.

        Raises:
            ValueError: when the letters do not name each patient axis once.

        Example:
            >>> order, flips = Grid.from_axes((2, 3, 4)).permutation("RSA")
            >>> np.flip(np.zeros((2, 3, 4)), flips).transpose(order).shape
            (4, 2, 3)
        """
        pairs = {letter: (axis, sign) for axis, ends in enumerate(_LETTERS)
                 for letter, sign in zip(ends, (1, -1), strict=True)}  # fmt: skip
        wanted = [pairs.get(letter, (-1, 0)) for letter in orientation.upper()]
        if sorted(axis for axis, _ in wanted) != [0, 1, 2]:
            raise ValueError(
                f"an orientation is three letters, one each of L/R, P/A and S/I, not {orientation!r}"
            )
        ours = self._nearest_axes()
        order = [next(i for i, (p, _) in enumerate(ours) if p == axis) for axis, _ in wanted]
        flips = [i for i, (_, sign) in zip(order, wanted, strict=True) if ours[i][1] != sign]
        return order, flips

    def respaced(self, spacing: Sequence[float]) -> Grid:
        """The same box, centre and directions, sampled at exactly ``spacing`` millimetres.

        Sizes are rounded up to whole voxels, so the box may grow by up to half a voxel a side,
        and what lies at its edge is kept; the affine says exactly where every voxel is, so
        nothing drifts.

        Raises:
            ValueError: when ``spacing`` is not three positive numbers.
        """
        target = np.asarray(spacing, dtype=np.float64)
        if target.shape != (3,) or not (target > 0).all():
            raise ValueError(f"spacing must be three positive millimetres, got {tuple(spacing)}")
        size = np.array(self.shape) * np.array(self.spacing) / target
        shape = np.maximum(1, np.ceil(size - 1e-3)).astype(int)  # 100.0001 voxels are 100
        return self._recentred(shape, target)

    def resized(self, shape: Sequence[int]) -> Grid:
        """The same box, centre and directions, sampled with ``shape`` voxels."""
        target = np.asarray(shape, dtype=np.int64)
        return self._recentred(target, np.array(self.shape) * np.array(self.spacing) / target)

    def _recentred(self, shape: npt.NDArray[Any], spacing: FloatArray) -> Grid:
        affine = np.eye(4)
        affine[:3, :3] = self.directions * spacing
        affine[:3, 3] = self.centre - affine[:3, :3] @ ((shape - 1) / 2)
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)

    # --- comparing, writing ---------------------------------------------------------------

    def close_to(self, other: Grid, *, tolerance_mm: float = 1e-3) -> bool:
        """Whether both have one shape and no corner is further apart than ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        if np.array_equal(self.affine, other.affine):
            return True
        return bool(np.abs(self.corners() - other.corners()).max() <= tolerance_mm)

    def difference(self, other: Grid) -> str:
        """In words, how ``other`` differs from this grid (for error messages)."""
        if self.shape != other.shape:
            return f"{_sizes(self.shape)} voxels against {_sizes(other.shape)}"
        apart = float(np.linalg.norm(self.corners() - other.corners(), axis=1).max())
        return (
            f"corners up to {apart:.3g} mm apart (spacing {_mm(self.spacing)} against "
            f"{_mm(other.spacing)}, orientation {self.orientation} against {other.orientation})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return self.shape == other.shape and np.array_equal(self.affine, other.affine)

    def __hash__(self) -> int:
        return hash((self.shape, (self.affine + 0.0).tobytes()))

    def __str__(self) -> str:
        return f"{_sizes(self.shape)} voxels of {_mm(self.spacing)}, {self.orientation}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_dict` reads back to an equal grid."""
        return {"shape": list(self.shape), "affine": self.affine[:3].tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Grid:
        """The grid that :meth:`to_dict` wrote."""
        a, b, c = values["shape"]
        return cls((a, b, c), np.vstack([values["affine"], [0.0, 0.0, 0.0, 1.0]]))


def determinant(matrix: FloatArray) -> float:
    """Of the upper left 3×3 part: written out, since it is asked for with every grid and map."""
    (a, b, c, *_), (d, e, f, *_), (g, h, i, *_) = matrix[:3].tolist()
    found: float = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return found


def _sizes(shape: Sequence[int]) -> str:
    return "×".join(str(n) for n in shape)


def _mm(spacing: Sequence[float]) -> str:
    return "×".join(f"{s:.3g}" for s in spacing) + " mm"
