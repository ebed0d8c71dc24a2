"""How each kind is drawn on a plane, by itself or on a scan.

To give a kind of one's own a picture, register :func:`draw` for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from medlib.planes import Panel
from medlib.space.grid import FloatArray
from medlib.types import (
    Answer,
    Boxes,
    Contours,
    Kind,
    Mask,
    PointCloud,
    Points,
    Probabilities,
    Volume,
    verb,
)

HEAT = "inferno"
"""Matplotlib's colours of probabilities, from 0 to 1."""

_PLAIN = "#00E5FF"  # of what no label table gives a colour
_EDGES = tuple((a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit)

Drawn = Mapping[str, str]


@verb
def draw(value: Kind, panel: Panel) -> Drawn:
    """Draw what of ``value`` lies in a plane, or near it.

    Args:
        value: volumes, masks and probabilities on the panel's grid; the others lie anywhere.
        panel: the plane; ``panel.place(points)`` says where points are in it and how deep,
            ``panel.nearness(depth)`` how clearly to draw them.

    Returns:
        For the legend, what was drawn and in which colour.
    """
    raise AssertionError


@draw.register
def _(value: Volume, panel: Panel) -> Drawn:
    black, white = panel.window
    image = panel.cut(value.data)[0].astype(np.float32)
    panel.axes.imshow(image, cmap="gray", vmin=black, vmax=white, interpolation="bilinear")
    return {}


@draw.register
def _(value: Mask, panel: Panel) -> Drawn:
    layers, drawn = panel.cut(value.data), {}
    for label in value.labels:
        where = (layers == label.id).any(0)
        if not where.any():
            continue
        drawn[label.name] = label.colour
        fill = np.zeros((*where.shape, 4), np.uint8)
        fill[where] = (*label.rgb, round(255 * panel.opacity))
        panel.axes.imshow(fill, interpolation="nearest")
        rimmed = np.pad(where, 1)  # or outlines would be open at the picture's edge
        rows, columns = (np.arange(n) - 1 for n in rimmed.shape)
        panel.axes.contour(
            columns, rows, rimmed, levels=[0.5], colors=[label.colour], linewidths=1.3
        )
    return drawn


@draw.register
def _(value: Probabilities, panel: Panel) -> Drawn:
    channels = panel.cut(value.data.float())
    names = value.labels.names
    chosen = channels[1:] if panel.label is None else channels[[1 + names.index(panel.label)]]
    heat = chosen.max(0, initial=0.0)
    # What is unlikely is clear, so that the scan shows through.
    panel.axes.imshow(heat, cmap=HEAT, vmin=0, vmax=1, alpha=np.clip(0.85 * heat, 0, 1),
                      interpolation="nearest")  # fmt: skip
    return {}


@draw.register
def _(value: Points, panel: Panel) -> Drawn:
    across, down, depth = panel.place(value.coordinates).T
    clear = panel.nearness(depth)
    panel.axes.scatter(across, down, s=40, c=_faded(clear), edgecolors=_faded(clear, "black"))
    names = value.names or ("",) * len(clear)
    for name, x, y, alpha in zip(names, across, down, clear, strict=True):
        if alpha:
            panel.write(name, x, y, colour=_PLAIN, clear=alpha)
    return {}


@draw.register
def _(value: PointCloud, panel: Panel) -> Drawn:
    across, down, depth = panel.place(value.coordinates).T
    panel.axes.scatter(across, down, s=4, c=_faded(panel.nearness(depth)), linewidths=0)
    return {}


@draw.register
def _(value: Boxes, panel: Panel) -> Drawn:
    drawn = {}
    for number, corners in enumerate(panel.place(value.corners)):
        outline = _hull(corners[:, :2]) if panel.projected else _section(corners)
        if len(outline) < 3:
            continue
        label = value.labels.by_id(value.ids[number]) if value.ids else None
        colour = label.colour if label else _PLAIN
        panel.axes.fill(*outline.T, fill=False, edgecolor=colour, linewidth=1.5)
        if label:
            drawn[label.name] = colour
        if value.scores:
            x, y = outline[outline[:, 1].argmin()]
            panel.write(f"{value.scores[number]:.2f}", x, y, colour=colour)
    return drawn


@draw.register
def _(value: Contours, panel: Panel) -> Drawn:
    drawn, half = {}, panel.grid.spacing[panel.plane.axis] / 2 + 1e-6
    for label, polygon in value:
        seen = panel.place(polygon)
        if (np.abs(seen[:, 2]) <= half).all():
            panel.axes.fill(*seen[:, :2].T, fill=False, edgecolor=label.colour, linewidth=1.5)
        else:
            crossings = np.array(list(_crossings(seen, np.roll(seen, -1, axis=0))))
            if not len(crossings):
                continue
            across, down = crossings.T
            panel.axes.scatter(across, down, s=5, color=label.colour, linewidths=0)
        drawn[label.name] = label.colour
    return drawn


@draw.register
def _(value: Answer, panel: Panel) -> Drawn:
    return {}  # it is said in the caption


def _faded(clear: FloatArray, colour: str = _PLAIN) -> FloatArray:
    """(n, 4): red, green, blue and opacity."""
    from matplotlib.colors import to_rgb

    faded: FloatArray = np.column_stack([np.tile(to_rgb(colour), (len(clear), 1)), clear])
    return faded


def _section(corners: FloatArray) -> FloatArray:
    """Where the plane cuts a box, (n, 2), in order around it."""
    starts, stops = (corners[list(ends)] for ends in zip(*_EDGES, strict=True))
    return _around(np.array(list(_crossings(starts, stops))).reshape(-1, 2))


def _crossings(starts: FloatArray, stops: FloatArray) -> Iterator[FloatArray]:
    """Where lines (across, down, depth) pass through depth 0."""
    for (*start, before), (*stop, after) in zip(starts, stops, strict=True):
        if (before < 0) != (after < 0):
            share = before / (before - after)
            yield (1 - share) * np.array(start) + share * np.array(stop)


def _around(places: FloatArray) -> FloatArray:
    """The corners of a convex polygon in order."""
    if not len(places):
        return places
    across, down = (places - places.mean(0)).T
    return places[np.argsort(np.arctan2(down, across))]


def _hull(places: FloatArray) -> FloatArray:
    from scipy.spatial import ConvexHull

    outline: FloatArray = places[ConvexHull(places).vertices]
    return outline
