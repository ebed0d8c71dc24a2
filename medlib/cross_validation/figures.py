"""What a cross-validation found: figures of all cases, their intervals, and the folds' models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import isnan
from statistics import fmean
from typing import Any

from medlib.package import Ensemble, Model
from medlib.train import Scores, scored
from medlib.train.intervals import Interval
from medlib.train.measured import Measured
from medlib.train.scores import plain
from medlib.train.totals import Total
from medlib.types import Kind

Answer = tuple[str, Kind, Kind]
"""A case's name, what was predicted, and the truth."""


@dataclass(frozen=True)
class Fold:
    """A model, and what it reached on patients that it never saw.

    Args:
        model: trained on all cases but these.
        scores: of the cases that were kept back, with all that was measured of each
            (``scores.metrics``; of masks, Dice, NSD, HD95, volumes and lesions).
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

        The areas under the ROC curve and under precision over recall compare two cases only where
        one model predicted both: the models have no common scale (Airola et al. 2011).
        """
        answers = [answer for fold in self.folds for answer in fold.answers]
        if answers:
            model = {name: k for k, fold in enumerate(self.folds) for name, *_ in fold.answers}
            return scored(answers, within=model)
        first = self.folds[0].scores
        cases = {case: row for fold in self.folds for case, row in fold.scores.cases.items()}
        rows = {case: row for fold in self.folds for case, row in fold.scores.metrics.items()}
        return replace(first, cases=cases, metrics=rows)

    @cached_property
    def measured(self) -> Measured:
        """The scores with all that makes them sure or not."""
        return Measured(self.scores, self.patients)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The mean of each part (label, landmark, answer), and figures of all cases together.

        With 95% intervals over patients.

        How the figures would be with other patients of the same sort; not how they would be with
        models that were trained on others.
        """
        return self.measured.parts | self.measured.overall

    @cached_property
    def totals(self) -> tuple[Total, ...]:
        """Every figure of every part, likewise with its interval: of masks, NSD and so on too."""
        return self.measured.totals

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
        for named in ("worst", "metrics"):  # names of patients' scans stay here
            del measured[named]
        folds = [fold.trained_on for fold in self.folds]
        training = {"cases": len(self.scores.cases), "trained_on": folds}
        members = tuple(fold.model for fold in self.folds)
        return Ensemble(members, training, measured)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where there is nothing to say."""
        found = self.measured.to_dict()
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
        worst = ", ".join(f"{case} {value:.3g}" for case, value in self.worst())
        return "\n".join(
            [
                self.measured.table("each predicted by a model that never saw its patient"),
                *(
                    f"  fold {number}: trained on {fold.trained_on}, {len(fold.scores.cases)} kept "
                    f"back: {_figure(fold.scores)}"
                    for number, fold in enumerate(self.folds, start=1)
                ),
                f"  worst: {worst}",
            ]
        )


def _figure(scores: Scores) -> str:
    figures = {"mean": scores.mean} | dict(scores.overall)
    return ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
