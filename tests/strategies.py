"""What hypothesis draws from: grids and maps such as scanners, and people, make."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from medlib.space import Affine, Grid

millimetres = st.floats(-300, 300)


@st.composite
def rotations(draw: st.DrawFn, *, degrees: float = 180) -> Affine:
    # In thousandths: an angle of 1e-308 degrees overthrows ITK's inverse of a matrix.
    turns = st.integers(int(-1000 * degrees), int(1000 * degrees))
    return Affine.rotation([draw(turns) / 1000 for _ in range(3)])


@st.composite
def affines(draw: st.DrawFn, *, shift: float = 3) -> Affine:
    """Turns, stretches, shears, shifts by a few millimetres, and mirrors."""
    shear = np.eye(3)
    shear[np.triu_indices(3, 1)] = [draw(st.floats(-0.3, 0.3)) for _ in range(3)]
    stretch = np.diag([draw(st.floats(0.7, 1.4)) for _ in range(3)])
    if draw(st.booleans()):
        stretch[0] *= -1
    away = Affine.translation([draw(st.floats(-shift, shift)) for _ in range(3)])
    return away @ draw(rotations()) @ Affine.linear(stretch @ shear)


@st.composite
def grids(
    draw: st.DrawFn,
    *,
    sides: tuple[int, int] = (1, 9),
    degrees: float = 180,
    sheared: bool = True,
    spacing: tuple[float, float] = (0.3, 6.0),
) -> Grid:
    """Any order and sense of the axes, oblique, anisotropic, and with a tilted gantry if asked."""
    order = draw(st.permutations(range(3)))
    signs = [draw(st.sampled_from((-1.0, 1.0))) for _ in range(3)]
    directions = draw(rotations(degrees=degrees)).matrix[:3, :3] @ (np.eye(3)[:, order] * signs)
    if sheared and draw(st.booleans()):
        tilt = np.radians(draw(st.floats(-25, 25)))
        directions[:, 0] = np.cos(tilt) * directions[:, 0] + np.sin(tilt) * directions[:, 1]
    return Grid.from_axes(
        [draw(st.integers(*sides)) for _ in range(3)],
        spacing=[draw(st.floats(*spacing)) for _ in range(3)],
        directions=directions,
        origin=[draw(millimetres) for _ in range(3)],
    )


@st.composite
def neighbours(draw: st.DrawFn, grid: Grid, **choice: Any) -> Grid:
    """A grid of another make whose middle lies in the same part of the patient."""
    other = draw(grids(**choice))
    reach = np.array(grid.shape) / 2 * draw(st.floats(-0.7, 0.7))
    middle = grid.to_patient((np.array(grid.shape) - 1) / 2 + reach)
    affine = other.affine.copy()
    affine[:3, 3] += middle - other.centre
    return Grid(other.shape, affine)


def about(centre: np.ndarray, a: Affine) -> Affine:
    """``a`` with ``centre`` in the place of the origin."""
    return Affine.translation(centre) @ a @ Affine.translation(-centre)


def voxels(grid: Grid) -> np.ndarray:
    """LPS millimetres of every voxel, (slice, row, column, 3)."""
    return grid.to_patient(np.moveaxis(np.indices(grid.shape), 0, -1))
