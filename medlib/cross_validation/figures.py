"""What a cross-validation found: figures of all cases, their intervals, and the folds' models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan
from statistics import fmean
from typing import Any

import numpy as np

from medlib.package import Ensemble, Model
from medlib.train import Scores, scored
from medlib.train.intervals import FloatArray, Interval, area, bootstrap, part_intervals
from medlib.train.scores import plain, true_words
from medlib.types import Belief, Kind

Answer = tuple[str, Kind, Kind]
"""A case's name, what was predicted, and the truth."""


@dataclass(frozen=True)
class Fold:
    """A model, and what it reached on patients that it never saw.

    Args:
        model: trained on all cases but these.
        scores: of the cases that were kept back.
        answers: (name, prediction, truth) of each, where it is no picture: what figures of all
            cases together are made from.
        trained_on: how many cases.
    """

    model: Model
    scores: Scores
    answers: tuple[Answer, ...]
    trained_on: int


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found; printed, it is a table.

    Args:
        folds: each case is kept back in one of them.
        patients: of each case, whose it is.
    """

    folds: tuple[Fold, ...]
    patients: Mapping[str, str]

    @cached_property
    def scores(self) -> Scores:
        """The figures of all cases, each predicted once, by a model that never saw its patient.

        The area under the ROC curve compares two cases only where one model predicted both: the
        models have no common scale (Airola et al. 2011).
        """
        first = self.folds[0].scores
        cases = {case: row for fold in self.folds for case, row in fold.scores.cases.items()}
        answers = [answer for fold in self.folds for answer in fold.answers]
        together = dict(scored(answers).overall) if answers else {}
        if "AUROC" in together:
            together["AUROC"] = float(self._area()(np.ones((1, len(answers))))[0])
        return Scores(cases, first.measure, first.errors, together)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The mean of each part (label, landmark, answer), and its 95% interval over patients.

        How the figures would be with other patients of the same sort; not how they would be with
        models that were trained on others.
        """
        found = part_intervals(self.scores, self.patients)
        if "AUROC" in self.scores.overall:
            whose = [self.patients[name] for fold in self.folds for name, *_ in fold.answers]
            found["AUROC"] = bootstrap(self._area(), whose)
        return found

    def worst(self, count: int = 5) -> list[tuple[str, float]]:
        """The cases that were predicted worst, and the mean of their figures, worst first."""
        known = {
            case: [value for value in row.values() if not isnan(value)]
            for case, row in self.scores.cases.items()
        }
        means = [(case, fmean(values)) for case, values in known.items() if values]
        return sorted(means, key=lambda pair: pair[1], reverse=self.scores.errors)[:count]

    @cached_property
    def ensemble(self) -> Ensemble:
        """All folds' models as one.

        Its own figures are not known, since each patient was seen by most of its members; it is
        mostly somewhat better than they are, and so than :attr:`scores`.

        Raises:
            ValueError: when what they find has no mean, as boxes have not.
        """
        measured = self.to_dict() | {"cases": len(self.scores.cases)}
        del measured["worst"]  # names of patients' scans stay here
        folds = [fold.trained_on for fold in self.folds]
        training = {"cases": len(self.scores.cases), "trained_on": folds}
        members = tuple(fold.model for fold in self.folds)
        return Ensemble(members, training, measured)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where there is nothing to say."""
        found = self.scores.to_dict()
        found["intervals"] = {
            name: [plain(i.low), plain(i.high)] for name, i in self.intervals.items()
        }
        found["patients"] = len(set(self.patients.values()))
        found["folds"] = [
            {
                "trained_on": fold.trained_on,
                "cases": len(fold.scores.cases),
                "mean": plain(fold.scores.mean),
                "overall": {name: plain(value) for name, value in fold.scores.overall.items()},
            }
            for fold in self.folds
        ]
        found["worst"] = [[case, plain(value)] for case, value in self.worst()]
        return found

    def __str__(self) -> str:
        scores = self.scores
        better = "0 is perfect" if scores.errors else "1 is perfect"
        rows = [f"  {name:24} {interval}" for name, interval in self.intervals.items()]
        rows += [
            f"  {name:24} {value:.3g}"
            for name, value in scores.overall.items()
            if name not in self.intervals
        ]
        worst = ", ".join(f"{case} {value:.3g}" for case, value in self.worst())
        return "\n".join(
            [
                f"{scores.measure} of {len(scores.cases)} scans of {len(set(self.patients.values()))}"
                f" patients, each predicted by a model that never saw its patient ({better}; in "
                "brackets, 95% of draws of other patients):",
                *rows,
                *(
                    f"  fold {number}: trained on {fold.trained_on}, {len(fold.scores.cases)} kept "
                    f"back: {_figure(fold.scores)}"
                    for number, fold in enumerate(self.folds, start=1)
                ),
                f"  worst: {worst}",
            ]
        )

    def _area(self) -> Callable[[FloatArray], FloatArray]:
        """The mean area over all words that can be told apart, for intervals."""
        rows = [
            (number, prediction, true_words(truth))
            for number, fold in enumerate(self.folds)
            for _, prediction, truth in fold.answers
            if isinstance(prediction, Belief)
        ]
        within = [number for number, *_ in rows]
        shares = np.array([belief.shares for _, belief, _ in rows])
        true = np.array([words for *_, words in rows])
        areas = [area(s, t, within=within) for s, t in zip(shares.T, true.T, strict=True)]

        def mean_area(weights: FloatArray) -> FloatArray:
            each = np.array([one(weights) for one in areas])
            known = ~np.isnan(each)
            total, count = np.where(known, each, 0).sum(0), known.sum(0)
            found: FloatArray = np.full(len(weights), nan)
            np.divide(total, count, out=found, where=count > 0)
            return found

        return mean_area


def _figure(scores: Scores) -> str:
    figures = {"mean": scores.mean} | dict(scores.overall)
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
