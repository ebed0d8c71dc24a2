"""Cases from every layout: none lost unseen, none mistaken for another, none learned that is the test."""

import json
import shutil

import nibabel
import numpy as np
import pytest
import torch
from tiny import scan_of, structures, write_series, write_task

from medlib import io
from medlib.data.cases import Case, pair
from medlib.data.decided import as_marked
from medlib.data.sources import from_card, from_msd, from_nnunet
from medlib.data.tables import from_table
from medlib.space import Grid
from medlib.types import Labels, Mask, Points

GRID = Grid.from_axes((4, 5, 6), spacing=(3, 1, 1))
OTHER = Grid.from_axes((4, 5, 6), spacing=(3, 1, 2))


def write(path, grid=GRID, fill=1):
    io.write_nifti(Mask(torch.full((1, *grid.shape), fill, dtype=torch.uint8), grid), path)
    return path


def names(cases):
    return [case.name for case in cases]


def file_of(stack):
    return stack.files[0].path.name


# --- nnU-Net ------------------------------------------------------------------------------


@pytest.fixture
def nnunet(tmp_path):
    """Two whole cases of two channels, and one of each that is broken; one test case."""
    for case in ("liver_1", "liver_2", "liver_10", "lacks", "moved", "cut", "shifted", "nolabel"):
        for channel in (0, 1):
            grid = OTHER if (case, channel) == ("moved", 1) else GRID
            if (case, channel) != ("lacks", 1):
                write(tmp_path / "imagesTr" / f"{case}_{channel:04d}.nii.gz", grid)
        if case != "nolabel":
            write(tmp_path / "labelsTr" / f"{case}.nii.gz", OTHER if case == "shifted" else GRID)
    cut = tmp_path / "labelsTr" / "cut.nii.gz"
    cut.write_bytes(cut.read_bytes()[:-20])
    write(tmp_path / "labelsTr" / "noimage.nii.gz")
    for channel in (0, 1):
        write(tmp_path / "imagesTs" / f"liver_7_{channel:04d}.nii.gz")
    write(tmp_path / "labelsTs" / "liver_7.nii.gz")
    said = {
        "channel_names": {"1": "FLAIR", "0": "T1"},
        "labels": {"background": 0, "liver": 1, "ignore": 2},
        "numTraining": 8,
        "file_ending": ".nii.gz",
    }
    (tmp_path / "dataset.json").write_text(json.dumps(said))
    return tmp_path


def test_nnunets_layout(nnunet):
    found = from_nnunet(nnunet)
    assert names(found.cases) == ["liver_1", "liver_2", "liver_10"]
    assert names(found.test) == ["liver_7"]
    assert (found.labels.names, found.labels.ignored) == (("liver",), 2)
    for case in (*found.cases, *found.test):
        assert {c: file_of(s) for c, s in case.series.items()} == {
            "FLAIR": f"{case.name}_0001.nii.gz", "T1": f"{case.name}_0000.nii.gz"
        }  # fmt: skip
        assert case.label.name == f"{case.name}.nii.gz"


def test_nnunet_cases_that_cannot_be_used_are_named_with_the_reason(nnunet):
    aside = dict(from_nnunet(nnunet).set_aside)
    assert sorted(aside) == ["cut", "lacks", "moved", "noimage", "nolabel", "shifted"]
    assert "another grid than" in aside["moved"]
    assert "another grid than its scan" in aside["shifted"]
    assert "damaged" in aside["cut"]
    for case, missing in (("lacks", "lacks_0001"), ("nolabel", "nolabel.nii"), ("noimage", "_000")):
        assert missing in aside[case]


def test_one_channel_is_one_scan_and_old_versions_say_modality(nnunet):
    said = json.loads((nnunet / "dataset.json").read_text())
    said["modality"] = {"0": said.pop("channel_names")["0"]}
    (nnunet / "dataset.json").write_text(json.dumps(said))
    case = from_nnunet(nnunet).cases[0]
    assert case.series == {}
    assert case.stacks == (case.scan,)


@pytest.mark.parametrize("text", ["{", "[]", '{"labels": {"a": 1}}'])
def test_a_dataset_json_that_says_nothing_is_refused(nnunet, text):
    (nnunet / "dataset.json").write_text(text)
    with pytest.raises(ValueError, match=r"dataset\.json"):
        from_nnunet(nnunet)
    (nnunet / "dataset.json").unlink()
    with pytest.raises(FileNotFoundError):
        from_nnunet(nnunet)


# --- Decathlon ----------------------------------------------------------------------------


def test_decathlons_layout(tmp_path):
    for n in (2, 10, 3):
        write(tmp_path / "imagesTr" / f"hippocampus_{n:03d}.nii.gz")
        write(tmp_path / "labelsTr" / f"hippocampus_{n:03d}.nii.gz")
    four = nibabel.Nifti1Image(np.zeros((6, 5, 4, 2), np.float32), np.eye(4))
    nibabel.save(four, tmp_path / "imagesTr" / "hippocampus_003.nii.gz")
    pairs = [
        {"image": f"./imagesTr/hippocampus_{n:03d}.nii.gz", "label": f"./labelsTr/hippocampus_{n:03d}.nii.gz"}
        for n in (10, 2, 3, 4)
    ]  # fmt: skip
    said = {"labels": {"0": "background", "1": "Anterior"}, "training": pairs, "test": ["./x"]}
    (tmp_path / "dataset.json").write_text(json.dumps(said))
    found = from_msd(tmp_path)
    assert names(found.cases) == ["hippocampus_002", "hippocampus_010"]
    assert [case.label.name for case in found.cases] == [f"{c.name}.nii.gz" for c in found.cases]
    assert [case.patient for case in found.cases] == names(found.cases)
    aside = dict(found.set_aside)
    assert "not one 3-D image" in aside["hippocampus_003"]
    assert "hippocampus_004" in aside["hippocampus_004"]


def test_nothing_that_can_be_used_says_why(tmp_path):
    said = {"labels": {"1": "a"}, "training": [{"image": "x.nii", "label": "y.nii"}]}
    (tmp_path / "dataset.json").write_text(json.dumps(said))
    with pytest.raises(ValueError, match=r"no case in .* can be used: x: .*x\.nii"):
        from_msd(tmp_path)


# --- cards --------------------------------------------------------------------------------


def test_a_prepared_data_set_keeps_its_split(tmp_path):
    from medlib.datasets import card
    from medlib.datasets.prepared import Prepared

    write_task(tmp_path, 4, shape=(6, 8, 8), spacing=(4, 3, 3))
    shutil.copy(card("ct_phantom").folder / "card.toml", tmp_path)
    of = {"train": ["case_1", "case_2"], "validation": ["case_3"], "test": ["case_4"]}
    (tmp_path / "split.json").write_text(json.dumps(of))
    found = from_card(Prepared.read(tmp_path))
    assert found.labels == card("ct_phantom").table
    assert names(found.test) == ["case_4"]
    train, valid = as_marked()(found.cases)
    assert (names(train), names(valid)) == (of["train"], of["validation"])


# --- tables -------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    """A folder of scans and labels, and a function that writes a table into it."""
    write_task(tmp_path, 4, shape=(6, 8, 8), spacing=(4, 3, 3))

    def write_table(text, encoding="utf-8"):
        path = tmp_path / "cases.csv"
        path.write_text(text, encoding=encoding)
        return path

    return write_table


def rows(heading, *cells, separator=","):
    scans = [f"images/case_{n}.nii.gz" for n in range(1, len(cells) + 1)]
    lines = [separator.join([scan, *row]) for scan, row in zip(scans, cells, strict=True)]
    return "\n".join([separator.join(["scan", *heading]), *lines]) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_columns_are_what_their_names_say(table, separator, encoding):
    heading = ("label", "patient", "site", "split", "study", "finding", "age", "fever", "code")
    text = rows(
        heading,
        ("labels/case_1.nii.gz", "Müller", "A", "train", "s1", "benign", "61", "yes", "007"),
        ("labels/case_2.nii.gz", "Müller", "A", "Training", "s2", "malignant", "62.5", "No", "8"),
        ("labels/case_3.nii.gz", "Kim", "B", "val", "s3", "NA", "", "n/a", "-"),
        ("", "Abe", "B", "test", "s4", "benign", "3e1", "true", "9"),
        separator=separator,
    )
    found = from_table(table(text, encoding))
    assert names(found.cases) == ["images_case_1", "images_case_2", "images_case_3"]
    one, two, three = found.cases
    assert one.answers == {"finding": "benign", "age": 61.0, "fever": True, "code": "007"}
    assert two.answers == {"finding": "malignant", "age": 62.5, "fever": False, "code": "8"}
    assert three.answers == {}  # not said is not no
    assert [c.split for c in found.cases] == ["train", "train", "valid"]
    assert [c.site for c in found.cases] == ["A", "A", "B"]
    assert one.patient == two.patient != three.patient
    assert one.study != two.study
    assert "ller" not in repr(found.cases)
    assert one.label.name == "case_1.nii.gz"
    assert found.labels.names == ("left kidney", "right kidney")
    (test,) = found.test
    assert (test.label, test.answers["fever"]) == (None, True)


def test_what_each_reader_looked_for(table):
    heading = ("label", "annotated")
    files = [f"labels/case_{n}.nii.gz" for n in (1, 2)]
    found = from_table(table(rows(heading, (files[0], "left kidney;right kidney"), (files[1], ""))))
    assert [c.annotated for c in found.cases] == [("left kidney", "right kidney"), None]
    with pytest.raises(ValueError, match="row 2: spleen cannot have been annotated"):
        from_table(table(rows(heading, (files[0], "spleen"))))


def test_several_series_and_points(table, tmp_path):
    io.save(Points([[1, 2, 3]], ("apex",)), tmp_path / "a.mrk.json")
    text = "name,scan:T1,scan:T2,points\na,images/case_1.nii.gz,images/case_2.nii.gz,a.mrk.json\n"
    (case,) = from_table(table(text)).cases
    assert {c: file_of(s) for c, s in case.series.items()} == {
        "T1": "case_1.nii.gz", "T2": "case_2.nii.gz"
    }  # fmt: skip
    assert io.read_points(case.points).names == ("apex",)


def test_rows_that_cannot_be_used_are_set_aside(table, tmp_path):
    broken = tmp_path / "images" / "case_2.nii.gz"
    broken.write_bytes(broken.read_bytes()[:50])
    text = rows(
        ("name", "patient", "points"),
        ("a", "1", ""), ("b", "2", ""), ("c", "", ""), ("d", "4", "no.mrk.json"), ("e", "5", ""),
    )  # fmt: skip
    found = from_table(table(text))
    assert names(found.cases) == ["a"]
    aside = dict(found.set_aside)
    assert "damaged" in aside["b"]
    assert "row 4 names no patient" in aside["c"]
    assert "no.mrk.json" in aside["d"]
    assert "case_5" in aside["e"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("image\nx\n", "needs a column 'scan'"),
        ("scan,scan:T1\nx,y\n", "needs a column 'scan'"),
        ("scan,age,age\nx,1,2\n", "column 'age' twice"),
        ("scan\n", "no rows"),
        ("", "no rows"),
        ("scan,age\nimages/case_1.nii.gz,1,2\n", "row 2 has 3 cells"),
        (rows(("split",), ("trian",)), "row 2: the split 'trian'"),
        (rows(("name",), ("a",), ("a",)), "two rows for 'a'"),
    ],
)
def test_tables_that_would_be_misread_are_refused(table, text, why):
    with pytest.raises(ValueError, match=why):
        from_table(table(text))


def test_a_folder_of_dicom_is_a_scan(tmp_path):
    mask = structures(Grid.from_axes((6, 8, 8), spacing=(3, 3, 3)))
    write_series(tmp_path / "in" / "s1", scan_of(mask), patient="P1")
    (tmp_path / "t.csv").write_text("scan,age\nin/s1,40\n")
    (case,) = from_table(tmp_path / "t.csv").cases
    assert case.name == "in_s1"
    assert case.patient == case.scan.patient
    assert "P1" not in case.patient
    assert case.study == case.scan.study != ""


# --- what pairing now knows ---------------------------------------------------------------


def test_time_points_are_one_patient(tmp_path):
    for name in ("sub-01_ses-1_T1w", "sub-01_ses-2_T1w", "sub-02_ses-1_T1w"):
        write(tmp_path / "a" / f"{name}.nii.gz")
        write(tmp_path / "b" / f"{name}.nii.gz")
    found = pair(tmp_path / "a", tmp_path / "b")
    assert [case.patient for case in found.cases] == ["sub-01", "sub-01", "sub-02"]
    assert {case.study for case in found.cases} == {""}  # NIfTI does not say


def test_a_list_beside_the_labels_says_what_was_looked_for(tmp_path):
    write_task(tmp_path, 2, shape=(6, 8, 8), spacing=(4, 3, 3))
    path = tmp_path / "labels" / "annotated.json"

    def found(text):
        path.write_text(text)
        return [case.annotated for case in pair(tmp_path / "images", tmp_path / "labels").cases]

    assert found('{"case_2": ["left kidney"]}') == [None, ("left kidney",)]
    for text in ('{"case_9": ["left kidney"]}', '{"case_1": ["spleen"]}', "[1]", "{"):
        with pytest.raises(ValueError, match=r"annotated\.json"):
            found(text)


def test_a_case_refuses_what_does_not_belong_together():
    with pytest.raises(ValueError, match="first of several series"):
        Case("a", "p", "scan 1", series={"T1": "scan 2", "T2": "scan 1"})
    with pytest.raises(ValueError, match="'train' or 'valid'"):
        Case("a", "p", None, split="test")


def test_tables_without_structures_have_no_labels(table):
    assert from_table(table(rows(("age",), ("4",)))).labels == Labels(())
