"""Intervals: what scipy says, over patients and not over scans, and honest about few and missed."""

from math import inf, isinf, isnan, nan

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from medlib.train import Scores
from medlib.train.intervals import (
    area,
    bootstrap,
    difference,
    interval,
    mean,
    median,
    part_intervals,
)


def area_under_roc(shares, true):
    """By ranks (Mann and Whitney)."""
    positive, negative = int(true.sum()), int((~true).sum())
    if not positive or not negative:
        return nan
    ranks = scipy.stats.rankdata(shares)[true].sum()
    return (ranks - positive * (positive + 1) / 2) / (positive * negative)


RNG = np.random.default_rng(0)
names = [f"case {k}" for k in range(40)]


def as_cases(values):
    return dict(zip(names, values, strict=False))


@pytest.mark.parametrize(("ours", "theirs"), [(mean, np.mean), (median, np.median)])
def test_the_interval_is_scipys(ours, theirs):
    values = RNG.beta(8, 2, 40)
    found = interval(as_cases(values), of=ours)
    oracle = scipy.stats.bootstrap((values,), theirs, method="percentile", n_resamples=8000, rng=1)
    assert found.value == pytest.approx(theirs(values))
    assert (found.low, found.high) == pytest.approx(oracle.confidence_interval, abs=0.008)


def test_the_interval_of_an_area_is_scipys():
    true = RNG.random(60) < 0.4
    shares = RNG.normal(size=60) + true
    found = bootstrap(area(shares, true), range(60), draws=6000)
    oracle = scipy.stats.bootstrap(
        (shares, true), lambda s, t: area_under_roc(s, t.astype(bool)), method="percentile", paired=True, vectorized=False,
        n_resamples=3000, rng=1,
    )  # fmt: skip
    assert found.value == pytest.approx(area_under_roc(shares, true))
    assert (found.low, found.high) == pytest.approx(oracle.confidence_interval, abs=0.02)


weighted = st.lists(
    st.tuples(st.integers(-3, 3), st.booleans(), st.integers(0, 3)), min_size=1, max_size=12
)


@given(weighted)
def test_a_case_that_counts_twice_is_as_two_cases(rows):
    values, true, counts = (np.array(column) for column in zip(*rows, strict=True))
    weights = counts[None].astype(float)
    many = np.repeat(values, counts)
    if not len(many):
        assert all(isnan(figure(values)(weights)[0]) for figure in (mean, median))
        return
    assert mean(values)(weights)[0] == pytest.approx(np.mean(many))
    assert median(values)(weights)[0] == np.median(many)
    oracle = area_under_roc(many.astype(float), np.repeat(true, counts))
    assert area(values, true)(weights)[0] == pytest.approx(oracle, nan_ok=True)


def test_two_scans_of_a_patient_are_no_two_witnesses():
    values = as_cases(RNG.random(20).repeat(2))
    alone, together = (
        interval(values, {name: name.split()[1] if each else str(k // 2) for k, name in enumerate(names)})
        for each in (True, False)
    )  # fmt: skip
    assert together.patients == 20
    assert alone.patients == 40
    assert together.value == pytest.approx(alone.value)
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_the_same_seed_draws_the_same_whatever_the_process():
    values = as_cases(np.linspace(0, 1, 40))
    found = interval(values, seed=3)
    assert found == interval(values, seed=3)
    assert found != interval(values, seed=4)
    # Of names nothing must hang on a hash, which Python salts anew in each process.
    assert (found.low, found.high) == pytest.approx((0.407692, 0.587821), abs=1e-6)


def test_of_one_patient_there_is_no_interval():
    found = interval({"a": 0.8, "b": nan})
    assert (found.value, found.patients) == (0.8, 1)
    assert isnan(found.low)
    assert str(found) == "0.8"
    assert str(interval({"a": nan})) == "–"
    assert str(interval({})) == "–"


def test_what_was_missed_is_far_and_not_left_out():
    distances = as_cases([2.0, 3.0, 4.0, inf, inf])
    assert interval(distances, of=median).value == 4.0
    assert isinf(interval(distances, of=median).high)
    assert isinf(interval(distances).value)
    assert not isnan(interval(distances).low)


def test_the_difference_is_taken_case_by_case():
    hard = RNG.random(40)  # how hard a case is says more than which model it was
    first, second = as_cases(hard + 0.02 + RNG.normal(0, 0.01, 40)), as_cases(hard)
    found = difference(first, second)
    assert found.low > 0
    assert found.high < 0.04
    back = difference(second, first)
    assert back.value == pytest.approx(-found.value)
    assert interval(first).low < interval(second).high  # unpaired, they could not be told apart


def test_models_of_other_cases_are_not_compared():
    with pytest.raises(ValueError, match="only one has b"):
        difference({"a": 1.0}, {"a": 1.0, "b": 0.5})


def test_a_case_without_a_patient_is_named():
    with pytest.raises(ValueError, match="whose these cases are: b"):
        interval({"a": 1.0, "b": 0.5}, {"a": "Jo"})


def test_a_level_that_is_none_is_refused():
    with pytest.raises(ValueError, match="95 does not"):
        interval({"a": 1.0}, level=95)


def test_parts_are_measured_over_the_cases_that_have_them():
    scores = Scores({"a": {"liver": 0.9, "cyst": nan}, "b": {"liver": 0.8}, "c": {"cyst": 0.5}})
    found = part_intervals(scores, {"a": "x", "b": "x", "c": "y"})
    assert found["liver"].patients == 1
    assert found["liver"].value == pytest.approx(scores.labels["liver"])
    assert (found["cyst"].value, found["cyst"].patients) == (0.5, 1)


def test_such_intervals_hold_what_they_should():
    """About 95 times in 100, of samples of 40; the seeds are fixed."""
    held = 0
    for seed in range(200):
        found = interval(as_cases(np.random.default_rng(seed).normal(0, 1, 40)))
        held += found.low <= 0 <= found.high
    assert 180 <= held <= 198
