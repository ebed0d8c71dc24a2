import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch

from medlib.space import Grid
from medlib.types import (
    Category,
    CTVolume,
    Labels,
    Mask,
    MRVolume,
    PETVolume,
    Points,
    Probabilities,
    Volume,
)

GRID = Grid.from_axes((2, 3, 4), spacing=(5, 2, 1))
ORGANS = Labels.of(["liver", "spleen"])


@pytest.mark.parametrize(
    ("kind", "background", "units"),
    [
        (Volume, 0.0, "arbitrary"),
        (CTVolume, -1000.0, "HU"),
        (MRVolume, 0.0, "arbitrary"),
        (PETVolume, 0.0, "SUVbw"),
    ],
)
def test_empty_space_and_units(kind, background, units):
    scan = kind(torch.zeros(1, 2, 3, 4), GRID)
    assert (scan.background, scan.units) == (background, units)
    other = replace(scan, background=7.0, units="1")
    assert (other.background, other.units) == (7.0, "1")
    assert type(other) is kind


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (np.zeros((1, 2, 3, 4)), TypeError, "needs a torch.Tensor"),
        (torch.zeros(2, 3, 4), ValueError, "channel, slice, row, column"),
        (torch.zeros(1, 4, 3, 2), ValueError, "does not fit its grid"),
        (torch.zeros(1, 2, 3, 4, dtype=torch.uint16), TypeError, "torch.int32"),
    ],
)
def test_tensors_that_do_not_fit(data, error, words):
    with pytest.raises(error, match=words):
        MRVolume(data, GRID)


def test_values_are_frozen():
    scan = MRVolume(torch.zeros(1, 2, 3, 4), GRID)
    with pytest.raises(FrozenInstanceError):
        scan.grid = GRID


def test_a_mask_holds_integers():
    with pytest.raises(ValueError, match="integers"):
        Mask(torch.zeros(1, 2, 3, 4), GRID, ORGANS)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_ids_that_the_table_does_not_know_are_found(dtype):
    data = torch.zeros(1, 2, 3, 4, dtype=dtype)
    data[0, 0, 0, :3] = torch.tensor([1, 2, 77], dtype=dtype)
    mask = Mask(data, GRID, ORGANS)
    assert mask.present_ids() == [1, 2, 77]
    assert mask.unknown_ids() == [77]


def test_negative_and_huge_ids_are_found_without_counting_up_to_them():
    data = torch.zeros(1, 2, 3, 4, dtype=torch.int64)
    data[0, 0, 0, :2] = torch.tensor([-5, 2**40])
    assert Mask(data, GRID, ORGANS).unknown_ids() == [-5, 2**40]


def test_a_mask_of_truths_has_the_id_one():
    assert Mask(torch.ones(1, 2, 3, 4, dtype=torch.bool), GRID).present_ids() == [1]
    assert Mask(torch.zeros(1, 2, 3, 4, dtype=torch.bool), GRID).present_ids() == []


def test_structures_may_overlap_in_layers():
    data = torch.zeros(2, 2, 3, 4, dtype=torch.uint8)
    data[0, 0] = 1
    data[1, :, 0, 0] = 2
    mask = Mask(data, GRID, ORGANS)
    assert mask.overlaps
    assert int(mask.structure("liver").sum()) == 12
    assert mask.volume_ml("liver") == pytest.approx(12 * 10 / 1000)
    assert mask.volume_ml("spleen") == pytest.approx(2 * 10 / 1000)
    with pytest.raises(KeyError, match="kidney"):
        mask.structure("kidney")


def test_probabilities_have_a_channel_a_label_and_background():
    Probabilities(torch.zeros(3, 2, 3, 4), GRID, ORGANS)
    with pytest.raises(ValueError, match=r"need 3 channels \(background first\), got 2"):
        Probabilities(torch.zeros(2, 2, 3, 4), GRID, ORGANS)
    with pytest.raises(ValueError, match="floating point"):
        Probabilities(torch.zeros(3, 2, 3, 4, dtype=torch.int32), GRID, ORGANS)


@pytest.mark.parametrize(
    "coordinates", [[1, 2, 3], np.zeros((3, 4)), np.zeros((2, 6)), np.zeros((1, 2, 3))]
)
def test_points_are_not_reshaped_into_other_places(coordinates):
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        Points(coordinates)


def test_points():
    assert Points([]).coordinates.shape == (0, 3)
    with pytest.raises(ValueError, match="finite"):
        Points([[0, 0, float("nan")]])
    with pytest.raises(ValueError, match="1 points cannot have 2 names"):
        Points([[0, 0, 0]], names=("a", "b"))
    with pytest.raises(ValueError, match="read-only"):
        Points([[0, 0, 0]]).coordinates[0, 0] = 1


def test_an_answer_is_one_of_its_vocabulary():
    assert Category("malignant", ("benign", "malignant")).index == 1
    with pytest.raises(ValueError, match="'cyst' is not one of benign, malignant"):
        Category("cyst", ("benign", "malignant"))


def test_values_survive_a_pickle():
    for value in (
        CTVolume(torch.rand(1, 2, 3, 4), GRID, background=-500.0),
        Mask(torch.ones(1, 2, 3, 4, dtype=torch.uint8), GRID, ORGANS),
        Probabilities(torch.rand(3, 2, 3, 4), GRID, ORGANS),
    ):
        again = pickle.loads(pickle.dumps(value))
        assert type(again) is type(value)
        assert again.grid == value.grid
        assert torch.equal(again.data, value.data)
    assert pickle.loads(pickle.dumps(Points([[1, 2, 3]], ("a",)))).names == ("a",)


def test_they_print_without_their_voxels():
    assert repr(Mask(torch.ones(1, 2, 3, 4, dtype=torch.uint8), GRID, ORGANS)) == (
        "Mask(1 × 2×3×4 voxels of 5×2×1 mm, SPL, uint8)"
    )
