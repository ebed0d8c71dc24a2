"""One plane of a grid as a picture: which slice it cuts, and where places of the patient are in it.

Planes are shown as radiologists read them: the patient's right on the viewer's left, the front
or the head at the top. Letters at the edges say which side is which. Planes follow the scan's own
axes, each named after the patient's nearest: nothing is interpolated before it is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.transforms import Move, resample
from medlib.types import (
    Contours,
    CTVolume,
    Gridded,
    Kind,
    Mask,
    Probabilities,
    Radiograph,
    Shape,
    Volume,
    to_numpy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

G = TypeVar("G", bound=Gridded)
_YELLOW = "#FFD75F"

CT_WINDOWS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "soft tissue": (-160.0, 240.0),
        "lung": (-1350.0, 150.0),
        "bone": (-500.0, 1300.0),
        "brain": (0.0, 80.0),
    }
)
"""The Hounsfield units drawn black and white, for what one wants to see."""


@dataclass(frozen=True)
class Plane:
    """How a plane is drawn.

    Args:
        axis: of an :func:`upright` value, which the plane cuts across.
        head_up: whether rows run from the feet, and are turned over to have the head at the top.
        letters: the patient's sides at the left, right, top and bottom of the picture.
    """

    axis: int
    head_up: bool
    letters: str


PLANES: Mapping[str, Plane] = MappingProxyType(
    {
        "axial": Plane(0, False, "RLAP"),
        "coronal": Plane(1, True, "RLSI"),
        "sagittal": Plane(2, True, "APSI"),
    }
)
"""The planes by name, in the order of the axes of an :func:`upright` value that they cut."""


@dataclass(frozen=True)
class Panel:
    """A plane while it is drawn: axes of matplotlib's, and what of the patient they show.

    Args:
        axes: to draw into; their coordinates are pixels, (0, 0) the middle of the top left one.
        plane: which of the three.
        grid: :func:`upright`.
        voxel: (slice, row, column) of a voxel in the plane.
        window: the values drawn black and white.
        opacity: of the fillings of structures, 0 to 1.
        label: the one whose probability is drawn; None for the likeliest everywhere.
        projected: whether the grid is a radiograph's, where depth means nothing.
    """

    axes: Axes
    plane: Plane
    grid: Grid
    voxel: tuple[int, int, int]
    window: tuple[float, float] = (0.0, 1.0)
    opacity: float = 0.22
    label: str | None = None
    projected: bool = False

    def cut(self, data: torch.Tensor) -> Any:
        """What of (channel, slice, row, column) lies in the plane: (channel, row, column)."""
        image = data.detach().select(self.plane.axis + 1, self.voxel[self.plane.axis]).cpu()
        return (image.flip(1) if self.plane.head_up else image).numpy()

    def place(self, points: npt.ArrayLike) -> FloatArray:
        """Where points, (..., 3) LPS millimetres, are in the picture.

        Returns:
            (..., 3): pixels across, pixels down, and millimetres in front of the plane or (below
            0) behind it.
        """
        index = self.grid.to_index(points)
        down, across = (index[..., k] for k in range(3) if k != self.plane.axis)
        rows = next(n for k, n in enumerate(self.grid.shape) if k != self.plane.axis)
        depth = index[..., self.plane.axis] - self.voxel[self.plane.axis]
        return np.stack(
            [
                across,
                rows - 1 - down if self.plane.head_up else down,
                0 * depth if self.projected else depth * self.grid.spacing[self.plane.axis],
            ],
            axis=-1,
        )

    def nearness(self, depth: FloatArray) -> FloatArray:
        """How clearly to draw what lies this deep: 1 within half a slice, 0 from 10 mm on."""
        beyond = np.abs(depth) - self.grid.spacing[self.plane.axis] / 2
        clear: FloatArray = np.where(beyond <= 1e-6, 1.0, np.clip(0.6 - 0.06 * beyond, 0.0, 0.6))
        return clear

    def write(
        self, text: str, across: float, down: float, *, colour: str, clear: float = 1
    ) -> None:
        """Write words beside a place in the picture, to be read on bone too."""
        self.axes.annotate(verbatim(text), (across, down), (5, 5), textcoords="offset points", color=colour,
                           alpha=clear, fontsize=9, fontweight="bold", annotation_clip=True,
                           path_effects=_rimmed(1.5))  # fmt: skip

    def frame(self) -> None:
        """Fit the axes to the plane, and write at its edges which side of the patient is which."""
        rows, columns = (n for k, n in enumerate(self.grid.shape) if k != self.plane.axis)
        down, across = (s for k, s in enumerate(self.grid.spacing) if k != self.plane.axis)
        axes = self.axes
        axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect=down / across)
        axes.set(xticks=[], yticks=[], frame_on=False)
        places: list[tuple[float, float]] = [(0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03)]
        for letter, (x, y) in zip(self.plane.letters, places, strict=True):
            axes.text(x, y, letter, transform=axes.transAxes, color=_YELLOW, ha="center",
                      va="center", fontsize=11, fontweight="bold",
                      path_effects=_rimmed(2.5))  # fmt: skip

    def cross(self) -> None:
        """Fine lines where the other two planes cut this one."""
        across, down, _ = self.place(self.grid.to_patient(self.voxel))
        self.axes.axhline(down, color=_YELLOW, alpha=0.35, linewidth=0.7)
        self.axes.axvline(across, color=_YELLOW, alpha=0.35, linewidth=0.7)


def _rimmed(width: float) -> Any:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground="black")]


def upright(value: G) -> G | Volume:
    """The value with axes (to the head, to the back, to the left); no voxel is interpolated.

    A radiograph becomes a volume, for its single slice may come to lie along any axis.

    Example:
        >>> upright(Volume(torch.zeros(1, 2, 3, 4), Grid.from_ras((4, 3, 2), np.eye(4))))
        Volume(1 × 2×3×4 voxels of 1×1×1 mm, SPL, float32)
    """
    landing = value.grid.reoriented("SPL")
    if landing == value.grid:
        return value
    if isinstance(value, Radiograph):
        plain = Volume(value.data, value.grid, value.background, value.units)
        return upright(plain)
    moved: G = resample(value, Move(value.grid, landing))
    return moved


def focus(grid: Grid, *values: Kind) -> FloatArray:
    """LPS millimetres of where to look first: along each axis the slice that shows most.

    A slice shows of each structure the share that lies in it; a small lesion counts as much as a
    large organ. Without anything labelled it is the shape, point or polygon in the midst of all,
    and without any the middle voxel.

    Args:
        grid: of the scan.
        values: what is drawn on it; masks and probabilities on that grid.
    """
    shown = [torch.zeros(n) for n in grid.shape]
    for where in (found for value in values for found in _structures(value)):
        total = int(where.sum())
        for axis in range(3):
            shown[axis] += where.sum([k for k in range(3) if k != axis]) / total
    if shown[0].any():
        return grid.to_patient([int(share.argmax()) for share in shown])
    middles = np.concatenate([np.empty((0, 3)), *map(_middles, values)])
    index = np.rint(grid.to_index(middles))
    middles = middles[((index >= 0) & (index < grid.shape)).all(1)]
    if not len(middles):
        return grid.to_patient([n // 2 for n in grid.shape])
    midst: FloatArray = middles[np.linalg.norm(middles - middles.mean(0), axis=1).argmin()]
    return midst


def _structures(value: Kind) -> Iterator[torch.Tensor]:
    """Where each structure is, (slice, row, column) bool; none that is empty."""
    if isinstance(value, Mask):
        yield from ((value.data == number).any(0) for number in value.present_ids())
    elif isinstance(value, Probabilities) and bool((likely := value.data[0] < 0.5).any()):
        yield likely


def _middles(value: Kind) -> FloatArray:
    """The middle of each part of a shape, (n, 3), LPS millimetres."""
    if isinstance(value, Contours):
        return np.array([polygon.mean(0) for _, polygon in value]).reshape(-1, 3)
    places = to_numpy(value) if isinstance(value, Shape) else np.empty((0, 3))
    middles: FloatArray = places.reshape(len(places), -1, 3).mean(1) if len(places) else places
    return middles.reshape(-1, 3)


def default_window(scan: Volume) -> tuple[float, float]:
    """Values to draw black and white: soft tissue for CT in HU; else nearly all there are."""
    if isinstance(scan, CTVolume) and scan.units == "HU":
        return CT_WINDOWS["soft tissue"]
    values = scan.data.flatten()[:: max(1, scan.data.numel() // 200_000)].float().numpy()
    low, high = np.percentile(values, [1, 99])
    return float(low), float(max(high, low + 1e-6))


def voxel_at(grid: Grid, point: npt.ArrayLike) -> tuple[int, int, int]:
    """The voxel (slice, row, column) that holds a point in LPS millimetres.

    Raises:
        ValueError: when it lies outside the grid.
    """
    index = np.rint(grid.to_index(point)).astype(int)
    if index.shape != (3,) or (index < 0).any() or (index >= grid.shape).any():
        where = ", ".join(f"{x:.4g}" for x in np.ravel(point))
        raise ValueError(f"there is nothing to show at ({where}) mm: the scan does not reach there")
    k, i, j = index.tolist()
    return k, i, j


def check_grids(grid: Grid, *values: Kind) -> None:
    """Refuse masks and the like that would be drawn where they are not.

    Raises:
        ValueError: when one is not on the grid.
    """
    for value in values:
        if isinstance(value, Gridded) and not value.grid.close_to(grid):
            raise ValueError(
                f"the {type(value).__name__.lower()} is not on the scan's grid: "
                + grid.difference(value.grid)
            )


def verbatim(text: str) -> str:
    """Words for matplotlib to draw as they are: between two $ it would read a formula."""
    return text.replace("$", r"\$")
