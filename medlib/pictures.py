"""Pictures: a scan in three planes, with whatever there is on it drawn where it is.

How each kind is drawn is said in :mod:`medlib.overlays`, and how a plane lies in
:mod:`medlib.planes`.
"""

from __future__ import annotations

import base64
import html
import io as bytes_io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medlib.io.files import written_whole
from medlib.overlays import HEAT, draw
from medlib.planes import (
    PLANES,
    Panel,
    check_grids,
    default_window,
    focus,
    upright,
    verbatim,
    voxel_at,
)
from medlib.space import Grid
from medlib.types import (
    Answer,
    Boxes,
    Gridded,
    Kind,
    Mask,
    MultiVolume,
    Probabilities,
    Radiograph,
    Shape,
    Volume,
    describe,
    to_numpy,
    verb,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN_MM = 15.0
_FACING = {"S": "axial", "I": "axial", "P": "coronal", "A": "coronal"}  # else sagittal


@verb
def show(
    value: Kind,
    *more: Kind,
    at: npt.ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    opacity: float = 0.22,
    label: str | None = None,
) -> Figure:
    """A picture of ``value``, of whatever kind, with everything else drawn on it where it is.

    A scan is shown in three planes, a radiograph as it is, several series under each other. On
    them lie masks (filled and outlined), probabilities (as heat), points and clouds (clear within
    half a slice, faint up to 10 mm from it), boxes and contours (where the plane cuts them).
    Answers are written below. A scan with two masks is taken for reference and prediction, which
    are drawn under each other; so is one with two sets of boxes. Without a scan, the rest is drawn
    on black.

    Args:
        value: a scan, or any other kind.
        more: masks and probabilities on its grid; shapes and answers.
        at: LPS millimetres of a point in all three planes. Left out: :func:`medlib.planes.focus`.
        window: the values drawn black and white. Left out: :func:`medlib.planes.default_window`.
        opacity: of the structures' filling, 0 to 1; outlines are always drawn.
        label: the one whose probability is drawn. Left out: everywhere that of the likeliest.

    Returns:
        A matplotlib figure; ``figure.savefig("picture.png")`` writes it.

    Raises:
        ValueError: when a mask is not on the scan's grid, ``at`` lies outside it, there are two
            scans, or no label of the name.

    Example:
        >>> import torch
        >>> from medlib.types import CTVolume, Labels
        >>> grid = Grid.from_axes((8, 8, 8))
        >>> mask = Mask(torch.ones(1, 8, 8, 8, dtype=torch.uint8), grid, Labels.of(["cube"]))
        >>> len(show(CTVolume(torch.zeros(1, 8, 8, 8), grid), mask, at=(2, 2, 5)).axes)
        3
    """
    raise AssertionError


@dataclass(frozen=True)
class _Row:
    """A row of panels: a scan, perhaps, and what is drawn on it."""

    title: str
    scan: Volume | None
    overlays: tuple[Kind, ...]


@show.register
def _(value: Kind, *more: Kind, **how: Any) -> Figure:
    values = (value, *more)
    scans = [v for v in values if isinstance(v, Volume | MultiVolume)]
    if len(scans) > 1:
        raise ValueError(
            f"one scan is shown at a time, and there are {len(scans)}; series on one grid can be "
            "joined in a MultiVolume"
        )
    overlays = tuple(v for v in values if not isinstance(v, Volume | MultiVolume))
    scan = scans[0] if scans else None
    if isinstance(scan, MultiVolume):
        parts = zip(scan.names, scan.parts, strict=True)
        return _figure([_Row(name, part, overlays) for name, part in parts], **how)
    return _figure([_Row("", scan, overlays)], **how)


@show.register
def _(value: Volume, truth: Mask | Boxes, prediction: Mask | Boxes, **how: Any) -> Figure:
    rows = [_Row("reference", value, (truth,)), _Row("prediction", value, (prediction,))]
    return _figure(rows, **how)


def show_plane(
    plane: str,
    scan: Volume,
    *overlays: Kind,
    at: npt.ArrayLike,
    window: tuple[float, float] | None = None,
    opacity: float = 0.22,
    label: str | None = None,
) -> Figure:
    """One plane through a point, in a square picture without title or legend: for a viewer.

    Fine lines show where the other two planes cut this one. Drawn again and again, it is quickest
    with values that are :func:`medlib.planes.upright` already.

    Args:
        plane: one of :data:`medlib.planes.PLANES`.
        scan: to draw.
        overlays: as :func:`show` takes them.
        at: LPS millimetres of a point in the plane.
        window: the values drawn black and white. Left out: :func:`medlib.planes.default_window`.
        opacity: of the structures' filling, 0 to 1; outlines are always drawn.
        label: the one whose probability is drawn. Left out: everywhere that of the likeliest.

    Raises:
        KeyError: when there is no such plane.
        ValueError: when a mask is not on the scan's grid, or ``at`` lies outside it.

    Example:
        >>> import torch
        >>> from medlib.planes import CT_WINDOWS
        >>> scan = Volume(torch.zeros(1, 8, 8, 8), Grid.from_axes((8, 8, 8)))
        >>> len(show_plane("axial", scan, at=(2, 2, 5), window=CT_WINDOWS["lung"]).axes)
        1
    """
    from matplotlib.figure import Figure

    check_grids(scan.grid, *overlays)
    raised = upright(scan)
    figure = Figure(figsize=(5, 5), facecolor="black")
    panel = Panel(
        figure.add_axes((0, 0, 1, 1)),
        PLANES[plane],
        raised.grid,
        voxel_at(raised.grid, at),
        window=default_window(scan) if window is None else window,
        opacity=opacity,
        label=label,
        projected=isinstance(scan, Radiograph),
    )
    for value in (raised, *map(_upright, overlays)):
        draw(value, panel)
    panel.frame()
    panel.cross()
    return figure


def _figure(
    rows: Sequence[_Row],
    *,
    at: npt.ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    opacity: float = 0.22,
    label: str | None = None,
) -> Figure:
    from matplotlib.figure import Figure

    overlays = [value for row in rows for value in row.overlays]
    _check_label(label, overlays)
    caption = dict.fromkeys(describe(v) for v in overlays if isinstance(v, Answer))
    if rows[0].scan is None and all(isinstance(v, Answer) for v in overlays):
        figure = Figure(figsize=(6, 0.8 + 0.4 * len(caption)), facecolor="black")
        figure.text(0.5, 0.5, verbatim("\n".join(caption)), color="white", ha="center", va="center")
        return figure
    given = _grid_of(rows)
    check_grids(given, *overlays)
    radiograph = isinstance(rows[0].scan, Radiograph)
    names = [_FACING.get(given.orientation[0], "sagittal")] if radiograph else list(PLANES)
    rows = [_Row(r.title, _upright(r.scan), tuple(map(_upright, r.overlays))) for r in rows]
    grid = given.reoriented("SPL")
    seen = [value for row in rows for value in row.overlays]
    voxel = voxel_at(grid, focus(grid, *seen) if at is None else at)

    size = (6.0, 6.4) if radiograph else (12.0, 4.2 * len(rows))
    figure = Figure(figsize=size, facecolor="black", layout="constrained")
    panels = figure.subplots(len(rows), len(names), squeeze=False)
    legend: dict[str, str] = {}
    for row, line in zip(rows, panels, strict=True):
        shades = (0.0, 1.0) if row.scan is None else default_window(row.scan)
        for name, axes in zip(names, line, strict=True):
            panel = Panel(axes, PLANES[name], grid, voxel, window=window or shades,
                          opacity=opacity, label=label, projected=radiograph)  # fmt: skip
            for value in (*((row.scan,) if row.scan else ()), *row.overlays):
                legend |= draw(value, panel)
            panel.frame()
            axes.set_title(name, color="white", fontsize=10)
        line[0].set_ylabel(verbatim(row.title), color="white", fontsize=13)
    explain(figure, legend, columns=6)
    if caption:
        figure.suptitle("\n".join(caption), color="white", fontsize=11)
    if any(isinstance(value, Probabilities) for value in seen):
        _heat_scale(figure, panels, label or "the likeliest structure")
    return figure


def _upright(value: Any) -> Any:
    return upright(value) if isinstance(value, Gridded) else value


def _grid_of(rows: Sequence[_Row]) -> Grid:
    """The grid to draw on: of the scan, of a mask, or one of 1 mm about all shapes."""
    values = [value for row in rows for value in (row.scan, *row.overlays)]
    for value in values:
        if isinstance(value, Gridded):
            return value.grid
    shapes = [to_numpy(value).reshape(-1, 3) for value in values if isinstance(value, Shape)]
    places = np.concatenate(shapes)
    if not len(places):
        raise ValueError("there is nothing to show: no scan, and shapes without a single place")
    low, high = places.min(0) - _MARGIN_MM, places.max(0) + _MARGIN_MM
    return Grid.from_axes(np.ceil(high - low)[::-1].astype(int).tolist(), origin=low.tolist())


def _check_label(label: str | None, overlays: Iterable[Kind]) -> None:
    for value in overlays:
        if label is not None and isinstance(value, Probabilities) and label not in value.labels:
            raise ValueError(
                f"there is no probability of {label!r}; there is of: "
                f"{', '.join(value.labels.names)}"
            )


def explain(figure: Figure, legend: Mapping[str, str], *, columns: int) -> None:
    """Say below a figure what its colours mean.

    Args:
        figure: laid out with constraints, so that there is room.
        legend: the colour of each name.
        columns: names beside one another, at most.
    """
    from matplotlib.lines import Line2D

    if legend:
        figure.legend(
            handles=[
                Line2D([], [], color=c, lw=3, label=verbatim(name)) for name, c in legend.items()
            ],
            loc="outside lower center",
            ncols=min(columns, len(legend)),
            facecolor="black",
            labelcolor="white",
            edgecolor="none",
        )


def _heat_scale(figure: Figure, panels: Any, of: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), HEAT), ax=panels.ravel().tolist(), shrink=0.7
    )
    bar.set_label(f"probability of {of}", color="white")
    bar.ax.tick_params(colors="white")


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
