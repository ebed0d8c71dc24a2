import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle
from strategies import grids

from medlib.space import Grid
from medlib.transforms import Flip, Item, Pipeline, Reorient
from medlib.transforms.orientation import sided
from medlib.types import Category, Labels, Mask, MRVolume, Points, Probabilities

DIRECTIONS = ("left-right", "anterior-posterior", "superior-inferior")


@given(grids(sides=(2, 6)), st.sampled_from(DIRECTIONS))
def test_a_flip_copies_voxels_and_is_its_own_undoing(grid, direction):
    scan = MRVolume(torch.rand(1, *grid.shape), grid)
    item = Pipeline((Flip(direction),))(Item((scan,)))
    axis = next(k for k, c in enumerate(grid.orientation) if c in {"l": "LR", "a": "AP",
                                                                   "s": "SI"}[direction[0]])  # fmt: skip
    assert torch.equal(item.values[0].data, scan.data.flip(1 + axis))
    assert item.grid == grid
    assert item.trail.steps[0].map.mirrors
    assert torch.equal(item.trail.decode(item.values[0]).data, scan.data)


def test_a_flip_takes_points_along():
    grid = Grid.from_axes((4, 4, 5), origin=(-2, 0, 0))
    values = (MRVolume(torch.zeros(1, 4, 4, 5), grid), Points([[-2, 1, 2]]))
    item = Pipeline((Flip("left-right"),))(Item(values))
    assert np.allclose(item.values[1].coordinates, [[2, 1, 2]])


SIDED = Labels.of(["liver", "kidney_left", "kidney_right"])
GRID = Grid.from_axes((2, 2, 2))


@pytest.mark.parametrize(
    "value",
    [
        Mask(torch.zeros(1, 2, 2, 2, dtype=torch.uint8), GRID, SIDED),
        Probabilities(torch.zeros(4, 2, 2, 2), GRID, SIDED),
        Points([[0, 0, 0]], names=("femur head L",)),
        Category("left", ("left", "right", "both")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_side_is_never_turned_into_the_other(value):
    scan = MRVolume(torch.zeros(1, 2, 2, 2), GRID)
    with pytest.raises(ValueError, match=r"left to right would turn .*(left|L).* wrong side"):
        Pipeline((Flip("left-right", probability=0.0),))(Item((scan, value)))
    assert Pipeline((Flip("superior-inferior"),))(Item((scan, value))).trail.steps


@pytest.mark.parametrize(
    "name",
    ["left kidney", "Kidney, Right", "kidney_left", "KidneyLeft", "LKidney", "kidneyR", "lung-L",
     "RT lung", "hip.left.2", "rib_left_1", "left2", "A. carotis dextra", "carotis sinistra"],
)  # fmt: skip
def test_names_that_say_a_side(name):
    assert sided([name]) == [name]


@pytest.mark.parametrize(
    "name",
    ["liver", "vertebrae_L1", "vertebra R2", "brightness", "bright spot", "cleft", "Lung", "lesion",
     "Tumor", "rectum", "LV wall"],
)  # fmt: skip
def test_names_that_say_none(name):
    assert sided([name]) == []


@pytest.mark.parametrize("direction", ["up", "", "Left-Right"])
def test_directions_that_are_none(direction):
    with pytest.raises(ValueError, match="left-right, anterior-posterior, superior-inferior"):
        Flip(direction)


@given(grids(sides=(1, 6)), st.sampled_from(("RAS", "SPL", "lip")))
def test_reorienting_copies_voxels(grid, orientation):
    scan = MRVolume(torch.rand(1, *grid.shape), grid)
    item = Pipeline((Reorient(orientation),))(Item((scan,)))
    assert item.grid.orientation == orientation.upper()
    assert item.values[0].data.sort().values.sum() == pytest.approx(float(scan.data.sum()), 1e-5)
    assert torch.equal(item.trail.decode(item.values[0]).data, scan.data)
    again = Pipeline((Reorient(orientation),))(Item(item.values))
    assert not again.trail.steps


def test_reorienting_is_nibabel_s():
    nib = oracle("nibabel")
    grid = Grid.from_axes((3, 4, 5), spacing=(3, 2, 1)).reoriented("RSA")
    data = torch.rand(1, *grid.shape)
    ours = Pipeline((Reorient("SAR"),))(Item((MRVolume(data, grid),))).values[0]
    image = nib.Nifti1Image(data[0].numpy().T, grid.to_ras())
    theirs = nib.as_closest_canonical(image)  # its axes grow to R, A, S; so ours to S, A, R
    assert np.array_equal(theirs.get_fdata(dtype=np.float32).T, ours.data[0].numpy())
    assert np.allclose(theirs.affine, ours.grid.to_ras())


def test_an_orientation_that_is_none_is_told_at_once():
    with pytest.raises(ValueError, match="three letters"):
        Reorient("XYZ")
