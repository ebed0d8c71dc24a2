"""How sure a figure is: bootstrap intervals over patients.

Patients are drawn with replacement, each with all of their cases, and the figure is taken again of
each draw (Efron 1979; percentile intervals). What varies is who happens to have been measured; the
model stays the same. Two scans of one patient are no two witnesses: where there are several, say
whose each one is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from medlib.train.scores import Scores

FloatArray = npt.NDArray[np.float64]
Figure = Callable[[FloatArray], FloatArray]
"""From how often each case counts, (draw, case), to the figure of each draw, (draw,)."""

FEW = 10
"""With fewer patients than this an interval is narrower than it should be."""

_AT_ONCE = 200  # draws: a detector's boxes, each in every draw, would fill the memory


@dataclass(frozen=True)
class Interval:
    """A figure, and where it would lie with other patients of the same sort.

    Args:
        value: of all cases.
        low, high: the ends, NaN where fewer than two patients say something.
        patients: how many say something.
        level: how often such intervals hold what they should.
    """

    value: float
    low: float
    high: float
    patients: int
    level: float = 0.95

    def __str__(self) -> str:
        if isnan(self.value):
            return "–"
        if isnan(self.low):
            return f"{self.value:.3g}"
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


def bootstrap(
    figure: Figure,
    patients: Sequence[Hashable],
    *,
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The percentile interval of any figure of many cases.

    Args:
        figure: such as :func:`mean`, :func:`median` or :func:`area` of some numbers. Draws of
            which it can say nothing are NaN, and are left out.
        patients: of each case, whose it is.
        draws: how many.
        level: between 0 and 1.
        seed: of the draws.

    Raises:
        ValueError: for a level that is none.

    Example:
        >>> bootstrap(mean([0.7, 0.9, 0.8, 0.6]), "abcd").patients
        4
    """
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval lies between 0 and 1, and {level:g} does not")
    numbers = {patient: k for k, patient in enumerate(dict.fromkeys(patients))}
    whose, count = np.array([numbers[p] for p in patients], dtype=np.intp), len(numbers)
    value = float(figure(np.ones((1, len(whose))))[0]) if count else nan
    if count < 2:
        return Interval(value, nan, nan, count, level)
    drawn = _drawn(count, draws, seed)
    blocks = (drawn[start : start + _AT_ONCE] for start in range(0, draws, _AT_ONCE))
    figures = np.concatenate([figure(block[:, whose].astype(np.float64)) for block in blocks])
    figures = np.sort(figures[~np.isnan(figures)])
    if not len(figures):
        return Interval(value, nan, nan, count, level)
    # No interpolation: between a number and infinity there is none.
    ends = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Interval(value, float(ends[0]), float(ends[1]), count, level)


@lru_cache(maxsize=8)
def _drawn(count: int, draws: int, seed: int) -> npt.NDArray[np.int64]:
    """How often each patient is in each draw: of one training's many figures the same."""
    return np.random.default_rng(seed).multinomial(count, [1 / count] * count, size=draws)


# --- figures ------------------------------------------------------------------------------


def mean(values: npt.ArrayLike) -> Figure:
    """The mean of one number a case."""
    return partial(_mean, np.asarray(values, dtype=np.float64))


def median(values: npt.ArrayLike) -> Figure:
    """The median of one number a case; infinite ones, such as HD95 of what was missed, are far."""
    numbers = np.asarray(values, dtype=np.float64)
    return partial(_median, numbers, np.argsort(numbers, kind="stable"))


def ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Figure:
    """The sum of one number a case over the sum of another; NaN where that is nothing.

    Example:
        >>> float(ratio([1, 2], [4, 2])(np.ones((1, 2)))[0])
        0.5
    """
    parts, wholes = (np.asarray(values, dtype=np.float64) for values in (part, whole))
    return lambda weights: share(weights @ parts, weights @ wholes)


def average(figures: Sequence[Figure]) -> Figure:
    """The mean of several figures, in each draw of those that have something to say."""

    def taken(weights: FloatArray) -> FloatArray:
        each = np.array([figure(weights) for figure in figures]).reshape(-1, len(weights))
        known = ~np.isnan(each)
        return share(np.where(known, each, 0).sum(0), known.sum(0).astype(np.float64))

    return taken


def area(
    shares: npt.ArrayLike, true: npt.ArrayLike, *, within: Sequence[Hashable] | None = None
) -> Figure:
    """The area under the ROC curve: how often a true case is believed more than a false one.

    Ties count half (Mann and Whitney 1947). NaN where all cases are true, or none.

    Args:
        shares: how sure a model is of each case.
        true: whether it is so.
        within: of each case, which model said so, where there are several: only what one model
            said of two cases is compared. Pooled over models, shares are not one scale: what each
            holds for usual is the lower the more true cases it is then asked about, which makes
            chance look worse than chance (Airola et al. 2011).

    Example:
        >>> usual = [0.4, 0.4, 0.6, 0.6], [True, True, False, False]
        >>> float(area(*usual)(np.ones((1, 4)))[0])
        0.0
        >>> apart = [0.4, 0.4, 0.6, 0.6], [True, False, False, True]
        >>> float(area(*apart, within="aabb")(np.ones((1, 4)))[0])
        0.5
    """
    said, so = np.asarray(shares, dtype=np.float64), np.asarray(true, dtype=bool)
    whose = [""] * len(said) if within is None else within
    groups = [np.array([w == one for w in whose]) for one in dict.fromkeys(whose)]
    return partial(_area, [(chosen, *_levels(said[chosen]), so[chosen]) for chosen in groups])


def _levels(shares: FloatArray) -> tuple[npt.NDArray[np.intp], int]:
    numbers, which = np.unique(shares, return_inverse=True)
    return which, len(numbers)


def _mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    summed = np.multiply(weights, values, where=weights > 0, out=np.zeros_like(weights))
    return share(summed.sum(1), weights.sum(1))


def _median(values: FloatArray, order: npt.NDArray[np.intp], weights: FloatArray) -> FloatArray:
    """The middle of the values as often as they count; between two, the mean of both."""
    below = weights[:, order].cumsum(1)
    half = below[:, -1:] / 2
    ends = [values[order[(below >= half).argmax(1)]], values[order[(below > half).argmax(1)]]]
    return np.where(below[:, -1] > 0, (ends[0] + ends[1]) / 2, nan)


_Group = tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp], int, npt.NDArray[np.bool_]]


def _area(groups: Sequence[_Group], weights: FloatArray) -> FloatArray:
    """Each true case against the false ones of its group that are believed less; ties count half."""
    beaten, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for chosen, which, levels, true in groups:
        here = np.zeros((2, levels, len(weights)))
        counts = weights.T[chosen]
        for side, of in enumerate((true, ~true)):
            np.add.at(here[side], which[of], counts[of])
        positive, negative = here
        beaten += (positive * (negative.cumsum(0) - negative / 2)).sum(0)
        pairs += positive.sum(0) * negative.sum(0)
    return share(beaten, pairs)


def share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """The part of the whole, number by number; NaN where the whole is nothing."""
    return np.divide(part, whole, out=np.full_like(whole, nan), where=whole > 0)


# --- of scores ----------------------------------------------------------------------------


def interval(
    values: Mapping[str, float],
    patients: Mapping[str, str] | None = None,
    *,
    of: Callable[[npt.ArrayLike], Figure] = mean,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The interval of the mean, or median, of one number a case.

    Args:
        values: by case; NaN where it says nothing.
        patients: whose each case is; left out, each is another's.
        of: :func:`mean` or :func:`median`.
        level: how often such intervals hold what they should.
        seed: of the draws.

    Raises:
        ValueError: for a case of which nothing says whose it is.

    Example:
        >>> found = interval({f"case {k}": 0.8 + 0.01 * k for k in range(10)})
        >>> print(found)
        0.845 (0.827 to 0.862)
    """
    known = {case: value for case, value in values.items() if not isnan(value)}
    if lacking := sorted(known.keys() - patients.keys()) if patients is not None else []:
        raise ValueError(f"nothing says whose these cases are: {', '.join(lacking[:5])}")
    whose = [case if patients is None else patients[case] for case in known]
    return bootstrap(of(list(known.values())), whose, level=level, seed=seed)


def part_intervals(
    scores: Scores, patients: Mapping[str, str] | None = None, *, seed: int = 0
) -> dict[str, Interval]:
    """The interval of the mean of each part (label, landmark, answer) of the scores.

    Example:
        >>> from medlib.train import Scores
        >>> scores = Scores({"a": {"liver": 0.9}, "b": {"liver": 0.8}})
        >>> found = part_intervals(scores)["liver"]
        >>> round(found.value, 2), found.low, found.high
        (0.85, 0.8, 0.9)
    """
    return {
        name: interval(
            {case: row.get(name, nan) for case, row in scores.cases.items()}, patients, seed=seed
        )
        for name in scores.labels
    }


def overall_intervals(
    scores: Scores, patients: Mapping[str, str] | None = None, *, seed: int = 0
) -> dict[str, Interval]:
    """The interval of each figure of all cases together; none of scores that were read from a file.

    Args:
        scores: as :func:`medlib.train.scored` makes them.
        patients: whose each case is; left out, each is another's.
        seed: of the draws.

    Example:
        >>> from medlib.train import scored
        >>> from medlib.types import Belief, Category
        >>> words = ("benign", "malignant")
        >>> sure = Belief((0.9, 0.1), words), Belief((0.2, 0.8), words)
        >>> true = [Category(word, words) for word in words]
        >>> found = scored(zip("ab", sure, true))
        >>> print(overall_intervals(found)["balanced accuracy"])
        1 (1 to 1)
    """
    whose = [case if patients is None else patients[case] for case in scores.cases]
    return {name: bootstrap(of, whose, seed=seed) for name, of in scores.figures.items()}


def difference(
    first: Mapping[str, float],
    second: Mapping[str, float],
    patients: Mapping[str, str] | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """By how much the first model's mean is above the second's, case by case on the same cases.

    An interval without 0 in it says that the two differ by more than the choice of patients.

    Args:
        first: one number a case, such as the Dice of a label; NaN where it says nothing.
        second: the other model's; cases of which either says nothing are left out.
        patients: whose each case is; left out, each is another's.
        level: how often such intervals hold what they should.
        seed: of the draws.

    Raises:
        ValueError: when they are not of the same cases.

    Example:
        >>> better = {"a": 0.91, "b": 0.84, "c": 0.76}
        >>> worse = {"a": 0.90, "b": 0.82, "c": 0.73}
        >>> print(difference(better, worse))
        0.02 (0.01 to 0.03)
    """
    if only := sorted(first.keys() ^ second.keys()):
        raise ValueError(
            f"two models are compared on the same cases, and only one has {', '.join(only[:5])}"
        )
    gaps = {case: value - second[case] for case, value in first.items()}
    return interval(gaps, patients, level=level, seed=seed)
