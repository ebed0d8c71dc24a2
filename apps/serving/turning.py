"""How a scan's voxels lie in the viewer: axes to the head, to the front and to the right.

The viewer's own order is that one, so that it turns nothing. What comes from there is turned onto
the scan's own axes here, where it is tested. Nothing is interpolated, and arrays are not copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from medlib.space import Grid


def upright(grid: Grid) -> Grid:
    """The same voxels with axes (to the head, to the front, to the right)."""
    return grid.reoriented("SAR")


@dataclass(frozen=True)
class Turn:
    """From a grid's own axes to those of the viewer.

    Args:
        shape: of the grid, along its own axes.
        order: for each axis of the viewer (axial, coronal, sagittal slices), the grid's own.
        flips: for each axis of the viewer, whether its own runs the other way.

    Example:
        >>> turn = Turn.of(Grid.from_axes((4, 5, 6)))  # LPS: rows run to the back
        >>> turn.order, turn.flips, turn.own(1, 0)
        ((0, 1, 2), (False, True, True), (1, 4))
    """

    shape: tuple[int, int, int]
    order: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, grid: Grid) -> Self:
        """The turn of this grid."""
        step = np.rint(np.linalg.inv(grid.affine)[:3, :3] @ upright(grid).affine[:3, :3])
        a, b, c = (int(np.argmax(np.abs(step[:, k]))) for k in range(3))
        flips = [bool(step[own, k] < 0) for k, own in enumerate((a, b, c))]
        return cls(grid.shape, (a, b, c), (flips[0], flips[1], flips[2]))

    @property
    def turned(self) -> tuple[int, int, int]:
        """The shape in the viewer."""
        a, b, c = (self.shape[own] for own in self.order)
        return a, b, c

    def view(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(slice, row, column) of the grid as the viewer has them: a view of the same memory."""
        ways = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        return array.transpose(self.order)[ways]

    def own(self, axis: int, index: int) -> tuple[int, int]:
        """The grid's own axis and index of a slice of the viewer."""
        own = self.order[axis]
        return own, self.shape[own] - 1 - index if self.flips[axis] else index

    def shown(self, own: int, index: int) -> tuple[int, int]:
        """The viewer's axis and index of a slice of the grid."""
        axis = self.order.index(own)
        return axis, self.shape[own] - 1 - index if self.flips[axis] else index

    def own_window(self, window: tuple[slice, slice, slice]) -> tuple[slice, slice, slice]:
        """A window of the viewer along the grid's own axes."""
        found = [slice(0)] * 3
        for axis, at in enumerate(window):
            own, n = self.order[axis], self.shape[self.order[axis]]
            found[own] = slice(n - at.stop, n - at.start) if self.flips[axis] else at
        return found[0], found[1], found[2]

    def shown_window(self, window: tuple[slice, slice, slice]) -> tuple[slice, slice, slice]:
        """A window of the grid along the viewer's axes."""
        found = []
        for axis, own in enumerate(self.order):
            at, n = window[own], self.shape[own]
            found.append(slice(n - at.stop, n - at.start) if self.flips[axis] else at)
        return found[0], found[1], found[2]
