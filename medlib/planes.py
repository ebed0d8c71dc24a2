"""One plane of a scan, with structures outlined where they are.

Planes are shown as radiologists read them: the patient's right on the viewer's left, the front
or the head at the top. Letters at the edges say which side is which. Planes follow the scan's own
axes, each named after the patient's nearest: nothing is interpolated before it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.transforms import Move, resample
from medlib.types import CTVolume, Mask, Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

G = TypeVar("G", Volume, Mask)
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


def show_plane(
    plane: str,
    scan: Volume,
    mask: Mask | None = None,
    *,
    at: npt.ArrayLike,
    window: tuple[float, float] | None = None,
    opacity: float = 0.22,
) -> Figure:
    """One plane through a point, in a square picture without title or legend: for a viewer.

    Fine lines show where the other two planes cut this one. Drawn again and again, it is quickest
    with values that are :func:`upright` already.

    Args:
        plane: one of :data:`PLANES`.
        scan: to draw.
        mask: on its grid; only structures in its label table are drawn.
        at: LPS millimetres of a point in the plane.
        window: the values drawn black and white. Left out: :func:`default_window`.
        opacity: of the structures' filling, 0 to 1; outlines are always drawn.

    Raises:
        KeyError: when there is no such plane.
        ValueError: when the mask is not on the scan's grid, or ``at`` lies outside it.

    Example:
        >>> scan = CTVolume(torch.zeros(1, 8, 8, 8), Grid.from_axes((8, 8, 8)))
        >>> len(show_plane("axial", scan, at=(2, 2, 5), window=CT_WINDOWS["lung"]).axes)
        1
    """
    from matplotlib.figure import Figure

    if mask is not None:
        check_grids(scan, mask)
        mask = upright(mask)
    scan = upright(scan)
    voxel = voxel_at(scan.grid, at)
    figure = Figure(figsize=(5, 5), facecolor="black")
    panel = figure.add_axes((0, 0, 1, 1))
    shades = default_window(scan) if window is None else window
    draw(panel, PLANES[plane], scan, mask, voxel, window=shades, opacity=opacity)
    _draw_cuts(panel, PLANES[plane], scan.grid, voxel)
    return figure


def draw(
    axes: Axes,
    plane: Plane,
    scan: Volume,
    mask: Mask | None,
    voxel: Sequence[int],
    *,
    window: tuple[float, float],
    opacity: float,
) -> None:
    """Draw the plane through a voxel of an :func:`upright` scan, with its mask, into ``axes``."""
    from matplotlib.patheffects import withStroke

    down, across = (s for k, s in enumerate(scan.grid.spacing) if k != plane.axis)
    image = _cut(scan.data, plane, voxel)[0].astype(np.float32)
    axes.imshow(image, cmap="gray", vmin=window[0], vmax=window[1], interpolation="bilinear")
    if mask is not None:
        _outline(axes, _cut(mask.data, plane, voxel), mask, opacity)
    rows, columns = image.shape
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect=down / across)
    axes.set(xticks=[], yticks=[], frame_on=False)
    rimmed = [withStroke(linewidth=2.5, foreground="black")]  # to be read on bone too
    places: list[tuple[float, float]] = [(0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03)]
    for letter, (x, y) in zip(plane.letters, places, strict=True):
        axes.text(x, y, letter, transform=axes.transAxes, color=_YELLOW, ha="center",
                  va="center", fontsize=11, fontweight="bold", path_effects=rimmed)  # fmt: skip


def _outline(axes: Axes, layers: Any, mask: Mask, opacity: float) -> None:
    """Fill and outline what of each structure lies in a plane, (layer, row, column)."""
    for label in mask.labels:
        where = (layers == label.id).any(0)
        if not where.any():
            continue
        fill = np.zeros((*where.shape, 4), np.uint8)
        fill[where] = (*label.rgb, round(255 * opacity))
        axes.imshow(fill, interpolation="nearest")
        rimmed = np.pad(where, 1)  # or outlines would be open at the picture's edge
        rows, columns = (np.arange(n) - 1 for n in rimmed.shape)
        axes.contour(columns, rows, rimmed, levels=[0.5], colors=[label.colour], linewidths=1.3)


def _draw_cuts(axes: Axes, plane: Plane, grid: Grid, voxel: Sequence[int]) -> None:
    """Fine lines where the other two planes cut this one."""
    row, column = (k for k in range(3) if k != plane.axis)
    down = grid.shape[row] - 1 - voxel[row] if plane.head_up else voxel[row]
    axes.axhline(down, color=_YELLOW, alpha=0.35, linewidth=0.7)
    axes.axvline(voxel[column], color=_YELLOW, alpha=0.35, linewidth=0.7)


def _cut(data: torch.Tensor, plane: Plane, voxel: Sequence[int]) -> Any:
    """What of (channel, slice, row, column) lies in a plane: (channel, row, column), top first."""
    image = data.select(plane.axis + 1, voxel[plane.axis])
    return (image.flip(1) if plane.head_up else image).numpy()


def upright(value: G) -> G:
    """The value with axes (to the head, to the back, to the left); no voxel is interpolated.

    Example:
        >>> upright(Volume(torch.zeros(1, 2, 3, 4), Grid.from_ras((4, 3, 2), np.eye(4))))
        Volume(1 × 2×3×4 voxels of 1×1×1 mm, SPL, float32)
    """
    landing = value.grid.reoriented("SPL")
    moved: G = value if landing == value.grid else resample(value, Move(value.grid, landing))
    return moved


def focus(grid: Grid, *masks: Mask) -> FloatArray:
    """LPS millimetres of where to look first: along each axis the slice that shows most.

    A slice shows of each structure the share that lies in it; a small lesion counts as much as a
    large organ. Without anything labelled it is the middle voxel.

    Args:
        grid: of the scan.
        masks: on that grid.
    """
    shown = [torch.zeros(n) for n in grid.shape]
    for mask in masks:
        for number in mask.present_ids():
            where = (mask.data == number).any(0)
            total = int(where.sum())
            for axis in range(3):
                shown[axis] += where.sum([k for k in range(3) if k != axis]) / total
    if not shown[0].any():
        return grid.to_patient([n // 2 for n in grid.shape])
    return grid.to_patient([int(share.argmax()) for share in shown])


def default_window(scan: Volume) -> tuple[float, float]:
    """Values to draw black and white: soft tissue for CT in HU; else nearly all there are."""
    if isinstance(scan, CTVolume) and scan.units == "HU":
        return CT_WINDOWS["soft tissue"]
    values = scan.data.flatten()[:: max(1, scan.data.numel() // 200_000)].float().numpy()
    low, high = np.percentile(values, [1, 99])
    return float(low), float(max(high, low + 1e-6))


def voxel_at(grid: Grid, point: npt.ArrayLike) -> list[int]:
    """The voxel (slice, row, column) that holds a point in LPS millimetres.

    Raises:
        ValueError: when it lies outside the grid.
    """
    index = np.rint(grid.to_index(point)).astype(int)
    if index.shape != (3,) or (index < 0).any() or (index >= grid.shape).any():
        where = ", ".join(f"{x:.4g}" for x in np.ravel(point))
        raise ValueError(f"there is nothing to show at ({where}) mm: the scan does not reach there")
    voxel: list[int] = index.tolist()
    return voxel


def check_grids(scan: Volume, *masks: Mask) -> None:
    """Refuse masks that would be drawn where they are not.

    Raises:
        ValueError: when a mask is not on the scan's grid.
    """
    for mask in masks:
        if not mask.grid.close_to(scan.grid):
            raise ValueError(
                "the mask is not on the scan's grid: " + scan.grid.difference(mask.grid)
            )
