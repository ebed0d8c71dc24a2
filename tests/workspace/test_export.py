"""Exports: right side up, by the right name, vouched for by whom, whole or not at all, and no leak."""

import csv
import gzip
import io as bytes_io
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import oracle
from small_scans import ORGANS, add_scan, painted
from tiny import write_series
from typer.testing import CliRunner

from medlib.cli import app
from medlib.space import Grid
from medlib.types import Code, CTVolume, Label, Labels, Mask
from medlib.workspace import (
    Content,
    Decision,
    Question,
    Seen,
    Standing,
    Status,
    Wish,
    Workspace,
    WorkspaceError,
)
from medlib.workspace.export import write_zip
from medlib.workspace.export.naming import OwnNames
from medlib.workspace.export.origins import Origin

MARK = "Zaphod"
KIDNEYS = Labels(
    (
        Label(3, "left kidney", Code("64033007", "SCT", "Kidney")),
        Label(7, "right kidney", Code("64033007", "SCT", "Kidney")),
    )
)


def oblique():
    """A grid that no two axes of which can be swapped unseen, its slices running downwards."""
    turn = np.linalg.qr(np.array([[0.1, -0.2, -1.0], [0.1, 1.0, -0.2], [1.0, 0.1, 0.1]]))[0]
    turn = turn * np.sign(turn[[2, 1, 0], [0, 1, 2]]) * [-1, 1, 1]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn * [2.5, 0.8, 0.7], [12.0, -40.0, 300.0]
    return Grid((6, 8, 10), matrix)


def series(folder, number, grid, *, mark=MARK):
    """A CT of somebody whose name is in every field that takes text, and in the file's path."""
    pydicom = oracle("pydicom")
    scan = CTVolume(torch.randint(-100, 100, (1, *grid.shape)).float() + number, grid)
    there = folder / f"{mark}^folder {number}"
    write_series(there, scan, modality="CT", patient=f"{mark}ID{number}", name=f"{mark}^N{number}")
    for path in [*there.iterdir()]:
        file = pydicom.dcmread(path)
        for word in ("StudyDescription", "SeriesDescription", "ProtocolName", "InstitutionName",
                     "ReferringPhysicianName", "OperatorsName", "AccessionNumber", "StudyID",
                     "PatientComments", "ImageComments", "StationName", "OtherPatientIDs",
                     "AdditionalPatientHistory", "InstitutionAddress", "PerformingPhysicianName",
                     "DeviceSerialNumber", "RequestedProcedureDescription"):  # fmt: skip
            setattr(file, word, mark)
        file.PatientName, file.PatientID = f"{mark}^N{number}", f"{mark}ID{number}"
        file.save_as(there / f"{mark}_{path.name}")
        path.unlink()
    return there


@pytest.fixture
def clinic(tmp_path):
    """Two CT scans: the first one's prediction was accepted by two people, the second was drawn."""
    grid = oblique()
    for number in (1, 2):
        series(tmp_path / "in", number, grid)
    with Workspace(tmp_path / "w") as workspace:
        kidneys = workspace.label_sets.add(
            "kidneys", KIDNEYS, by="ada", questions=[Question("=cmd|stone?", "yes/no")],
            landmarks=["hilum"],
        ).id  # fmt: skip
        first, second = workspace.scans.add(tmp_path / "in", by="ada", named=True, copy=False).scans
        found = _predict(workspace, kidneys, first.id)
        for person in ("ada", "Grace\\Hopper^"):
            workspace.reviews.decide(found.id, Decision.ACCEPT, by=person)
        drawn = _mask(workspace, second.id, shift=1)
        workspace.versions.save_mask(
            second.id, kidneys, drawn, base=None, by="bob", seen=Seen(True)
        )
        yield workspace, kidneys, first.id, second.id


def _mask(workspace, scan, shift=0):
    grid = workspace.scans.grid(scan)
    data = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    data[0, 1:3, 2 + shift : 5, 1:4] = 3
    data[0, 3:5, 1:4, 6 + shift : 9] = 7
    return Mask(data, grid, KIDNEYS)


def _predict(workspace, label_set, scan):
    package = workspace.folder.parent / "net.medlib"
    package.write_bytes(b"weights")
    model = workspace.models.add("renal net\\2", package, label_set, by="worker")
    flags = {"flags": [{"kind": "uneven", "structure": "left kidney", "reason": "<b>uneven</b>"}]}
    return workspace.models.keep_mask(
        model.id, scan, _mask(workspace, scan), by="worker", figures=flags
    )


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [*csv.DictReader(file)]


# --- DICOM -----------------------------------------------------------------------------------


def test_a_segmentation_is_where_it_was_and_says_who_made_it(clinic, tmp_path, program):
    pydicom, hd = oracle("pydicom"), oracle("highdicom")
    workspace, kidneys, first, second = clinic
    done = workspace.export(
        Wish(kidneys, ("seg",), reviewed_only=False), tmp_path / "out", by="ada"
    )
    assert done.left_out == ()
    assert len(done.files) == 4
    for scan, how, model, who in ((first, "AUTOMATIC", "renal net/2", "ada, Grace"),
                                  (second, "MANUAL", None, None)):  # fmt: skip
        name = workspace.scans.get(scan).name
        path = done.folder / "seg" / f"{name}_seg.dcm"
        found = hd.seg.segread(path)
        truth = workspace.versions.mask(workspace.versions.head(scan, kidneys).id)
        _check_voxels(found, truth)
        for segment, label in zip(found.SegmentSequence, KIDNEYS, strict=True):
            assert segment.SegmentLabel == label.name
            assert segment.SegmentAlgorithmType == how
            assert segment.get("SegmentAlgorithmName") == model
            kind = segment.SegmentedPropertyTypeCodeSequence[0]
            assert (kind.CodeValue, kind.CodingSchemeDesignator) == ("64033007", "SCT")
            side = kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning
            assert side.lower() in label.name
        source = pydicom.dcmread(workspace.scans.stack(scan).files[0].path)
        for word in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
            assert found[word].value == source[word].value
        remark = found.ContentDescription
        assert remark.startswith(f"reviewed by {who}") if who else remark == "not reviewed"
        report = pydicom.dcmread(done.folder / "seg" / f"{name}_report.dcm")
        assert report.VerificationFlag == ("VERIFIED" if who else "UNVERIFIED")
        assert "ApprovalStatus" not in found, "no module of the Segmentation IOD has it"
    assert not [fault for file in done.files for fault in _faults(program, file)]


def _check_voxels(found, truth):
    """As highdicom places each segment, against the mask's own voxels, at every corner of a voxel."""
    for number, label in enumerate(truth.labels, start=1):
        volume = found.get_volume(segment_numbers=[number], combine_segments=True)
        assert volume.array.sum() == number * int(truth.structure(label.name).sum())
        for index in np.argwhere(volume.array):
            place = volume.map_indices_to_reference(index[None])[0]
            at = np.round(truth.grid.to_index(place)).astype(int)
            np.testing.assert_allclose(truth.grid.to_patient(at), place, atol=1e-3)
            assert bool(truth.structure(label.name)[*at])


def _faults(program, file):
    said = subprocess.run(
        [program("dciodvfy"), file], check=False, capture_output=True, text=True
    ).stderr
    return [line for line in said.splitlines() if line.startswith("Error")]


def test_a_report_bears_its_reviewers_and_measures_the_segments(clinic, tmp_path):
    pydicom = oracle("pydicom")
    workspace, kidneys, first, second = clinic
    done = workspace.export(Wish(kidneys, ("seg",)), tmp_path / "out", by="eve")
    assert done.unreviewed == (workspace.scans.get(second).name,)
    segmentation, report = (
        pydicom.dcmread(next(f for f in done.files if f.name.endswith(end)))
        for end in ("_seg.dcm", "_report.dcm")
    )
    observers = report.VerifyingObserverSequence
    assert [str(one.VerifyingObserverName) for one in observers] == ["ada", "Grace Hopper"]
    (review, _) = workspace.reviews.of(workspace.models.predictions(scan=first)[0].id)
    assert str(observers[0].VerificationDateTime).startswith(f"{review.made:%Y%m%d%H%M%S}")
    found = {}
    for group in _named(report, "126010", "125007"):
        label = _named(group, "112039")[0].TextValue
        segment = next(i for i in group.ContentSequence if "ReferencedSOPSequence" in i)
        referred = segment.ReferencedSOPSequence[0]
        assert referred.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
        number = referred.ReferencedSegmentNumber
        assert segmentation.SegmentSequence[number - 1].SegmentLabel == label
        value = _named(group, "118565006")[0].MeasuredValueSequence[0]
        assert value.MeasurementUnitsCodeSequence[0].CodeValue == "mL"
        found[label] = float(value.NumericValue)
        assert _sides(group) == {label.split()[0]}
    truth = workspace.versions.mask(workspace.versions.head(first, kidneys).id)
    assert found == pytest.approx(truth.volumes_ml(), rel=1e-5)


def _named(item, *codes):
    """The content items of these concept names, one inside another."""
    inner = [
        one for one in item.ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == codes[0]
    ]
    return [found for one in inner for found in _named(one, *codes[1:])] if codes[1:] else inner


def _sides(group):
    return {
        side.ConceptCodeSequence[0].CodeMeaning.lower()
        for place in _named(group, "363698007")
        for side in _named(place, "272741003")
    }


def test_who_made_an_outline_is_told_honestly(clinic, tmp_path):
    workspace, kidneys, first, second = clinic
    versions = workspace.versions
    accepted = versions.head(first, kidneys)
    fixed = versions.save_mask(
        first, kidneys, _mask(workspace, first, shift=1), base=accepted.id, by="bob"
    )
    assert Origin.of(workspace, fixed) == Origin("SEMIAUTOMATIC", "renal net\\2", "bob")
    assert workspace.reviews.approving([fixed.id]) == {fixed.id: []}, (
        "what was changed is no longer reviewed"
    )
    _ = add_scan(workspace, tmp_path / "more", "third")
    drawn = versions.head(second, kidneys)
    assert Origin.of(workspace, drawn).how == "MANUAL"
    imported = versions.save_mask(
        second, kidneys, _mask(workspace, second), base=drawn.id, by="bob", origin="imported"
    )
    assert "not known" in Origin.of(workspace, imported).algorithm


def test_disputed_and_rejected_outlines_are_not_called_reviewed(clinic, tmp_path):
    workspace, kidneys, _, second = clinic
    drawn = workspace.versions.head(second, kidneys)
    found = workspace.models.keep_mask(1, second, _mask(workspace, second, 1), by="worker")
    workspace.reviews.decide(found.id, Decision.ACCEPT, by="ada")
    assert len(workspace.reviews.approving([drawn.id])[drawn.id]) == 1
    workspace.reviews.decide(found.id, Decision.REJECT, by="bob", reason="too small")
    assert workspace.reviews.standing(found.id) == Standing.DISPUTED
    assert workspace.reviews.approving([drawn.id]) == {drawn.id: []}


def test_what_was_signed_is_verified_by_its_signer_and_what_was_sent_back_is_not(clinic, tmp_path):
    pydicom = oracle("pydicom")
    workspace, kidneys, _, second = clinic
    name = workspace.scans.get(second).name
    drawn = workspace.versions.head(second, kidneys)
    workspace.signing.sign([drawn.id], Decision.ACCEPT, by="eve")
    wish = Wish(kidneys, ("seg", "csv"), scans=frozenset({second}))
    done = workspace.export(wish, tmp_path / "signed", by="ada")
    report = pydicom.dcmread(done.folder / "seg" / f"{name}_report.dcm")
    observers = [str(one.VerifyingObserverName) for one in report.VerifyingObserverSequence]
    assert (report.VerificationFlag, observers) == ("VERIFIED", ["eve"])
    found = pydicom.dcmread(done.folder / "seg" / f"{name}_seg.dcm")
    assert found.ContentDescription == "reviewed by eve"
    assert {one.SegmentAlgorithmType for one in found.SegmentSequence} == {"MANUAL"}
    (row,) = rows(done.folder / "csv" / "scans.csv")
    # The question and the landmark of the set are open, so the scan as a whole is not reviewed.
    assert (row["reviewed_by"], row["status"]) == ("eve", "in progress")
    newer = workspace.versions.save_mask(
        second, kidneys, _mask(workspace, second), base=drawn.id, by="bob", seen=Seen(True)
    )
    workspace.signing.sign([newer.id], Decision.REJECT, by="eve", reason="the left is the right")
    with pytest.raises(WorkspaceError, match="no reviewer has accepted"):
        workspace.export(wish, tmp_path / "refused", by="ada")
    done = workspace.export(replace(wish, reviewed_only=False), tmp_path / "all", by="ada")
    report = pydicom.dcmread(done.folder / "seg" / f"{name}_report.dcm")
    assert report.VerificationFlag == "UNVERIFIED"
    assert "VerifyingObserverSequence" not in report


def test_what_was_no_dicom_and_what_is_half_done_gets_no_segmentation(clinic, tmp_path):
    workspace, kidneys, _, second = clinic
    third = add_scan(workspace, tmp_path / "more", "third")
    grid = workspace.scans.grid(third)
    for scan, seen in ((third, Seen(True)), (second, Seen.of([2]))):
        head = workspace.versions.head(scan, kidneys)
        mask = painted(3, grid=grid, labels=KIDNEYS) if scan == third else _mask(workspace, scan)
        workspace.versions.save_mask(
            scan, kidneys, mask, base=head and head.id, by="ada", seen=seen
        )
    wish = Wish(kidneys, ("seg",), reviewed_only=False)
    done = workspace.export(wish, tmp_path / "out", by="ada")
    why = dict(done.left_out)
    assert "was no DICOM" in why["third"]
    assert "not all of its slices" in why[workspace.scans.get(second).name]
    assert len(done.files) == 2


# --- names -----------------------------------------------------------------------------------


def _all_bytes(folder):
    """Every byte of an export, also inside of what is compressed, and all names."""
    for path in folder.rglob("*"):
        yield path.name.encode()
        if not path.is_file():
            continue
        raw = path.read_bytes()
        yield raw
        if path.suffix == ".gz":
            yield gzip.decompress(raw)
            assert not raw[3] & 0x1C, "no name and no comment in the gzip header"
        if path.suffix == ".zip":
            with zipfile.ZipFile(bytes_io.BytesIO(raw)) as archive:
                for one in archive.infolist():
                    yield one.filename.encode() + one.comment + one.extra
                    yield archive.read(one)


def test_no_name_leaks_from_any_field_file_or_folder(clinic, tmp_path):
    workspace, kidneys, first, second = clinic
    third = add_scan(workspace, tmp_path / "in" / f"{MARK} Beeblebrox", f"{MARK}_knee")
    nifti = painted(7, grid=workspace.scans.grid(third), labels=KIDNEYS)
    workspace.versions.save_mask(third, kidneys, nifti, base=None, by="ada", seen=Seen(True))
    place = workspace.scans.grid(third).to_patient([1, 2, 3]).tolist()
    workspace.versions.save_points(third, kidneys, {"hilum": place}, base=None, by="ada")
    for scan in (first, second, third):
        workspace.scans.tag(scan, MARK, by="ada")
        workspace.reviews.comment(scan, f"this is {MARK}", by="ada")
    wish = Wish(
        kidneys, ("nifti", "csv", "report"), reviewed_only=False, with_scans=True,
        key=tmp_path / "keys" / "key.json",
    )  # fmt: skip
    done = workspace.export(wish, tmp_path / "out", by="ada")
    assert done.left_out == ()
    inner = ("nnunet",)
    workspace.export(
        replace(wish, forms=inner, scans=frozenset((first, second))), tmp_path / "nn", by="ada"
    )
    write_zip(tmp_path / "out", tmp_path / "packed" / "out.zip", lambda done, of: None)
    own = [entry.patient for entry in workspace.scans.list()]
    own += [entry.study for entry in workspace.scans.list()]
    own += [workspace.scans.get(scan).name for scan in (first, second)]
    marks = [MARK.encode(), str(tmp_path).encode(), *(name.encode() for name in own)]
    for folder in ("out", "nn", "packed"):
        for raw in _all_bytes(tmp_path / folder):
            for mark in marks:
                assert mark.lower() not in raw.lower()
                assert mark.decode().encode("utf-16-le") not in raw
    said = json.loads(wish.key.read_text())
    assert f"{MARK}_knee" in said["names"].values()
    assert stat.S_IMODE(wish.key.stat().st_mode) == 0o600


def test_dicom_under_made_up_names_is_refused_and_so_is_a_key_inside(clinic, tmp_path):
    workspace, kidneys, *_ = clinic
    with pytest.raises(WorkspaceError, match="bears the patient's name"):
        Wish(kidneys, ("csv", "seg"), key=tmp_path / "key.json")
    wish = Wish(kidneys, ("csv",), key=tmp_path / "out" / "key.json")
    with pytest.raises(WorkspaceError, match="outside of it"):
        workspace.export(wish, tmp_path / "out", by="ada")
    assert not (tmp_path / "out").exists()


def test_made_up_names_are_the_same_by_the_same_key_and_others_by_another(clinic, tmp_path):
    workspace, kidneys, *_ = clinic
    found = []
    for number, key in enumerate(("a", "a", "b")):
        wish = Wish(kidneys, ("csv",), reviewed_only=False, key=tmp_path / f"{key}.json")
        workspace.export(wish, tmp_path / str(number), by="ada")
        said = rows(tmp_path / str(number) / "csv" / "scans.csv")
        found.append([(row["scan"], row["patient"], row["study"]) for row in said])
    assert found[0] == found[1]
    assert not {n for row in found[0] for n in row} & {n for row in found[2] for n in row}
    (tmp_path / "no.json").write_text("[]")
    with pytest.raises(WorkspaceError, match="no key of an export"):
        workspace.export(
            Wish(kidneys, ("csv",), key=tmp_path / "no.json"), tmp_path / "3", by="ada"
        )


def test_names_that_file_systems_hold_for_the_same_stay_apart(local, tmp_path):
    for number, name in enumerate(("a b", "a_b", "A b", "../a b")):
        add_scan(local, tmp_path / str(number), name.replace("/", "∕"))
    names = OwnNames(local.scans.list())
    given = [names.scan(entry) for entry in local.scans.list()]
    assert len({name.casefold() for name in given}) == 4
    assert all(re.fullmatch(r"[\w.-]+", name) for name in given)


def test_what_cannot_be_read_is_left_out_without_naming_its_path(clinic, tmp_path):
    workspace, kidneys, first, _ = clinic
    for path in (tmp_path / "in" / f"{MARK}^folder 1").iterdir():
        path.write_bytes(b"nothing")
    wish = Wish(kidneys, ("nifti", "seg"), reviewed_only=False, with_scans=True)
    done = workspace.export(wish, tmp_path / "out", by="ada")
    assert {name for name, _ in done.left_out} == {workspace.scans.get(first).name}
    assert MARK not in str(done.left_out)
    assert not [file for file in done.files if workspace.scans.get(first).name in file.name]


# --- tables, pages, nnU-Net --------------------------------------------------------------------


def test_tables_tell_sizes_and_who_said_what_and_every_column_is_explained(clinic, tmp_path):
    workspace, kidneys, first, second = clinic
    save = workspace.versions
    save.save_answers(first, kidneys, {"=cmd|stone?": False}, base=None, by="ada")
    place = workspace.scans.grid(first).to_patient([1, 2, 3]).tolist()
    save.save_points(first, kidneys, {"hilum": place}, base=None, by="ada")
    half = save.head(second, kidneys)
    save.save_mask(
        second, kidneys, _mask(workspace, second), base=half.id, by="bob", seen=Seen.of([1, 2])
    )
    done = workspace.export(
        Wish(kidneys, ("csv",), reviewed_only=False), tmp_path / "out", by="ada"
    )
    tables = {file.name: rows(file) for file in done.files}
    scans = {row["scan"]: row for row in tables["scans.csv"]}
    name, other = (workspace.scans.get(scan).name for scan in (first, second))
    assert scans[name]["reviewed_by"] == "ada;Grace\\Hopper^"
    assert (scans[other]["reviewed_by"], scans[other]["complete"]) == ("", "no")
    volumes = {
        row["structure"]: float(row["value"])
        for row in tables["measurements.csv"]
        if row["measure"] == "volume" and row["scan"] == name
    }
    mask = save.mask(save.head(first, kidneys).id)
    assert volumes == pytest.approx(mask.volumes_ml(), rel=1e-5)
    assert {row["scan"] for row in tables["measurements.csv"]} == {name}, "half a volume is none"
    (answer,) = tables["answers.csv"]
    assert (answer["question"], answer["answer"]) == ("'=cmd|stone?", "no"), "no formula"
    (landmark,) = tables["landmarks.csv"]
    assert [float(landmark[f"{a}_mm"]) for a in "xyz"] == pytest.approx(place, abs=1e-3)
    told = {(row["table"], row["column"]) for row in tables["dictionary.csv"]}
    for table, said in tables.items():
        if table != "dictionary.csv":
            assert {(table, column) for column in said[0]} <= told


def test_the_page_tells_sizes_reviewers_and_flags_as_text_and_fetches_nothing(clinic, tmp_path):
    workspace, kidneys, *_ = clinic
    wish = Wish(kidneys, ("report",), reviewed_only=False)
    (page,) = workspace.export(wish, tmp_path / "out", by="ada").files
    text = page.read_text(encoding="utf-8")
    assert "Reviewed by ada on" in text
    assert "Not reviewed." in text
    assert "Found by the model renal net\\2," in text
    assert "Not looked for" not in text
    assert "&lt;b&gt;uneven&lt;/b&gt;" in text
    assert "<b>uneven" not in text
    assert text.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "default-src 'none'" in text
    assert "@media print" in text


def test_folds_keep_patients_whole(local, tmp_path):
    grid = Grid.from_axes((3, 4, 5), spacing=(2, 1, 1))
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    for number in range(6):  # two scans of each patient
        scan = CTVolume(torch.randn(1, *grid.shape) * 50, grid)
        write_series(tmp_path / "in" / str(number), scan, modality="CT", patient=f"P{number // 2}")
    for scan in local.scans.add(tmp_path / "in", by="ada").scans:
        mask = painted(1, grid=local.scans.grid(scan.id))
        local.versions.save_mask(scan.id, organs, mask, base=None, by="ada", seen=Seen(True))
    local.export(Wish(organs, ("nnunet",), reviewed_only=False), tmp_path / "out", by="ada")
    folds = json.loads((tmp_path / "out" / "nnunet" / "splits_final.json").read_text())
    patients = {entry.scan.name: entry.patient for entry in local.scans.list()}
    assert len(folds) == 3
    assert sorted(name for fold in folds for name in fold["val"]) == sorted(patients)
    for fold in folds:
        assert not {patients[n] for n in fold["train"]} & {patients[n] for n in fold["val"]}
    there = {path.name for path in (tmp_path / "out" / "nnunet" / "labelsTr").iterdir()}
    assert there == {f"{name}.nii.gz" for name in patients}


# --- whole or not at all -------------------------------------------------------------------------


def test_a_stopped_export_leaves_nothing_and_a_second_try_is_whole(clinic, tmp_path):
    workspace, kidneys, *_ = clinic

    def stop(done, of, what):
        if (done, what) == (1, "NIfTI"):
            raise KeyboardInterrupt

    wish = Wish(kidneys, ("csv", "nifti"), reviewed_only=False)
    there = tmp_path / "there"
    with pytest.raises(KeyboardInterrupt):
        workspace.export(wish, there / "out", by="ada", progress=stop)
    assert [*there.iterdir()] == []
    assert workspace.events.newest(limit=1)[0].what != "exported"
    assert workspace.export(wish, there / "out", by="ada").files
    assert [path.name for path in there.iterdir()] == ["out"]
    (event,) = [e for e in workspace.events.newest() if e.what == "exported"]
    assert json.loads(event.details)["scans"] == [1, 2]


KILLED = """
import os, sys
from medlib.workspace import Wish, Workspace

def die(done, of, what):
    if done == 1:
        os.kill(os.getpid(), 9)

with Workspace(sys.argv[1]) as workspace:
    wish = Wish("kidneys", ("nifti",), reviewed_only=False)
    workspace.export(wish, sys.argv[2], by="ada", progress=die)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_what_a_killed_export_left_is_no_export_and_is_cleared(clinic, tmp_path):
    workspace, kidneys, *_ = clinic
    there = tmp_path / "there"
    subprocess.run([sys.executable, "-c", KILLED, workspace.folder, there / "out"], check=False)
    (left,) = there.iterdir()
    assert left.name.startswith(".")
    workspace.export(Wish(kidneys, ("csv",)), there / "out", by="ada")
    assert [path.name for path in there.iterdir()] == ["out"]
    assert [path.name for path in (there / "out").iterdir()] == ["csv"]


@pytest.mark.skipif(os.name != "posix", reason="locks as POSIX does")
def test_two_exports_to_one_folder_do_not_mix(clinic, tmp_path):
    workspace, kidneys, *_ = clinic
    wish = Wish(kidneys, ("csv",))

    def again(done, of, what):
        with pytest.raises(WorkspaceError, match="another export"):
            workspace.export(wish, tmp_path / "out", by="bob")

    assert workspace.export(wish, tmp_path / "out", by="ada", progress=again).files


def test_nothing_reviewed_is_said_with_the_way_out(local, tmp_path):
    scan = add_scan(local, tmp_path / "in")
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    with pytest.raises(WorkspaceError, match="nothing is labelled"):
        local.export(Wish(organs, ("csv",)), tmp_path / "out", by="ada")
    local.versions.save_mask(scan, organs, painted(), base=None, by="ada", seen=Seen(True))
    with pytest.raises(WorkspaceError, match="no reviewer has accepted"):
        local.export(Wish(organs, ("csv",)), tmp_path / "out", by="ada")
    local.scans.set_status(scan, Status.SET_ASIDE, by="ada", reason="motion")
    wish = Wish(organs, ("csv",), scans=frozenset([scan]), reviewed_only=False)
    with pytest.raises(WorkspaceError):
        local.export(wish, tmp_path / "out", by="ada")
    assert local.versions.head(scan, organs, Content.MASK) is not None


# --- the command line --------------------------------------------------------------------------


def test_the_command_exports_refuses_and_says_what_was_left_out(clinic, tmp_path):
    workspace, *_ = clinic
    out = tmp_path / "out"

    def run(*said):
        done = CliRunner().invoke(app, ["workspace", "export", *map(str, said)])
        return done.exit_code, done.output

    code, said = run(workspace.folder, out, "-f", "csv", "-f", "report", "--reviewed-only")
    assert code == 0
    assert "1 scan waits for a reviewer" in said
    assert {path.name for path in out.iterdir()} == {"csv", "report"}
    assert "is not empty" in run(workspace.folder, out, "-f", "csv")[1]
    assert run(tmp_path / "nowhere", out, "-f", "csv")[0] == 1
    code, said = run(workspace.folder, tmp_path / "b", "-f", "seg", "--pseudonyms")
    assert (code, "bears the patient's name" in said) == (1, True)
    code, said = run(workspace.folder, tmp_path / "c", "-f", "csv", "--all", "--pseudonyms")
    assert (code, (tmp_path / "c.key.json").exists()) == (0, True)
    workspace.label_sets.add("more", ["liver"], by="ada")
    code, said = run(workspace.folder, tmp_path / "d", "-f", "csv")
    assert (code, "say which label set" in said) == (1, True)
