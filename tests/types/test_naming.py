import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medlib.space import Grid
from medlib.types import (
    Boxes,
    Categories,
    Category,
    Contours,
    CTVolume,
    Kind,
    Labels,
    Mask,
    Measurement,
    MRVolume,
    MultiVolume,
    PointCloud,
    Points,
    Probabilities,
    names_of,
    sided_names,
    sided_pairs,
    swap_sides,
)

GRID = Grid.from_axes((2, 3, 4))
KIDNEYS = Labels.of({2: "kidney_left", 5: "liver", 300: "kidney_right"})
PAIRS = (("kidney_left", "kidney_right"),)
SIDES = ("kidney_left", "kidney_right")
CORNERS = np.zeros((3, 8, 3))
TRIANGLE = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]


def mask(dtype=torch.int32, ids=(2, 5, 300, 0)):
    return Mask(torch.tensor(ids, dtype=dtype).expand(2, 2, 3, 4).contiguous(), GRID, KIDNEYS)


# --- which names say a side -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["kidney_left", "Left kidney", "RightKidney", "femur-L", "femur R", "lung_lt", "RT lung",
     "left2", "ren sinister", "ren_dexter", "ovarium dextrum", "hippocampus.sin", "IliacArteryLeft",
     "left/right"],
)  # fmt: skip
def test_names_that_say_a_side(name):
    assert sided_names([name]) == (name,)


@pytest.mark.parametrize(
    "name",
    ["liver", "vertebrae_L1", "vertebra R2", "brightness", "bright spot", "cleft", "Lung", "lesion",
     "Tumor", "rectum", "LV wall"],
)  # fmt: skip
def test_names_that_say_none(name):
    assert sided_names([name]) == ()
    assert sided_pairs([name]) == ((), ())


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("kidney_left", "kidney_right"),
        ("Left Kidney", "Right Kidney"),
        ("femur-L", "femur-R"),
        ("l_femur", "r_femur"),
        ("lung lt", "lung rt"),
        ("ren sinister", "ren dexter"),
        ("arteria renalis sinistra", "arteria renalis dextra"),
        ("LeftKidney", "RightKidney"),
        ("left kidney", "Kidney (right)"),
        ("rib_left_4", "rib_right_4"),
        ("left lateral ventricle", "right lateral ventricle"),
        ("tumour of left lung, right border", "tumour of right lung, left border"),
    ],
)
def test_mirror_images_find_each_other(left, right):
    assert sided_pairs(["liver", right, left]) == (((left, right),), ())


@pytest.mark.parametrize(
    "names",
    [
        ("kidney_left",),
        ("kidney_left", "eye_right"),
        ("rib_left_4", "rib_right_5"),
        ("kidney_left", "left kidney", "kidney_right"),
        ("kidney left right",),
        ("heart_atrium_left", "heart_atrium_right"),
        ("left ventricle", "right ventricle"),
        ("lung_upper_lobe_left", "lung_upper_lobe_right"),
        ("left lobe of liver", "right lobe of liver"),
        ("left coronary artery", "right coronary artery"),
    ],
)
def test_sides_that_mirroring_does_not_exchange_are_left_over(names):
    """A mirrored left ventricle is no right one, though the names would let one think so."""
    assert sided_pairs(names) == ((), names)


@given(
    st.permutations(["rib left 1", "rib left 2", "rib right 1", "rib right 2", "eye_l", "liver"])
)
def test_the_order_of_names_does_not_matter(names):
    pairs, unpaired = sided_pairs(names)
    assert set(pairs) == {("rib left 1", "rib right 1"), ("rib left 2", "rib right 2")}
    assert unpaired == ("eye_l",)


# --- what values are called -------------------------------------------------------------------

VALUES = {
    "volume": (CTVolume(torch.zeros(1, 2, 3, 4), GRID), ()),
    "cloud": (PointCloud([[0, 0, 0]]), ()),
    "mask": (mask(), KIDNEYS.names),
    "probabilities": (
        Probabilities(torch.arange(4.0)[:, None, None, None].expand(4, 2, 3, 4), GRID, KIDNEYS),
        KIDNEYS.names,
    ),
    "boxes": (Boxes(CORNERS, (2, 5, 300), labels=KIDNEYS), KIDNEYS.names),
    "contours": (Contours([*TRIANGLE, *TRIANGLE], (3, 3), (2, 5), KIDNEYS), KIDNEYS.names),
    "points": (Points([[0, 0, 0], [1, 1, 1]], SIDES), SIDES),
    "category": (Category("kidney_left", SIDES), SIDES),
    "categories": (Categories(("kidney_left",), SIDES), SIDES),
    "categories partly known": (Categories((), SIDES, unknown=("kidney_left",)), SIDES),
    "measurement": (Measurement(1, "ml", "kidney_left"), ("kidney_left",)),
    "volumes": (
        MultiVolume(
            (MRVolume(torch.zeros(1, 2, 3, 4), GRID), CTVolume(torch.ones(1, 2, 3, 4), GRID)), SIDES
        ),
        SIDES,
    ),
}
every = pytest.mark.parametrize("value", [v for v, _ in VALUES.values()], ids=VALUES)


@pytest.mark.parametrize(("value", "names"), VALUES.values(), ids=VALUES)
def test_names(value, names):
    assert names_of(value) == names


def held(value):
    """What swapping could change, for comparing."""
    match value:
        case MultiVolume():
            return value.names, value.data.tolist(), [type(part) for part in value.parts]
        case Mask() | Probabilities():
            return value.data.tolist(), value.labels
        case Boxes() | Contours():
            return value.ids, value.labels
        case Points():
            return value.names, value.coordinates.tolist()
    return value


@every
def test_swapping_twice_is_nothing_done(value):
    assert held(swap_sides(swap_sides(value, PAIRS), PAIRS)) == held(value)


@every
@pytest.mark.parametrize("pairs", [(), (("eye_left", "eye_right"),)])
def test_pairs_that_do_not_concern_a_value_leave_it(value, pairs):
    assert held(swap_sides(value, pairs)) == held(value)


def swapped(kind):
    return swap_sides(VALUES[kind][0], PAIRS)


def test_a_mask_s_ids_are_exchanged_and_its_table_stays():
    found = swapped("mask")
    assert found.labels == KIDNEYS
    assert found.data[1, 1, 2].tolist() == [300, 5, 2, 0]
    before = VALUES["mask"][0]
    assert found.volume_ml("kidney_left") == before.volume_ml("kidney_right")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int64])
def test_ids_that_do_not_fit_the_tensor_are_not_cut_off(dtype):
    """300 in eight bits would be 44."""
    found = swap_sides(mask(dtype, (2, 5, 2, 0)), PAIRS)
    assert found.data[0, 0, 0].tolist() == [300, 5, 300, 0]


def test_a_mask_of_truths_may_become_another_label():
    table = Labels.of(["eye_left", "eye_right"])
    value = Mask(torch.ones(1, 2, 3, 4, dtype=torch.bool), GRID, table)
    assert (swap_sides(value, (("eye_left", "eye_right"),)).data == 2).all()


@pytest.mark.parametrize("label_id", [-1, 70000, 2**40])
def test_ids_that_no_label_can_have_are_not_looked_up(label_id):
    with pytest.raises(ValueError, match="ids run from 1 to 65535"):
        swap_sides(mask(torch.int64, (2, 5, 0, label_id)), PAIRS)


def test_the_others_are_exchanged_by_name():
    assert swapped("probabilities").data[:, 0, 0, 0].tolist() == [0, 3, 2, 1]
    assert swapped("boxes").ids == (300, 5, 2)
    assert swapped("contours").ids == (300, 5)
    assert swapped("points").names == ("kidney_right", "kidney_left")
    assert swapped("category").name == "kidney_right"
    assert swapped("categories").names == ("kidney_right",)
    assert swapped("measurement").name == "kidney_right"
    assert swapped("volume") is VALUES["volume"][0]
    assert type(swapped("volumes")["kidney_left"]) is CTVolume


@pytest.mark.parametrize(
    "value",
    [
        Mask(torch.ones(1, 2, 3, 4).int(), GRID, Labels.of(["kidney_left"])),
        Probabilities(torch.ones(2, 2, 3, 4), GRID, Labels.of(["kidney_left"])),
        Boxes(CORNERS[:1], (1,), labels=Labels.of(["kidney_left"])),
        Category("kidney_left", ("kidney_left", "none")),
        Categories((), ("kidney_left",)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_side_that_cannot_be_said_is_refused(value):
    """Left as it was it would be wrong, and silently so."""
    with pytest.raises(ValueError, match="kidney_left cannot become kidney_right"):
        swap_sides(value, PAIRS)


def test_a_name_with_two_partners_is_refused():
    with pytest.raises(ValueError, match="one other only"):
        swap_sides(VALUES["points"][0], [("a", "b"), ("a", "c")])


def test_a_kind_that_nobody_thought_of_is_not_taken_for_one_without_sides():
    with pytest.raises(TypeError, match="nothing registered"):
        names_of(Kind())
    with pytest.raises(TypeError, match="nothing registered"):
        swap_sides(Kind(), PAIRS)
