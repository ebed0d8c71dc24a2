"""Pictures of many cases at once: what a network is shown, and what it made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from medlib.data import Batch, Datasets
from medlib.overlays import draw
from medlib.pictures import explain, show
from medlib.planes import PLANES, Panel, default_window, focus, upright, verbatim, voxel_at
from medlib.report.results import Ends, Result, scan_of, where_to_look
from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.train import Learner
from medlib.types import (
    Answer,
    Boxes,
    Gridded,
    Kind,
    Mask,
    MultiVolume,
    Points,
    Radiograph,
    Reference,
    Shape,
    Volume,
    describe,
    verb,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = 3.2  # a panel
_BESIDE = 4  # panels in a row of a batch


@verb
def show_batch(source: Batch | Datasets, *, count: int = 8) -> Figure:
    """What the network is shown: scans as they were prepared and augmented, with their targets.

    Each is cut once, across its coarsest axis, where most of the target is. Of several series
    each has its own panel.

    Args:
        source: a batch, or datasets to draw one from.
        count: items at most.

    Raises:
        ValueError: for a batch without grids, which does not say where its voxels are.

    Example:
        >>> import torch
        >>> from medlib.types import Category
        >>> what = Category("benign", ("benign", "malignant"))
        >>> batch = Batch(torch.rand(2, 1, 8, 8, 8), (what, what), (Grid.from_axes((8, 8, 8)),) * 2)
        >>> len(show_batch(batch).axes)
        2
    """
    raise AssertionError


@show_batch.register
def _(source: Datasets, *, count: int = 8) -> Figure:
    return show_batch(next(source.batches(batch_size=count)), count=count)  # type: ignore[no-any-return]


@show_batch.register
def _(source: Batch, *, count: int = 8) -> Figure:
    if len(source.grids) < len(source.targets):
        raise ValueError(
            "the batch does not say on which grids its items lie; make it with medlib.data.collate"
        )
    panels = list(_items(source, count))
    across = min(_BESIDE, len(panels))
    figure, places = _sheet(-(-len(panels) // across), across)
    legend: dict[str, str] = {}
    for axes, panel in zip_longest(places, panels):
        if panel is None:
            axes.set_axis_off()
            continue
        title, scan, overlays = panel
        legend |= _draw(axes, scan, overlays, focus(scan.grid, *overlays), title)
    explain(figure, legend, columns=4)
    return figure


def _items(batch: Batch, count: int) -> Iterator[tuple[str, Volume, tuple[Kind, ...]]]:
    """(title, scan, what is drawn on it) of each panel; scans to be made have panels of their own."""
    series = batch.x.shape[1]
    names = batch.names or ("",) * len(batch.targets)
    rows = list(zip(names, batch.grids, map(_on_cpu, batch.targets), strict=True))[:count]
    for scans, (name, grid, target) in zip(batch.x.cpu(), rows, strict=False):
        said = describe(target) if isinstance(target, Answer) else ""
        wanted = list(_to_be_made(target))
        for number, scan in enumerate(scans, 1):
            which = f"series {number}" if series > 1 else ""
            title = "\n".join(part for part in (name, which, said) if part)
            yield title, Volume(scan[None], grid), () if wanted else (target,)
        for made in wanted:
            yield f"{name}\nto be made", made, ()


def _to_be_made(target: Kind) -> tuple[Volume, ...]:
    scan = target.scan if isinstance(target, Reference) else target
    if isinstance(scan, MultiVolume):
        return scan.parts
    return (scan,) if isinstance(scan, Volume) else ()


def _on_cpu(value: Kind) -> Kind:
    return replace(value, data=value.data.cpu()) if isinstance(value, Gridded) else value


def show_results(learner: Learner, *, count: int = 4) -> Figure:
    """The validation cases that the model does worst on, each beside the truth, worst first.

    Each is cut once, where prediction and reference differ most.

    Args:
        learner: all of its validation cases are predicted.
        count: of cases to show.

    Raises:
        ValueError: when there is no validation case of which anything can be said.
    """
    data, ends = learner.data.valid, Ends(worst=count, best=0)
    for number, (name, prediction, truth) in enumerate(learner.predictions()):
        ends.add(Result.of(number, name, prediction, truth))
    if not ends.worst:
        raise ValueError("no validation case says anything about the model; are there any labels?")
    return side_by_side([(scan_of(data, result.number), result) for result in ends.worst])


def side_by_side(results: Sequence[tuple[Volume, Result]]) -> Figure:
    """Reference and prediction of each case in a row; of answers, the scan with both in words."""
    answered = all(isinstance(result.truth, Answer) for _, result in results)
    heads = ("",) if answered else ("reference", "prediction")
    figure, places = _sheet(len(results), len(heads), extra=0.4)
    panels, legend = iter(places), dict[str, str]()
    for scan, result in results:
        at = where_to_look(result, scan.grid)
        for head, value in zip(heads, (result.truth, result.prediction), strict=False):
            title = f"{head}\n{result}" if head else f"{result}\n{in_words(result)}"
            if isinstance(value, Volume):  # a scan that was made is drawn in its own greys
                legend |= _draw(next(panels), value, (), at, title)
            else:
                legend |= _draw(next(panels), scan, (value,), at, title)
    explain(figure, legend, columns=4)
    return figure


def in_words(result: Result) -> str:
    """What was said and what is true, of answers; of places nothing."""
    if not isinstance(result.truth, Answer):
        return ""
    return f"reference: {_word(result.truth)}\nprediction: {_word(result.prediction)}"


def _word(answer: Kind) -> str:
    words: str = describe(answer)
    return words.partition(" (of ")[0]


@verb
def compare(truth: Kind, prediction: Kind, *, scan: Volume, at: FloatArray) -> Figure:
    """Reference and prediction on the scan in three planes; see :func:`medlib.show`.

    Args:
        truth: what is so.
        prediction: what the model says.
        scan: of the case.
        at: LPS millimetres of a point in all three planes.
    """
    raise AssertionError


@compare.register
def _(truth: Mask, prediction: Mask, *, scan: Volume, at: FloatArray) -> Figure:
    return show(scan, truth, prediction, at=at)  # type: ignore[no-any-return]


@compare.register
def _(truth: Volume, prediction: Volume, *, scan: Volume, at: FloatArray) -> Figure:
    rows = MultiVolume((scan, truth, prediction), ("shown", "reference", "prediction"))
    return show(rows, at=at)  # type: ignore[no-any-return]


@compare.register
def _(truth: MultiVolume, prediction: MultiVolume, *, scan: Volume, at: FloatArray) -> Figure:
    made = [(f"{name} (predicted)", prediction[name]) for name in truth.names]
    names, parts = zip(*zip(truth.names, truth.parts, strict=True), *made, strict=True)
    return show(MultiVolume(parts, names), at=at)  # type: ignore[no-any-return]


@compare.register
def _(truth: Boxes, prediction: Boxes, *, scan: Volume, at: FloatArray) -> Figure:
    return show(scan, truth, prediction, at=at)  # type: ignore[no-any-return]


@compare.register
def _(truth: Points, prediction: Points, *, scan: Volume, at: FloatArray) -> Figure:
    return show(scan, _Apart(truth, prediction), at=at)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Apart(Shape):
    """Landmarks where they are, and where they were said to be."""

    truth: Points
    prediction: Points


@draw.register
def _(value: _Apart, panel: Panel) -> dict[str, str]:
    colours = {"reference": "#00E5FF", "prediction": "#FF9F1C"}
    ends = [panel.place(points.coordinates) for points in (value.truth, value.prediction)]
    for (start, stop), name in zip(zip(*ends, strict=True), value.truth.names, strict=True):
        clear = panel.nearness(np.array([start[2], stop[2]]))
        panel.axes.plot(*np.array([start[:2], stop[:2]]).T, color="white", lw=0.8, alpha=max(clear))
        for (x, y, _), colour, mark, alpha in zip(
            (start, stop), colours.values(), "ox", clear, strict=True
        ):
            panel.axes.plot(x, y, mark, ms=7, mew=1.8, mec=colour, mfc="none", alpha=alpha)
        if clear[0]:
            panel.write(name, *start[:2], colour=colours["reference"], clear=clear[0])
    return colours


@compare.register
def _(truth: Answer, prediction: Answer, *, scan: Volume, at: FloatArray) -> Figure:
    return show(scan, at=at)  # type: ignore[no-any-return]


# --- panels -------------------------------------------------------------------------------


def _sheet(rows: int, columns: int, *, extra: float = 0.2) -> tuple[Figure, Iterable[Axes]]:
    """A dark figure, and its panels row by row."""
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(_INCHES * columns, (_INCHES + extra) * rows + 0.3),
        facecolor="black",
        layout="constrained",
    )
    places: Any = figure.subplots(rows, columns, squeeze=False)
    return figure, list(places.ravel())


def _draw(
    axes: Axes, scan: Volume, overlays: Sequence[Kind], at: FloatArray, title: str
) -> Mapping[str, str]:
    """Draw one plane, and say what was drawn in which colour."""
    raised = upright(scan)
    panel = Panel(
        axes,
        PLANES[_plane(raised.grid)],
        raised.grid,
        voxel_at(raised.grid, at),
        window=default_window(scan),
        projected=isinstance(scan, Radiograph),
    )
    legend: dict[str, str] = {}
    for value in (raised, *(upright(v) if isinstance(v, Gridded) else v for v in overlays)):
        legend |= draw(value, panel)
    panel.frame()
    axes.set_title(verbatim(title), color="white", fontsize=9)
    return legend


def _plane(grid: Grid) -> str:
    """The plane with the finest pixels: across the axis of the thickest slices."""

    def thickness(name: str) -> tuple[bool, float]:
        axis = PLANES[name].axis
        return grid.shape[axis] == 1, round(grid.spacing[axis], 3)

    return max(PLANES, key=thickness)
