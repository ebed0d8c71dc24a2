"""Linear filters of small boxes, as a matrix for each axis: a box is filtered many times a click.

All sums run in torch's threads, as the network does. NumPy's own have others, which go on waiting
for work, and keep the network's from theirs, when two cores are all there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medlib.assist.inputs import Voxels

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Filter:
    """A linear filter along each axis, one after another.

    Args:
        matrices: (out, in), for slices, rows and columns.

    Example:
        >>> values = np.zeros((3, 3, 3), dtype=np.float32)
        >>> values[1, 1, 1] = 1
        >>> smooth = Filter.gaussian(values.shape, (1, 1, 1))(values)
        >>> bool(0 < smooth[0, 0, 0] < smooth[1, 1, 1] < 1)
        True
    """

    matrices: tuple[torch.Tensor, ...]

    @classmethod
    def gaussian(cls, shape: Sequence[int], sigma: Sequence[float]) -> Filter:
        """Of these deviations, in voxels, cut off at two; the outermost voxels go on beyond the box."""
        from scipy.ndimage import gaussian_filter1d

        return cls._of(
            gaussian_filter1d(np.eye(n, dtype=np.float32), s, 0, mode="nearest", truncate=2)
            for n, s in zip(shape, sigma, strict=True)
        )

    @classmethod
    def enlarging(
        cls, shape: Sequence[int], factors: Sequence[int], wanted: Sequence[int]
    ) -> Filter:
        """From the means of groups to the voxels, by straight lines from group to group.

        Args:
            shape: of the groups.
            factors: voxels that a group has along each axis.
            wanted: shape of the voxels.
        """
        from scipy.ndimage import affine_transform

        return cls._of(
            affine_transform(
                np.eye(n, dtype=np.float32),
                (1 / f, 1),
                ((1 - f) / 2 / f, 0),
                output_shape=(m, n),
                order=1,
                mode="nearest",
            )
            for n, f, m in zip(shape, factors, wanted, strict=True)
        )

    @classmethod
    def _of(cls, matrices: Iterable[Matrix]) -> Filter:
        return cls(tuple(torch.from_numpy(matrix) for matrix in matrices))

    def __call__(self, values: Voxels) -> Voxels:
        """(slice, row, column), filtered."""
        down, along, across = self.matrices
        rows = along @ (torch.from_numpy(values) @ across.T)
        found: Voxels = (down @ rows.flatten(1)).reshape(len(down), *rows.shape[1:]).numpy()
        return found


def weighed(rows: Matrix, weights: Matrix) -> Matrix:
    """The sum of each row (row, column), each column times its weight (column,)."""
    found: Matrix = (torch.from_numpy(rows) @ torch.from_numpy(weights)).numpy()
    return found
