"""Elastic maps for many voxels: followed on knots, and spread from them by splines.

The paths are integrated on knots, a third of the control points' spacing apart, and carried to all
voxels by cubic splines, one axis after another: three small matrix products.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from medlib.space import Affine, Flow, Grid, Map
from medlib.space.flow import cubic_weights
from medlib.space.grid import FloatArray

# Along one spacing of control points: knots, and places where the velocity is read. Voxels then
# are where points go to some hundredths of a millimetre; more knots or more steps change nothing.
_KNOTS = 3
_REFINED = 8


class Knots:
    """A coarse lattice over a landing grid, with a knot more on every side, and where it has gone.

    What two maps have in common at their beginning is followed once.

    Args:
        landing: the grid that is to be covered.
        flows: the finest of them says how close knots must lie.
    """

    def __init__(self, landing: Grid, flows: list[Flow]) -> None:
        self.landing = landing
        finest = min((min(flow.lattice.spacing) for flow in flows), default=np.inf) / _KNOTS
        self._strides = [
            int(max(1, min(n, finest / s)))
            for n, s in zip(landing.shape, landing.spacing, strict=True)
        ]
        self._counts = [
            ceil((n - 1) / k) + 3 for n, k in zip(landing.shape, self._strides, strict=True)
        ]
        self._gone: dict[tuple[tuple[Map, ...], torch.device], Tensor] = {}

    def spread(
        self, pull: Map, to_index: FloatArray, slices: slice, device: torch.device
    ) -> Tensor:
        """Where the voxels of some slices go: (3, slice, row, column), float32.

        Args:
            pull: the map that they go by.
            to_index: (4, 4), from there to what is asked for.
            slices: of the landing grid.
            device: to compute on.

        Raises:
            ValueError: when the map folds.
        """
        values = _linear(self._followed(pull.factors, device), to_index).movedim(-1, 0)
        s, r, c = (
            torch.from_numpy(_spline_matrix(n, k, count)).to(values)
            for n, k, count in zip(self.landing.shape, self._strides, self._counts, strict=True)
        )
        by_slice: Tensor = torch.tensordot(values, s[slices], dims=([1], [1]))  # 3, r, c, S
        by_row = torch.tensordot(by_slice, r, dims=([1], [1]))  # 3, c, S, R
        return torch.tensordot(by_row, c, dims=([1], [1]))  # type: ignore[no-any-return]

    def _followed(self, factors: tuple[Map, ...], device: torch.device) -> Tensor:
        """LPS millimetres of the knots after the maps, the last first: (slice, row, column, 3)."""
        key = (factors, device)
        if key not in self._gone:
            if factors:
                before = self._followed(factors[1:], device)
                self._gone[key] = _carried(before, factors[0])
            else:
                self._gone[key] = self._at_rest(device)
        return self._gone[key]

    def _at_rest(self, device: torch.device) -> Tensor:
        affine = self.landing.affine.copy()
        affine[:3, 3] = self.landing.to_patient([-k for k in self._strides])
        affine[:3, :3] *= self._strides
        index = np.moveaxis(np.indices(self._counts), 0, -1)
        points = index @ affine[:3, :3].T + affine[:3, 3]
        return torch.from_numpy(points.astype(np.float32)).to(device)


@lru_cache(maxsize=64)
def _spline_matrix(size: int, stride: int, count: int) -> FloatArray:
    """(size, count): values at voxels from values at knots, by the cubic spline through these."""
    place = np.arange(size) / stride + 1.0  # the first voxel lies on the second knot
    at_knots = _basis(np.arange(count, dtype=np.float64), count)
    matrix: FloatArray = _basis(place, count) @ np.linalg.inv(at_knots)
    return matrix


def _basis(place: FloatArray, count: int) -> FloatArray:
    """(n, count): cubic B-splines at knots 0…count-1, straight beyond them: a natural spline."""
    base = np.floor(place).astype(int)
    wide = np.zeros((len(place), count + 4))  # knots -1 … count + 2
    rows = np.arange(len(place))[:, None]
    wide[rows, base[:, None] + np.arange(4)] = cubic_weights(place - base)
    basis = wide[:, 1 : count + 1].copy()
    first, last = wide[:, 0], wide[:, count + 1]  # knots -1 and count: continued in a line
    basis[:, 0] += 2 * first
    basis[:, 1] -= first
    basis[:, -1] += 2 * last
    basis[:, -2] -= last
    return basis


def _linear(points: Tensor, matrix: FloatArray) -> Tensor:
    turn = torch.from_numpy(matrix[:3, :3].T.copy()).to(points)
    shift = torch.from_numpy(matrix[:3, 3].copy()).to(points)
    return torch.matmul(points, turn).add_(shift)


def _carried(points: Tensor, factor: Map) -> Tensor:
    """Where points, (slice, row, column, 3), go under one uncomposed map, in float32.

    Raises:
        TypeError: for a map that has not been taught to move voxels.
    """
    if isinstance(factor, Affine):
        return _linear(points, factor.matrix)
    if isinstance(factor, Flow):
        moved = _flowed(points, factor)
        _refuse_folds(points, moved)
        return moved
    raise TypeError(f"voxels cannot be moved by a {type(factor).__name__}")


def _flowed(points: Tensor, flow: Flow) -> Tensor:
    """Runge–Kutta 4, the velocity read off a lattice eight times as fine as the control points."""
    sizes = np.array(flow.lattice.shape, dtype=np.float64)
    # -1…1 from where the first spline begins to where the last ends; (column, row, slice)
    outer = np.diag([*(2.0 / (sizes + 3)), 1.0])
    outer[:3, 3] = 4.0 / (sizes + 3) - 1.0
    inward = outer @ flow.lattice.inverse_affine
    inward[:3] = inward[2::-1].copy()
    velocity = np.moveaxis(_refined(flow) @ inward[:3, :3].T, -1, 0)
    field = torch.from_numpy(velocity[None].astype(np.float32)).to(points)

    def speed(at: Tensor) -> Tensor:
        read = F.grid_sample(field, at[None], padding_mode="zeros", align_corners=True)
        return read[0].movedim(0, -1)

    start = place = _linear(points, inward)
    steps = max(1, ceil(flow.strain / 3))
    dt = 1.0 / steps
    for _ in range(steps):
        k1 = speed(place)
        k2 = speed(torch.add(place, k1, alpha=dt / 2))
        k3 = speed(torch.add(place, k2, alpha=dt / 2))
        k4 = speed(torch.add(place, k3, alpha=dt))
        place = torch.add(place, k1.add(k4).add_(k2.add_(k3), alpha=2), alpha=dt / 6)
    outward = np.array(np.linalg.inv(inward), dtype=np.float64)
    outward[:3, 3] = 0.0
    return points + _linear(place - start, outward)


def _refined(flow: Flow) -> FloatArray:
    """The velocity all over where it is not zero, (slice, row, column, 3)."""
    field = flow.velocity
    for n in flow.lattice.shape:
        field = np.tensordot(field, _refining(n), axes=([0], [1]))  # this axis becomes the last
    return np.moveaxis(field, 0, -1)


@lru_cache(maxsize=64)
def _refining(n: int) -> FloatArray:
    """(places, n): B-splines at ``n`` control points, from where they begin to where they end."""
    place = np.arange((n + 3) * _REFINED + 1) / _REFINED - 2.0
    base = np.floor(place).astype(int)
    wide = np.zeros((len(place), n + 7))  # control points -3 … n + 3
    rows = np.arange(len(place))[:, None]
    wide[rows, base[:, None] + np.arange(2, 6)] = cubic_weights(place - base)
    return wide[:, 3 : n + 3].copy()


def _refuse_folds(before: Tensor, after: Tensor) -> None:
    """Compare the volumes of the cells between knots, before and after.

    Raises:
        ValueError: when one has been turned inside out.
    """
    if float((_cells(after) / _cells(before)).min()) <= 0:
        raise ValueError(
            "this deformation folds: between two of its control points the image would be turned "
            "inside out; make it weaker, or its control points further apart"
        )


def _cells(points: Tensor) -> Tensor:
    """Signed volumes of the cells of a lattice of points."""
    a = points[1:, :-1, :-1] - points[:-1, :-1, :-1]
    b = points[:-1, 1:, :-1] - points[:-1, :-1, :-1]
    c = points[:-1, :-1, 1:] - points[:-1, :-1, :-1]
    volumes: Tensor = (a * torch.linalg.cross(b, c)).sum(-1)
    return volumes
