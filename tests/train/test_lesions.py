"""Lesions found, missed and made up: against MONAI, by hand, and where nobody looked."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import oracle

from medlib.space import Grid
from medlib.train import Scores, metrics, scored
from medlib.train.intervals import overall_intervals
from medlib.train.lesions import COUNTS, Lesions, counted, figures, in_pieces
from medlib.types import Labels, Mask

LABELS = Labels.of(["lesion"], ignored=255)


def mask(rows):
    """One slice, drawn: ``.`` background, ``#`` lesion, ``?`` where nobody looked."""
    ids = {".": 0, "#": 1, "?": 255}
    data = torch.tensor([[[[ids[sign] for sign in row] for row in rows]]], dtype=torch.uint8)
    return Mask(data, Grid.from_axes(tuple(data.shape[1:])), LABELS)


def counts(prediction, target):
    found = {one.name: one.value for one in metrics(mask(prediction), mask(target))}
    return tuple(int(found[name]) for name in COUNTS)  # none of them is NaN


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_f1_is_the_recognition_quality_of_monai(seed):
    """Where overlaps are above a half, there is one way to match; MONAI looks for the best below."""
    quality = oracle("monai.metrics.panoptic_quality").compute_panoptic_quality
    draw = np.random.default_rng(seed)
    shape = (1, 24, 24)
    t = np.zeros(shape, dtype=bool)
    p = np.zeros(shape, dtype=bool)
    for row in range(0, 24, 6):
        for column in range(0, 24, 6):
            wide = draw.integers(0, 5)
            t[0, row : row + wide, column : column + wide] = True
            shift = draw.integers(0, 2)
            wide += draw.integers(-1, 2) if draw.random() < 0.8 else -wide
            p[0, row + shift : row + max(0, wide), column : column + max(0, wide)] = True
    found = counted(p, t)
    from skimage.measure import label

    ours, theirs = (torch.from_numpy(label(flags[0], connectivity=2)) for flags in (p, t))
    if found.true + found.found + found.false:
        rq = quality(ours, theirs, metric_name="rq", match_iou_threshold=0.1)
        assert found.f1 == pytest.approx(float(rq), abs=1e-4)


@pytest.mark.parametrize(
    ("prediction", "target", "expected"),
    [
        (["##...", "....."], ["##...", "....."], (1, 1, 0)),
        (["....."], ["##.##"], (2, 0, 0)),
        (["##.##"], ["....."], (0, 0, 2)),
        (["....."], ["....."], (0, 0, 0)),  # a healthy scan counts, and without NaN
        (["####.#"], ["##.##."], (2, 1, 1)),  # one piece over two finds one
        (["##.##"], ["#####"], (1, 1, 1)),  # one in two pieces is found once
        (["#........."], ["##########"], (1, 1, 0)),  # a tenth is enough
        (["#.........."], ["###########"], (1, 0, 1)),  # less is not
        (["#...", ".#..", "..#."], ["#...", ".#..", "..#."], (1, 1, 0)),  # corners hang together
    ],
)
def test_lesions_are_counted_by_hand(prediction, target, expected):
    assert counts(prediction, target) == expected


@pytest.mark.parametrize(
    ("prediction", "target", "expected"),
    [
        (["##....##"], ["##..????"], (1, 1, 0)),  # what was predicted there is nobody's fault
        (["##......"], ["##..??##"], (1, 1, 0)),  # who knows where the other ends
        (["##..####"], ["##....??"], (1, 1, 0)),  # nor whether this belongs to one there
        (["##.##..."], ["##....??"], (1, 1, 1)),  # but this can be seen whole
        (["..#####."], ["..##..??"], (1, 1, 0)),  # found, though it goes on
        ([".....##."], ["..##..??"], (1, 0, 0)),
        (["........"], ["????????"], (0, 0, 0)),
    ],
)
def test_where_nobody_looked_nothing_is_right_or_wrong(prediction, target, expected):
    assert counts(prediction, target) == expected


def test_figures_are_of_all_lesions_and_say_something_of_healthy_scans():
    scans = [Lesions(3, 2, 0), Lesions(0, 0, 1), Lesions(0, 0, 0)]
    found = {name: float(of(np.ones((1, 3)))[0]) for name, of in figures(scans).items()}
    assert found == pytest.approx(
        {"lesion F1": 4 / 6, "lesion sensitivity": 2 / 3, "false lesions a scan": 1 / 3}
    )
    assert [scan.f1 for scan in scans] == pytest.approx([0.8, 0, 1])
    twice = {name: float(of(np.array([[1.0, 2, 0]]))[0]) for name, of in figures(scans).items()}
    assert twice["lesion F1"] == pytest.approx(4 / 7)
    assert twice["false lesions a scan"] == pytest.approx(2 / 3)


def test_what_comes_in_pieces_is_found_from_names_and_references():
    one, two = Lesions(1, 1, 0), Lesions(2, 1, 5)
    assert in_pieces("Lung_Nodule", [one])
    assert in_pieces("tumour", [])
    assert not in_pieces("liver", [one, one, one, two])
    assert in_pieces("Herd", [two, two, one, Lesions(0, 0, 1)])
    assert not in_pieces("liver", [Lesions(0, 0, 4)])


def test_scores_keep_what_was_measured_and_are_written_whole():
    pairs = [("a", mask(["##.#"]), mask(["##.."])), ("b", mask(["...."]), mask(["#..."]))]
    scores = scored(pairs)
    assert scores.labels == {"lesion": pytest.approx((0.8 + 0) / 2)}
    again = Scores.from_dict(json.loads(json.dumps(scores.to_dict(), allow_nan=False)))
    assert [str(row) for row in again.metrics["b"]] == [str(row) for row in scores.metrics["b"]]
    assert "lesion HD95 inf mm" in map(str, again.metrics["b"])
    assert {row.name for row in scores.metrics["a"]} == {"Dice", "NSD", "HD95", "volume error", *COUNTS}  # fmt: skip
    assert {row.name for row in scored(pairs, surfaces=False).metrics["a"]} == {"Dice", "volume error", *COUNTS}  # fmt: skip
    assert overall_intervals(scores) == {}
