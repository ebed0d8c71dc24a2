"""Predicting folders: every scan gets its own result or a reason, and no scan is ever replaced."""

import csv
import json
import shutil

import numpy as np
import pydicom
import pytest
import torch
from tiny import CONTRAST, SIDES, Seer, scan_of, structures, write_series

from medlib import io
from medlib.batch import predict_all
from medlib.infer import (
    BeliefOutput,
    MaskOutput,
    MeasurementOutput,
    MultiVolumeOutput,
    PointsOutput,
    Predictor,
    VolumeInput,
    VolumeOutput,
)
from medlib.ledger import LINES, TABLE, Ledger, entries
from medlib.package import Ensemble, Manifest, Model
from medlib.package.manifest import Network, Weights
from medlib.space import Grid
from medlib.train import dice
from medlib.transforms import Normalise, Pipeline, Reorient
from medlib.types import Boxes, Labels, Mask, MRVolume, Radiograph

GRID = Grid.from_axes((12, 20, 18), spacing=(2.0, 1.1, 1.0), origin=(-7, 8, 9))


@pytest.fixture(scope="module")
def model():
    """Knows the answer from each voxel's own value."""
    return model_of(Seer(scale=1 / CONTRAST), MaskOutput(SIDES))


def model_of(network, output, *, digest="0" * 64):
    pipeline = Pipeline((Reorient("SPL"), Normalise(mean=0.0, deviation=CONTRAST)))
    window = (32, 32, 32) if output.whole else (16, 16, 16)
    manifest = Manifest(
        medlib="0", inputs=[VolumeInput(MRVolume).to_dict()], output=output.to_dict(), preprocess=pipeline.to_list(),
        window=window, overlap=0.5, weights=Weights(sha256=digest),
        network=Network(name="unet", arguments={}, in_channels=1, out_channels=output.channels),
    )  # fmt: skip
    return Model(Predictor(network, pipeline, (VolumeInput(MRVolume),), output, window), manifest)


def scans(folder, *names):
    for seed, name in enumerate(names):
        io.write_nifti(scan_of(structures(GRID, seed=seed)), folder / name)
    return folder


def everything(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name not in {LINES, TABLE}
    }


def table_in(folder):
    with (folder / TABLE).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


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
        volumes = {entry.title: entry.value for entry in report.predictions[seed].found}
        assert volumes["left kidney volume, ml"] == pytest.approx(truth.volume_ml("left kidney"))
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


# --- going on where one was interrupted ---------------------------------------------------


class Interrupt(Seer):
    """Ctrl-C while the second scan is predicted."""

    def __init__(self):
        super().__init__(scale=1 / CONTRAST)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 8:  # windows of one scan
            raise KeyboardInterrupt
        return super().forward(x)


def test_an_interrupted_archive_is_gone_on_with(model, tmp_path):
    source, out = scans(tmp_path / "in", "a.nii.gz", "b.nii.gz", "c.nii.gz"), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        predict_all(model_of(Interrupt(), MaskOutput(SIDES)), source, out)
    done = [row["scan"] for row in table_in(out)]
    assert 0 < len(done) < 3
    kept = everything(out)
    with (out / LINES).open("a") as file:
        file.write('{"name": "b", "sc')  # killed while it was writing
    report = predict_all(model, source, out)
    assert list(report.earlier) == done
    assert [p.name for p in report.predictions] == ["a", "b", "c"][len(done) :]
    assert [row["scan"] for row in table_in(out)] == ["a", "b", "c"]
    assert kept.items() <= everything(out).items()
    assert "done before" in str(report)
    again = predict_all(model, source, out)
    assert (again.earlier, again.predictions, again.refusals) == (("a", "b", "c"), (), ())
    assert len(predict_all(model, source, out, overwrite=True).predictions) == 3
    assert len(table_in(out)) == 3


def test_a_result_that_was_corrected_or_is_lost_is_told_from_one_that_is_done(model, tmp_path):
    source, out = scans(tmp_path / "in", "a.nii.gz", "b.nii.gz"), tmp_path / "out"
    predict_all(model, source, out)
    (out / "a.nii.gz").write_bytes(b"corrected by hand")
    (out / "b.nii.gz").unlink()
    report = predict_all(model, source, out)
    assert report.earlier == ("a",)
    assert [p.name for p in report.predictions] == ["b"]
    assert (out / "a.nii.gz").read_bytes() == b"corrected by hand"


def test_another_patient_of_the_same_name_never_has_the_firsts_result(model, tmp_path):
    out = tmp_path / "out"
    predict_all(model, scans(tmp_path / "one", "a.nii.gz"), out)
    io.write_nifti(scan_of(structures(GRID, seed=7)), tmp_path / "two" / "a.nii.gz")
    before = (out / TABLE).read_bytes()
    report = predict_all(model, tmp_path / "two", out)
    assert not report.earlier
    assert "another scan of this name" in report.refusals[0][1]
    assert (out / TABLE).read_bytes() == before


def test_two_models_results_are_not_mixed_unseen(model, tmp_path):
    source, out = scans(tmp_path / "in", "a.nii.gz"), tmp_path / "out"
    predict_all(model, source, out)
    other = model_of(Seer(scale=1 / CONTRAST), MaskOutput(SIDES), digest="1" * 64)
    report = predict_all(other, source, out)
    assert "another model's prediction (000000000000)" in report.refusals[0][1]
    predict_all(other, source, out, overwrite=True)
    assert [row["model"] for row in table_in(out)] == ["1" * 12]


def test_lines_of_something_else_are_left_alone(model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LINES).write_text('{"liver": 3}\n')
    with pytest.raises(ValueError, match="not written by medlib"):
        predict_all(model, scans(tmp_path / "in", "a.nii.gz"), tmp_path / "out")
    assert (tmp_path / "out" / LINES).read_text() == '{"liver": 3}\n'


# --- kinds --------------------------------------------------------------------------------


class Head(torch.nn.Module):
    """How bright the whole is, as so many numbers."""

    def __init__(self, channels):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1, 1, channels))

    def forward(self, x):
        return x.mean((2, 3, 4)) * self.weight


class Brightest(torch.nn.Module):
    """A landmark in the middle of what is bright, another in what is dark."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([20.0, -20.0]))

    def forward(self, x):
        return x * self.weight[:, None, None, None]


def test_answers_of_an_archive_are_one_table(tmp_path):
    source, words = scans(tmp_path / "in", "a.nii.gz", "b.nii.gz"), ("benign", "malignant")
    model = model_of(Head(2), BeliefOutput(words))
    report = predict_all(model, source, tmp_path / "out")
    assert not everything(tmp_path / "out")
    for row, stack in zip(table_in(tmp_path / "out"), io.survey(source).stacks, strict=True):
        belief = model.predict(stack)
        assert row["scan"] == stack.name
        assert row["likeliest"] == belief.category.name
        shares = [float(row[f"probability of {word}"]) for word in words]
        assert shares == pytest.approx(belief.shares, rel=1e-5)
    assert "likeliest malignant" in str(report) or "likeliest benign" in str(report)
    assert predict_all(model, source, tmp_path / "out").earlier == ("a", "b")


def test_several_answers_and_numbers_say_what_they_are(tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz")
    model = model_of(Head(2), BeliefOutput(("effusion", "nodule"), exclusive=False))
    predict_all(model, source, tmp_path / "one")
    (row,) = table_in(tmp_path / "one")
    assert set(row["at least 50 %"].split("; ")) <= {"effusion", "nodule", "none"}
    model = model_of(Head(1), MeasurementOutput("spleen volume", "ml", 200, 50))
    predict_all(model, source, tmp_path / "two")
    (row,) = table_in(tmp_path / "two")
    expected = model.predict(io.survey(source).stacks[0]).value
    assert float(row["spleen volume, ml"]) == pytest.approx(expected, rel=1e-5)


def test_landmarks_are_written_where_they_are(tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz")
    model = model_of(Brightest(), PointsOutput(("left", "right")))
    report = predict_all(model, source, tmp_path / "out")
    assert list(everything(tmp_path / "out")) == ["a.mrk.json"]
    points = io.read_points(tmp_path / "out" / "a.mrk.json")
    assert points.coordinates[0, 0] > points.coordinates[1, 0]  # L is towards + in LPS
    (row,) = table_in(tmp_path / "out")
    told = [float(row[f"{name} {axis} (LPS), mm"]) for name in points.names for axis in "xyz"]
    assert told == pytest.approx(points.coordinates.ravel().tolist(), rel=1e-4)
    assert report.predictions[0].files[0].name == "a.mrk.json"
    with pytest.raises(ValueError, match=r"not written as seg; it can be written as markups"):
        predict_all(model, source, tmp_path / "out", formats=("seg",))


def test_several_models_together_are_one(model, tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz")
    together = Ensemble((model, model), {}, {})
    report = predict_all(together, source, tmp_path / "out")
    assert [row["model"] for row in table_in(tmp_path / "out")] == [together.digest]
    assert report.refusals == ()


def test_a_scan_that_was_made_is_written_where_the_first_one_lies(tmp_path):
    class Doubled(Brightest):
        def forward(self, x):
            return 2 * x + 0 * self.weight[0]

    source = scans(tmp_path / "in", "a.nii.gz")
    model = model_of(Doubled(), VolumeOutput(MRVolume))
    predict_all(model, source, tmp_path / "out")
    made = io.read_volume(tmp_path / "out" / "a.nii.gz", MRVolume)
    assert made.grid.close_to(GRID)
    assert torch.allclose(made.data, model.predict(source / "a.nii.gz").data, atol=1e-3)


def test_what_a_folder_cannot_hold_is_said_before_anything_is_predicted(tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz")
    several = MultiVolumeOutput(tuple(VolumeOutput(MRVolume, name=n) for n in ("T1", "T2")))
    with pytest.raises(ValueError, match="several volumes of one scan"):
        predict_all(model_of(Head(2), several), source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_shadow_has_an_area_and_no_volume():
    grid = Grid.from_axes((1, 20, 10), spacing=(7.0, 0.5, 1.0))  # a thickness is a convention
    mask = Mask(torch.ones(1, 1, 20, 10, dtype=torch.uint8), grid, Labels.of(["heart"]))
    (entry,) = entries(mask, Radiograph(torch.zeros(1, 1, 20, 10), grid))
    assert entry.title == "heart area, cm2"
    assert entry.value == pytest.approx(1.0)


def test_what_was_not_looked_for_has_no_number():
    grid = Grid.from_axes((2, 2, 2))
    mask = Mask(torch.zeros(1, 2, 2, 2, dtype=torch.uint8), grid, SIDES, annotated=("left kidney",))
    assert [e.name for e in entries(mask, MRVolume(torch.zeros(1, 2, 2, 2), grid))] == [
        "left kidney volume"
    ]


def test_boxes_are_counted_by_label():
    labels = Labels.of(["nodule", "cyst"])
    boxes = Boxes.between(
        [[0] * 3] * 2, [[1] * 3] * 2, ids=(1, 1), scores=(0.4, 0.9), labels=labels
    )
    scan = MRVolume(torch.zeros(1, 2, 2, 2), Grid.from_axes((2, 2, 2)))
    assert [str(e) for e in entries(boxes, scan)] == [
        "boxes 2", "nodule boxes 2", "nodule highest score 0.9", "cyst boxes 0",
    ]  # fmt: skip


def test_a_scan_that_does_not_fit_the_memory_stops_no_other(tmp_path):
    class Large(Seer):
        def forward(self, x):
            if not hasattr(self, "seen"):
                self.seen = True
                raise MemoryError
            return super().forward(x)

    source = scans(tmp_path / "in", "a.nii.gz", "b.nii.gz")
    report = predict_all(
        model_of(Large(scale=1 / CONTRAST), MaskOutput(SIDES)), source, tmp_path / "out"
    )
    assert [p.name for p in report.predictions] == ["b"]
    assert "too large" in report.refusals[0][1]


def test_the_ledger_keeps_the_last_line_of_a_scan(model, tmp_path):
    source = scans(tmp_path / "in", "a.nii.gz")
    for _ in range(2):
        report = predict_all(model, source, tmp_path / "out", overwrite=True)
    assert Ledger(tmp_path / "out").get("a") == report.predictions[0]


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
