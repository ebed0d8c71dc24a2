"""What is sent there and back, as arrays that every library can be given and asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RIM = 16  # voxels at the border that elastic deformation is not measured in


@dataclass(frozen=True)
class Scene:
    """A scan with labels and points, on one grid.

    Args:
        scan: (channel, slice, row, column), float32.
        labels: (slice, row, column), ids.
        seen: like ``labels``, 1 where the scan was in view all the time. At first that is
            everywhere, and each library moves it as it moves labels.
        affine: (4, 4), from (slice, row, column) to LPS millimetres.
        points: (n, 3), LPS millimetres; None where a library does not move points.
    """

    scan: NDArray[np.float32]
    labels: NDArray[np.uint8]
    seen: NDArray[np.uint8]
    affine: Array
    points: Array | None = None

    def save(self, path: Path) -> None:
        """As ``.npz``."""
        parts = {"scan": self.scan, "labels": self.labels, "seen": self.seen, "affine": self.affine}
        np.savez(path, **parts, **({} if self.points is None else {"points": self.points}))  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Scene:
        """What :meth:`save` wrote."""
        with np.load(path) as parts:
            return cls(**dict(parts))

    def coordinates(self) -> Array:
        """LPS millimetres of the voxels: (3, slice, row, column)."""
        index = np.indices(self.labels.shape)
        moved: Array = np.tensordot(self.affine[:3, :3], index, axes=1)
        return moved + self.affine[:3, 3][:, None, None, None]

    def displacement(self, moved: Scene) -> float:
        """Millimetres that the furthest voxel has come, in a scan whose last channels are places."""
        away = np.linalg.norm(moved.scan[-3:] - self.coordinates(), axis=0)
        return float(away[RIM:-RIM, RIM:-RIM, RIM:-RIM].max())


def flipped(affine: Array) -> Array:
    """An affine from (slice, row, column) to LPS as one from (column, row, slice) to RAS, or back."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine @ np.eye(4)[[2, 1, 0, 3]]
