"""How good the predictions of many cases are: one measure by case and part, and its means."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan, nan
from statistics import fmean
from typing import Any

import numpy as np

from medlib.train import answers, froc
from medlib.train.intervals import Figure
from medlib.train.masks import without_surfaces
from medlib.train.metrics import Metric, Metrics, metrics
from medlib.types import Belief, Boxes, Categories, Category, Kind, Mask, Measurement, Points, verb


@dataclass(frozen=True)
class Scores:
    """One measure by case and part (label, landmark, answer).

    Args:
        cases: for each case, the measure of each part; NaN where it says nothing.
        measure: what it is, such as ``"Dice"`` or ``"error in mm"``.
        errors: whether less is better.
        overall: figures of all cases together, such as ``{"AUROC": 0.91}``; the first of them, if
            any, is what models are compared by.
        metrics: all that was measured of each case; see :func:`scored`.
        figures: from how often each case counts to each figure of ``overall``, for intervals. They
            are not written to files.
    """

    cases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    measure: str = "Dice"
    errors: bool = False
    overall: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, Metrics] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict, compare=False, repr=False)

    @property
    def labels(self) -> dict[str, float]:
        """Mean of each part over the cases that say something about it."""
        names = list(dict.fromkeys(name for row in self.cases.values() for name in row))
        found = {name: [row[name] for row in self.cases.values() if name in row] for name in names}
        return {name: _mean(values) for name, values in found.items()}

    @property
    def mean(self) -> float:
        """Mean over parts of :attr:`labels`; NaN when there is nothing to say."""
        return _mean(list(self.labels.values()))

    @property
    def merit(self) -> float:
        """The figure that models are compared by: more is better."""
        first = next(iter(self.overall.values()), nan)
        if not isnan(first):
            return first
        return -self.mean if self.errors else self.mean

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where there is nothing to say."""
        return {
            "measure": self.measure,
            "errors": self.errors,
            "mean": plain(self.mean),
            "labels": {name: plain(value) for name, value in self.labels.items()},
            "overall": {name: plain(value) for name, value in self.overall.items()},
            "cases": {
                case: {name: plain(value) for name, value in row.items()}
                for case, row in self.cases.items()
            },
            "metrics": {
                case: [[one.of, one.name, told(one.value), one.unit] for one in row]
                for case, row in self.metrics.items()
            },
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scores:
        """The scores that :meth:`to_dict` wrote, to five digits."""
        cases = {
            case: {name: nan if value is None else value for name, value in row.items()}
            for case, row in values["cases"].items()
        }
        overall = {n: nan if value is None else value for n, value in values["overall"].items()}
        rows = {
            case: tuple(Metric(of, name, _read(value), unit) for of, name, value, unit in row)
            for case, row in values["metrics"].items()
        }
        return cls(cases, values["measure"], values["errors"], overall, rows)


def scored(
    predictions: Iterable[tuple[str, Kind, Kind]],
    *,
    within: Mapping[str, Hashable] | None = None,
    surfaces: bool = True,
) -> Scores:
    """The scores of many cases, by the kinds of their predictions and truths.

    Masks are scored by Dice, landmarks by the distance in millimetres, categories by the
    probability given to the truth (together by the figures of :mod:`medlib.train.answers`),
    measurements by the absolute error, boxes by each case's average precision (together by FROC
    and mean average precision; see :mod:`medlib.train.froc`). All else that
    :func:`medlib.train.metrics` says of each case is kept beside.

    Args:
        predictions: (name, prediction, truth) of each case.
        within: of each case, which model predicted it, where there are several.
        surfaces: whether the surfaces of masks are compared too, which takes longest.

    Example:
        >>> found = Measurement(31.0, "ml", "spleen"), Measurement(30.0, "ml", "spleen")
        >>> scored([("a", *found)]).labels
        {'spleen': 1.0}
    """
    each = [looked_at(*one, surfaces=surfaces) for one in predictions]
    return put_together(each, within=within)


@dataclass(frozen=True)
class Looked:
    """What was measured of one case.

    Args:
        name: of the case.
        row: the measure of each part.
        measure: what it is.
        errors: whether less is better.
        metrics: all that was measured.
        pair: (prediction, truth), where they are small and count in figures of all cases together.
    """

    name: str
    row: Mapping[str, float]
    measure: str
    errors: bool
    metrics: Metrics
    pair: tuple[Kind, Kind] | None


def looked_at(name: str, prediction: Kind, truth: Kind, *, surfaces: bool = True) -> Looked:
    """One case's part of the scores; see :func:`scored`."""
    if isinstance(prediction, Mask) and isinstance(truth, Mask) and not surfaces:
        measured = without_surfaces(prediction, truth)
    else:
        measured = metrics(prediction, truth)
    pair = (prediction, truth) if isinstance(prediction, Belief | Boxes) else None
    parts, measure, errors = row(prediction, truth, measured)
    return Looked(name, parts, measure, errors, measured, pair)


def put_together(each: Sequence[Looked], *, within: Mapping[str, Hashable] | None = None) -> Scores:
    """The scores of many cases; see :func:`scored`."""
    pairs = {one.name: one.pair for one in each if one.pair is not None}
    models = None if within is None else [within[name] for name in pairs]
    figures = overall(*next(iter(pairs.values())), [*pairs.values()], models) if pairs else {}
    once = np.ones((1, len(pairs)))
    together = {name: float(figure(once)[0]) for name, figure in figures.items()}
    rows = {one.name: one.row for one in each}
    measured = {one.name: one.metrics for one in each}
    measure, errors = (each[-1].measure, each[-1].errors) if each else ("Dice", False)
    return Scores(rows, measure, errors, together, measured, figures)


@verb
def row(prediction: Kind, truth: Kind, found: Metrics) -> tuple[dict[str, float], str, bool]:
    """One case's part of the scores: the measure of each part, its name, and if less is better.

    Args:
        prediction: of the case.
        truth: of the case.
        found: what :func:`medlib.train.metrics` says of it.
    """
    raise AssertionError


@row.register
def _(prediction: Mask, truth: Mask, found: Metrics) -> tuple[dict[str, float], str, bool]:
    return {one.of: one.value for one in found if one.name == "Dice"}, "Dice", False


@row.register
def _(prediction: Points, truth: Points, found: Metrics) -> tuple[dict[str, float], str, bool]:
    return {m.of: m.value for m in found if m.of}, "error in mm", True


@row.register
def _(prediction: Belief, truth: Category, found: Metrics) -> tuple[dict[str, float], str, bool]:
    share = prediction.shares[truth.index]
    return {truth.name: share}, "probability of the truth", False


@row.register
def _(prediction: Belief, truth: Categories, found: Metrics) -> tuple[dict[str, float], str, bool]:
    each = zip(prediction.vocabulary, prediction.shares, truth.answered, strict=True)
    given = {n: nan if so is None else share if so else 1 - share for n, share, so in each}
    return given, "probability of the truth", False


@row.register
def _(
    prediction: Measurement, truth: Measurement, found: Metrics
) -> tuple[dict[str, float], str, bool]:
    error = abs(prediction.to(truth.unit).value - truth.value)
    return {truth.name: error}, f"error in {truth.unit}", True


@row.register
def _(prediction: Boxes, truth: Boxes, found: Metrics) -> tuple[dict[str, float], str, bool]:
    """NaN where there is nothing to be found: false positives there count in the overall figures."""
    each = {one.of: one.value for one in found if one.name == "AP"}
    return (
        {name: each[name] if froc.of_label(truth, name) else nan for name in truth.labels.names},
        "average precision",
        False,
    )


@verb
def overall(
    prediction: Kind,
    truth: Kind,
    pairs: Sequence[tuple[Any, Any]],
    within: Sequence[Hashable] | None,
) -> dict[str, Figure]:
    """Figures of all cases together, which no mean of the cases' own gives.

    Args:
        prediction: the first, by whose kind they are found.
        truth: the first.
        pairs: (prediction, truth) of all cases.
        within: of each case, which model predicted it, where there are several.
    """
    raise AssertionError


@overall.register
def _(prediction: Belief, truth: Kind, pairs: Any, within: Any) -> dict[str, Figure]:
    beliefs, truths = zip(*pairs, strict=True)
    return answers.figures(beliefs, truths, within=within)


@overall.register
def _(prediction: Boxes, truth: Boxes, pairs: Any, within: Any) -> dict[str, Figure]:
    # Over models too, as LUNA16 does it: scores that stand for other things cost hits.
    return froc.figures(pairs)


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not isnan(v)]
    return fmean(known) if known else nan


def plain(value: float) -> float | None:
    """A figure as JSON has it, to five digits; None where there is nothing to say."""
    return round(value, 5) if isfinite(value) else None


def told(value: float) -> float | str | None:
    """A figure as JSON has it; a distance to what was missed is ``"inf"``, which is no nothing."""
    return plain(value) if isfinite(value) or isnan(value) else str(value)


def _read(value: float | str | None) -> float:
    return nan if value is None else float(value)
