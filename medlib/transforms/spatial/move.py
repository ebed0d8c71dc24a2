"""The one spatial step: a map of patient space, and a grid to land on.

Reorienting, cropping, padding, resampling, mirroring and turning are all this step with other
numbers. Two in a row are one: their maps compose, and voxels are interpolated once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from medlib.space import Affine, Flow, Grid, Map, composed
from medlib.space.grid import FloatArray
from medlib.transforms.spatial.lattices import Interpolation, contained
from medlib.transforms.steps import Step


@dataclass(frozen=True)
class Move(Step):
    """Moves the patient by ``map`` and samples the result on ``landing``.

    Args:
        source: the grid that values come from.
        landing: the grid that they land on.
        map: where a point of the patient goes; the identity for all that only changes the grid.
        labels: how masks are read where voxels do not coincide: ``"nearest"``, or
            ``"linear"``: each label by itself, the strongest wins (ids are never averaged).
        windows: fields of view passed on the way, when moves were fused: outside any of them
            there is nothing. Each is a map from its own frame to the last one, and a grid.

    Raises:
        ValueError: for another word for ``labels``.

    Example:
        >>> grid = Grid.from_axes((4, 4, 4))
        >>> there = Move(grid, grid.window((1, 1, 1), (2, 2, 2)))
        >>> there.then(there.inverse).landing == grid
        True
    """

    source: Grid
    landing: Grid
    map: Map = Affine(np.eye(4))  # noqa: RUF009 (frozen)
    labels: Interpolation = "nearest"
    windows: tuple[tuple[Map, Grid], ...] = ()

    def __post_init__(self) -> None:
        if self.labels not in get_args(Interpolation):
            raise ValueError(
                f"labels are read {' or '.join(get_args(Interpolation))}, not {self.labels!r}"
            )

    @property
    def inverse(self) -> Move:
        """The move back: onto the grid that this one came from."""
        back = self.map.inverse
        return replace(
            self,
            source=self.landing,
            landing=self.source,
            map=back,
            windows=tuple((back @ to_last, grid) for to_last, grid in self.windows),
        )

    def then(self, following: Move) -> Move:
        """This move and the ``following`` one as a single move, interpolating once.

        Raises:
            ValueError: when the following move does not start where this one lands.
        """
        if not self.landing.close_to(following.source):
            raise ValueError(
                "moves do not follow one another: " + self.landing.difference(following.source)
            )
        passed = [(following.map @ to_last, grid) for to_last, grid in self.windows]
        seen = [*passed, (following.map, self.landing), *following.windows]
        fused = Move(
            source=self.source,
            landing=following.landing,
            map=following.map @ self.map,
            labels="linear" if "linear" in (self.labels, following.labels) else "nearest",
        )
        hiding = tuple((m, g) for m, g in seen if not fused._within(m, g, rim=0.5))
        return replace(fused, windows=hiding)

    def _within(self, to_last: Map, grid: Grid, *, rim: float) -> bool:
        """Whether all of the landing grid, with a rim in voxels, surely lies within ``grid``.

        A flow takes what it moves at all to within itself: where all of that lies in the grid,
        only the affine maps need be looked at.
        """
        straight: list[Map] = []
        for factor in to_last.inverse.factors:  # the last acts first
            if isinstance(factor, Flow):
                before = composed(straight)
                if not isinstance(before, Affine) or not _holds(grid, before, factor):
                    return False
            else:
                straight.append(factor)
        whole = composed(straight)
        assert isinstance(whole, Affine)
        index_map = grid.inverse_affine @ whole.matrix @ self.landing.affine
        end = np.array(self.landing.shape) - 1 + rim
        return contained(index_map, np.full(3, -rim), end, grid.shape)


def followed(so_far: Move | None, following: Move) -> Move:
    """All moves ``so_far``, if there are any, and the ``following`` one as a single move."""
    return following if so_far is None else so_far.then(following)


def _holds(grid: Grid, to_grid: Affine, flow: Flow) -> bool:
    """Whether all that a flow moves lies, after ``to_grid``, within the grid."""
    index_map: FloatArray = grid.inverse_affine @ to_grid.matrix @ flow.lattice.affine
    # The splines at the outermost control points reach two spacings further.
    return contained(index_map, np.full(3, -2.0), np.array(flow.lattice.shape) + 1.0, grid.shape)
