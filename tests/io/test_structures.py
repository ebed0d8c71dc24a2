"""A folder of structures as one mask."""

import shutil

import numpy as np
import pytest
import torch

from medlib.io import UnreadableError, read_structures, write_nifti
from medlib.space import Grid
from medlib.types import Labels, Mask, Volume


@pytest.fixture
def folder(tmp_path, series):
    """Liver with a tumour inside it, and a spleen apart, each a series of 0 and 255."""
    shapes = {"liver": np.s_[1:5, :4], "livertumour": np.s_[2:3, 1:3], "spleen": np.s_[1:5, 5:]}
    truth = {}
    for name, where in shapes.items():
        made = series(intercept=0)
        made.stored[:] = 0
        made.stored[where] = 255
        for k, dataset in enumerate(made.datasets):
            dataset.PixelData = made.stored[k].tobytes()
        made.save(tmp_path / "masks" / name, [f"image_{k}" for k in range(6)])
        truth[name] = made.stored > 0
    return tmp_path / "masks", truth, made.grid


@pytest.mark.parametrize("zipped", [False, True])
def test_nothing_is_lost_where_structures_overlap(folder, zipped):
    path, truth, grid = folder
    path = shutil.make_archive(str(path), "zip", path) if zipped else path
    mask = read_structures(path)
    assert mask.labels.names == ("liver", "livertumour", "spleen")
    assert mask.data.shape[0] == 2
    assert mask.grid.close_to(grid)
    for name, where in truth.items():
        assert np.array_equal(mask.structure(name), where)
    assert mask.labels["liver"].code.value == "10200004"


def test_files_of_a_structure_each_are_put_on_the_images_grid(tmp_path):
    grid = Grid.from_axes((4, 5, 6), spacing=(2, 1, 1))
    for i, name in enumerate(["kidney_left", "spleen"]):
        voxels = torch.zeros(1, 4, 5, 6, dtype=torch.uint8)
        voxels[0, i] = 1
        write_nifti(Mask(voxels, grid, Labels.of([name])), tmp_path / f"{name}.nii.gz")
    on = grid.reoriented("LPI")
    mask = read_structures(tmp_path, on=on)
    assert mask.grid == on
    assert mask.volume_ml("kidney_left") == pytest.approx(30 * 2 / 1000)
    centre = np.argwhere(mask.structure("spleen").numpy()).mean(0)
    assert grid.to_index(on.to_patient(centre))[0] == pytest.approx(1)


def test_more_than_two_values_or_another_grid_is_refused(tmp_path):
    grid = Grid.from_axes((2, 2, 2))
    voxels = torch.arange(8).reshape(1, 2, 2, 2).to(torch.int16)
    write_nifti(Volume(voxels, grid), tmp_path / "a" / "liver.nii")
    with pytest.raises(UnreadableError, match="liver holds more than a structure"):
        read_structures(tmp_path / "a")
    write_nifti(Volume((voxels > 3).to(torch.int16), grid), tmp_path / "b" / "liver.nii")
    with pytest.raises(UnreadableError, match="liver lies on another grid"):
        read_structures(tmp_path / "b", on=grid.window((0, 0, 1), (2, 2, 2)))


def test_an_empty_structure_keeps_its_name(tmp_path):
    write_nifti(Volume(torch.zeros(1, 2, 2, 2), Grid.from_axes((2, 2, 2))), tmp_path / "cyst.nii")
    mask = read_structures(tmp_path)
    assert mask.labels.names == ("cyst",)
    assert mask.volume_ml("cyst") == 0


def test_one_unreadable_structure_refuses_all(folder):
    path, _, _ = folder
    (path / "spleen" / "image_2").unlink()
    with pytest.raises(UnreadableError, match="missing"):
        read_structures(path)
