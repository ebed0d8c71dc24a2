"""A last look at a trained model: every figure of every validation case, and the ends of the row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan

from medlib.report.results import Ends, Result
from medlib.train import Learner, Metric, metrics
from medlib.train.intervals import Interval, area, bootstrap, interval, mean, median
from medlib.types import Answer, Belief, Categories, Category, Kind, Measurement, verb


@verb
def figures(prediction: Kind, truth: Kind) -> tuple[Metric, ...]:
    """All that is measured of a case: :func:`medlib.train.metrics`, and what means need besides."""
    raise AssertionError


@figures.register
def _(prediction: Kind, truth: Kind) -> tuple[Metric, ...]:
    return metrics(prediction, truth)  # type: ignore[no-any-return]


@figures.register
def _(prediction: Measurement, truth: Measurement) -> tuple[Metric, ...]:
    (signed,) = metrics(prediction, truth)  # whose mean is 0 where errors of both signs cancel
    return signed, Metric(signed.of, "absolute error", abs(signed.value), signed.unit)


@dataclass(frozen=True)
class Examination:
    """What a trained model makes of its validation cases.

    Args:
        metrics: of each case.
        patients: whose each case is.
        answers: of each case that is answered in words or numbers, what was said and the truth.
        worst: results, the worst first.
        best: results, the best first; none of them among the worst.
    """

    metrics: Mapping[str, tuple[Metric, ...]]
    patients: Mapping[str, str]
    answers: Mapping[str, tuple[Answer, Answer]]
    worst: tuple[Result, ...]
    best: tuple[Result, ...]

    @classmethod
    def of(cls, learner: Learner, *, ends: int = 3) -> Examination:
        """Predict and measure all validation cases.

        Args:
            learner: with its weights as they are to be kept.
            ends: how many of the worst and of the best to keep whole.
        """
        found, answers, row = {}, {}, Ends(worst=ends, best=ends)
        for number, (name, prediction, truth) in enumerate(learner.predictions()):
            found[name] = figures(prediction, truth)
            row.add(Result.of(number, name, prediction, truth))
            if isinstance(prediction, Answer) and isinstance(truth, Answer):
                answers[name] = prediction, truth
        patients = {case.name: case.patient for case in learner.data.valid.cases}
        return cls(found, patients, answers, tuple(row.worst), tuple(row.best))

    @property
    def parts(self) -> tuple[str, ...]:
        """What is measured: labels, landmarks, answers; ``""`` for the whole."""
        return tuple(dict.fromkeys(m.of for row in self.metrics.values() for m in row))

    @property
    def measures(self) -> dict[str, str]:
        """What is measured of them, by name, and its unit."""
        return {m.name: m.unit for row in self.metrics.values() for m in row}

    def interval(self, part: str, measure: str) -> Interval:
        """The mean over the cases, or the median of distances, which are infinite where missed."""
        of = median if self.measures[measure] == "mm" else mean
        values = {
            case: metric.value
            for case, row in self.metrics.items()
            for metric in row
            if (metric.of, metric.name) == (part, measure)
        }
        return interval(values, self.patients, of=of)

    def areas(self) -> Iterator[tuple[str, Interval]]:
        """The area under the ROC curve of each word that some cases are and others are not."""
        cases, beliefs, truths = [], [], []
        for case, (belief, truth) in self.answers.items():
            if isinstance(belief, Belief) and isinstance(truth, Category | Categories):
                cases.append(case)
                beliefs.append(belief)
                truths.append(truth)
        whose = [self.patients[case] for case in cases]
        for number, word in enumerate(beliefs[0].vocabulary if beliefs else ()):
            shares = [belief.shares[number] for belief in beliefs]
            true = [word in ((t.name,) if isinstance(t, Category) else t.names) for t in truths]
            found = bootstrap(area(shares, true), whose)
            if not isnan(found.value):
                yield word, found
