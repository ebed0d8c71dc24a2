import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import itk_image, oracle
from strategies import grids, voxels

from medlib.space import Grid

ORIENTATIONS = ("SPL", "IAR", "LPS", "RAS", "PSL", "LIP", "ASR")


@given(grids())
def test_there_and_back(grid):
    index = np.random.default_rng(0).uniform(-5, 15, (20, 3))
    assert np.allclose(grid.to_index(grid.to_patient(index)), index, atol=1e-8)


@given(grids())
def test_places_are_those_of_itk(grid):
    torch = oracle("torch")
    image = itk_image(torch.zeros(grid.shape), grid)
    last = tuple(n - 1 for n in grid.shape)
    there = image.TransformIndexToPhysicalPoint(last[::-1])
    assert np.allclose(there, grid.to_patient(last), atol=1e-6)


@given(grids())
def test_places_are_those_of_nibabel(grid):
    """NIfTI's array is (column, row, slice), and its millimetres are RAS."""
    nib = oracle("nibabel")
    index = np.array(grid.shape) - 1
    ras = nib.affines.apply_affine(grid.to_ras(), index[::-1])
    assert np.allclose(ras * [-1, -1, 1], grid.to_patient(index), atol=1e-8)
    again = Grid.from_ras(grid.shape[::-1], grid.to_ras())
    assert again == grid


@given(grids(degrees=20, sheared=False))
def test_orientation_is_that_of_nibabel(grid):
    nib = oracle("nibabel")
    assert grid.orientation == "".join(nib.aff2axcodes(grid.to_ras())[::-1])


@given(grids())
def test_orientation_names_each_patient_axis_once(grid):
    assert sorted("LPS"["LRPASI".index(c) // 2] for c in grid.orientation) == sorted("LPS")


def test_no_negative_zeros_reach_a_file():
    assert not np.signbit(Grid.from_axes((2, 2, 2)).to_ras()[2, 3])


@given(grids(), st.sampled_from(ORIENTATIONS))
def test_reorienting_leaves_every_voxel_where_it_is_in_the_patient(grid, orientation):
    turned = grid.reoriented(orientation)
    assert turned.orientation == orientation
    index = turned.to_index(voxels(grid)).reshape(-1, 3)
    assert np.abs(index - np.rint(index)).max() < 1e-6
    reached = {tuple(i) for i in np.rint(index).astype(int).tolist()}
    assert reached == set(np.ndindex(turned.shape))


@given(grids(), st.sampled_from(ORIENTATIONS))
def test_reorienting_back_is_the_same_grid(grid, orientation):
    assert (
        grid.reoriented(orientation).reoriented(grid.orientation).close_to(grid, tolerance_mm=1e-9)
    )


def test_small_letters_are_letters():
    grid = Grid.from_axes((2, 3, 4))
    assert grid.reoriented("ras") == grid.reoriented("RAS")


@pytest.mark.parametrize("wrong", ["", "SP", "SPLL", "SSL", "XYZ", "LRS"])
def test_orientations_that_are_none(wrong):
    with pytest.raises(ValueError, match="three letters"):
        Grid.from_axes((2, 2, 2)).reoriented(wrong)


@given(grids(), st.tuples(*[st.integers(-4, 4)] * 3), st.tuples(*[st.integers(1, 9)] * 3))
def test_a_window_is_the_same_lattice_from_another_voxel(grid, start, shape):
    window = grid.window(start, shape)
    index = np.array([1, 2, 3])
    assert window.shape == shape
    assert np.allclose(window.to_patient(index), grid.to_patient(index + start), atol=1e-8)


@given(grids(sides=(1, 40)), st.tuples(*[st.floats(0.3, 6)] * 3))
def test_respacing_is_exact_about_the_same_centre(grid, spacing):
    other = grid.respaced(spacing)
    assert np.allclose(other.spacing, spacing, rtol=1e-12, atol=0)
    assert np.allclose(other.centre, grid.centre, atol=1e-9)
    assert np.allclose(other.directions, grid.directions, atol=1e-12)
    # Whole voxels, and no fewer than there is room for: what lies at the edge is not lost.
    growth = np.array(other.shape) * other.spacing - np.array(grid.shape) * grid.spacing
    assert (growth > -1.1e-3 * np.array(spacing)).all()
    assert (growth < np.array(spacing)).all()


def test_the_far_end_does_not_drift():
    """Restoring by shape and not by grid is 0.93 mm off at the end of a 101-voxel axis."""
    grid = Grid.from_axes((101, 101, 101), origin=(-50, 20, 7))
    coarse = grid.respaced((3, 3, 3))
    far = grid.to_patient((100, 100, 100))
    assert coarse.shape == (34, 34, 34)
    assert np.abs(coarse.to_patient(coarse.to_index(far)) - far).max() < 1e-6
    assert np.abs(grid.to_index(far) - 100).max() < 1e-6


@given(grids(sides=(1, 40)), st.tuples(*[st.integers(1, 40)] * 3))
def test_resizing_keeps_the_box(grid, shape):
    other = grid.resized(shape)
    assert other.shape == shape
    assert np.allclose(other.corners(), grid.corners(), atol=1e-8)


@given(grids())
def test_json_brings_back_an_equal_grid(grid):
    again = Grid.from_dict(json.loads(json.dumps(grid.to_dict())))
    assert again == grid
    assert hash(again) == hash(grid)
    assert again.affine.tobytes() == grid.affine.tobytes()


def test_zeros_of_either_sign_are_one_grid():
    affine = np.eye(4)
    other = affine.copy()
    other[0, 1] = -0.0
    assert Grid((1, 1, 1), affine) == Grid((1, 1, 1), other)
    assert hash(Grid((1, 1, 1), affine)) == hash(Grid((1, 1, 1), other))


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))]
)
def test_nobody_can_move_a_grid_that_exists(copied):
    affine = np.eye(4)
    grid = Grid((2, 2, 2), affine)
    affine[0, 3] = 99
    assert grid.origin.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="read-only"):
        copied(grid).affine[0, 3] = 5
    assert copied(grid) == grid


def test_volume_of_a_voxel():
    assert Grid.from_axes((1, 1, 1), spacing=(5, 2, 1)).voxel_ml == pytest.approx(0.01)


def test_a_tilted_gantry_is_seen():
    straight = np.eye(3)[:, ::-1].copy()
    tilted = straight.copy()
    tilted[:, 0] = [0, np.sin(0.2), np.cos(0.2)]
    assert not Grid.from_axes((2, 2, 2), directions=straight).is_sheared
    assert Grid.from_axes((2, 2, 2), directions=tilted).is_sheared


BAD = {
    "not finite": np.diag([np.nan, 1, 1, 1]),
    "infinite": np.diag([np.inf, 1, 1, 1]),
    "3×3": np.eye(3),
    "flat": np.diag([1.0, 0, 1, 1]),
    "parallel": np.array([[1.0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]),
    "projective": np.vstack([np.eye(4)[:3], [0, 0, 1, 1]]),
}


@pytest.mark.parametrize("affine", BAD.values(), ids=BAD.keys())
def test_affines_that_are_no_place(affine):
    with pytest.raises(ValueError, match="affine"):
        Grid((2, 2, 2), affine)


@pytest.mark.parametrize("shape", [(0, 1, 1), (2, 2), (1, 1, 1, 1), (-1, 2, 2)])
def test_shapes_that_are_none(shape):
    with pytest.raises(ValueError, match="three sizes"):
        Grid(shape, np.eye(4))


def test_a_shape_is_not_rounded():
    with pytest.raises(TypeError):
        Grid((2.5, 2, 2), np.eye(4))


@pytest.mark.parametrize("spacing", [(1, 1), (0, 1, 1), (-1, 1, 1), (float("nan"), 1, 1)])
def test_spacings_that_are_none(spacing):
    with pytest.raises(ValueError, match="three positive"):
        Grid.from_axes((4, 4, 4)).respaced(spacing)


def test_tiny_voxels_are_voxels():
    """Micro-CT: 5 µm."""
    grid = Grid.from_axes((3, 3, 3), spacing=(0.005, 0.005, 0.005))
    assert grid.spacing == pytest.approx((0.005,) * 3)


def test_close_grids_and_their_difference_in_words():
    grid = Grid.from_axes((4, 4, 4))
    assert grid.close_to(Grid.from_axes((4, 4, 4), origin=(0, 5e-4, 0)))
    moved = Grid.from_axes((4, 4, 4), origin=(0, 2, 0))
    assert not grid.close_to(moved)
    assert "2 mm apart" in grid.difference(moved)
    assert grid.difference(grid.window((0, 0, 0), (4, 4, 5))) == "4×4×4 voxels against 4×4×5"
