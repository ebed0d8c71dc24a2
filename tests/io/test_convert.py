"""Whole folders into NIfTI, with an account; and names that are safe and unique."""

import json
import pickle
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from pydicom.uid import RLELossless

from medlib.io import UnreadableError, convert, describe, read_volume, survey
from medlib.io.files import safe_name


def test_every_volume_is_written_and_the_rest_is_accounted_for(tmp_path, series):
    good, bad = series(), series(seed=1)
    good.save(tmp_path / "in" / "good")
    bad.save(tmp_path / "in" / "bad")
    (tmp_path / "in" / "bad" / "003.dcm").unlink()
    (tmp_path / "in" / "notes.txt").write_text("x")
    done = convert(tmp_path / "in", tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.nii.gz"]
    volume = read_volume(tmp_path / "out" / "good.nii.gz")
    assert np.array_equal(volume.data[0], good.stored.astype(int) - 1024)
    assert volume.grid.close_to(good.grid)
    report = json.loads(json.dumps(done.to_dict()))
    assert report["stacks"][0]["file"] == "good.nii.gz"
    assert "missing" in report["refusals"][0]["reason"]
    assert len(report["ignored"]) == 1


def test_unreadable_pixels_refuse_one_volume_and_not_the_others(tmp_path, series):
    series().save(tmp_path / "in" / "good")
    bad = series(seed=1)
    for dataset in bad.datasets:
        dataset.compress(RLELossless)
    bad.save(tmp_path / "in" / "bad")
    file = tmp_path / "in" / "bad" / "002.dcm"
    raw = file.read_bytes()
    file.write_bytes(raw[:-90] + b"\x80" * 80 + raw[-10:])
    done = convert(tmp_path / "in", tmp_path / "out")
    assert [w.file.name for w in done.written] == ["good.nii.gz"]
    assert "002.dcm" in done.refusals[0].reason
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_nothing_is_overwritten_unasked(tmp_path, series):
    series().save(tmp_path / "in" / "a")
    convert(tmp_path / "in", tmp_path / "out")
    with pytest.raises(FileExistsError, match=r"a\.nii\.gz"):
        convert(tmp_path / "in", tmp_path / "out")
    convert(tmp_path / "in", tmp_path / "out", overwrite=True)
    with pytest.raises(FileExistsError, match="itself to be converted"):
        convert(tmp_path / "out", tmp_path / "out", overwrite=True)


def test_folders_of_one_name_are_told_apart_by_their_parents(tmp_path, series):
    for i, patient in enumerate(["patient_1", "patient_2", "Patient_3"]):
        series(seed=i).save(tmp_path / "in" / patient / "CT")
    names = [stack.name for stack in survey(tmp_path / "in").stacks]
    assert sorted(names) == ["Patient_3_CT", "patient_1_CT", "patient_2_CT"]


def test_names_are_unique_whatever_the_case(tmp_path, series):
    for i, folder in enumerate(["ct", "CT"]):
        series(seed=i).save(tmp_path / folder)
    names = {stack.name.casefold() for stack in survey(tmp_path).stacks}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("hippocampus_001", "hippocampus_001"),
        ("../../etc/passwd", "etc_passwd"),
        ("a:b*c?", "a_b_c"),
        ("CON", "CON_"),
        ("", "scan"),
        ("頭部 MR", "頭部_MR"),
        ("x" * 300, "x" * 80),
    ],
)
def test_safe_names(text, safe):
    assert safe_name(text) == safe


def test_a_zip_that_reaches_outside_itself_is_refused(tmp_path):
    for name in ("../evil.dcm", "/evil.dcm", "a/../../evil.dcm", "C:\\evil.dcm"):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(name, b"x")
        with pytest.raises(UnreadableError, match="points outside"):
            survey(tmp_path / "a.zip")
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(UnreadableError, match=r"b\.zip is not a readable zip"):
        survey(tmp_path / "b.zip")


def test_a_damaged_member_refuses_its_series(tmp_path, series):
    made = series()
    made.save(tmp_path / "ct")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted((tmp_path / "ct").iterdir()):
            archive.write(file, f"ct/{file.name}")
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    at = raw.find(made.stored[2].tobytes())
    raw[at + 5] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(UnreadableError, match=r"002\.dcm"):
        read_volume(tmp_path / "a.zip")


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        survey(tmp_path / "nothing")
    with pytest.raises(UnreadableError, match="no images were found"):
        read_volume(tmp_path)


def test_the_description_says_what_is_there_and_what_is_not(tmp_path, series):
    series().save(tmp_path / "thorax")
    series(seed=1, modality="MR").save(tmp_path / "head")
    (tmp_path / "head" / "002.dcm").unlink()
    text = describe(survey(tmp_path))
    assert text.startswith("1 volume (1 CT) of 1 patient in 1 study.")
    assert "thorax: CT, 6 slices of 8×10, 2.5 mm apart, pixels of 0.8×0.7 mm, SPL" in text
    assert "head (5 files): 1 slice(s) are missing" in text
    assert "Secret" not in text


def test_long_names_stay_unique(tmp_path, series):
    """A name is cut to a length that every file system takes; what told it apart may be cut off."""
    for i in range(3):
        folder = series(seed=i, SeriesNumber=i).save(
            tmp_path / ("x" * 90), [f"{i}-{k}" for k in range(6)]
        )
    names = [stack.name for stack in survey(folder).stacks]
    assert len(set(names)) == 3
    assert max(map(len, names)) < 90


def test_a_volume_beside_one_that_is_lost_is_not_read_unasked(tmp_path, series):
    """Asking for "the" volume of a folder must not yield the wrong one of two."""
    series().save(tmp_path / "arterial")
    series(seed=1).save(tmp_path / "venous")
    (tmp_path / "venous" / "003.dcm").unlink()
    with pytest.raises(UnreadableError, match=r"arterial, and beside it .* missing"):
        read_volume(tmp_path)
    assert [stack.name for stack in survey(tmp_path).stacks] == ["arterial"]


def test_what_macos_leaves_in_archives_is_no_damage(tmp_path, series):
    made = series()
    made.save(tmp_path / "in" / "ct")
    for k in range(6):
        (tmp_path / "in" / "ct" / f"._{k:03d}.dcm").write_bytes(b"\x00\x05\x16\x07" + b"\0" * 100)
    found = survey(tmp_path / "in")
    assert (len(found.stacks), found.refusals, len(found.ignored)) == (1, (), 6)


def test_linked_folders_are_surveyed_once(tmp_path, series):
    series().save(tmp_path / "store" / "ct")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "store" / "ct")
    (tmp_path / "in" / "circle").symlink_to(tmp_path / "in")
    assert [stack.name for stack in survey(tmp_path / "in").stacks] == ["linked"]


def test_importing_is_light():
    code = (
        "import sys, medlib.io; heavy = {'SimpleITK', 'pydicom', 'highdicom', 'nibabel'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_stack_travels_to_another_process(tmp_path, series):
    made = series()
    made.save(tmp_path / "ct")
    archive = shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "ct")
    (stack,) = survey(archive).stacks
    copy = pickle.loads(pickle.dumps(stack))
    assert torch.equal(copy.read().data, stack.read().data)
