"""How good answers in words are, of many cases together: figures that no mean of the cases gives.

Each is a function of how often each case counts, so that :func:`medlib.train.intervals.bootstrap`
finds its interval; with every case once it is the figure itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray
from medlib.train.intervals import Figure, area, average, ratio, share
from medlib.types import Belief, Categories, Category, Kind

BINS = 10
"""Into which calibration divides the probabilities from 0 to 1, evenly."""

Bools = npt.NDArray[np.bool_]


def figures(
    beliefs: Sequence[Belief], truths: Sequence[Kind], *, within: Sequence[Hashable] | None = None
) -> dict[str, Figure]:
    """Figures of all cases together.

    - ``AUROC``: the area under the ROC curve, the mean over words that some cases are and others
      are not;
    - ``average precision``: see :func:`average_precision`, the mean over words that are so in some
      case. Chance reaches the share of cases that are so, which is low for what is rare;
    - ``balanced accuracy``: of answers that exclude one another, the mean over words of how often
      each was recognised (Brodersen et al. 2010); of others, the mean over words of sensitivity and
      specificity at a probability of one half;
    - ``calibration error``: see :func:`calibration_error`.

    A word of which nobody knows in a case is left out there, in all of them.

    Args:
        beliefs: one a case.
        truths: categories, about the same cases.
        within: of each case, which model predicted it, where there are several: the first two
            compare only cases of one model (see :func:`medlib.train.intervals.area`).

    Example:
        >>> words = ("benign", "malignant")
        >>> beliefs = [Belief((1 - share, share), words) for share in (0.1, 0.4, 0.35, 0.8)]
        >>> truths = [Category(words[k], words) for k in (0, 0, 1, 1)]
        >>> for name, figure in figures(beliefs, truths).items():
        ...     print(name, figure(np.ones((1, 4)))[0].round(3))
        AUROC 0.75
        average precision 0.833
        balanced accuracy 0.75
        calibration error 0.137
    """
    said = np.array([b.shares for b in beliefs])
    so = np.array([*map(true_words, truths)], dtype=np.float64)  # NaN where nobody knows
    words = list(zip(said.T, so.T, strict=True))
    return {
        "AUROC": average([of_known(area, s, t, within=within) for s, t in words]),
        "average precision": average(
            [of_known(average_precision, s, t, within=within) for s, t in words]
        ),
        "balanced accuracy": _balanced(said, so, exclusive=beliefs[0].exclusive),
        "calibration error": calibration_error(beliefs, truths),
    }


def true_words(truth: Kind) -> tuple[bool | None, ...]:
    """For each word of the vocabulary, whether it is true; None where nobody knows."""
    if isinstance(truth, Category):
        return tuple(word == truth.name for word in truth.vocabulary)
    assert isinstance(truth, Categories)
    return truth.answered


def of_known(
    figure: Callable[..., Figure],
    shares: FloatArray,
    true: FloatArray,
    *,
    within: Sequence[Hashable] | None = None,
) -> Figure:
    """A figure of a word, of those cases alone of which somebody knows whether it is so.

    Args:
        figure: :func:`medlib.train.intervals.area` or :func:`average_precision`.
        shares: how sure a model is of each case.
        true: 1 where it is so, 0 where not, NaN where nobody knows.
        within: of each case, which model said so, where there are several.

    Example:
        >>> found = of_known(area, np.array([0.9, 0.1, 0.5]), np.array([1, 0, np.nan]))
        >>> found(np.ones((1, 3)))
        array([1.])
    """
    known = np.flatnonzero(~np.isnan(true))
    whose = None if within is None else [within[int(k)] for k in known]
    inner = figure(shares[known], true[known] == 1, within=whose)
    return lambda weights: inner(weights[:, known])


def average_precision(
    shares: npt.ArrayLike, true: npt.ArrayLike, *, within: Sequence[Hashable] | None = None
) -> Figure:
    """The area under the curve of precision over recall (AUPRC), as a sum of its steps.

    Each threshold adds its precision, times the recall that it gains; cases of one probability are
    one threshold. Nothing is interpolated, which would flatter (Davis and Goadrich 2006), as in
    scikit-learn's ``average_precision_score``. NaN where nothing is true.

    Args:
        shares: how sure a model is of each case.
        true: whether it is so.
        within: of each case, which model said so, where there are several; then it is the mean of
            the models' own, each counting by its true cases (after Forman and Scholz 2010).

    Example:
        >>> figure = average_precision([0.1, 0.4, 0.35, 0.8], [False, False, True, True])
        >>> float(figure(np.ones((1, 4)))[0].round(4))
        0.8333
    """
    said, so = np.asarray(shares, dtype=np.float64), np.asarray(true, dtype=bool)
    whose = [""] * len(said) if within is None else within
    groups = []
    for one in dict.fromkeys(whose):
        cases = np.flatnonzero([w == one for w in whose])
        cases = cases[np.argsort(-said[cases], kind="stable")]
        ends = np.flatnonzero(np.append(np.diff(said[cases]) != 0, True))
        groups.append((cases, ends, so[cases]))
    return partial(_precision, groups)


def _precision(
    groups: Sequence[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Bools]], weights: FloatArray
) -> FloatArray:
    under, total = np.zeros(len(weights)), np.zeros(len(weights))
    for cases, ends, true in groups:
        each = weights[:, cases]
        found, said = (np.cumsum(counts, 1)[:, ends] for counts in (each * true, each))
        precision = np.divide(found, said, out=np.zeros_like(said), where=said > 0)
        under += (np.diff(found, axis=1, prepend=0) * precision).sum(1)
        total += found[:, -1]
    return share(under, total)


def calibration_error(
    beliefs: Sequence[Belief], truths: Sequence[Kind], *, bins: int = BINS
) -> Figure:
    """The expected calibration error: by how much probabilities miss how often they come true.

    Answers are divided by their probability into bins of equal width; it is the mean over answers
    of how far, in their bin, mean probability and share that came true are apart (Naeini et al.
    2015). Of answers that exclude one another the likeliest is looked at (Guo et al. 2017); of
    others each word. With few cases it lies above 0 by chance alone: some 0.1 with fifty.

    Args:
        beliefs: one a case.
        truths: about the same cases.
        bins: that 0 to 1 is divided into.

    Example:
        >>> words = ("benign", "malignant")
        >>> beliefs = [Belief((0.25, 0.75), words)] * 4
        >>> truths = [Category(word, words) for word in words + words]
        >>> float(calibration_error(beliefs, truths)(np.ones((1, 4)))[0])
        0.25
    """
    pairs = [confidences(b, t) for b, t in zip(beliefs, truths, strict=True)]
    gaps, counts = np.zeros((2, len(pairs), bins))
    for case, answers in enumerate(pairs):
        sure, right = np.array(answers, dtype=np.float64).reshape(-1, 2).T
        which = np.minimum((sure * bins).astype(int), bins - 1)
        np.add.at(gaps[case], which, sure - right)
        np.add.at(counts[case], which, 1.0)
    return lambda weights: share(np.abs(weights @ gaps).sum(1), (weights @ counts).sum(1))


def confidences(belief: Belief, truth: Kind) -> list[tuple[float, bool]]:
    """The answers whose calibration is looked at: how sure they were, and whether they are so.

    Of answers that exclude one another the likeliest alone, of others each that is known.
    """
    if isinstance(truth, Category):
        return [(max(belief.shares), belief.category == truth)]
    each = zip(belief.shares, true_words(truth), strict=True)
    return [(share, so) for share, so in each if so is not None]


def _balanced(shares: FloatArray, true: FloatArray, *, exclusive: bool) -> Figure:
    yes, no = true == 1, true == 0
    if exclusive:
        said = shares.argmax(1)[:, None] == np.arange(shares.shape[1])
        return average([ratio(s & y, y) for s, y in zip(said.T, yes.T, strict=True)])
    each = zip((shares >= 0.5).T, yes.T, no.T, strict=True)
    return average([partial(_middle, ratio(s & y, y), ratio(~s & n, n)) for s, y, n in each])


def _middle(one: Figure, other: Figure, weights: FloatArray) -> FloatArray:
    """The mean of both; NaN unless both have something to say."""
    return (one(weights) + other(weights)) / 2
