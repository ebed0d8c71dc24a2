"""The last look: shortest paths beside Dijkstra's, and odds that are moved to edges, never ruined."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from medlib.assist.clicks import decided, looked_at, outline
from medlib.assist.evidence import Scene, rated
from medlib.assist.paths import FAR, paths
from medlib.assist.refiner import refined
from medlib.assist.settling import WEIGHTS, Edges, settled
from medlib.assist.weighing import Moment, synthetic, weigh
from medlib.space import Grid
from medlib.types import Boxes, Label, Points, Volume


def shortest(voxels, seeds, spacing, toll):
    """By Dijkstra's algorithm, over all 26 neighbours."""
    index = np.arange(voxels.size).reshape(voxels.shape)
    where, whither, costs = [], [], []
    for step in itertools.product((-1, 0, 1), repeat=3):
        if not any(step):
            continue
        here, there = (
            tuple(
                slice(max(0, s * k), n + min(0, s * k))
                for k, n in zip(step, voxels.shape, strict=True)
            )
            for s in (-1, 1)
        )
        length = np.square(np.multiply(step, spacing)).sum()
        costs.append(np.sqrt(length + (toll * (voxels[here] - voxels[there])) ** 2).ravel())
        where.append(index[here].ravel())
        whither.append(index[there].ravel())
    graph = csr_array((np.concatenate(costs), tuple(map(np.concatenate, (where, whither)))))
    found = dijkstra(graph, indices=index[seeds], min_only=True)
    return found.reshape(voxels.shape)


@given(
    st.tuples(*[st.integers(2, 6)] * 3),
    st.tuples(*[st.sampled_from([0.7, 1.0, 4.0])] * 3),
    st.integers(0, 99),
)
@settings(max_examples=30)
def test_paths_are_as_short_as_any(shape, spacing, seed):
    rng = np.random.default_rng(seed)
    voxels = rng.random(shape).astype(np.float32)
    seeds = np.zeros((2, *shape), dtype=bool)
    seeds[0].flat[rng.integers(voxels.size, size=2)] = True
    found = paths(voxels, seeds, spacing, 3.0, rounds=8)
    np.testing.assert_allclose(found[0], shortest(voxels, seeds[0], spacing, 3.0), rtol=1e-4)
    assert (found[1] == FAR).all(), "nothing leads to where there is no seed"
    assert (paths(voxels, seeds, spacing, 3.0)[0] >= found[0] - 1e-4).all()


def ball(shape=(20, 24, 26), spacing=(1.0, 1.0, 1.0), blur=0.5):
    """A noisy ball of 7 mm, seen with two clicks, and odds that take it for a blurred, shifted one."""
    place = np.moveaxis(np.indices(shape), 0, -1) * spacing
    middle = (np.array(shape) - 1) / 2
    truth = np.linalg.norm(place - middle * spacing, axis=-1) < 7
    noise = np.random.default_rng(0).normal(0, 0.3, shape)
    voxels = gaussian_filter(truth + noise, blur).astype(np.float32)
    clicks = np.array([middle, [middle[0], middle[1], 0]])
    scene = Scene(voxels, spacing, clicks, np.array([True, False]), ((True, True),) * 3)
    thought = gaussian_filter(np.roll(truth, 2, 2).astype(np.float32), 1.5)
    return scene, truth, (8 * (thought - 0.5)).astype(np.float32)


def dice(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 1.0, 1.0)])
def test_a_border_that_is_off_is_drawn_to_the_edge(spacing):
    scene, truth, odds = ball((20 if spacing[0] == 1 else 8, 24, 26), spacing)
    assert dice(settled(scene, odds) > 0, truth) > dice(odds > 0, truth) + 0.03


def test_one_click_is_too_little_to_settle_anything():
    scene, _, odds = ball()
    one = Scene(scene.voxels, scene.spacing, scene.clicks[:1], scene.inside[:1], scene.walls)
    assert settled(one, odds) is odds


@pytest.mark.parametrize("shape", [(1, 5, 5), (2, 3, 9), (7, 1, 1)])
@pytest.mark.parametrize("walls", [True, False])
@pytest.mark.parametrize("scale", [0.0, 1e-4, 1e4])
def test_signs_are_finite_whatever_the_box_holds(shape, walls, scale):
    voxels = (scale * np.random.default_rng(0).normal(size=shape)).astype(np.float32)
    clicks = np.array([[0.0, 0, 0], np.array(shape) - 1.0])
    scene = Scene(voxels, (3.0, 1.0, 1.0), clicks, np.array([True, True]), ((walls, walls),) * 3)
    for odds in (np.full(shape, 50.0), np.full(shape, -50.0), voxels):
        found = Edges(scene).signs(odds.astype(np.float32))
        assert found.shape == (voxels.size, len(WEIGHTS))
        assert np.isfinite(found).all()


def test_units_do_not_matter():
    scene, _, odds = ball()
    other = Scene(
        scene.voxels * 1000 - 1024, scene.spacing, scene.clicks, scene.inside, scene.walls
    )
    np.testing.assert_allclose(settled(scene, odds), settled(other, odds), atol=0.05)


def test_signs_that_tell_the_truth_are_weighed_and_others_are_not():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4, 1000, 3)).astype(np.float32)
    before = np.full(1000, -0.5, dtype=np.float32)
    found = weigh([Moment(each, before, (each[:, 1] > 0.5).astype(np.float32)) for each in rows])
    assert found[1] > 10 * max(abs(found[0]), abs(found[2]))


def test_it_is_weighed_by_moments_with_more_than_one_click():
    (first, *_) = moments = synthetic([1000])
    assert first.signs.shape == (len(first.odds), len(WEIGHTS))
    assert {float(value) for value in np.concatenate([one.truth for one in moments])} == {0, 1}
    assert all(one.signs.any() for one in moments), "after one click they say nothing"


def test_the_outline_is_by_the_last_look():
    """What comes of a click that mends is what the looks say, one after the other."""
    truth = np.zeros((24, 24, 24), dtype=bool)
    truth[6:18, 6:18, 6:12] = True
    noise = np.random.default_rng(0).normal(0, 0.5, truth.shape)
    scan = Volume(
        torch.from_numpy((truth + noise).astype(np.float32))[None], Grid.from_axes(truth.shape)
    )
    box, on, off = (
        Boxes.between([[3, 3, 3]], [[20, 20, 20]]),
        Points([[9, 12, 12]]),
        Points([[15, 12, 12]]),
    )
    look = looked_at(scan, box, on, off)
    before = refined(look.scene, rated(look.scene))
    found = outline(scan, Label(1, "it"), box, on, off).data[0].numpy() == 1
    np.testing.assert_array_equal(found[look.window], decided(settled(look.scene, before), look))
