"""What training has seen is never what it is judged by, under whatever name."""

import shutil
from functools import partial

import nibabel
import numpy as np
import pytest
import torch
from tiny import SIDES, scan_of, structures, write_series, write_task

from medlib import io
from medlib.data import DataBlock, MaskBlock, VolumeBlock, held_out, pair
from medlib.data.cases import Case, case_of
from medlib.data.digests import content_digest, glance_digest
from medlib.data.leaks import LeakError, check_pictures, check_split, contents
from medlib.data.store import Store
from medlib.space import Grid
from medlib.tasks import segmenter
from medlib.types import MRVolume

GRID = Grid.from_axes((5, 6, 7), spacing=(2, 1.5, 1))


def voxels(seed):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 900, (1, *GRID.shape))).short()


@pytest.fixture
def case(tmp_path):
    """``case(name, seed)``: a scan of its own, by its own name."""

    def make(name, seed, **more):
        path = tmp_path / f"{name}.nii.gz"
        if not path.exists():
            io.write_nifti(MRVolume(voxels(seed), GRID), path)
        return case_of(name, io.survey(path).stacks[0], **more)

    return make


def test_a_split_without_leaks_passes(case):
    train, valid = [case("a", 1), case("b", 2)], [case("c", 3)]
    check_split(train, valid)
    check_split(train, valid, content=contents)


def test_the_same_patient_or_study_is_refused_by_name(case):
    with pytest.raises(
        LeakError, match="same patient is trained and validated on: a_visit1 and a_v2"
    ):
        check_split([case("a_visit1", 1), case("b", 2)], [case("a_v2", 3)])
    with pytest.raises(LeakError, match=r"same study .*: a and b"):
        check_split([case("a", 1, study="s")], [case("b", 2, study="s")])
    check_split([case("a", 1, study="")], [case("b", 2, study="")])  # not said is not the same


def test_one_file_by_two_names_is_refused(case, tmp_path):
    train = case("a", 1)
    (tmp_path / "z.nii.gz").symlink_to(tmp_path / "a.nii.gz")
    with pytest.raises(LeakError, match=r"same file .*: a and z"):
        check_split([train], [case("z", 1)])


def rewritten(path, scan, how):
    """The same picture in other clothes."""
    data, affine = scan.data[0].numpy().T, scan.grid.to_ras()
    if how == "float":
        data = data.astype(np.float32)
    elif how == "flipped":
        affine = affine @ np.diag([-1, 1, 1, 1])
        affine[:3, 3] += -affine[:3, 0] * (data.shape[0] - 1)
        data = data[::-1]
    elif how == "moved":
        affine = affine + np.array([[0, 0, 0, 5.0]] * 3 + [[0, 0, 0, 0]])
    image = nibabel.Nifti1Image(np.ascontiguousarray(data), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


@pytest.mark.parametrize("how", ["uncompressed", "float", "flipped", "moved"])
def test_the_same_picture_in_another_file_is_refused(case, tmp_path, how):
    train = [case("a", 1), case("b", 2)]
    path = tmp_path / "copy.nii"
    rewritten(path, MRVolume(voxels(2), GRID), how)
    valid = [case_of("copy", io.survey(path).stacks[0])]
    check_split(train, valid)  # names alone do not tell
    with pytest.raises(LeakError, match=r"same picture .*: b and copy"):
        check_split(train, valid, content=contents)


def test_a_converted_dicom_series_is_the_same_picture(tmp_path):
    scan = scan_of(structures(Grid.from_axes((6, 8, 8), spacing=(3, 3, 3))), noise=9.0)
    (series,) = io.survey(write_series(tmp_path / "dicom", scan)).stacks
    read = series.read()
    io.write_nifti(read, tmp_path / "nifti.nii.gz")
    (stack,) = io.survey(tmp_path / "nifti.nii.gz").stacks
    with pytest.raises(LeakError, match="picture"):
        check_split([case_of("a", series)], [case_of("b", stack)], content=contents)


def test_one_series_of_several_is_enough(case):
    t1, t2, other = (case(n, seed).scan for n, seed in (("t1", 1), ("t2", 2), ("other", 2)))
    both = Case("both", "p", t1, series={"T1": t1, "T2": t2})
    with pytest.raises(LeakError, match="both and q"):
        check_split([both], [Case("q", "q", other)], content=contents)


def test_a_store_remembers_what_files_show(case, tmp_path, monkeypatch):
    import os

    cases = [case("a", 1), case("b", 1)]
    for name in "ab":
        os.utime(tmp_path / f"{name}.nii.gz", (1e9, 1e9))
    look = partial(contents, store=Store(tmp_path / "store"))
    with pytest.raises(LeakError, match="picture"):
        check_split(cases[:1], cases[1:], content=look)
    monkeypatch.setattr(io.Stack, "read", None)  # nothing is read again
    with pytest.raises(LeakError, match="picture"):
        check_split(
            cases[:1], cases[1:], content=partial(contents, store=Store(tmp_path / "store"))
        )


@pytest.mark.parametrize("how", ["uncompressed", "float", "flipped", "moved"])
def test_the_same_picture_looks_the_same_at_a_glance(tmp_path, how):
    scan, path = MRVolume(voxels(2), GRID), tmp_path / "copy.nii"
    rewritten(path, scan, how)
    again = io.survey(path).stacks[0].read()
    assert content_digest(again) == content_digest(scan)
    assert glance_digest(again) == glance_digest(scan)
    assert glance_digest(again) != glance_digest(MRVolume(voxels(3), GRID))


def test_only_what_looks_alike_is_read_again(case, monkeypatch):
    train, valid = [case("a", 1), case("b", 2)], [case("c", 3), case("d", 2)]
    glances = {"a": ("1",), "b": ("2",), "c": ("3",), "d": ("2",)}
    read = []
    usual = type(train[0].scan).read
    monkeypatch.setattr(
        type(train[0].scan), "read", lambda stack, *a: read.append(stack.name) or usual(stack, *a)
    )
    with pytest.raises(LeakError, match=r"same picture .*: b and d"):
        check_pictures(train, valid, glances)
    assert sorted(read) == ["b", "d"]
    read.clear()
    check_pictures(train, valid, glances | {"d": ("4",)})
    assert read == []
    check_pictures(train[:1], valid[:1], {"a": ("1",), "c": ("1",)})  # alike at a glance alone
    assert sorted(read) == ["a", "c"]


def block(valid):
    return DataBlock(
        blocks=(VolumeBlock(MRVolume), MaskBlock(SIDES)),
        get_items=lambda folder: pair(folder / "images", folder / "labels").cases,
        splitter=held_out(valid),
    )


def copied(folder):
    """``copy`` is ``case_1`` by another name, in a file of its own, otherwise compressed."""
    image = nibabel.load(folder / "images" / "case_1.nii.gz")
    nibabel.save(image, folder / "images" / "copy.nii")
    shutil.copy(folder / "labels" / "case_1.nii.gz", folder / "labels" / "copy.nii.gz")
    return folder


def test_where_all_scans_are_read_a_picture_by_two_names_is_refused(tmp_path):
    folder = copied(write_task(tmp_path, 3, shape=(6, 8, 8)))
    with pytest.raises(
        LeakError, match="same picture is trained and validated on: case_1 and copy"
    ):
        block(["copy"]).datasets(folder, broken=0.1)
    assert len(block(["copy", "case_1"]).datasets(folder, broken=0.1).valid) == 2  # one side


def test_a_task_is_not_judged_by_what_it_learns_from(tmp_path):
    folder = copied(write_task(tmp_path, 3, shape=(6, 8, 8)))
    with pytest.raises(LeakError, match="case_1 and copy"):
        segmenter(
            folder / "images", folder / "labels", kind="mr", validation=held_out(["copy"]),
            cache=tmp_path / "cache",
        )  # fmt: skip
