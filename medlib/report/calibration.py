"""Whether a model that is 80 % sure is right 8 times in 10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from medlib.train.answers import BINS, confidences
from medlib.types import Belief, Categories, Category

Truth = Category | Categories


@dataclass(frozen=True)
class Reliability:
    """How often answers come true, by how sure the model was of them.

    Args:
        sure: the mean probability in each bin, NaN in an empty one.
        true: the share that came true in each bin, likewise.
        counts: of answers in each bin. The bins divide 0 to 1 evenly.
    """

    sure: tuple[float, ...]
    true: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of both, over answers (Naeini 2015)."""
        bins = zip(self.sure, self.true, self.counts, strict=True)
        gaps = [count * abs(sure - true) for sure, true, count in bins if not isnan(sure)]
        return sum(gaps) / sum(self.counts) if gaps else nan


def reliability(
    beliefs: Sequence[Belief], truths: Sequence[Truth], *, bins: int = BINS
) -> Reliability:
    """How far probabilities can be taken at their word.

    Of answers that exclude one another, the likeliest is looked at (Guo 2017); of others each.

    Args:
        beliefs: one a case.
        truths: about the same cases.
        bins: that 0 to 1 is divided into.

    Raises:
        ValueError: when they are not as many, or about other words.

    Example:
        >>> words = ("benign", "malignant")
        >>> beliefs = [Belief((0.25, 0.75), words)] * 4
        >>> truths = [Category(word, words) for word in words + words]
        >>> reliability(beliefs, truths).error
        0.25
    """
    pairs = [pair for b, t in matched(beliefs, truths) for pair in confidences(b, t)]
    sure, true = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    which = np.minimum((sure * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin is the NaN it should be
        means = [np.bincount(which, values, bins) / counts for values in (sure, true)]
    return Reliability(tuple(means[0].tolist()), tuple(means[1].tolist()), tuple(counts.tolist()))


def matched(beliefs: Sequence[Belief], truths: Sequence[Truth]) -> list[tuple[Belief, Truth]]:
    """Each belief with its truth.

    Raises:
        ValueError: when they are not as many, or about other words.
    """
    if len(beliefs) != len(truths):
        raise ValueError(f"{len(beliefs)} beliefs are of other cases than {len(truths)} truths")
    words = {value.vocabulary for value in (*beliefs, *truths)}
    if len(words) > 1:
        said = "; ".join(", ".join(vocabulary) for vocabulary in sorted(words))
        raise ValueError(f"beliefs and truths are about other words: {said}")
    return list(zip(beliefs, truths, strict=True))
