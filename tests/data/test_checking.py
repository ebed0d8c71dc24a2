"""Broken cases are named and set aside, few of them; and a summary shows where an item fails."""

from dataclasses import replace

import pytest
from tiny import SIDES, write_task

from medlib import io
from medlib.data import DataBlock, MaskBlock, VolumeBlock, held_out, pair
from medlib.transforms import Normalise, Pipeline, RandomPatch, Spacing
from medlib.types import CTVolume, Labels, Mask, MRVolume

BLOCK = DataBlock(
    blocks=(VolumeBlock(MRVolume), MaskBlock(SIDES)),
    get_items=lambda folder: pair(folder / "images", folder / "labels").cases,
    splitter=held_out(["case_1", "case_2"]),
    preprocess=Pipeline((Spacing((2, 2, 2)), Normalise())),
    augment=Pipeline((RandomPatch((8, 8, 8)),)),
)


@pytest.fixture
def folder(tmp_path):
    return write_task(tmp_path, 5)


def damage(path):
    """Bytes in the middle are wrong: the header is whole, so that it is found as a scan."""
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 40):
        content[place] ^= 0xFF
    path.write_bytes(content)


def strange(path):
    mask = io.read_mask(path)
    mask.data[0, 0, 0, 0] = 9
    io.write_nifti(Mask(mask.data, mask.grid), path)


def shifted(path):
    mask = io.read_mask(path)
    io.write_nifti(Mask(mask.data, mask.grid.window((1, 0, 0), mask.grid.shape)), path)


@pytest.mark.parametrize(
    ("part", "spoil", "said"),
    [
        ("images", damage, "case_4"),
        ("labels", strange, "holds the ids 9"),
        ("labels", shifted, "another grid"),
    ],
)
def test_a_broken_case_is_set_aside_with_its_reason(folder, part, spoil, said):
    spoil(folder / part / "case_4.nii.gz")
    data = BLOCK.datasets(folder, broken=0.1)
    assert [case.name for case in data.train.cases] == ["case_3", "case_5"]
    assert len(data.valid) == 2
    ((name, reason),) = data.set_aside
    assert name == "case_4"
    assert said in reason
    assert data.transformed(Pipeline(), Pipeline()).set_aside == data.set_aside
    for number in range(len(data.train)):
        data.train.prepared(number)  # the rest of them can be used


def test_a_broken_validation_case_is_said_to_be_one(folder):
    damage(folder / "images" / "case_2.nii.gz")
    data = BLOCK.datasets(folder, broken=0.1)
    assert [case.name for case in data.valid.cases] == ["case_1"]
    ((name, reason),) = data.set_aside
    assert (name, reason.partition(":")[0]) == ("case_2", "was to be validated on")


def test_many_broken_cases_are_refused_by_name(folder):
    for number in (3, 4):
        damage(folder / "images" / f"case_{number}.nii.gz")
    with pytest.raises(ValueError, match=r"2 of 5 cases cannot be used.*case_3: .*; case_4: "):
        BLOCK.datasets(folder, broken=0.1)
    assert len(BLOCK.datasets(folder, broken=0.4).set_aside) == 2


def test_no_side_is_left_empty(folder):
    alone = replace(BLOCK, splitter=held_out(["case_2"]))
    damage(folder / "images" / "case_2.nii.gz")
    with pytest.raises(ValueError, match=r"1 of 5 cases cannot be used.*case_2"):
        alone.datasets(folder, broken=0.5)


def test_without_leave_the_first_broken_case_is_an_error(folder):
    damage(folder / "images" / "case_4.nii.gz")
    data = BLOCK.datasets(folder)
    assert data.set_aside == ()
    with pytest.raises(ValueError, match="case_4"):
        data.train.prepared(1)


# --- summary --------------------------------------------------------------------------------------


def test_a_summary_shows_every_step(folder):
    summary = BLOCK.summary(folder)
    assert summary.failed is None
    assert [stage.name for stage in summary.stages] == [
        "find cases",
        "split",
        "look at the numbers of all",
        "read what is seen: VolumeBlock of case_3",
        "read what is learned: MaskBlock of case_3",
        "put together",
        "preprocess: Spacing",
        "preprocess: Normalise",
        "augment: RandomPatch",
        "batch of two",
        "truth in plain numbers",
    ]
    said = {stage.name: stage.said for stage in summary.stages}
    assert "20×24×24 voxels of 1.2×1×1 mm" in said["read what is seen: VolumeBlock of case_3"]
    assert "left kidney" in said["read what is learned: MaskBlock of case_3"]
    assert "12×12×12 voxels of 2×2×2 mm" in said["preprocess: Spacing"]
    assert "(normalised)" in said["preprocess: Normalise"]
    assert "(2, 1, 8, 8, 8), float32" in said["batch of two"]
    assert "(1, 8, 8, 8), int64" in said["truth in plain numbers"]


def test_the_walked_item_is_the_one_that_is_trained_on(folder):
    said = {stage.name: stage.said for stage in BLOCK.summary(folder, seed=3).stages}
    x = BLOCK.datasets(folder, seed=3).train
    patch = x.collate([x[0, 0]]).x
    low, high = (f"{float(end):.4g}" for end in (patch.min(), patch.max()))
    assert said["batch of two"].endswith(f"{low} to {high}")


@pytest.mark.parametrize(
    ("change", "where", "why"),
    [
        ({"get_items": lambda folder: []}, "find cases", "there are none"),
        ({"splitter": held_out(["nobody"])}, "split", "names nobody"),
        (
            {"blocks": (VolumeBlock(MRVolume), MaskBlock(Labels.of(["left kidney"])))},
            "read what is learned: MaskBlock of case_3",
            "holds the ids 2",
        ),
        (
            {"preprocess": Pipeline((Normalise(above=1e9),))},
            "preprocess: Normalise",
            "above",
        ),
    ],
)
def test_a_summary_ends_where_it_fails_and_says_why(folder, change, where, why):
    summary = replace(BLOCK, **change).summary(folder)
    assert summary.failed is summary.stages[-1]
    assert summary.failed.name == where
    assert why in summary.failed.error
    assert f"FAILED: {summary.failed.error}" in str(summary)
    assert len(str(summary).splitlines()) >= 2 * len(summary.stages)


def test_a_ct_that_is_read_as_an_mr_is_shown_as_one(folder):
    """What the summary is for: a wrong kind shows before anything is trained."""
    wrong = replace(BLOCK, blocks=(VolumeBlock(CTVolume), MaskBlock(SIDES)))
    assert "HU" in str(wrong.summary(folder))
