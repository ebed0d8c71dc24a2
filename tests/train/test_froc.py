"""FROC and average precision against their definitions, threshold by threshold."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medlib.train import Scores, scored
from medlib.train.detection import area_under_precision
from medlib.train.froc import RATES, Found, figures
from medlib.train.intervals import bootstrap
from medlib.types import Boxes, Labels

LABELS = Labels.of(["nodule", "cyst"])


def cubes(places, ids=None, scores=()):
    """Cubes of 10 mm, 30 mm apart."""
    low = np.array([[30.0 * place, 0, 0] for place in places]).reshape(-1, 3)
    ids = (1,) * len(places) if ids is None else ids
    return Boxes.between(low, low + 10, ids=tuple(ids), scores=tuple(scores), labels=LABELS)


def together(pairs):
    """The figures with every scan counted once."""
    return {name: float(of(np.ones((1, len(pairs))))[0]) for name, of in figures(pairs).items()}


def random_pairs(draw, cases):
    pairs = []
    for _ in range(cases):
        true = draw.permutation(6)[: draw.integers(0, 4)]
        said = draw.permutation(6)[: draw.integers(0, 6)]
        pairs.append((cubes(said, scores=draw.integers(1, 8, len(said)) / 8), cubes(true)))
    return pairs


def by_hand(pairs, rate):
    """The best sensitivity of all thresholds with no more false positives a scan than this."""
    places = [[set(b.low[:, 0]) for b in pair] for pair in pairs]
    total = sum(len(true) for _, true in places)
    best = 0
    for threshold in {9.0, *(s for p, _ in pairs for s in p.scores)}:
        hits = false = 0
        for (prediction, _), (_, true) in zip(pairs, places, strict=True):
            for low, score in zip(prediction.low[:, 0], prediction.scores, strict=True):
                hits += score >= threshold and low in true
                false += score >= threshold and low not in true
        if false <= rate * len(pairs):
            best = max(best, hits)
    return best / total if total else math.nan


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_sensitivity_is_the_best_that_a_threshold_reaches(seed, cases):
    pairs = random_pairs(np.random.default_rng(seed), cases)
    found = Found.of(pairs, "nodule").sensitivities()[0]
    assert found == pytest.approx([by_hand(pairs, rate) for rate in RATES], nan_ok=True)


def test_scans_that_count_twice_are_scans_that_are_there_twice():
    pairs = random_pairs(np.random.default_rng(3), 6)
    often = [0, 2, 1, 3, 1, 1]
    found = Found.of(pairs, "nodule").froc(np.array([often, [1] * 6], dtype=float))
    repeated = [pair for pair, count in zip(pairs, often, strict=True) for _ in range(count)]
    assert found == pytest.approx([together(repeated)["FROC"], together(pairs)["FROC"]])
    precision = Found.of(pairs, "nodule").average_precision(np.array([often, [1] * 6], dtype=float))
    for value, whole in zip(precision, (repeated, pairs), strict=True):
        assert value == pytest.approx(together(whole)["mAP"])
        found = Found.of(whole, "nodule")
        total = int(found.findings.sum())
        assert value == pytest.approx(area_under_precision(found.hits, found.scores, total))
    interval = bootstrap(Found.of(pairs, "nodule").froc, range(6), draws=200)
    assert interval.low <= interval.value <= interval.high


def test_healthy_scans_count_their_false_alarms_and_nothing_else():
    sick = (cubes([0, 1], scores=[0.9, 0.4]), cubes([0, 1]))
    alarm, quiet = (cubes([3], scores=[0.6]), cubes([])), (cubes([]), cubes([]))
    assert together([sick, quiet])["FROC"] == 1
    noisy = together([sick, alarm])
    assert noisy["FROC"] == pytest.approx((2 * 0.5 + 5 * 1) / 7)  # below half an alarm a scan: one
    assert noisy["sensitivity at 1 false positive a scan"] == 1
    assert noisy["mAP"] == pytest.approx(0.5 + 0.5 * 2 / 3)
    scores = scored([("a", *sick), ("b", *alarm)])
    assert scores.cases["a"]["nodule"] == 1
    assert math.isnan(scores.cases["b"]["nodule"])
    assert scores.merit == noisy["FROC"]
    again = Scores.from_dict(scores.to_dict())
    assert (again.merit, again.measure) == (pytest.approx(scores.merit, abs=1e-4), scores.measure)


def test_two_boxes_on_one_finding_are_one_hit_and_a_false_alarm():
    twice = Boxes.between(
        [[0, 0, 0], [1, 0, 0]], [[10, 10, 10], [11, 10, 10]],
        ids=(1, 1), scores=(0.5, 0.9), labels=LABELS,
    )  # fmt: skip
    found = Found.of([(twice, cubes([0]))], "nodule")
    assert found.hits.tolist() == [False, True]


def test_labels_count_alike_and_what_nobody_has_does_not():
    both = (cubes([0, 1], ids=(1, 2), scores=(0.9, 0.8)), cubes([0, 1], ids=(1, 1)))
    assert together([both])["FROC"] == 0.5  # the cyst is a nodule; no cyst is there to be found
    assert all(map(math.isnan, together([(cubes([]), cubes([]))]).values()))


def test_a_label_is_matched_by_its_name():
    other = Labels.of({1: "cyst", 9: "nodule"})
    said = cubes([0], scores=(0.5,))
    theirs = Boxes(said.corners, (9,), (0.5,), other)
    assert together([(theirs, cubes([0]))])["FROC"] == 1
