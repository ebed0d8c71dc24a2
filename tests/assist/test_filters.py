"""Filters by matrices, beside SciPy's; and the last looks that are made with them."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import ndimage

from medlib.assist.clicks import Look, decided
from medlib.assist.evidence import Scene
from medlib.assist.filters import Filter, weighed
from medlib.assist.settling import WEIGHTS, Edges, settled

SHAPES = st.tuples(*[st.integers(1, 9)] * 3)


def drawn(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@given(SHAPES, st.tuples(*[st.floats(0.5, 6)] * 3))
def test_gaussians_are_scipys(shape, sigma):
    values = drawn(shape)
    wanted = ndimage.gaussian_filter(values, sigma, mode="nearest", truncate=2)
    assert np.allclose(Filter.gaussian(shape, sigma)(values), wanted, atol=1e-5)


@given(SHAPES, st.tuples(*[st.integers(1, 4)] * 3), st.data())
def test_enlarged_as_scipy_does(shape, factors, data):
    wanted = tuple(
        data.draw(st.integers((n - 1) * f + 1, n * f)) for n, f in zip(shape, factors, strict=True)
    )
    values, by = drawn(shape), np.array(factors)
    expected = ndimage.affine_transform(
        values, 1 / by, (1 - by) / 2 / by, output_shape=wanted, order=1, mode="nearest"
    )
    found = Filter.enlarging(shape, factors, wanted)(values)
    assert np.allclose(found, expected, atol=1e-5)


def test_sums_are_numpys():
    rows, weights = drawn((50, 4)), drawn(4)
    assert np.allclose(weighed(rows, weights), rows @ weights, atol=1e-5)


def scene(clicks):
    """A bright ball in noise, clicked on in its midst and about it."""
    place = np.indices((15, 15, 15))
    voxels = (np.linalg.norm(place.T - 7, axis=-1).T < 5).astype(np.float32) * 3
    at = np.array([[7.0, 7, 7], [7, 9, 7], [1, 1, 1], [13, 13, 13], [7, 7, 4]])[:clicks]
    inside = np.array([True, True, False, False, True])[:clicks]
    return Scene(voxels + drawn(voxels.shape), (1, 1, 1), at, inside, ((True, True),) * 3)


@pytest.mark.parametrize(("clicks", "looks"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_with_some_clicks_there_are_two_looks(clicks, looks):
    it = scene(clicks)
    odds = before = drawn(it.voxels.shape, 1)
    for _ in range(looks):
        odds = odds + (Edges(it).signs(odds) @ WEIGHTS).reshape(odds.shape)
    assert np.allclose(settled(it, before), odds, atol=1e-3)


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.8))
def test_holes_are_those_that_scipy_fills(seed, share):
    rng = np.random.default_rng(seed)
    inside = rng.random((7, 8, 9)) < share
    inside[3, 4, 4] = True
    it = Scene(
        inside.astype(np.float32),
        (1, 1, 1),
        np.array([[3.0, 4, 4]]),
        np.array([True]),
        ((True, True),) * 3,
    )
    whole = tuple(slice(0, n) for n in inside.shape)
    look = Look(it, whole, inside.shape, np.array([[3, 4, 4]]), np.ones(3, int), (0, 1, 2), ())
    pieces, _ = ndimage.label(inside, np.ones((3, 3, 3)))
    wanted = ndimage.binary_fill_holes(pieces == pieces[3, 4, 4])
    assert np.array_equal(decided(np.where(inside, 1, -1).astype(np.float32), look), wanted)
