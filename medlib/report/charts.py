"""Charts of a training and of what came of it; light on dark, in colours that all can tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medlib.planes import verbatim
from medlib.report.calibration import Truth, matched, reliability
from medlib.space.grid import FloatArray
from medlib.train import Scores
from medlib.train.answers import BINS, true_words
from medlib.train.record import Point
from medlib.types import Belief, Category, Measurement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DARK, LIGHT, MUTED = "#15181c", "#e8eaed", "#a9b1ba"
# Okabe and Ito's colours, those that stand out from dark (Color universal design, 2008).
COLOURS = ("#56B4E9", "#E69F00", "#CC79A7", "#F0E442", "#00B485", "#F2754E")
MARKS = "osD^vP"
_MOST = 40  # rows of a table that can still be read


def learning_curve(record: Sequence[Point]) -> Figure:
    """Loss, and scores on the validation cases, against minutes (of short trainings, seconds).

    Of more parts than can be told apart (six), their mean is drawn alone. The dashed line marks
    the scores of the weights that are kept.

    Args:
        record: of :attr:`medlib.train.Learner.record`. Trainings one after another are drawn so.

    Raises:
        ValueError: when nothing has been recorded.

    Example:
        >>> record = [Point(10, 60.0, 1.2), Point(20, 120.0, 0.8, Scores({"a": {"liver": 0.7}}))]
        >>> len(learning_curve(record).axes)
        2
    """
    if not record:
        raise ValueError("nothing has been recorded yet; train first")
    times, unit = _times(record)
    figure = figure_of(8.0, 5.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 3])
    above.plot(times, [point.loss for point in record], color=COLOURS[0], lw=1.6)
    style(above, y="loss in training")
    measured = [(t, p.scores) for t, p in zip(times, record, strict=True) if p.scores]
    if not measured:
        style(below, x=unit, y="not validated yet")
        return figure
    for name, values, colour, mark in _lines([scores for _, scores in measured]):
        below.plot(
            [t for t, _ in measured], values, color=colour, marker=mark, ms=5, label=short(name)
        )
    first = measured[0][1]
    when, _ = max(reversed(measured), key=lambda pair: (_known(pair[1].merit), pair[0]))
    below.axvline(when, color=MUTED, ls="--", lw=1, label="kept")
    names = " and ".join([first.measure, *list(first.overall)[:1]])
    style(below, x=unit, y=f"{names}\n({'less' if first.errors else 'more'} is better)")
    legend(figure, below)
    return figure


def _times(record: Sequence[Point]) -> tuple[list[float], str]:
    """When each line was written, and in which unit."""
    minutes = _minutes(record)
    return (minutes, "minutes") if minutes[-1] >= 2 else ([60 * t for t in minutes], "seconds")


def _minutes(record: Sequence[Point]) -> list[float]:
    """When each line was written, of all trainings together."""
    found, before, last = [], 0.0, 0.0
    for point in record:
        if point.seconds < last:  # the clock began anew with another training
            before += last
        last = point.seconds
        found.append((before + last) / 60)
    return found


def _lines(scores: Sequence[Scores]) -> Iterator[tuple[str, list[float], str, str]]:
    """(name, values, colour, mark) of each part, or of their mean where there are many."""
    parts = list(dict.fromkeys(name for each in scores for name in each.labels))
    if len(parts) > len(COLOURS):
        yield f"mean of {len(parts)}", [each.mean for each in scores], LIGHT, "o"
        return
    for name, colour, mark in zip(parts, COLOURS, MARKS, strict=False):
        yield name, [each.labels.get(name, nan) for each in scores], colour, mark
    if scores and scores[0].overall:
        name = next(iter(scores[0].overall))
        yield name, [each.overall.get(name, nan) for each in scores], LIGHT, "*"


def _known(value: float) -> float:
    return -np.inf if isnan(value) else value


def confusion(beliefs: Sequence[Belief], truths: Sequence[Truth]) -> Figure:
    r"""What was taken for what: rows what is so, columns what was said, with counts of cases.

    Of answers that do not exclude one another, each word has a row: found, missed, falsely found,
    rightly not found.

    Args:
        beliefs: one a case.
        truths: about the same cases.

    Raises:
        ValueError: when there are none, or they do not fit each other.

    Example:
        >>> words = ("benign", "malignant")
        >>> figure = confusion([Belief((0.2, 0.8), words)], [Category("malignant", words)])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['0', '0', '0', '1\n100 %']
    """
    pairs = matched(beliefs, truths)
    if not pairs:
        raise ValueError("there is no case to count")
    words = beliefs[0].vocabulary
    counts, columns = _counted(pairs)
    figure = figure_of(2.4 + 1.1 * len(columns), 1.6 + 0.75 * len(words))
    axes = figure.subplots()
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    _cells(axes, shares, [[_share(n, s) for n, s in zip(*row, strict=True)]
                          for row in zip(counts, shares, strict=True)], high=1.0)  # fmt: skip
    _ticks(axes, words, columns)
    square = len(counts) == counts.shape[1] and isinstance(truths[0], Category)
    style(axes, **({"x": "prediction", "y": "reference"} if square else {}), lines=False)
    return figure


def _counted(pairs: Sequence[tuple[Belief, Truth]]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Counts, (word, column), and what the columns are."""
    words = pairs[0][0].vocabulary
    if isinstance(pairs[0][1], Category):
        square = np.zeros((len(words), len(words)), dtype=np.int64)
        for belief, truth in pairs:
            assert isinstance(truth, Category)
            square[truth.index, belief.category.index] += 1
        return square, list(words)
    said = np.array([belief.categories().answered for belief, _ in pairs], dtype=bool)
    so = np.array([true_words(truth) for _, truth in pairs], dtype=np.float64)
    yes, no = so == 1, so == 0  # neither where nobody knows
    each = [said & yes, ~said & yes, said & no, ~said & no]
    return np.stack([kind.sum(0) for kind in each], 1), ["found", "missed", "false alarm", "rightly not"]  # fmt: skip


def _share(count: int, share: float) -> str:
    return f"{count}\n{share:.0%}".replace("%", " %") if count else "0"


def calibration(beliefs: Sequence[Belief], truths: Sequence[Truth], *, bins: int = BINS) -> Figure:
    """How often answers come true, by how sure the model was; on the diagonal it is as it says.

    Below, how many answers there are in each bin: where they are few, chance has its part.

    Args:
        beliefs: one a case.
        truths: about the same cases.
        bins: that 0 to 1 is divided into.

    Raises:
        ValueError: when they do not fit each other.

    Example:
        >>> words = ("benign", "malignant")
        >>> figure = calibration([Belief((0.2, 0.8), words)], [Category("malignant", words)])
        >>> figure.axes[0].get_title()
        'calibration error 0.2'
    """
    found = reliability(beliefs, truths, bins=bins)
    middles = (np.arange(bins) + 0.5) / bins
    figure = figure_of(5.2, 5.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 1], [0, 1], color=MUTED, ls="--", lw=1, label="as often as it says")
    sure, true = np.array(found.sure), np.array(found.true)
    low, high = _wilson(true, np.array(found.counts))
    above.errorbar(sure, true, yerr=(true - low, high - true), fmt="o", ms=6, lw=1.2, clip_on=False,
                   color=COLOURS[0], ecolor=COLOURS[0], label="answers, with 95 % interval")  # fmt: skip
    above.set(xlim=(0, 1), ylim=(-0.02, 1.02))
    above.set_title(f"calibration error {found.error:.2g}", color=LIGHT, fontsize=11)
    style(above, y="share that came true")
    below.bar(middles, found.counts, width=0.9 / bins, color=COLOURS[0])
    style(below, x="probability given", y="answers")
    below.yaxis.get_major_locator().set_params(integer=True, nbins=4)
    legend(figure, above)
    return figure


def _wilson(shares: FloatArray, counts: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """95 % intervals of shares (Wilson 1927), which have a width where all or none came true."""
    z2 = 1.96**2
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = (shares + z2 / (2 * counts)) / (1 + z2 / counts)
        spread = np.sqrt(shares * (1 - shares) / counts + z2 / (4 * counts**2))
        half = 1.96 * spread / (1 + z2 / counts)
    return np.minimum(middle - half, shares), np.maximum(middle + half, shares)


def agreement(predictions: Sequence[Measurement], truths: Sequence[Measurement]) -> Figure:
    """How far a measured number can stand for another (Bland and Altman, Lancet 1986).

    Left, prediction against reference; on the dashed line they are the same. Right, by how much
    they differ, against their mean: the middle line is the bias, and between the outer two, the
    limits of agreement (1.96 standard deviations to each side), lie about 95 of 100 cases. Of a
    single case there are no limits.

    Args:
        predictions: one a case.
        truths: of the same cases, in the same unit.

    Raises:
        ValueError: when there are none, or they do not fit each other.

    Example:
        >>> said = [Measurement(ml, "ml", "spleen") for ml in (31, 33, 38)]
        >>> true = [Measurement(ml, "ml", "spleen") for ml in (30, 34, 35)]
        >>> figure = agreement(said, true)
        >>> [text.get_text() for text in figure.axes[1].texts]
        ['bias 1', '4.92', '-2.92']
    """
    if not truths or len(predictions) != len(truths):
        raise ValueError(f"{len(predictions)} predictions are of other cases than {len(truths)} truths")  # fmt: skip
    unit = truths[0].unit
    said, true = (np.array([m.to(unit).value for m in ms]) for ms in (predictions, truths))
    told = "" if unit == "1" else f", {unit}"
    figure = figure_of(9.2, 4.4)
    left, right = figure.subplots(1, 2)
    ends = [min(said.min(), true.min()), max(said.max(), true.max())]
    left.plot(ends, ends, color=MUTED, ls="--", lw=1)
    left.plot(true, said, "o", ms=6, color=COLOURS[0], alpha=0.8)
    left.set_aspect("equal", adjustable="datalim")
    style(left, x=f"reference{told}", y=f"prediction{told}")
    middle, apart = (said + true) / 2, said - true
    right.plot(middle, apart, "o", ms=6, color=COLOURS[0], alpha=0.8)
    bias, deviation = float(apart.mean()), float(apart.std(ddof=1)) if len(apart) > 1 else 0.0
    for value, words in (
        (bias, "bias "),
        (bias + 1.96 * deviation, ""),
        (bias - 1.96 * deviation, ""),
    ):
        if words or deviation:
            right.axhline(value, color=COLOURS[1], lw=1.2, ls="-" if words else "--")
            right.annotate(f"{words}{value:.3g}", (1.0, value), xytext=(4, 0), color=COLOURS[1],
                           xycoords=("axes fraction", "data"), textcoords="offset points",
                           va="center", fontsize=9)  # fmt: skip
    right.margins(y=0.15)
    style(right, x=f"mean of both{told}", y=f"prediction less reference{told}")
    return figure


def case_table(scores: Scores) -> Figure:
    """The measure of each part in each case, worst case first; a dash where it says nothing.

    Of many cases, the worst 40.

    Raises:
        ValueError: when nothing has been measured.

    Example:
        >>> figure = case_table(Scores({"a": {"liver": 0.9}, "b": {"liver": 0.7}}))
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
        ['b', 'a']
    """
    parts = list(scores.labels)
    if not parts:
        raise ValueError("nothing has been measured yet; train or validate first")
    table = np.array([[row.get(p, nan) for p in parts] for row in scores.cases.values()])
    known = ~np.isnan(table)
    means = np.divide(np.where(known, table, 0).sum(1), known.sum(1),
                      out=np.full(len(table), nan), where=known.any(1))  # fmt: skip
    order = np.argsort(-means if scores.errors else means)[:_MOST]  # NaN comes last
    cases = [list(scores.cases)[k] for k in order]
    figure = figure_of(2.6 + 1.0 * len(parts), 1.4 + 0.34 * len(cases))
    axes = figure.subplots()
    finite = table[np.isfinite(table)]
    high = float(finite.max(initial=0)) or 1.0 if scores.errors else 1.0
    goodness = 1 - np.clip(table[order], 0, high) / high if scores.errors else table[order]
    _cells(axes, goodness, [[_number(value) for value in row] for row in table[order]], high=1.0)
    _ticks(axes, cases, parts)
    more = f", the worst {_MOST} of {len(table)} cases" if len(table) > _MOST else ""
    axes.set_title(f"{scores.measure}{more}", color=LIGHT, fontsize=11, pad=12)
    style(axes, lines=False)
    return figure


def _number(value: float) -> str:
    return "–" if isnan(value) else f"{value:.2f}" if isfinite(value) else "∞"


# --- style --------------------------------------------------------------------------------


def figure_of(width: float, height: float) -> Figure:
    """An empty figure, inches wide and high."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor=DARK, layout="constrained")


def style(axes: Axes, *, x: str = "", y: str = "", lines: bool = True) -> None:
    """Light on dark; what is written along the axes; and whether these are drawn."""
    axes.set_facecolor(DARK)
    axes.set_xlabel(verbatim(x), color=LIGHT)
    axes.set_ylabel(verbatim(y), color=LIGHT)
    axes.tick_params(colors=LIGHT, which="both", length=3.5 if lines else 0)
    for side, spine in axes.spines.items():
        spine.set(color=MUTED, visible=lines and side in {"left", "bottom"})


def legend(figure: Figure, axes: Axes) -> None:
    """Above all axes, where it covers nothing."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(4, len(names)),
                  labelcolor=LIGHT, facecolor=DARK, edgecolor="none", fontsize=9)  # fmt: skip


def _cells(
    axes: Axes, shades: npt.NDArray[np.float64], texts: Sequence[Sequence[str]], *, high: float
) -> None:
    """A table with shaded cells, whose words are dark on light and light on dark."""
    from matplotlib.colors import LinearSegmentedColormap

    shading = LinearSegmentedColormap.from_list("shading", ["#232a31", COLOURS[0]])
    axes.imshow(shades, cmap=shading, vmin=0, vmax=high, aspect="auto")
    rows, columns = shades.shape
    axes.hlines(np.arange(rows - 1) + 0.5, -0.5, columns - 0.5, color=DARK, lw=2)
    axes.vlines(np.arange(columns - 1) + 0.5, -0.5, rows - 0.5, color=DARK, lw=2)
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            light = shades[row, column] > 0.5 * high  # which NaN is not
            axes.text(column, row, text, ha="center", va="center", fontsize=9,
                      color="black" if light else "white")  # fmt: skip


def _ticks(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> Any:
    axes.set_yticks(range(len(rows)), [short(name) for name in rows], fontsize=9)
    turn = 35 if max(map(len, columns), default=0) > 12 and len(columns) > 1 else 0
    axes.set_xticks(range(len(columns)), [short(name) for name in columns], fontsize=9,
                    rotation=turn, ha="right" if turn else "center")  # fmt: skip
    return axes


def short(name: str) -> str:
    """A name that fits beside an axis."""
    return verbatim(name if len(name) <= 28 else f"{name[:27]}…")
