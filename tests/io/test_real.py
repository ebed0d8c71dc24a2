"""Real scans: voxel for voxel what SimpleITK and dcm2niix make of them."""

import subprocess
import zipfile

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch

from medlib.io import read_mask, read_structures, read_volume, survey, write_nifti, write_seg
from medlib.types import CTVolume, Labels, MRVolume

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def head_mr(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mr")
    with zipfile.ZipFile(real_data / "dicom_mr_vsseg.zip") as archive:
        archive.extractall(folder)
    return folder / "dicom_mr_vsseg"


@pytest.fixture(params=["abdomen", "pet-ct", "head"])
def scan(request, real_data):
    if request.param == "abdomen":
        return real_data / "ircadb1_17_ct_masks" / "PATIENT_DICOM"
    if request.param == "pet-ct":
        return real_data / "totalseg_example" / "example_ct_dicom"
    return request.getfixturevalue("head_mr")


def by_simpleitk(folder):
    reader = SimpleITK.ImageSeriesReader()
    names = reader.GetGDCMSeriesFileNames(str(folder))
    reader.SetFileNames(names)
    return reader.Execute()


def test_series_are_read_as_simpleitk_reads_them(scan):
    volume = read_volume(scan)
    image = by_simpleitk(scan)
    assert np.array_equal(SimpleITK.GetArrayViewFromImage(image), volume.data[0])
    for index in [(0, 0, 0), (500, 20, 10), (3, 511, volume.grid.shape[0] - 1)]:
        point = image.TransformIndexToPhysicalPoint(index)
        assert np.allclose(volume.grid.to_patient(index[::-1]), point, atol=1e-3)


def test_series_are_written_where_dcm2niix_writes_them(scan, tmp_path, program):
    command = [program("dcm2niix"), "-z", "n", "-f", "theirs", "-o", tmp_path, scan]
    subprocess.run(command, check=True, capture_output=True)
    theirs = nibabel.load(tmp_path / "theirs.nii")
    write_nifti(read_volume(scan), tmp_path / "ours.nii")
    ours = nibabel.load(tmp_path / "ours.nii")
    step = np.linalg.inv(theirs.affine) @ ours.affine  # dcm2niix turns the rows over
    assert np.allclose(np.abs(step[:3, :3]), np.eye(3), atol=1e-4)
    flips = tuple(slice(None, None, int(np.sign(step[k, k]))) for k in range(3))
    assert np.array_equal(np.asarray(theirs.dataobj)[flips], np.asarray(ours.dataobj))
    corner = step @ [0, 0, 0, 1]
    expected = [0 if step[k, k] > 0 else ours.shape[k] - 1 for k in range(3)]
    assert np.allclose(corner[:3], expected, atol=2e-2)


def test_the_archive_and_its_contents_are_one_volume(real_data, head_mr):
    found = survey(real_data / "dicom_mr_vsseg.zip")
    (stack,) = found.stacks
    assert (stack.name, stack.kind) == ("dicom_mr_vsseg", MRVolume)
    assert [i.file.name for i in found.ignored] == ["niivue-manifest.txt"]
    assert torch.equal(stack.read().data, read_volume(head_mr).data)


def test_outlined_structures_go_to_dicom_and_back(real_data, tmp_path, program):
    folder = real_data / "ircadb1_17_ct_masks"
    (stack,) = survey(folder / "PATIENT_DICOM").stacks
    assert stack.kind is CTVolume
    mask = read_structures(folder / "MASKS_DICOM.zip", on=stack.grid)
    assert len(mask.labels) == 8
    voxels = 0
    with zipfile.ZipFile(folder / "MASKS_DICOM.zip") as archive:
        for name in archive.namelist():
            if name.startswith("MASKS_DICOM/liver/") and not name.endswith("/"):
                voxels += int(np.count_nonzero(np.frombuffer(archive.read(name)[-512 * 512 :], np.uint8)))  # fmt: skip
    assert mask.volume_ml("liver") == pytest.approx(voxels * stack.grid.voxel_ml)
    notes = write_seg(mask, stack, tmp_path / "s.dcm", algorithm_name="t", algorithm_version="1")
    assert notes == ()
    said = subprocess.run(
        [program("dciodvfy"), tmp_path / "s.dcm"], capture_output=True, text=True, check=False
    )
    lines = (said.stdout + said.stderr).splitlines()
    assert not [line for line in lines if line.startswith("Error")]
    # The images themselves have no patient or study ID for a directory to be built from.
    assert all("build DICOMDIR" in line for line in lines if line.startswith("Warning"))
    read = read_mask(tmp_path / "s.dcm", on=stack.grid)
    for name in mask.labels.names:
        assert torch.equal(read.structure(name), mask.structure(name))


def test_label_maps_lie_on_their_images(real_data):
    labels = Labels.of(["anterior", "posterior"])
    images = sorted((real_data / "hippocampus" / "images").iterdir())[:5]
    for path in images:
        (stack,) = survey(path).stacks
        name = path.name
        mask = read_mask(real_data / "hippocampus" / "labels" / name, labels=labels, on=stack.grid)
        assert mask.present_ids() == [1, 2]
        theirs = nibabel.load(path)
        assert np.array_equal(stack.read().data[0].numpy().T, np.asarray(theirs.dataobj))
    (ct,) = survey(real_data / "totalseg_example" / "example_ct_dicom").stacks
    drawn = real_data / "totalseg_example" / "example_seg_dicom.nii.gz"
    assert read_mask(drawn, on=ct.grid).grid == ct.grid
