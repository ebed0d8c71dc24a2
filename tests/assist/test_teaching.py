"""The refiner: lessons that are the same each time, and weights that come of them."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from medlib.assist.evidence import rated
from medlib.assist.lessons import correction, lessons, middle
from medlib.assist.refiner import WEIGHTS, moved, refined, seen, untaught
from medlib.assist.teaching import teach


@pytest.fixture(scope="module")
def some():
    return [lesson for number in (2, 3) for lesson in lessons(number)][:60]


def dice(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


def test_lessons_are_the_same_each_time(some):
    again = lessons(2)
    assert len(again) > 5
    for one, other in zip(again, some, strict=False):
        np.testing.assert_array_equal(one.truth, other.truth)
        np.testing.assert_array_equal(one.scene.clicks, other.scene.clicks)
        np.testing.assert_array_equal(one.odds, other.odds)


def test_clicks_are_right_and_odds_are_what_the_evidence_says(some):
    for lesson in some:
        at = np.rint(lesson.scene.clicks).astype(int)
        if (lesson.scene.voxels.shape == lesson.truth.shape) and len(at) == 1:
            assert lesson.truth[tuple(at[0])], "the first click is on the structure"
    np.testing.assert_allclose(rated(some[0].scene), some[0].odds, rtol=1e-4, atol=1e-4)


def test_the_shipped_network_knows_shapes_that_it_was_not_taught(some):
    """Volumes from beyond those that any round had."""
    unknown = [lesson for number in range(90_000, 90_001) for lesson in lessons(number)]
    before = [dice(lesson.odds > 0, lesson.truth) for lesson in unknown]
    after = [dice(refined(lesson.scene, lesson.odds) > 0, lesson.truth) for lesson in unknown]
    assert np.mean(after) > np.mean(before) + 0.02


@pytest.mark.parametrize("shape", [(3, 3, 3), (5, 12, 13), (17, 8, 30)])
def test_boxes_of_any_size_are_seen(shape):
    found = moved(untaught().eval(), torch.zeros(12, *shape))
    assert found.shape == shape


def test_what_is_shown_is_finite_and_bounded(some):
    for lesson in some[:10]:
        shown = seen(lesson.scene, lesson.odds)
        assert shown.shape == (12, *lesson.truth.shape)
        assert bool(torch.isfinite(shown).all())
        assert float(shown.abs().max()) <= 1.0 + 1e-6


def test_the_next_click_is_in_the_middle_of_the_largest_mistake():
    truth = np.zeros((9, 9, 9), dtype=bool)
    truth[2:7, 2:7, 2:7] = True
    assert middle(truth) == (4, 4, 4)
    assert correction(truth, truth) is None
    found = truth.copy()
    found[:, :, 7:] = True
    found[2, 2, 2] = False
    assert correction(found, truth) == ((4, 4, 7), False) or not truth[correction(found, truth)[0]]


def test_a_teaching_goes_on_where_it_was_stopped(tmp_path):
    class Stop(Exception):
        pass

    def stopping(line):
        if line.startswith("round 2"):
            raise Stop

    how = {"rounds": 2, "volumes": 1, "steps": 1}
    with pytest.raises(Stop):
        teach(tmp_path / "stopped", **how, told=stopping)
    weights = [teach(tmp_path / name, **how) for name in ("stopped", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert load_file(weights[0]).keys() == dict(untaught().state_dict()).keys()
    assert not list(tmp_path.rglob("*.part"))


def test_the_weights_say_how_they_were_made_and_are_small():
    assert WEIGHTS.stat().st_size < 3 * 2**20
    with safe_open(WEIGHTS, "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    assert recipe["lessons"] > 1000
    assert {"seed", "rounds", "volumes", "steps"} <= recipe.keys()
