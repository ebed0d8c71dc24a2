import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import grids

from medlib.space import Grid
from medlib.types import (
    SCAN_KINDS,
    Boxes,
    CTVolume,
    Labels,
    Mask,
    MRVolume,
    MultiVolume,
    PETVolume,
    Probabilities,
    Radiograph,
    UltrasoundVolume,
    Volume,
    describe,
    measure,
    sided_pairs,
    swap_sides,
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
        (UltrasoundVolume, 0.0, "arbitrary"),
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


def multi(**changes):
    parts = {
        "T1": MRVolume(torch.rand(1, 2, 3, 4), GRID),
        "CT": CTVolume(torch.ones(2, 2, 3, 4, dtype=torch.int16), GRID),
    } | changes
    return MultiVolume(tuple(parts.values()), tuple(parts))


def test_several_volumes_keep_what_each_is():
    value = multi()
    assert value.grid == GRID
    assert value.data.shape == (3, 2, 3, 4)
    assert value.data.dtype == torch.float32
    assert torch.equal(value.data[:1], value["T1"].data)
    assert type(value["CT"]) is CTVolume
    assert value["CT"].background == -1000
    with pytest.raises(KeyError, match=r"'PET'.*T1, CT"):
        value["PET"]


def test_several_volumes_must_lie_on_one_grid():
    """Or the channels of one voxel would be of different places."""
    elsewhere = Grid.from_axes((2, 3, 4), spacing=(5, 2, 1), origin=(0, 0, 4))
    with pytest.raises(ValueError, match="T1 and PET lie on different grids: corners up to 4 mm"):
        multi(PET=PETVolume(torch.zeros(1, 2, 3, 4), elsewhere))
    nearly = Grid.from_axes((2, 3, 4), spacing=(5, 2, 1), origin=(0, 0, 1e-5))
    multi(PET=PETVolume(torch.zeros(1, 2, 3, 4), nearly))


@pytest.mark.parametrize("names", [("a",), ("a", "a"), ()])
def test_several_volumes_have_a_name_each(names):
    with pytest.raises(ValueError, match="a name of its own"):
        MultiVolume(multi().parts, names)


def test_several_volumes_are_volumes():
    with pytest.raises(ValueError, match="at least one"):
        MultiVolume((), ())
    with pytest.raises(TypeError, match="not Mask"):
        multi(Mask=Mask(torch.ones(1, 2, 3, 4, dtype=torch.uint8), GRID))


def test_a_radiograph_is_one_slice():
    Radiograph(torch.zeros(1, 1, 3, 4), Grid.from_axes((1, 3, 4)))
    with pytest.raises(ValueError, match=r"one slice.*not 2"):
        Radiograph(torch.zeros(1, 2, 3, 4), GRID)


def test_every_kind_of_scan_can_be_typed():
    assert set(SCAN_KINDS) == {"ct", "mr", "pet", "us", "xr"}


@given(grids(sides=(1, 7)), st.integers(1, 3), st.data())
def test_labels_are_counted_and_found_in_one_pass(grid, layers, draw):
    """As one look at each label finds them, whatever the layers, and ids twice in a voxel."""
    rng = np.random.default_rng(draw.draw(st.integers(0, 99)))
    found = rng.choice([0, 0, 1, 2, 300], (layers, *grid.shape))
    mask = Mask(torch.from_numpy(found), grid, Labels.of({1: "a", 2: "b", 300: "c", 7: "none"}))
    assert mask.volumes_ml() == pytest.approx({n: mask.volume_ml(n) for n in mask.labels.names})
    assert list(mask.extents()) == mask.present_ids()
    for label_id, window in mask.extents().items():
        places = np.argwhere((found == label_id).any(0))
        assert [s.start for s in window] == places.min(0).tolist()
        assert [s.stop for s in window] == (places.max(0) + 1).tolist()


@pytest.mark.parametrize("label_id", [-5, 70000])
def test_ids_that_no_label_can_have_are_refused_where_they_would_be_lost(label_id):
    data = torch.full((1, 2, 3, 4), label_id, dtype=torch.int64)
    for look in (Mask.extents, Mask.volumes_ml):
        with pytest.raises(ValueError, match="ids run from 1 to 65535"):
            look(Mask(data, GRID, ORGANS))


def test_a_mask_of_truths_is_counted():
    mask = Mask(torch.ones(1, 2, 3, 4, dtype=torch.bool), GRID, ORGANS)
    assert mask.volumes_ml() == pytest.approx({"liver": 0.24, "spleen": 0})
    assert mask.extents() == {1: (slice(0, 2), slice(0, 3), slice(0, 4))}


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
    again = pickle.loads(pickle.dumps(multi()))
    assert again.names == ("T1", "CT")
    assert torch.equal(again.data[1:], multi().data[1:])


def test_they_print_without_their_voxels():
    assert repr(Mask(torch.ones(1, 2, 3, 4, dtype=torch.uint8), GRID, ORGANS)) == (
        "Mask(1 × 2×3×4 voxels of 5×2×1 mm, SPL, uint8)"
    )


# --- masks that do not know everything ----------------------------------------------------

PARTLY = Labels.of(["left kidney", "right kidney", "liver"], ignored=9)


def partly(annotated=("left kidney", "liver")):
    """Two of three structures looked for, the second slice not looked at."""
    data = torch.zeros(1, 2, 3, 4, dtype=torch.uint8)
    data[0, 0, 0], data[0, 0, 1], data[0, 1] = 1, 3, 9
    return Mask(data, GRID, PARTLY, annotated=annotated)


def test_what_nobody_looked_at_is_no_structure_and_no_unknown_id():
    mask = partly()
    assert mask.present_ids() == [1, 3]
    assert mask.unknown_ids() == []
    assert list(mask.extents()) == list(mask.sites) == [1, 3]
    assert Boxes.around(mask).ids == (1, 3)
    assert torch.equal(mask.unseen(), mask.data[0] == 9)
    wide = replace(mask, data=mask.data.int() + 70000 * (mask.data == 3))  # the slow path
    assert wide.present_ids() == [1, 70003]
    assert not partly().structure("liver")[1].any()


def test_a_structure_nobody_looked_for_has_no_volume_of_zero():
    ml = GRID.voxel_ml
    assert partly().volumes_ml() == {"left kidney": 4 * ml, "liver": 4 * ml}
    assert partly(None).volumes_ml() == {"left kidney": 4 * ml, "right kidney": 0, "liver": 4 * ml}
    names = {found.name.rsplit(" ", 1)[0] for found in measure(partly())}
    assert not any("right" in name or "annotated" in name for name in names)
    said = describe(partly())
    assert "not looked for: right kidney" in said
    assert "nobody looked at 50.0%" in said
    assert "not found" not in said


def test_without_partial_labels_all_is_known():
    mask = Mask(torch.zeros(1, 2, 3, 4, dtype=torch.uint8), GRID, ORGANS)
    assert mask.known == ORGANS
    assert mask.unseen().shape == GRID.shape
    assert not mask.unseen().any()


def test_names_are_kept_in_the_tables_order_and_have_to_be_in_it():
    assert partly(("liver", "left kidney")).annotated == ("left kidney", "liver")
    assert partly(()).known.names == ()
    with pytest.raises(ValueError, match="spleen cannot have been annotated"):
        partly(("spleen",))
    with pytest.raises(TypeError, match="not one string"):
        partly("liver")
    with pytest.raises(ValueError, match="cannot have been annotated"):
        replace(partly(), labels=ORGANS)  # or it would be forgotten what was looked for


def test_mirroring_swaps_what_was_looked_for():
    """The left kidney was drawn; in the mirrored scan that is the right one."""
    pairs, _ = sided_pairs(PARTLY.names)
    swapped = swap_sides(partly(), pairs)
    assert swapped.annotated == ("right kidney", "liver")
    assert swapped.present_ids() == [2, 3]
    assert torch.equal(swapped.unseen(), partly().unseen())
    assert swap_sides(swapped, pairs).annotated == partly().annotated
