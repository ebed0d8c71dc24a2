"""What a trained model makes of cases that it did not learn from: every figure of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from medlib.report.results import Ends, Result
from medlib.train import Learner, Metric, metrics, scored
from medlib.train.answers import average_precision, of_known, true_words
from medlib.train.intervals import Interval, area, bootstrap, overall_intervals
from medlib.train.lesions import COUNTS
from medlib.train.totals import Total, of_lesions, totals
from medlib.types import Answer, Belief, Boxes, Categories, Category, Kind

if TYPE_CHECKING:
    from medlib.cross_validation import CrossValidation


@dataclass(frozen=True)
class Examination:
    """What a trained model makes of cases that it did not learn from.

    Args:
        metrics: of each case.
        patients: whose each case is.
        answers: of each case that is answered in words, numbers or boxes, what was said and the
            truth.
        models: of each of these, which of several models said it; None for a single model.
        worst: results, the worst first.
        best: results, the best first; none of them among the worst.
    """

    metrics: Mapping[str, tuple[Metric, ...]]
    patients: Mapping[str, str]
    answers: Mapping[str, tuple[Kind, Kind]]
    models: Mapping[str, int] | None = None
    worst: tuple[Result, ...] = ()
    best: tuple[Result, ...] = ()

    @classmethod
    def of(cls, learner: Learner, *, ends: int = 3) -> Examination:
        """Predict and measure all validation cases.

        Args:
            learner: with its weights as they are to be kept.
            ends: how many of the worst and of the best to keep whole.
        """
        found, answers, row = {}, {}, Ends(worst=ends, best=ends)
        for number, (name, prediction, truth) in enumerate(learner.predictions()):
            found[name] = metrics(prediction, truth)
            row.add(Result.of(number, name, prediction, truth, found[name]))
            if isinstance(prediction, Answer | Boxes):
                answers[name] = prediction, truth
        patients = {case.name: case.patient for case in learner.data.valid.cases}
        return cls(found, patients, answers, None, tuple(row.worst), tuple(row.best))

    @classmethod
    def of_folds(cls, found: CrossValidation) -> Examination:
        """What each fold's model made of the cases that it did not learn from."""
        models = {name: k for k, fold in enumerate(found.folds) for name, *_ in fold.answers}
        answers = {name: (said, so) for fold in found.folds for name, said, so in fold.answers}
        return cls(found.scores.metrics, found.patients, answers, models)

    @cached_property
    def totals(self) -> tuple[Total, ...]:
        """Every figure of every part, with its interval."""
        return totals(self.metrics, self.patients)

    @cached_property
    def overall(self) -> dict[str, Interval]:
        """Figures of all cases together, of answers and boxes, with their intervals."""
        pairs = ((name, *pair) for name, pair in self.answers.items())
        return overall_intervals(scored(pairs, within=self.models), self.patients)

    @cached_property
    def told(self) -> dict[str, tuple[Metric, ...]]:
        """The metrics of each case, without lesions of structures that come in one piece."""
        pieces = of_lesions(self.metrics)
        return {
            case: tuple(one for one in row if one.name not in COUNTS or one.of in pieces)
            for case, row in self.metrics.items()
        }

    def words(self) -> Iterator[tuple[str, Interval, Interval, float]]:
        """Of each word that some cases are and others are not: AUROC, average precision, and share."""
        pairs = [
            (case, said, so)
            for case, (said, so) in self.answers.items()
            if isinstance(said, Belief) and isinstance(so, Category | Categories)
        ]
        whose = [self.patients[case] for case, *_ in pairs]
        within = None if self.models is None else [self.models[case] for case, *_ in pairs]
        for number, word in enumerate(pairs[0][1].vocabulary if pairs else ()):
            shares = np.array([said.shares[number] for _, said, _ in pairs])
            true = np.array([true_words(so)[number] for *_, so in pairs], dtype=np.float64)
            under, precision = (
                bootstrap(of_known(figure, shares, true, within=within), whose)
                for figure in (area, average_precision)
            )
            if not isnan(under.value):
                yield word, under, precision, float(np.nanmean(true))
