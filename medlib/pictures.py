"""Pictures: a scan in three planes, with structures outlined where they are.

See :mod:`medlib.planes` for how planes are drawn.
"""

from __future__ import annotations

import base64
import html
import io as bytes_io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from medlib.io.files import written_whole
from medlib.planes import PLANES, check_grids, default_window, draw, focus, upright, voxel_at
from medlib.types import Kind, Mask, Volume, verb

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@verb
def show(
    value: Kind,
    *more: Kind,
    at: npt.ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    opacity: float = 0.22,
) -> Figure:
    """A picture of ``value``; of a scan and a mask on it; of a scan, a truth and a prediction.

    Args:
        value: the scan.
        more: masks on its grid.
        at: LPS millimetres of a point in all three planes. Left out: :func:`medlib.planes.focus`.
        window: the values drawn black and white. Left out: :func:`medlib.planes.default_window`.
        opacity: of the structures' filling, 0 to 1; outlines are always drawn.

    Returns:
        A matplotlib figure; ``figure.savefig("picture.png")`` writes it.

    Raises:
        ValueError: when a mask is not on the scan's grid, or ``at`` lies outside it.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.types import CTVolume, Labels
        >>> grid = Grid.from_axes((8, 8, 8))
        >>> mask = Mask(torch.ones(1, 8, 8, 8, dtype=torch.uint8), grid, Labels.of(["cube"]))
        >>> len(show(CTVolume(torch.zeros(1, 8, 8, 8), grid), mask, at=(2, 2, 5)).axes)
        3
    """
    raise AssertionError


@show.register
def _(value: Volume, **how: Any) -> Figure:
    return _figure(value, [], **how)


@show.register
def _(value: Volume, mask: Mask, **how: Any) -> Figure:
    return _figure(value, [("", mask)], **how)


@show.register
def _(value: Volume, truth: Mask, prediction: Mask, **how: Any) -> Figure:
    return _figure(value, [("reference", truth), ("prediction", prediction)], **how)


def _figure(
    scan: Volume,
    masks: Sequence[tuple[str, Mask]],
    *,
    at: npt.ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    opacity: float = 0.22,
) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    check_grids(scan, *(mask for _, mask in masks))
    scan = upright(scan)
    outlined = [(title, upright(mask)) for title, mask in masks]
    point = focus(scan.grid, *(mask for _, mask in outlined)) if at is None else at
    voxel = voxel_at(scan.grid, point)
    shades = default_window(scan) if window is None else window
    rows: Sequence[tuple[str, Mask | None]] = outlined or [("", None)]
    figure = Figure(figsize=(12, 4.2 * len(rows)), facecolor="black", layout="constrained")
    axes = figure.subplots(len(rows), 3, squeeze=False)
    for row, (title, mask) in zip(axes, rows, strict=True):
        for panel, (name, plane) in zip(row, PLANES.items(), strict=True):
            draw(panel, plane, scan, mask, voxel, window=shades, opacity=opacity)
            panel.set_title(name, color="white", fontsize=10)
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
