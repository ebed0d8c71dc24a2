"""Pictures: a scan in three planes, with structures outlined where they are.

Planes are shown as radiologists read them: the patient's right on the viewer's left, the front
or the head at the top. Letters at the edges say which side is which.
"""

from __future__ import annotations

import base64
import html
import io as bytes_io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medlib.io.files import written_whole
from medlib.transforms import Move, resample
from medlib.types import CTVolume, Kind, Mask, Volume, verb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# For each plane: its name, the axis of an SPL volume that is sliced, whether rows run downwards
# from the head, and the letters at left, right, top and bottom of the picture.
_PLANES = (
    ("axial", 0, False, "RLAP"),
    ("coronal", 1, True, "RLSI"),
    ("sagittal", 2, True, "APSI"),
)


@verb
def show(value: Kind, *more: Kind) -> Figure:
    """A picture of ``value``; of a scan and a mask on it; of a scan, a truth and a prediction.

    Returns:
        A matplotlib figure; ``figure.savefig("picture.png")`` writes it.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> grid = Grid.from_axes((8, 8, 8))
        >>> mask = Mask(torch.ones(1, 8, 8, 8, dtype=torch.uint8), grid, Labels.of(["cube"]))
        >>> len(show(CTVolume(torch.zeros(1, 8, 8, 8), grid), mask).axes)
        3
    """
    raise AssertionError


@show.register
def _(value: Volume) -> Figure:
    return _figure(value, [])


@show.register
def _(value: Volume, mask: Mask) -> Figure:
    return _figure(value, [("", mask)])


@show.register
def _(value: Volume, truth: Mask, prediction: Mask) -> Figure:
    return _figure(value, [("reference", truth), ("prediction", prediction)])


def _figure(scan: Volume, masks: Sequence[tuple[str, Mask]]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    upright = _upright(scan)
    outlined = [(title, _upright(mask)) for title, mask in masks]
    centre = _centre(upright, [mask for _, mask in outlined])
    rows = outlined or [("", None)]
    figure = Figure(figsize=(12, 4.2 * len(rows)), facecolor="black", layout="constrained")
    axes = figure.subplots(len(rows), 3, squeeze=False)
    for row, (title, mask) in zip(axes, rows, strict=True):
        for panel, plane in zip(row, _PLANES, strict=True):
            _draw(panel, plane, upright, mask, centre)
        row[0].set_ylabel(title, color="white", fontsize=13)
    if outlined:
        present = sorted({i for _, mask in outlined for i in mask.present_ids()})
        labels = [outlined[0][1].labels.by_id(i) for i in present]
        figure.legend(
            handles=[Line2D([], [], color=lab.colour, lw=3, label=lab.name) for lab in labels],
            loc="outside lower center",
            ncols=min(6, max(1, len(labels))),
            facecolor="black",
            labelcolor="white",
            edgecolor="none",
        )
    return figure


def _draw(
    axes: Axes,
    plane: tuple[str, int, bool, str],
    scan: Volume,
    mask: Mask | None,
    centre: Sequence[int],
) -> None:
    name, axis, head_up, letters = plane
    spacing = [s for k, s in enumerate(scan.grid.spacing) if k != axis]
    image = _slice(scan.data[0].float(), axis, centre[axis], head_up=head_up)
    low, high = _window(scan)
    aspect = spacing[0] / spacing[1]
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, aspect=aspect, interpolation="bilinear")
    if mask is not None:
        for label in mask.labels:
            where = _slice(mask.structure(label.name).float(), axis, centre[axis], head_up=head_up)
            if where.any() and not where.all() and min(where.shape) > 1:
                axes.contour(where, levels=[0.5], colors=[label.colour], linewidths=1.3)
                axes.contourf(where, levels=[0.5, 1.5], colors=[label.colour], alpha=0.22)
    axes.set(xticks=[], yticks=[])
    axes.set_title(name, color="white", fontsize=10)
    places: list[tuple[float, float]] = [(0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03)]
    for letter, (x, y) in zip(letters, places, strict=True):
        axes.text(x, y, letter, transform=axes.transAxes, color="#FFD75F", ha="center",
                  va="center", fontsize=11, fontweight="bold")  # fmt: skip


def _slice(volume: torch.Tensor, axis: int, index: int, *, head_up: bool) -> Any:
    image = volume.select(axis, index)
    return (image.flip(0) if head_up else image).numpy()


def _upright(value: Any) -> Any:
    """The value with axes (to the head, to the back, to the left); no voxel is interpolated."""
    return resample(value, Move(value.grid, value.grid.reoriented("SPL")))


def _centre(scan: Volume, masks: Sequence[Mask]) -> list[int]:
    """The voxel to cut at: for each axis the slice with most labelled voxels; else the middle."""
    labelled = torch.zeros(scan.grid.shape, dtype=torch.bool)
    for mask in masks:
        labelled |= (mask.data > 0).any(0)
    if not labelled.any():
        return [n // 2 for n in scan.grid.shape]
    counts = (labelled.sum([k for k in range(3) if k != axis]) for axis in range(3))
    return [int(count.argmax()) for count in counts]


def _window(scan: Volume) -> tuple[float, float]:
    """Grey levels: soft tissue for CT in HU; else nearly all of the values there are."""
    if isinstance(scan, CTVolume) and scan.units == "HU":
        return -160.0, 240.0
    values = scan.data.flatten()[:: max(1, scan.data.numel() // 200_000)].float().numpy()
    low, high = np.percentile(values, [1, 99])
    return float(low), float(max(high, low + 1e-6))


def write_page(path: Path, title: str, entries: Iterable[tuple[str, str, Figure]]) -> Path:
    """One HTML page of pictures that needs no other file.

    Args:
        path: of the page.
        title: at its top.
        entries: (heading, text, figure) of each picture.
    """
    parts = []
    for heading, text, figure in entries:
        stream = bytes_io.BytesIO()
        figure.savefig(stream, format="png", dpi=80, facecolor="black")
        picture = base64.b64encode(stream.getvalue()).decode()
        parts.append(
            f"<section><h2>{html.escape(heading)}</h2><p>{html.escape(text)}</p>"
            f'<img alt="{html.escape(heading)}" src="data:image/png;base64,{picture}"></section>'
        )
    page = _PAGE.format(title=html.escape(title), body="\n".join(parts))
    with written_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ background: #111; color: #eee; font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
       max-width: 1000px; padding: 0 1rem }}
h1 {{ font-size: 1.6rem }} h2 {{ font-size: 1.15rem; margin: 2rem 0 .2rem }}
p {{ color: #bbb; margin: 0 0 .5rem }} img {{ width: 100%; border-radius: 6px }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""
