"""What nobody looked at is written and read as that, or refused; never as background."""

import pytest
import torch
from tiny import write_series

from medlib import io
from medlib.space import Grid
from medlib.types import Labels, Mask, MRVolume

GRID = Grid.from_axes((3, 4, 5), spacing=(2, 1, 1))
TABLE = Labels.of(["liver", "spleen"], ignored=9)


@pytest.fixture
def mask():
    data = torch.zeros(1, *GRID.shape, dtype=torch.uint8)
    data[0, 0, 0], data[0, 2] = 1, 9
    return Mask(data, GRID, TABLE, annotated=("liver",))


def test_nifti_keeps_it_with_its_own_table_and_with_anothers(tmp_path, mask):
    io.write_nifti(mask, tmp_path / "own.nii.gz")
    io.write_nifti(Mask(mask.data, GRID), tmp_path / "plain.nii.gz")
    for found in (
        io.read_mask(tmp_path / "own.nii.gz"),
        io.read_mask(tmp_path / "plain.nii.gz", labels=TABLE, on=GRID.reoriented("RAS")),
    ):
        assert found.labels == TABLE
        assert found.present_ids() == [1]
        assert int(found.unseen().sum()) == 20


def test_a_table_that_takes_it_for_a_structure_is_refused(tmp_path, mask):
    io.write_nifti(mask, tmp_path / "own.nii.gz")
    other = Labels.of({1: "liver", 2: "spleen", 9: "kidney"})
    with pytest.raises(ValueError, match="id 9 that nobody looked there"):
        io.read_mask(tmp_path / "own.nii.gz", labels=other)
    with pytest.raises(ValueError, match="nobody looked there"):
        io.read_mask(tmp_path / "own.nii.gz", labels=Labels.of(["liver", "spleen"]))


def test_a_dicom_segmentation_cannot_say_it(tmp_path, mask):
    series = write_series(tmp_path / "s", MRVolume(torch.zeros(1, *GRID.shape), GRID))
    (stack,) = io.survey(series).stacks
    about = {"algorithm_name": "test", "algorithm_version": "1"}
    with pytest.raises(ValueError, match="call them background"):
        io.write_seg(mask, stack, tmp_path / "seg.dcm", **about)
