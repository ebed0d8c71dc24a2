"""Figures of answers against MONAI, by hand, and as often as cases count."""

from math import isnan, nan

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import oracle

from medlib.train import scored
from medlib.train.answers import average_precision, calibration_error, figures
from medlib.train.intervals import overall_intervals
from medlib.types import Belief, Categories, Category

WORDS = ("benign", "malignant", "none")


def once(figure, cases):
    return float(figure(np.ones((1, cases)))[0])


def drawn(seed, cases, *, exclusive=True):
    """Answers that are somewhat better than chance."""
    draw = np.random.default_rng(seed)
    raw, true = draw.random((cases, 3)).round(2) + 0.01, draw.integers(0, 3, cases)
    raw[np.arange(cases), true] += 0.5
    if exclusive:
        beliefs = [Belief(tuple(row / row.sum()), WORDS) for row in raw]
        return beliefs, [Category(WORDS[k], WORDS) for k in true]
    beliefs = [Belief(tuple(row / 2), WORDS, exclusive=False) for row in raw]
    return beliefs, [Categories(tuple(w for w in WORDS if draw.random() < 0.5), WORDS) for _ in true]  # fmt: skip


def test_cases_of_which_a_word_is_unknown_are_as_if_they_were_not_there():
    """Figures, and the intervals of them: each word's are those of the cases that are known."""
    beliefs, truths = drawn(3, 24, exclusive=False)
    within = [k % 2 for k in range(24)]
    partly = [
        Categories(tuple({*t.names} - {"malignant"}), WORDS, unknown=("malignant",)) if k < 9 else t
        for k, t in enumerate(truths)
    ]
    weights = np.random.default_rng(0).integers(0, 3, (5, 24)).astype(float)

    def of_word(word, cases):
        """The same of one word alone."""
        of = WORDS.index(word)
        alone = [Belief((beliefs[k].shares[of],), (word,), exclusive=False) for k in cases]
        true = [Categories(tuple({*truths[k].names} & {word}), (word,)) for k in cases]
        found = figures(alone, true, within=[within[k] for k in cases])
        return {name: figure(weights[:, cases]) for name, figure in found.items()}

    every = [of_word(w, range(9, 24) if w == "malignant" else range(24)) for w in WORDS]
    found = figures(beliefs, partly, within=within)
    for name in ("AUROC", "average precision", "balanced accuracy"):
        expected = np.mean([one[name] for one in every], axis=0)
        assert found[name](weights) == pytest.approx(expected), name
    sure = [
        (share, word in truth.names)
        for belief, truth in zip(beliefs, partly, strict=True)
        for word, share in zip(WORDS, belief.shares, strict=True)
        if word not in truth.unknown
    ]
    assert len(sure) == 3 * 24 - 9
    gaps = np.bincount([int(s * 10) for s, _ in sure], [s - t for s, t in sure], 10)
    assert once(found["calibration error"], 24) == pytest.approx(np.abs(gaps).sum() / len(sure))
    scores = scored(zip(map(str, range(24)), beliefs, partly, strict=True))
    assert [isnan(scores.cases[str(k)]["malignant"]) for k in (0, 8, 9)] == [True, True, False]
    silent = [Categories((), WORDS, unknown=WORDS)] * 24
    assert all(isnan(once(figure, 24)) for figure in figures(beliefs, silent).values())


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=20))
def test_average_precision_is_monais_and_its_definition(rows):
    shares, true = np.array(rows).T
    found = once(average_precision(shares, true), len(rows))
    if not true.any():
        assert isnan(found)
        return
    steps, before = 0.0, 0.0
    for threshold in sorted(set(shares), reverse=True):
        said = shares >= threshold
        recall = (said & (true == 1)).sum() / true.sum()
        steps += (recall - before) * (said & (true == 1)).sum() / said.sum()
        before = recall
    assert found == pytest.approx(steps)
    if len(set(shares)) == len(shares) and not true.all():  # MONAI splits ties by their order
        monai = oracle("monai.metrics").compute_average_precision
        theirs = monai(torch.tensor(shares).float()[:, None], torch.tensor(true)[:, None])
        assert found == pytest.approx(float(theirs), abs=1e-5)


def test_average_precision_of_what_is_known_by_hand():
    true = [True, False, True, False]
    assert once(average_precision([0.9, 0.8, 0.7, 0.1], true), 4) == pytest.approx((1 + 2 / 3) / 2)
    assert once(average_precision([0.5] * 4, true), 4) == 0.5  # chance: the share that is so
    apart = average_precision([0.9, 0.8, 0.4, 0.1], [True, False, False, True], within="aabb")
    assert once(apart, 4) == pytest.approx((1 + 1 / 2) / 2)
    assert isnan(once(average_precision([0.5], [False]), 1))


@pytest.mark.parametrize("exclusive", [True, False])
def test_cases_that_count_twice_are_there_twice(exclusive):
    beliefs, truths = drawn(1, 8, exclusive=exclusive)
    often = [0, 2, 1, 3, 1, 1, 0, 2]
    weighted = figures(beliefs, truths)
    many = [k for k, count in enumerate(often) for _ in range(count)]
    repeated = figures([beliefs[k] for k in many], [truths[k] for k in many])
    for name, figure in weighted.items():
        theirs = once(repeated[name], len(many))
        assert figure(np.array([often], dtype=float))[0] == pytest.approx(theirs), name


def test_calibration_error_is_monais():
    monai = oracle("monai.metrics.calibration")
    beliefs, truths = drawn(3, 200)
    sure = torch.tensor([max(belief.shares) for belief in beliefs])
    right = torch.tensor([float(b.category == t) for b, t in zip(beliefs, truths, strict=True)])
    # (batch, channel, answer)
    said, true, counts = monai.calibration_binning(sure[None, None], right[None, None], num_bins=10)
    gaps = (said - true).abs().nan_to_num() * counts / counts.sum()
    assert once(calibration_error(beliefs, truths), 200) == pytest.approx(float(gaps.sum()), abs=1e-5)  # fmt: skip


def test_scores_of_answers_have_their_figures_with_intervals():
    beliefs, truths = drawn(5, 60)
    names = [f"case {k}" for k in range(60)]
    scores = scored(zip(names, beliefs, truths, strict=True))
    assert list(scores.overall) == ["AUROC", "average precision", "balanced accuracy", "calibration error"]  # fmt: skip
    found = overall_intervals(scores, {name: str(int(name.split()[1]) // 2) for name in names})
    for name, interval in found.items():
        assert interval.value == pytest.approx(scores.overall[name])
        assert interval.low < interval.high
        assert interval.patients == 30
    recalls = [
        np.mean([b.category == t for b, t in zip(beliefs, truths, strict=True) if t.name == word])
        for word in WORDS
    ]
    assert scores.overall["balanced accuracy"] == pytest.approx(np.mean(recalls))


def test_where_all_cases_are_alike_what_can_be_said_is_said():
    words = ("a", "b")
    found = scored([("x", Belief((0.8, 0.2), words), Category("a", words))]).overall
    assert found == pytest.approx(
        {"AUROC": nan, "average precision": 1, "balanced accuracy": 1, "calibration error": 0.2},
        nan_ok=True,
    )
