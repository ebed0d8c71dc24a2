import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle
from strategies import grids

from medlib.space import Grid
from medlib.transforms import Flip, Item, Pipeline, RandomAffine, Reorient, Sampler, SwapSides
from medlib.types import (
    Boxes,
    Category,
    Contours,
    Labels,
    Mask,
    MRVolume,
    Points,
    Probabilities,
    names_of,
)

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


GRID = Grid.from_axes((2, 2, 2))
PAIRED = ("liver", "kidney_left", "kidney_right")
ALONE = ("liver", "kidney_left")


def values(names):
    labels = Labels.of(names)
    return (
        Mask(
            torch.tensor([0, 1, 2, 0, 2, 2, 1, 1], dtype=torch.uint8).view(1, 2, 2, 2), GRID, labels
        ),
        Probabilities(torch.rand(1 + len(names), 2, 2, 2), GRID, labels),
        Points(np.eye(3)[: len(names)], names=names),
        Boxes.between([[0, 0, 0]], [[1, 1, 1]], ids=(2,), labels=labels),
        Contours(np.eye(3), (3,), (2,), labels),
        Category("kidney_left", names),
    )


@pytest.mark.parametrize("value", values(ALONE), ids=lambda value: type(value).__name__)
def test_a_side_without_a_partner_is_never_turned_into_the_other(value):
    scan = MRVolume(torch.zeros(1, 2, 2, 2), GRID)
    with pytest.raises(ValueError, match=r"left to right would turn kidney_left .* wrong side"):
        Pipeline((Flip("left-right", probability=0.0),))(Item((scan, value)))
    assert Pipeline((Flip("superior-inferior"),))(Item((scan, value))).trail.steps


@pytest.mark.parametrize("number", range(6))
def test_what_was_left_is_called_right_and_comes_back(number):
    scan, value = MRVolume(torch.rand(1, 2, 2, 2), GRID), values(PAIRED)[number]
    item = Pipeline((Flip("left-right"), RandomAffine(degrees=3)))(Item((scan, value)))
    assert item.trail.steps[1] == SwapSides()
    mirrored = item.values[1]
    match mirrored:
        case Mask():
            unturned = Pipeline((Flip("left-right"),))(Item((scan, value))).values[1]
            expected = value.data.flip(3)
            expected = torch.where(expected > 1, 5 - expected, expected)
            assert torch.equal(unturned.data, expected)
        case Points():
            assert mirrored.names == ("liver", "kidney_right", "kidney_left")
        case Boxes() | Contours():
            assert mirrored.ids == (3,)
        case Category():
            assert mirrored.name == "kidney_right"
    back = item.trail.decode(mirrored)
    assert names_of(back) == names_of(value)
    if isinstance(value, Points | Contours):
        assert np.allclose(back.coordinates, value.coordinates)
    if isinstance(value, Boxes):
        assert back.ids == value.ids
    if isinstance(value, Category):
        assert back == value


def sides(value):
    """What is called what."""
    match value:
        case Mask() | Probabilities():
            return value.data.numpy()
        case Boxes() | Contours():
            return value.ids
        case Category():
            return [value.name]
    return value.names


def test_what_was_found_in_a_mirrored_scan_is_called_by_its_own_side():
    """When the scan was mirrored nobody knew what would be found in it."""
    scan = MRVolume(torch.zeros(1, 2, 2, 2), GRID)
    trail = Pipeline((Flip("left-right"),))(Item((scan,))).trail
    for value in values(PAIRED):
        mirrored = Pipeline((Flip("left-right"),))(Item((scan, value))).values[1]
        assert np.array_equal(sides(trail.decode(mirrored)), sides(value))
        assert not np.array_equal(sides(mirrored), sides(value))
    for alone in values(ALONE):
        with pytest.raises(ValueError, match="mirrored from left to right, and kidney_left cannot"):
            trail.decode(alone)


def test_names_do_not_part_moves_that_can_be_one():
    """A flip, its names, then a crop: still voxels copied once, nothing interpolated."""
    grid = Grid.from_axes((4, 4, 6))
    mask = Mask(torch.randint(0, 4, (1, 4, 4, 6)).to(torch.uint8), grid, Labels.of(PAIRED))
    scan = MRVolume(torch.rand(1, 4, 4, 6), grid)
    pipeline = Pipeline((RandomAffine(), Flip("left-right"), RandomAffine()))
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "medlib.transforms.spatial.together.Sampler", lambda m: calls.append(m) or Sampler(m)
        )
        item = pipeline(Item((scan, mask)))
    assert len(calls) == 1
    assert len(item.trail.steps) == 4


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
