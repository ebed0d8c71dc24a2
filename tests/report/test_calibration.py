"""Calibration: what a model is sure of against what comes true."""

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medlib.report import reliability
from medlib.types import Belief, Categories, Category

WORDS = ("benign", "malignant")


def beliefs_and_truths(shares, true, *, exclusive=True):
    if exclusive:
        beliefs = [Belief((1 - p, p), WORDS) for p in shares]
        return beliefs, [Category(WORDS[bool(t)], WORDS) for t in true]
    beliefs = [Belief((p, 1 - p), WORDS, exclusive=False) for p in shares]
    return beliefs, [Categories(WORDS[:1] if t else (), WORDS) for t in true]


answers = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


@given(answers, st.booleans(), st.integers(1, 12))
def test_the_error_is_the_formulas(rows, exclusive, bins):
    shares, true = map(np.array, zip(*rows, strict=True))
    found = reliability(*beliefs_and_truths(shares, true, exclusive=exclusive), bins=bins)
    if exclusive:
        sure = np.maximum(1 - shares, shares)
        right = np.where(shares > 1 - shares, true, ~true)  # of two alike the first is said
    else:
        sure, right = np.concatenate([shares, 1 - shares]), np.concatenate([true, 0 * true])
    assert sum(found.counts) == len(sure)
    edges = np.floor(sure * bins).clip(max=bins - 1)
    error = sum(
        (edges == k).mean() * abs(sure[edges == k].mean() - right[edges == k].mean())
        for k in range(bins)
        if (edges == k).any()
    )
    assert found.error == pytest.approx(error, abs=1e-9)


def test_who_says_what_is_so_has_no_error():
    rng = np.random.default_rng(0)
    shares = rng.random(20_000)
    true = rng.random(20_000) < shares
    honest = reliability(*beliefs_and_truths(shares, true)).error
    boastful = reliability(*beliefs_and_truths(shares.round(), true)).error
    assert honest < 0.02
    assert boastful == pytest.approx(0.25, abs=0.02)


def test_of_nothing_nothing_is_said():
    assert isnan(reliability([], []).error)


def test_beliefs_are_matched_with_their_own_truths():
    belief = Belief((0.5, 0.5), WORDS)
    with pytest.raises(ValueError, match="1 beliefs are of other cases than 0"):
        reliability([belief], [])
    with pytest.raises(ValueError, match="other words"):
        reliability([belief], [Category("a", ("a", "b"))])
