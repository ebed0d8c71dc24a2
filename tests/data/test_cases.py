"""Which label belongs to which scan: nothing guessed, nothing lost unseen."""

import json
import shutil

import pytest
import torch
from tiny import SIDES, scan_of, structures, write_series, write_task

from medlib import io
from medlib.data import by_patient, pair
from medlib.space import Grid
from medlib.types import Mask

GRID = Grid.from_axes((4, 5, 6))


def touch(folder, *names):
    """Scans and masks too small to matter, by these names."""
    for name in names:
        io.write_nifti(Mask(torch.ones(1, *GRID.shape, dtype=torch.uint8), GRID), folder / name)
    return folder


def paired(found):
    return {case.name: case.label.name for case in found.cases}


@pytest.mark.parametrize(
    ("scans", "labels"),
    [
        (["case_1.nii.gz", "case_2.nii.gz"], ["case_1.nii.gz", "case_2.nii"]),
        (["image_1.nii.gz", "image_2.nii.gz"], ["label_1.nii.gz", "label_2.nii.gz"]),
        (["liver_1_0000.nii.gz", "liver_2_0000.nii.gz"], ["liver_1.nii.gz", "liver_2.nii.gz"]),
        (["Case_A_CT.nii.gz", "CASE_B_CT.nii.gz"], ["case_a_seg.nii.gz", "case_b_Seg.nii.gz"]),
        (["1 (x).nii.gz", "2 (x).nii.gz"], ["1 (x).nii.gz", "2 (x).nii.gz"]),
        (["ct_1.nii.gz", "mr_1.nii.gz"], ["ct_1.nii.gz", "mr_1.nii.gz"]),
    ],
)
def test_names_pair_scans_in_one_folder_with_labels_in_another(tmp_path, scans, labels):
    touch(tmp_path / "a", *scans)
    touch(tmp_path / "b", *labels)
    found = pair(tmp_path / "a", tmp_path / "b")
    assert sorted(case.label.name for case in found.cases) == sorted(labels)
    assert found.set_aside == ()


@pytest.mark.parametrize(
    "names",
    [
        ("image_1.nii.gz", "label_1.nii.gz", "image_10.nii.gz", "label_10.nii.gz"),
        ("x1.nii.gz", "x1_seg.nii.gz", "x10.nii.gz", "x10_seg.nii.gz"),
        ("p1/ct.nii.gz", "p1/seg.nii.gz", "p10/ct.nii.gz", "p10/seg.nii.gz"),
        ("images/1.nii.gz", "labels/1.nii.gz", "images/10.nii.gz", "labels/10.nii.gz"),
    ],
)
def test_scans_and_labels_may_share_a_folder(tmp_path, names):
    touch(tmp_path, *names)
    found = pair(tmp_path, tmp_path)
    files = [(case.scan.files[0].path.relative_to(tmp_path).as_posix(),
              case.label.relative_to(tmp_path).as_posix()) for case in found.cases]  # fmt: skip
    assert files == [names[:2], names[2:]]
    assert found.set_aside == ()
    train, valid = by_patient(0.5)(found.cases)
    assert len(train) == len(valid) == 1


@pytest.mark.parametrize("where", ["", "labels"])
def test_labels_may_lie_below_scans_and_the_other_way_round(tmp_path, where):
    touch(tmp_path, "images/a.nii.gz", "images/b.nii.gz")
    touch(tmp_path, "labels/a.nii.gz", "labels/b.nii.gz")
    assert len(pair(tmp_path, tmp_path / "labels").cases) == 2
    assert len(pair(tmp_path / "images", tmp_path).cases) == 2


def test_a_name_that_fits_two_is_not_guessed_at(tmp_path):
    touch(tmp_path / "a", "image_1.nii.gz", "scan_1.nii.gz", "image_2.nii.gz", "image_3.nii.gz")
    touch(tmp_path / "b", "label_1.nii.gz", "label_2.nii.gz", "label_3.nii", "label_3.nii.gz")
    found = pair(tmp_path / "a", tmp_path / "b")
    assert paired(found) == {"image_2": "label_2.nii.gz"}
    aside = [name for name, _ in found.set_aside]
    assert sorted(aside) == sorted(
        ["image_1", "scan_1", "image_3", "label_1.nii.gz", "label_3.nii", "label_3.nii.gz"]
    )


def test_what_is_not_used_is_named_with_the_reason(tmp_path):
    touch(tmp_path / "a", "case_1.nii.gz", "case_2.nii.gz", "case_4.nii.gz")
    touch(tmp_path / "b", "case_1.nii.gz", "case_3.nii.gz", "case_4.nii.gz")
    for folder in "ab":
        damaged = tmp_path / folder / "case_4.nii.gz"
        damaged.write_bytes(damaged.read_bytes()[:60])
    found = pair(tmp_path / "a", tmp_path / "b")
    assert [case.name for case in found.cases] == ["case_1"]
    reasons = "\n".join(f"{name}: {reason}" for name, reason in found.set_aside)
    assert "case_2: no label file" in reasons
    assert "case_3.nii.gz: no scan" in reasons
    assert f"{tmp_path / 'a' / 'case_4.nii.gz'}: case_4.nii.gz is" in reasons
    assert f"{tmp_path / 'b' / 'case_4.nii.gz'}: case_4.nii.gz is" in reasons


def test_nothing_paired_shows_what_there_is(tmp_path):
    touch(tmp_path / "a", *(f"patient_{n}.nii.gz" for n in range(6)))
    touch(tmp_path / "b", "x.nii.gz")
    with pytest.raises(ValueError, match=r"patient_3 and 2 more.*Labels: x\.nii\.gz"):
        pair(tmp_path / "a", tmp_path / "b")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="Scans: none"):
        pair(tmp_path / "empty", tmp_path / "b")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pair(tmp_path / "a", tmp_path / "nowhere")


def test_labels_in_an_archive_are_refused(tmp_path):
    touch(tmp_path / "a", "1.nii.gz")
    shutil.make_archive(str(tmp_path / "z"), "zip", tmp_path / "a")
    with pytest.raises(ValueError, match="unpack it"):
        pair(tmp_path / "a", tmp_path / "z.zip")


# --- DICOM segmentations ------------------------------------------------------------------


def outline(stack, path, mask):
    return io.write_seg(mask, stack, path, algorithm_name="test", algorithm_version="1")


@pytest.fixture
def archive(tmp_path):
    """Three series in folders whose names say nothing, and a SEG of each, named otherwise."""
    for n in (1, 2, 3):
        mask = structures(Grid.from_axes((8, 12, 12), spacing=(2, 2, 2)), seed=n)
        folder = write_series(tmp_path / "in" / f"s{n}", scan_of(mask), patient=f"P{n // 2}")
        stack = io.survey(folder).stacks[0]
        (tmp_path / "seg").mkdir(exist_ok=True)
        outline(stack, tmp_path / "seg" / f"{9 - n}.dcm", mask)
    return tmp_path


def test_a_segmentation_belongs_to_the_series_it_refers_to(archive):
    found = pair(archive / "in", archive / "seg")
    assert paired(found) == {"s1": "8.dcm", "s2": "7.dcm", "s3": "6.dcm"}
    assert found.labels.names == SIDES.names
    patients = [case.patient for case in found.cases]
    assert patients[0] != patients[1] == patients[2]
    assert not any("P1" in patient for patient in patients)


def test_series_and_segmentations_may_share_a_folder(archive):
    assert paired(pair(archive, archive)) == {"s1": "8.dcm", "s2": "7.dcm", "s3": "6.dcm"}


def test_two_segmentations_of_one_series_are_refused(archive):
    shutil.copy(archive / "seg" / "8.dcm", archive / "seg" / "again.dcm")
    with pytest.raises(ValueError, match=r"8\.dcm and .*again\.dcm.* of one series"):
        pair(archive / "in", archive / "seg")


def test_a_segmentation_of_something_else_is_set_aside(archive):
    shutil.rmtree(archive / "in" / "s2")
    found = pair(archive / "in", archive / "seg")
    assert [name for name, _ in found.set_aside] == ["7.dcm"]


# --- label tables -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.json", {"1": "left kidney", "2": "right kidney"}),
        ("labels.json", {"background": 0, "right kidney": 2, "left kidney": 1}),
        ("labels.json", [{"id": 1, "name": "left kidney"}, {"id": 2, "name": "right kidney"}]),
        ("dataset.json", {"labels": {"0": "background", "1": "left kidney", "2": "right kidney"}}),
        ("dataset.json", {"labels": {"background": 0, "left kidney": 1, "right kidney": 2}}),
    ],
)
@pytest.mark.parametrize("place", ["labels", "."])
def test_tables_beside_or_above_the_labels(tmp_path, name, content, place):
    write_task(tmp_path, 2, shape=(6, 8, 8), spacing=(4, 3, 3))
    (tmp_path / "labels" / "labels.json").unlink()
    (tmp_path / place / name).write_text(json.dumps(content))
    labels = pair(tmp_path / "images", tmp_path / "labels").labels
    assert [(e.id, e.name) for e in labels] == [(1, "left kidney"), (2, "right kidney")]


def test_a_card_is_a_table_too(tmp_path):
    from medlib.datasets import card

    touch(tmp_path / "images", "1.nii.gz")
    touch(tmp_path / "labels", "1.nii.gz")
    phantom = card("ct_phantom")
    shutil.copy(phantom.folder / "card.toml", tmp_path)
    assert pair(tmp_path / "images", tmp_path / "labels").labels == phantom.table


def test_without_a_table_the_ids_are_the_names(tmp_path):
    write_task(tmp_path, 2, shape=(6, 8, 8), spacing=(4, 3, 3))
    (tmp_path / "labels" / "labels.json").unlink()
    assert pair(tmp_path / "images", tmp_path / "labels").labels.names == ("label 1", "label 2")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"liver": 1, "spleen": 1}', "id 1 more than once"),
        ('{"1": "liver", "2": "liver"}', "name liver more than once"),
        ('{"1": "liver", "1": "spleen"}', "says a name twice"),
        ('{"whole tumour": [1, 2]}', "no id"),
        ('{"liver": 1.5}', "no id"),
        ('{"1": "liver", "2": "ignore", "3": "ignore"}', "two ids 'ignore'"),
        ('{"background": 0, "ignore": 2}', "names no label"),
        ("{}", "names no label"),
        ('"liver"', "no label table"),
        ('{"1": ', "no label table"),
    ],
)
def test_a_table_that_would_lose_a_label_is_refused(tmp_path, text, fault):
    write_task(tmp_path, 2, shape=(6, 8, 8), spacing=(4, 3, 3))
    (tmp_path / "labels" / "labels.json").write_text(text)
    with pytest.raises(ValueError, match=rf"labels\.json is no label table.*{fault}|{fault}"):
        pair(tmp_path / "images", tmp_path / "labels")


@pytest.mark.parametrize("form", [{"liver": 1, "ignore": 2}, {"1": "liver", "2": "ignore"}])
def test_nnunets_ignore_is_what_nobody_looked_at(tmp_path, form):
    touch(tmp_path / "images", "1.nii.gz")
    touch(tmp_path / "labels", "1.nii.gz")
    (tmp_path / "labels" / "dataset.json").write_text(json.dumps({"labels": form}))
    found = pair(tmp_path / "images", tmp_path / "labels").labels
    assert (found.names, found.ignored) == (("liver",), 2)


def test_two_files_that_name_one_number_differently_are_refused(tmp_path):
    from medlib.types import Labels

    touch(tmp_path / "images", "1.nii.gz", "2.nii.gz")
    data = torch.ones(1, *GRID.shape, dtype=torch.uint8)
    for name, structure in (("1", "liver"), ("2", "spleen")):
        path = tmp_path / "labels" / f"{name}.nii.gz"
        io.write_nifti(Mask(data, GRID, Labels.of([structure])), path)
    with pytest.raises(ValueError, match=r"2\.nii\.gz calls label 1 'spleen'.*'liver'"):
        pair(tmp_path / "images", tmp_path / "labels")
