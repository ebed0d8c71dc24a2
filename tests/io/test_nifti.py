"""NIfTI in and out: nibabel and SimpleITK agree, and nothing is guessed."""

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medlib.io import UnreadableError, read_mask, read_volume, survey, write_nifti
from medlib.space import Affine, Grid
from medlib.types import Code, CTVolume, Label, Labels, Mask, Volume

RAS = np.array([[-0.8, 0.1, 0, 30], [0.1, 0.9, 0, -20.5], [0, 0.02, 2.5, 7], [0, 0, 0, 1.0]])


def save(path, data, affine=RAS, *, sform=1, qform=0, units="mm", dtype=None):
    image = nibabel.Nifti1Image(data, affine, dtype=dtype or data.dtype)
    image.header.set_xyzt_units(units)
    image.set_sform(affine if sform else None, sform)
    image.set_qform(affine if qform else None, qform)
    nibabel.save(image, path)
    return path


@pytest.fixture
def data():
    return np.random.default_rng(0).integers(-500, 500, (4, 5, 6)).astype(np.int16)


@pytest.mark.parametrize("name", ["scan_01.nii", "scan_01.nii.gz"])
def test_values_and_places_are_nibabels(tmp_path, data, name):
    path = save(tmp_path / name, data)
    (stack,) = survey(path).stacks
    assert (stack.name, stack.kind, stack.warnings) == ("scan_01", Volume, ())
    volume = stack.read(CTVolume)
    assert type(volume) is CTVolume
    assert np.array_equal(volume.data[0].numpy().T, data)
    for index in [(0, 0, 0), (3, 4, 5), (1, 2, 3)]:
        ras = nibabel.affines.apply_affine(RAS, index)
        assert np.allclose(volume.grid.to_patient(index[::-1]), ras * [-1, -1, 1], atol=1e-5)


def test_simpleitk_reads_what_is_written_at_the_same_place(tmp_path):
    turn = Affine.rotation((10, 20, 30)).matrix[:3, :3]
    grid = Grid.from_axes((3, 4, 5), spacing=(2.5, 0.8, 0.7), directions=turn, origin=(5, -6, 7))
    volume = CTVolume(torch.arange(60, dtype=torch.int16).reshape(1, 3, 4, 5), grid)
    write_nifti(volume, tmp_path / "a.nii.gz")
    image = SimpleITK.ReadImage(str(tmp_path / "a.nii.gz"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), volume.data[0])
    for index in [(0, 0, 0), (4, 3, 2)]:
        point = image.TransformIndexToPhysicalPoint(index)
        assert np.allclose(grid.to_patient(index[::-1]), point, atol=1e-4)


def test_written_headers_say_where_and_in_what_units(tmp_path):
    volume = CTVolume(torch.zeros(1, 2, 3, 4, dtype=torch.int16), Grid.from_axes((2, 3, 4)))
    write_nifti(volume, tmp_path / "a.nii")
    header = nibabel.load(tmp_path / "a.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert header.get_xyzt_units()[0] == "mm"
    assert header.get_data_dtype() == np.int16
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii"]


@settings(max_examples=25, deadline=None)
@given(
    matrix=st.lists(st.floats(-2, 2), min_size=9, max_size=9),
    origin=st.lists(st.floats(-500, 500), min_size=3, max_size=3),
)
def test_any_grid_survives_writing_even_sheared(tmp_path_factory, matrix, origin):
    affine = np.eye(4)
    affine[:3, :3] += np.reshape(matrix, (3, 3))
    affine[:3, 3] = origin
    if abs(np.linalg.det(affine[:3, :3])) < 0.2:
        return
    grid = Grid((2, 3, 4), affine)
    path = tmp_path_factory.mktemp("a") / "a.nii"
    write_nifti(Volume(torch.zeros(1, 2, 3, 4), grid), path)
    (stack,) = survey(path).stacks
    assert stack.grid.close_to(grid, tolerance_mm=1e-3)
    assert stack.warnings == ()


def test_equal_values_give_equal_bytes(tmp_path):
    volume = CTVolume(torch.zeros(1, 2, 3, 4), Grid.from_axes((2, 3, 4)))
    write_nifti(volume, tmp_path / "a.nii.gz")
    write_nifti(volume, tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


# --- geometry that is not plain ---------------------------------------------------------------


def test_a_file_without_sides_is_refused(tmp_path, data):
    (refusal,) = survey(save(tmp_path / "a.nii", data, sform=0)).refusals
    assert "left and right are unknown" in refusal.reason


def test_qform_is_used_where_there_is_no_sform(tmp_path, data):
    straight = np.diag([-1.0, -2.0, 3.0, 1.0])
    (stack,) = survey(save(tmp_path / "a.nii", data, straight, sform=0, qform=1)).stacks
    assert stack.grid.close_to(Grid.from_ras((4, 5, 6), straight))


def test_disagreeing_forms_are_warned_of(tmp_path, data):
    image = nibabel.Nifti1Image(data, None)
    image.header.set_xyzt_units("mm")
    image.set_sform(np.diag([1.0, 1, 1, 1]), 1)
    image.set_qform(np.diag([-1.0, 1, 1, 1]), 1)
    nibabel.save(image, tmp_path / "a.nii")
    (stack,) = survey(tmp_path / "a.nii").stacks
    assert "sform and qform disagree" in stack.warnings[0]
    assert stack.grid.close_to(Grid.from_ras((4, 5, 6), np.eye(4)))


@pytest.mark.parametrize(("units", "scale"), [("meter", 1000.0), ("micron", 0.001)])
def test_other_units_become_millimetres(tmp_path, data, units, scale):
    affine = np.diag([1 / scale, 1 / scale, 2 / scale, 1])
    (stack,) = survey(save(tmp_path / "a.nii", data, affine, units=units)).stacks
    assert stack.grid.spacing == pytest.approx((2, 1, 1))
    assert "millimetres" in stack.repairs[0]


def test_unstated_units_are_warned_of(tmp_path, data):
    (stack,) = survey(save(tmp_path / "a.nii", data, units="unknown")).stacks
    assert "units are not stated" in stack.warnings[0]


# --- values ---------------------------------------------------------------------------------


def test_slope_is_applied(tmp_path, data):
    image = nibabel.Nifti1Image(data, RAS)
    image.header.set_slope_inter(0.5, -3)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[112:120] = np.array([0.5, -3], "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(raw)
    volume = read_volume(tmp_path / "a.nii")
    assert np.allclose(
        volume.data[0].numpy().T, np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    )


def test_big_endian(tmp_path, data):
    image = nibabel.Nifti1Image(data, RAS, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(image, tmp_path / "a.nii")
    assert np.array_equal(read_volume(tmp_path / "a.nii").data[0].numpy().T, data)


def test_nifti2(tmp_path, data):
    nibabel.save(nibabel.Nifti2Image(data, RAS), tmp_path / "a.nii.gz")
    assert np.array_equal(read_volume(tmp_path / "a.nii.gz").data[0].numpy().T, data)


def test_voxels_that_are_no_numbers_become_background(tmp_path, data):
    values = data.astype(np.float32)
    values[0, 0, 0], values[1, 1, 1] = np.nan, np.inf
    (stack,) = survey(save(tmp_path / "a.nii", values)).stacks
    volume, notes = stack.read_with_notes(CTVolume)
    assert "2 voxels" in notes[0]
    assert volume.data[0, 0, 0, 0] == volume.data[0, 1, 1, 1] == -1000


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6, 2), (4, 5, 6, 1, 3)])
def test_other_dimensions_are_refused(tmp_path, shape):
    (refusal,) = survey(save(tmp_path / "a.nii", np.zeros(shape, np.int16))).refusals
    assert "not one 3-D image" in refusal.reason


def test_a_fourth_axis_of_one_is_no_matter(tmp_path, data):
    assert read_volume(save(tmp_path / "a.nii", data[..., None])).grid.shape == (6, 5, 4)


@pytest.mark.parametrize("cut", [1, 20, 100, 300, 340])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_files_cut_short_are_refused(tmp_path, data, name, cut):
    path = save(tmp_path / name, data)
    path.write_bytes(path.read_bytes()[:-cut])
    (refusal,) = survey(path).refusals
    assert name in refusal.reason


def test_a_damaged_middle_is_refused_on_reading(tmp_path, data):
    path = save(tmp_path / "a.nii.gz", data)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 8] = b"\xff" * 8
    path.write_bytes(raw)
    with pytest.raises(UnreadableError, match=r"a\.nii\.gz"):
        read_volume(path)


def test_a_text_file_of_this_name_is_refused(tmp_path):
    (tmp_path / "a.nii").write_text("not an image at all")
    assert "a.nii is damaged or no NIfTI file" in survey(tmp_path).refusals[0].reason


# --- masks ----------------------------------------------------------------------------------


@pytest.fixture
def mask():
    voxels = torch.zeros(2, 6, 5, 4, dtype=torch.uint8)
    voxels[0, 1:4], voxels[1, 2:3, 1:3] = 3, 7
    table = Labels((Label(3, "liver", Code("10200004", "SCT", "Liver")), Label(7, "tumour")))
    return Mask(voxels, Grid.from_ras((4, 5, 6), RAS), table)


def test_a_mask_comes_back_with_its_layers_and_table(tmp_path, mask):
    write_nifti(mask, tmp_path / "m.nii.gz")
    again = read_mask(tmp_path / "m.nii.gz")
    assert torch.equal(again.data, mask.data)
    assert again.labels == mask.labels
    assert nibabel.load(tmp_path / "m.nii.gz").get_data_dtype() == np.uint8


def test_large_ids_take_two_bytes(tmp_path):
    voxels = torch.full((1, 2, 2, 2), 40000, dtype=torch.int32)
    mask = Mask(voxels, Grid.from_axes((2, 2, 2)), Labels.of({40000: "x"}))
    write_nifti(mask, tmp_path / "m.nii")
    assert nibabel.load(tmp_path / "m.nii").get_data_dtype() == np.uint16
    assert torch.equal(read_mask(tmp_path / "m.nii").data, voxels)


def test_whole_numbers_in_floats_are_labels_and_others_are_not(tmp_path):
    values = np.zeros((4, 5, 6))
    values[1:3] = 2.0
    read = read_mask(save(tmp_path / "a.nii", values))
    assert read.labels.names == ("label 2",)
    values[0] = 1.5
    with pytest.raises(UnreadableError, match=r"b\.nii is no label map"):
        read_mask(save(tmp_path / "b.nii", values))


def test_unknown_ids_are_refused_by_file_and_number(tmp_path):
    values = np.zeros((4, 5, 6), np.uint8)
    values[1], values[2] = 1, 9
    with pytest.raises(UnreadableError, match=r"a\.nii holds the ids 9"):
        read_mask(save(tmp_path / "a.nii", values), labels=Labels.of(["liver"]))


def test_a_mask_on_another_grid_is_refused(tmp_path, mask):
    write_nifti(mask, tmp_path / "m.nii")
    moved = mask.grid.window((0, 0, 1), mask.grid.shape)
    with pytest.raises(UnreadableError, match=r"another grid.*mm apart"):
        read_mask(tmp_path / "m.nii", on=moved)


@pytest.mark.parametrize("orientation", ["SPL", "LAS", "PIR", "IRP"])
def test_a_mask_stored_with_other_axes_lands_where_it_was(tmp_path, mask, orientation):
    """The same voxels in another order: each stays at its place in the patient."""
    write_nifti(mask, tmp_path / "m.nii")
    on = mask.grid.reoriented(orientation)
    read = read_mask(tmp_path / "m.nii", on=on)
    assert read.grid == on
    for index in np.argwhere(mask.data[0].numpy()):
        there = np.rint(on.to_index(mask.grid.to_patient(index))).astype(int)
        assert read.data[0][tuple(there)] == 3
    assert read.volume_ml("tumour") == pytest.approx(mask.volume_ml("tumour"))


def test_volumes_of_several_channels_are_not_written(tmp_path):
    volume = Volume(torch.zeros(2, 2, 2, 2), Grid.from_axes((2, 2, 2)))
    with pytest.raises(ValueError, match="2 channels"):
        write_nifti(volume, tmp_path / "a.nii")
    assert list(tmp_path.iterdir()) == []


def test_gzip_made_of_parts_is_read(tmp_path, data):
    """Some writers (bgzip) join several gzip members; the last one's length says little."""
    plain = save(tmp_path / "a.nii", data).read_bytes()
    parts = gzip.compress(plain[:200]) + gzip.compress(plain[200:])
    (tmp_path / "b.nii.gz").write_bytes(parts)
    assert np.array_equal(read_volume(tmp_path / "b.nii.gz").data[0].numpy().T, data)


def test_a_table_that_renames_what_the_file_names_is_refused(tmp_path):
    grid = Grid.from_axes((4, 5, 6))
    data = torch.zeros(1, 4, 5, 6, dtype=torch.uint8)
    data[0, 1, 2, 3] = 1
    write_nifti(Mask(data, grid, Labels.of(["left kidney"])), tmp_path / "a.nii.gz")
    with pytest.raises(UnreadableError, match=r"a\.nii\.gz calls label 1 'left kidney'"):
        read_mask(tmp_path / "a.nii.gz", labels=Labels.of(["right kidney"]))


def test_a_name_that_says_nothing_gives_way_to_a_table(tmp_path):
    data = torch.ones(1, 4, 5, 6, dtype=torch.uint8)
    grid = Grid.from_axes((4, 5, 6))
    write_nifti(Mask(data, grid, Labels.of(["label 1"])), tmp_path / "a.nii.gz")
    assert read_mask(tmp_path / "a.nii.gz", labels=Labels.of(["liver"])).labels.names == ("liver",)
