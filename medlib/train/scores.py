"""How good the predictions of many cases are: one measure by case and part, and its means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan, nan
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from medlib.train import froc
from medlib.train.metrics import dice, metrics
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
    """

    cases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    measure: str = "Dice"
    errors: bool = False
    overall: Mapping[str, float] = field(default_factory=dict)

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
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scores:
        """The scores that :meth:`to_dict` wrote, to five digits."""
        cases = {
            case: {name: nan if value is None else value for name, value in row.items()}
            for case, row in values["cases"].items()
        }
        overall = {n: nan if value is None else value for n, value in values["overall"].items()}
        return cls(cases, values["measure"], values["errors"], overall)


def scored(predictions: Iterable[tuple[str, Kind, Kind]]) -> Scores:
    """The scores of many cases, by the kinds of their predictions and truths.

    Masks are scored by Dice, landmarks by the distance in millimetres, categories by the
    probability given to the truth (together by the area under the ROC curve and balanced
    accuracy), measurements by the absolute error, boxes by each case's average precision (together
    by FROC and mean average precision; see :mod:`medlib.train.froc`).

    Args:
        predictions: (name, prediction, truth) of each case.

    Example:
        >>> found = Measurement(31.0, "ml", "spleen"), Measurement(30.0, "ml", "spleen")
        >>> scored([("a", *found)]).labels
        {'spleen': 1.0}
    """
    rows, pairs = {}, []
    measure, errors = "Dice", False
    for name, prediction, truth in predictions:
        rows[name], measure, errors = row(prediction, truth)
        if isinstance(prediction, Belief | Boxes):  # small enough to be kept
            pairs.append((prediction, truth))
    return Scores(rows, measure, errors, overall(*pairs[0], pairs) if pairs else {})


@verb
def row(prediction: Kind, truth: Kind) -> tuple[dict[str, float], str, bool]:
    """One case's part of the scores: the measure of each part, its name, and if less is better."""
    raise AssertionError


@row.register
def _(prediction: Mask, truth: Mask) -> tuple[dict[str, float], str, bool]:
    return dice(prediction, truth), "Dice", False


@row.register
def _(prediction: Points, truth: Points) -> tuple[dict[str, float], str, bool]:
    found = metrics(prediction, truth)
    return {m.of: m.value for m in found if m.of}, "error in mm", True


@row.register
def _(prediction: Belief, truth: Category) -> tuple[dict[str, float], str, bool]:
    share = prediction.shares[truth.index]
    return {truth.name: share}, "probability of the truth", False


@row.register
def _(prediction: Belief, truth: Categories) -> tuple[dict[str, float], str, bool]:
    each = zip(prediction.vocabulary, prediction.shares, truth.vector.tolist(), strict=True)
    found = {name: share if true else 1 - share for name, share, true in each}
    return found, "probability of the truth", False


@row.register
def _(prediction: Measurement, truth: Measurement) -> tuple[dict[str, float], str, bool]:
    error = abs(prediction.to(truth.unit).value - truth.value)
    return {truth.name: error}, f"error in {truth.unit}", True


@row.register
def _(prediction: Boxes, truth: Boxes) -> tuple[dict[str, float], str, bool]:
    """NaN where there is nothing to be found: false positives there count in the overall figures."""
    found = {m.of: m.value for m in metrics(prediction, truth) if m.name == "AP"}
    return (
        {name: found[name] if froc.of_label(truth, name) else nan for name in truth.labels.names},
        "average precision",
        False,
    )


@verb
def overall(prediction: Kind, truth: Kind, pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    """Figures of all cases together, which no mean of the cases' own gives.

    Args:
        prediction: the first, by whose kind they are found.
        truth: the first.
        pairs: (prediction, truth) of all cases.
    """
    raise AssertionError


@overall.register
def _(prediction: Belief, truth: Kind, pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    return _together([belief for belief, _ in pairs], [true_words(each) for _, each in pairs])


@overall.register
def _(prediction: Boxes, truth: Boxes, pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    return froc.together(pairs)


def true_words(truth: Kind) -> Sequence[bool]:
    """For each word of the vocabulary, whether it is true."""
    if isinstance(truth, Category):
        return [word == truth.name for word in truth.vocabulary]
    assert isinstance(truth, Categories)
    return [bool(true) for true in truth.vector]


def _together(beliefs: Sequence[Belief], truths: Sequence[Sequence[bool]]) -> dict[str, float]:
    """Area under the ROC curve and balanced accuracy, each the mean over what can be told apart."""
    shares, true = np.array([b.shares for b in beliefs]), np.array(truths)
    if beliefs[0].exclusive:
        said = shares.argmax(1)[:, None] == np.arange(shares.shape[1])
        recalls = [float(said[t, k].mean()) for k, t in enumerate(true.T) if t.any()]
        balanced = fmean(recalls)
    else:
        said = shares >= 0.5
        both = [(said[:, k], t) for k, t in enumerate(true.T) if t.any() and not t.all()]
        balanced = _mean([float((s[t].mean() + (~s[~t]).mean()) / 2) for s, t in both])
    areas = [area_under_roc(shares[:, k], t) for k, t in enumerate(true.T)]
    return {"AUROC": _mean(areas), "balanced accuracy": balanced}


def area_under_roc(shares: npt.NDArray[np.float64], true: npt.NDArray[np.bool_]) -> float:
    """How often a true case is believed more than a false one; ties count half (Mann and Whitney).

    NaN where all cases are true, or none.

    Example:
        >>> area_under_roc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
        0.75
    """
    from scipy.stats import rankdata

    positive, negative = int(true.sum()), int((~true).sum())
    if not positive or not negative:
        return nan
    ranks = rankdata(shares)[true].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not isnan(v)]
    return fmean(known) if known else nan


def plain(value: float) -> float | None:
    """A figure as JSON has it, to five digits; None where there is nothing to say."""
    return round(value, 5) if isfinite(value) else None
