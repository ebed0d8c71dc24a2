import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle
from strategies import affines

from medlib.space import Affine

POINTS = np.random.default_rng(1).uniform(-200, 200, (12, 3))
points = st.tuples(*[st.floats(-200, 200)] * 3)


@given(affines(), affines(), affines())
def test_composition_is_one_after_the_other(a, b, c):
    assert np.allclose((a @ b)(POINTS), a(b(POINTS)), atol=1e-8)
    assert np.allclose(((a @ b) @ c).matrix, (a @ (b @ c)).matrix, atol=1e-9)


@given(affines())
def test_the_inverse_undoes(a):
    assert (a.inverse @ a).is_identity()
    assert (a @ a.inverse).is_identity()
    assert np.allclose(a.inverse.inverse.matrix, a.matrix, atol=1e-9)
    assert np.allclose(a.inverse(a(POINTS)), POINTS, atol=1e-8)


@pytest.mark.parametrize(
    ("degrees", "start", "end"),
    [
        ((90, 0, 0), (0, 1, 0), (0, 0, 1)),  # about x: y goes to z
        ((0, 90, 0), (0, 0, 1), (1, 0, 0)),  # about y: z goes to x
        ((0, 0, 90), (1, 0, 0), (0, 1, 0)),  # about z: x goes to y
        ((90, 0, 90), (0, 0, 1), (1, 0, 0)),  # first x (z to -y), then z (-y to x)
    ],
)
def test_rotations_are_right_handed_and_in_order(degrees, start, end):
    assert np.allclose(Affine.rotation(degrees)([start]), [end], atol=1e-12)


@given(st.tuples(*[st.floats(-180, 180)] * 3), points)
def test_rotations_are_those_of_scipy_about_a_centre_that_stays(degrees, centre):
    Rotation = oracle("scipy.spatial.transform").Rotation
    ours = Affine.rotation(degrees, centre=centre)
    theirs = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    assert np.allclose(ours.matrix[:3, :3], theirs, atol=1e-12)
    assert np.allclose(ours([centre]), [centre], atol=1e-9)
    assert not ours.mirrors


@given(points.filter(lambda p: np.linalg.norm(p) > 0.1), points)
def test_a_reflection_mirrors_and_is_its_own_inverse(normal, centre):
    mirror = Affine.reflection(normal, centre=centre)
    assert mirror.mirrors
    assert (mirror @ mirror).is_identity(tolerance=1e-8)
    assert np.allclose(mirror([centre]), [centre], atol=1e-8)
    unit = np.array(normal) / np.linalg.norm(normal)
    assert np.allclose(mirror([centre + 3 * unit]), [centre - 3 * unit], atol=1e-8)


def test_left_becomes_right():
    assert Affine.reflection((1, 0, 0), centre=(10, 0, 0))([[12, 3, 4]]).tolist() == [[8, 3, 4]]


@given(affines())
def test_json_brings_back_an_equal_map(a):
    again = Affine.from_dict(json.loads(json.dumps(a.to_dict())))
    assert again == a
    assert hash(again) == hash(a)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
def test_nobody_can_change_a_map_that_exists(copied):
    matrix = np.eye(4)
    a = Affine(matrix)
    matrix[0, 3] = 9
    assert a.is_identity()
    with pytest.raises(ValueError, match="read-only"):
        copied(a).matrix[0, 3] = 5
    assert copied(a) == a


@pytest.mark.parametrize(
    "matrix",
    [np.eye(3), np.diag([1, 1, 0, 1]), np.diag([1, np.nan, 1, 1]), np.diag([1, 1, 1, 2])],
)
def test_matrices_that_are_no_map(matrix):
    with pytest.raises(ValueError, match="affine map"):
        Affine(matrix)


def test_a_mirror_needs_a_normal():
    with pytest.raises(ValueError, match="affine map"), np.errstate(invalid="ignore"):
        Affine.reflection((0, 0, 0))
