"""Elastic maps: what is bent can be straightened, and nothing folds unseen."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import oracle
from strategies import affines, grids

from medlib.space import Affine, Chain, Flow, Grid, composed, map_from_dict


@st.composite
def flows(draw, *, strength=0.4):
    """Random control points on any grid, bent by up to ``strength`` of their spacing."""
    lattice = draw(grids(sides=(1, 5), spacing=(10, 30)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    velocity = rng.uniform(-1, 1, (*lattice.shape, 3))
    return Flow(lattice, velocity * strength * min(lattice.spacing))


def around(flow, n=60, seed=0):
    """Points in and about where it moves anything."""
    index = np.random.default_rng(seed).uniform(-2.5, np.array(flow.lattice.shape) + 1.5, (n, 3))
    return flow.lattice.to_patient(index)


@given(flows(strength=1.0))
def test_points_come_back(flow):
    points = around(flow)
    there = flow(points)
    assert np.abs(flow.inverse(there) - points).max() < 1e-5
    assert np.abs(flow(flow.inverse(points)) - points).max() < 1e-5


def test_ten_millimetres_come_back_within_a_ten_thousandth():
    lattice = Grid.from_axes((5, 5, 5), spacing=(16, 16, 16), origin=(32, 32, 32))
    velocity = np.random.default_rng(0).uniform(-1, 1, (5, 5, 5, 3)) * 17
    flow, points = Flow(lattice, velocity), np.random.default_rng(1).uniform(0, 128, (2000, 3))
    there = flow(points)
    assert 9 < np.linalg.norm(there - points, axis=1).max() < 13
    assert np.linalg.norm(flow.inverse(there) - points, axis=1).max() < 1e-4


@given(flows())
def test_integration_is_converged(flow):
    """Twice the steps bring nothing that matters: the paths are the paths."""
    points = around(flow)
    finer = Flow(flow.lattice, flow.velocity / 2)  # half the time, twice
    assert np.abs(finer(finer(points)) - flow(points)).max() < 1e-5


def test_the_velocity_is_the_cubic_spline_of_scipy():
    interpolate = oracle("scipy.interpolate")
    lattice = Grid.from_axes((4, 5, 6), spacing=(20, 15, 10))
    flow = Flow(lattice, np.random.default_rng(0).normal(size=(4, 5, 6, 3)))
    index = np.random.default_rng(1).uniform(-1.9, 2.9, (50, 3))
    basis = interpolate.BSpline.basis_element(np.arange(-2, 3), extrapolate=False)

    def weights(axis, n):
        return np.nan_to_num(basis(index[:, axis, None] - np.arange(n)))

    true = np.einsum(
        "na,nb,nc,abcd->nd", weights(0, 4), weights(1, 5), weights(2, 6), flow.velocity
    )
    tiny = Flow(lattice, flow.velocity * 1e-6)  # so short that it is its velocity
    points = lattice.to_patient(index)
    assert np.allclose((tiny(points) - points) / 1e-6, true, atol=1e-5)


@given(flows())
@settings(max_examples=20)
def test_the_jacobian_is_the_map_s_derivative_and_never_folds(flow):
    points, step = around(flow, 20), 1e-3
    numeric = np.stack(
        [(flow(points + e) - flow(points - e)) / (2 * step) for e in np.eye(3) * step], axis=-1
    )
    found = flow.jacobian(points)
    assert np.allclose(found, numeric, atol=1e-5)
    assert (np.linalg.det(found) > 0).all()
    stretched = np.linalg.norm(found, ord=2, axis=(1, 2))
    assert (stretched <= np.exp(flow.strain) + 1e-9).all()


@given(flows())
def test_no_point_goes_further_than_said_and_far_ones_stay(flow):
    points = around(flow)
    assert np.linalg.norm(flow(points) - points, axis=1).max() <= flow.reach + 1e-9
    far = flow.lattice.to_patient(np.array([[-2.01, 0, 0], [0, 0, flow.lattice.shape[2] + 1.01]]))
    assert np.array_equal(flow(far), far)


@given(flows(), affines(), flows(), affines())
@settings(max_examples=20)
def test_chains_compose_and_come_undone(f, a, g, b):
    points = around(f, 20)
    chain = a @ f @ b @ g
    assert np.allclose(chain(points), a(f(b(g(points)))), atol=1e-9)
    left, right = ((a @ f) @ b) @ g, a @ (f @ (b @ g))
    assert np.allclose(left(points), right(points), atol=1e-8)
    assert np.abs(chain.inverse(chain(points)) - points).max() < 1e-4
    assert chain.mirrors == (a.mirrors != b.mirrors)
    assert chain.inverse.inverse == chain
    for whole in (chain.inverse @ chain, chain @ chain.inverse):
        assert isinstance(whole, Affine)
        assert whole.is_identity(tolerance=1e-8)


@given(flows(), affines())
@settings(max_examples=15)
def test_maps_are_json_and_pickle_to_the_bit(flow, a):
    for one in (flow, a @ flow, flow @ a @ flow, a):
        for again in (
            map_from_dict(json.loads(json.dumps(one.to_dict()))),
            pickle.loads(pickle.dumps(one)),
        ):
            assert again == one
            assert hash(again) == hash(one)
            assert np.array_equal(again(around(flow, 3)), one(around(flow, 3)))
    with pytest.raises(ValueError, match="read-only"):
        pickle.loads(pickle.dumps(flow)).velocity[:] = 0


def test_what_is_no_map_is_refused():
    lattice = Grid.from_axes((2, 2, 2))
    with pytest.raises(ValueError, match=r"finite velocities \(2, 2, 2, 3\)"):
        Flow(lattice, np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match="finite"):
        Flow(lattice, np.full((2, 2, 2, 3), np.nan))
    with pytest.raises(ValueError, match="'Spline' is no map of space"):
        map_from_dict({"type": "Spline"})


def test_neighbours_that_can_be_one_are():
    turn = Affine.rotation((10, 0, 0))
    flow = Flow(Grid.from_axes((1, 1, 1), spacing=(20, 20, 20)), np.ones((1, 1, 1, 3)))
    assert isinstance(turn @ flow, Chain)
    assert (turn @ flow @ turn @ turn).factors == (turn, flow, turn @ turn)
    assert composed([turn, turn.inverse]).is_identity()
    assert composed([flow, turn, turn.inverse]) == flow
    assert composed([]) == Affine.identity()
