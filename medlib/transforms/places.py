"""Where the voxels of one lattice come from on another, through any map.

Affine maps take a few additions a voxel. An elastic map is integrated on knots, a quarter of its
control spacing apart, and carried from them to all voxels by cubic splines, one axis after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from medlib.space import Affine, Flow, Grid, Map
from medlib.space.flow import cubic_weights
from medlib.space.grid import FloatArray

Shape = tuple[int, int, int]

_SLAB = 1 << 22  # voxels whose places are held at once, to bound memory
_KNOTS = (
    4  # along one control spacing: splines of the path are then exact to some hundredths of a mm
)
_REFINED = 8  # along one control spacing, where the velocity is read


@dataclass(frozen=True)
class Places:
    """Where voxels of ``landing`` are read on ``source``.

    Args:
        pull: from a point of the landing grid's frame to one of the source's.
        landing: the grid whose voxels are looked for.
        source: the grid that they are read on.
    """

    pull: Map
    landing: Grid
    source: Grid

    @property
    def index_map(self) -> FloatArray | None:
        """(4, 4), index on the landing grid to index on the source; None where it is not affine."""
        if not isinstance(self.pull, Affine):
            return None
        index_map: FloatArray = (
            np.linalg.inv(self.source.affine) @ self.pull.matrix @ self.landing.affine
        )
        return index_map

    def slabs(self) -> Iterator[slice]:
        """Slices of the landing grid, a bounded number of voxels at a time."""
        thickness = max(1, _SLAB // (self.landing.shape[1] * self.landing.shape[2]))
        for start in range(0, self.landing.shape[0], thickness):
            yield slice(start, min(start + thickness, self.landing.shape[0]))

    def part(self, slices: slice, device: torch.device) -> Tensor:
        """The places of some slices: (3, slice, row, column), float32.

        Along each axis of the source, from -1 at its one outer edge to 1 at the other.
        """
        # From the source's index to -1…1 between its outer edges, in one with all the rest.
        sizes = np.array(self.source.shape, dtype=np.float64)
        norm = np.diag([*(2.0 / sizes), 1.0])
        norm[:3, 3] = 1.0 / sizes - 1.0
        to_source = norm @ np.linalg.inv(self.source.affine)
        if isinstance(self.pull, Affine):
            index_map = to_source @ self.pull.matrix @ self.landing.affine
            return _affine_places(index_map, slices, self.landing.shape, device)
        knots = _Knots(self.landing, _finest_spacing(self.pull) / _KNOTS)
        points = start = knots.points(device)
        for factor in reversed(self.pull.factors):
            points = _carried(points, factor)
        _refuse_folds(start, points, mirrors=self.pull.mirrors)
        return knots.spread(_linear(points, to_source), slices)


def _affine_places(
    index_map: FloatArray, slices: slice, shape: Shape, device: torch.device
) -> Tensor:
    ranges = (range(slices.start, slices.stop), range(shape[1]), range(shape[2]))
    rows = []
    for row in index_map[:3]:
        place = torch.full((1, 1, 1), float(row[3]), dtype=torch.float64)
        for axis, along in enumerate(ranges):
            step = torch.arange(along.start, along.stop, dtype=torch.float64) * float(row[axis])
            place = place + step.view(-1, *(1,) * (2 - axis)) if axis < 2 else place
        last = torch.arange(shape[2], dtype=torch.float64) * float(row[2])
        rows.append((place.float().to(device), last.float().to(device)))
    out = torch.empty((3, len(ranges[0]), *shape[1:]), dtype=torch.float32, device=device)
    for target, (place, last) in zip(out, rows, strict=True):
        torch.add(place, last, out=target)
    return out


def _finest_spacing(chain: Map) -> float:
    return min(min(f.lattice.spacing) for f in chain.factors if isinstance(f, Flow))


# --- knots, and the way from them to every voxel ------------------------------------------------


class _Knots:
    """A coarse lattice over the landing grid, with a knot more on every side."""

    def __init__(self, landing: Grid, millimetres: float) -> None:
        self.shape = landing.shape
        self.strides = [max(1, int(millimetres / s)) for s in landing.spacing]
        self.counts = [
            ceil((n - 1) / k) + 3 for n, k in zip(landing.shape, self.strides, strict=True)
        ]
        affine = landing.affine.copy()
        affine[:3, 3] = landing.to_patient([-k for k in self.strides])
        affine[:3, :3] *= self.strides
        self.affine = affine

    def points(self, device: torch.device) -> Tensor:
        """LPS millimetres of the knots, (slice, row, column, 3), float32."""
        axes = [torch.arange(n, dtype=torch.float64) for n in self.counts]
        index = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        return _linear(index, self.affine).float().to(device)

    def spread(self, values: Tensor, slices: slice) -> Tensor:
        """What knots hold, (slice, row, column, 3), at the voxels: (3, slice, row, column)."""
        s, r, c = (
            torch.from_numpy(_spline_matrix(n, k, count)).to(values)
            for n, k, count in zip(self.shape, self.strides, self.counts, strict=True)
        )
        spread: Tensor = torch.tensordot(
            values.movedim(-1, 0), s[slices], dims=([1], [1])
        )  # 3, r, c, S
        spread = torch.tensordot(spread, r, dims=([1], [1]))  # 3, c, S, R
        spread = torch.tensordot(spread, c, dims=([1], [1]))  # 3, S, R, C
        return spread  # noqa: RET504 (torch's own annotations lose the type)


@lru_cache(maxsize=64)
def _spline_matrix(size: int, stride: int, count: int) -> np.ndarray:
    """(size, count): values at voxels from values at knots, by the cubic spline through these."""
    place = np.arange(size) / stride + 1.0  # the first voxel lies on the second knot
    return _basis(place, count) @ np.linalg.inv(_basis(np.arange(count, dtype=float), count))


def _basis(place: FloatArray, count: int) -> np.ndarray:
    """(n, count): cubic B-splines at knots 0…count-1; straight beyond them, as a natural spline."""
    base = np.floor(place).astype(int)
    weights = cubic_weights(place - base)
    wide = np.zeros((len(place), count + 4))  # knots -1 … count + 2
    np.add.at(wide, (np.arange(len(place))[:, None], base[:, None] + np.arange(4)), weights)
    basis = wide[:, 1 : count + 1].copy()
    first, last = wide[:, 0], wide[:, count + 1]  # knots -1 and count: continued in a line
    basis[:, 0] += 2 * first
    basis[:, 1] -= first
    basis[:, -1] += 2 * last
    basis[:, -2] -= last
    return basis


# --- carrying points along a chain ---------------------------------------------------------------


def _linear(points: Tensor, matrix: FloatArray) -> Tensor:
    turn = torch.from_numpy(np.ascontiguousarray(matrix[:3, :3].T)).to(points)
    shift = torch.from_numpy(np.ascontiguousarray(matrix[:3, 3])).to(points)
    return torch.matmul(points, turn) + shift


def _carried(points: Tensor, factor: Map) -> Tensor:
    """Where points, (slice, row, column, 3), go under one uncomposed map, in float32."""
    if isinstance(factor, Affine):
        return _linear(points, factor.matrix)
    if isinstance(factor, Flow):
        return _flowed(points, factor)
    raise TypeError(f"voxels cannot be moved by a {type(factor).__name__}")


def _refuse_folds(before: Tensor, after: Tensor, *, mirrors: bool) -> None:
    """Compare the volumes of the cells between knots, before and after.

    Raises:
        ValueError: when one has been turned inside out.
    """
    change = _cells(after) / _cells(before)
    least = float((-change if mirrors else change).min())
    if least <= 0:
        raise ValueError(
            "this deformation folds: between two of its control points the image would be turned "
            "inside out; make it weaker, or its control points further apart"
        )


def _cells(points: Tensor) -> Tensor:
    """Signed volumes of the cells of a lattice of points, up to a factor."""
    edges = [points.diff(dim=axis) for axis in range(3)]
    least = [min(e.shape[k] for e in edges) for k in range(3)]
    a, b, c = (e[: least[0], : least[1], : least[2]] for e in edges)
    volumes: Tensor = (a * torch.linalg.cross(b, c)).sum(-1)
    return volumes


def _flowed(points: Tensor, flow: Flow) -> Tensor:
    """Runge–Kutta 4, the velocity read off a lattice eight times as fine as the control points."""
    sizes = np.array(flow.lattice.shape, dtype=np.float64)
    # -1…1 from where the first spline begins to where the last ends; (column, row, slice)
    norm = np.diag([*(2.0 / (sizes + 3)), 1.0])
    norm[:3, 3] = 4.0 / (sizes + 3) - 1.0
    inward = norm @ np.linalg.inv(flow.lattice.affine)
    inward[:3] = inward[2::-1].copy()
    outward = np.linalg.inv(inward)
    field = _linear(_refined(flow).to(points), _turn_only(inward)).movedim(-1, 0)[None].contiguous()

    def speed(at: Tensor) -> Tensor:
        read = F.grid_sample(field, at[None], padding_mode="zeros", align_corners=True)
        return read[0].movedim(0, -1)

    start = place = _linear(points, inward)
    steps = max(2, ceil(flow.strain / 2))
    dt = 1.0 / steps
    for _ in range(steps):
        k1 = speed(place)
        k2 = speed(place + dt / 2 * k1)
        k3 = speed(place + dt / 2 * k2)
        k4 = speed(place + dt * k3)
        place = place + dt / 6 * (k1 + 2 * (k2 + k3) + k4)
    return points + _linear(place - start, _turn_only(outward))


def _refined(flow: Flow) -> Tensor:
    """The velocity all over where it is not zero, (slice, row, column, 3), float64."""
    field = torch.tensor(flow.velocity)
    for n in flow.lattice.shape:
        place = np.arange((n + 3) * _REFINED + 1) / _REFINED - 2.0
        base = np.floor(place).astype(int)
        wide = np.zeros((len(place), n + 7))  # control points -3 … n + 3
        rows = np.arange(len(place))[:, None]
        wide[rows, base[:, None] + np.arange(2, 6)] = cubic_weights(place - base)
        weights = torch.from_numpy(wide[:, 3 : n + 3].copy())
        field = torch.tensordot(field, weights, dims=([0], [1]))  # this axis becomes the last
    return field.movedim(0, -1)


def _turn_only(matrix: FloatArray) -> FloatArray:
    turn = matrix.copy()
    turn[:3, 3] = 0.0
    return turn
