"""Predicting folders: every scan gets its own result or a reason, and no scan is ever replaced."""

import json
import shutil

import numpy as np
import pydicom
import pytest
import torch
from tiny import CONTRAST, SIDES, Seer, scan_of, structures, write_series

from medlib import io
from medlib.batch import predict_all
from medlib.infer import MaskOutput, Predictor
from medlib.package import Manifest, Model
from medlib.package.manifest import Network, Weights
from medlib.space import Grid
from medlib.train import dice
from medlib.transforms import Normalise, Pipeline, Reorient
from medlib.types import MRVolume

GRID = Grid.from_axes((12, 20, 18), spacing=(2.0, 1.1, 1.0), origin=(-7, 8, 9))


@pytest.fixture(scope="module")
def model():
    """Knows the answer from each voxel's own value."""
    pipeline = Pipeline((Reorient("SPL"), Normalise(mean=0.0, deviation=CONTRAST)))
    predictor = Predictor(
        Seer(scale=1 / CONTRAST), pipeline, MRVolume, MaskOutput(SIDES), (16, 16, 16)
    )
    manifest = Manifest(
        medlib="0", kind="mr", output=MaskOutput(SIDES).to_dict(), preprocess=pipeline.to_list(),
        window=(16, 16, 16), overlap=0.5, weights=Weights(sha256="0" * 64),
        network=Network(name="unet", arguments={}, in_channels=1, out_channels=3),
    )  # fmt: skip
    return Model(predictor, manifest)


def scans(folder, *names):
    for seed, name in enumerate(names):
        io.write_nifti(scan_of(structures(GRID, seed=seed)), folder / name)
    return folder


def everything(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_each_scan_gets_its_own_mask_under_its_own_name(model, tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz", "b.nii", "deep/c.nii.gz")
    report = predict_all(model, source, tmp_path / "out")
    assert sorted(everything(tmp_path / "out")) == ["a.nii.gz", "b.nii.gz", "c.nii.gz"]
    assert [p.name for p in report.predictions] == ["a", "b", "c"]
    assert report.refusals == ()
    for seed, name in enumerate("abc"):
        mask = io.read_mask(tmp_path / "out" / f"{name}.nii.gz", on=GRID)
        truth = structures(GRID, seed=seed)
        assert torch.equal(mask.data.int(), truth.data)
        volumes = report.predictions[seed].volumes_ml
        assert volumes["left kidney"] == pytest.approx(truth.volume_ml("left kidney"))
    assert json.loads(json.dumps(report.to_dict()))["predictions"][0]["name"] == "a"
    assert "3 predicted, 0 refused" in str(report)


def test_a_series_becomes_a_segmentation_and_a_map_that_agree(model, tmp_path, program):
    import subprocess

    axes = np.linalg.qr(np.array([[0.2, 0.1, 1], [-0.1, 1, 0], [1, 0, -0.2]]))[0]
    grid = Grid.from_axes((10, 18, 20), spacing=(2.5, 1.2, 1.1), directions=-axes)
    truth = structures(grid)
    write_series(tmp_path / "in" / "series", scan_of(truth))
    report = predict_all(model, tmp_path / "in", tmp_path / "out", formats=("nifti", "seg"))
    assert sorted(everything(tmp_path / "out")) == ["series.dcm", "series.nii.gz"]
    native = io.survey(tmp_path / "in").stacks[0].grid
    for name in ("series.dcm", "series.nii.gz"):
        mask = io.read_mask(tmp_path / "out" / name, on=native, labels=SIDES)
        assert min(dice(mask, truth_on(native, grid)).values()) == 1.0
    seg = pydicom.dcmread(tmp_path / "out" / "series.dcm")
    assert [s.SegmentLabel for s in seg.SegmentSequence] == list(SIDES.names)
    done = subprocess.run([program("dciodvfy"), tmp_path / "out" / "series.dcm"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert "Error" not in done.stdout + done.stderr
    text = str(report) + json.dumps(report.to_dict())
    assert "SECRETID" not in text
    assert "Secret^Name" not in text


def truth_on(native, grid):
    """The truth on the grid that DICOM's decimal strings give."""
    truth = structures(grid)
    if not grid.close_to(native, tolerance_mm=0.01):
        from medlib.io.placing import placed

        return placed(truth, native, "truth")
    return type(truth)(truth.data, native, truth.labels)


def test_what_is_there_is_not_replaced_unless_asked(model, tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz", "b.nii.gz")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.nii.gz").write_bytes(b"corrected by hand")
    report = predict_all(model, source, tmp_path / "out")
    assert [p.name for p in report.predictions] == ["b"]
    assert report.refusals == (("a", "a.nii.gz is already there, and was left as it is"),)
    assert (tmp_path / "out" / "a.nii.gz").read_bytes() == b"corrected by hand"
    report = predict_all(model, source, tmp_path / "out", overwrite=True)
    assert len(report.predictions) == 2
    assert io.read_mask(tmp_path / "out" / "a.nii.gz").present_ids() == [1, 2]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_scan_is_never_replaced_by_its_mask(model, tmp_path, overwrite):
    source = scans(tmp_path / "in", "a.nii.gz", "b.nii.gz")
    before = everything(tmp_path)
    with pytest.raises(ValueError, match="another folder"):
        predict_all(model, source, source, overwrite=overwrite)
    report = predict_all(model, source / "a.nii.gz", source, overwrite=overwrite)
    assert "replace the scan itself" in report.refusals[0][1]
    assert everything(tmp_path) == before


def test_results_among_the_scans_are_not_predicted_the_next_time(model, tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz")
    for _ in range(2):
        report = predict_all(model, source, source / "results", overwrite=True)
        assert [p.name for p in report.predictions] == ["a"]
    assert predict_all(model, source, tmp_path, overwrite=True).predictions  # above them is well


def test_bad_scans_are_refused_and_the_others_predicted(model, tmp_path):
    source = scans(tmp_path / "in", "good.nii.gz", "cut.nii.gz")
    cut = source / "cut.nii.gz"
    cut.write_bytes(cut.read_bytes()[:100])
    (source / "notes.txt").write_text("not a scan")
    write_series(source / "ct", scan_of(structures(GRID)), modality="CT")
    missing = write_series(source / "gap", scan_of(structures(GRID)), patient="B")
    (missing / "005.dcm").unlink()
    short = write_series(source / "short", scan_of(structures(GRID)), patient="C")
    (short / "005.dcm").write_bytes((short / "005.dcm").read_bytes()[:-60])
    report = predict_all(model, source, tmp_path / "out", formats=("nifti", "seg"))
    assert [p.name for p in report.predictions] == ["good"]
    assert report.predictions[0].warnings == (
        "no DICOM SEG: it refers to DICOM images, and this scan is NIfTI",
    )
    assert sorted(everything(tmp_path / "out")) == ["good.nii.gz"]
    reasons = "\n".join(f"{where}: {reason}" for where, reason in report.refusals)
    assert "cut.nii.gz" in reasons
    assert "ct is CT and cannot be read as MRVolume" in reasons
    assert str(source / "gap") in reasons
    assert "005.dcm" in reasons
    assert "SECRETID" not in reasons


def test_two_patients_with_one_id_are_told_of(model, tmp_path):
    for name in ("one", "two"):
        write_series(tmp_path / "in" / name, scan_of(structures(GRID)), name=f"{name}^x")
    report = predict_all(model, tmp_path / "in", tmp_path / "out")
    assert all("two patients with one ID" in p.warnings[0] for p in report.predictions)


def test_a_failed_segmentation_leaves_no_map_behind(model, tmp_path):
    folder = write_series(tmp_path / "in" / "s", scan_of(structures(GRID)))
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.StudyInstanceUID
        dataset.save_as(path)
    report = predict_all(model, tmp_path / "in", tmp_path / "out", formats=("nifti", "seg"))
    assert len(report.refusals) == 1
    assert not (tmp_path / "out").exists() or not everything(tmp_path / "out")


def test_voxels_that_are_no_numbers_are_told_of(model, tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz")
    import nibabel

    image = nibabel.load(source / "a.nii.gz")
    values = image.get_fdata()
    values[0, 0, 0] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, image.affine), source / "a.nii.gz")
    report = predict_all(model, source, tmp_path / "out")
    assert any("1 voxels that were no numbers" in text for text in report.predictions[0].warnings)


def test_a_segmentation_of_nifti_alone_is_refused(model, tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz")
    report = predict_all(model, source, tmp_path / "out", formats=("seg",))
    assert "refers to DICOM images" in report.refusals[0][1]


def test_an_empty_folder_is_an_error(model, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(ValueError, match="no DICOM or NIfTI scans"):
        predict_all(model, tmp_path / "in", tmp_path / "out")
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(FileNotFoundError):
        predict_all(model, tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
