"""Prepared scans on disk by default: private, removable, and memory that does not grow with them."""

import ctypes
import os
import resource
import sys
import warnings

import pytest
import torch
from tiny import write_task
from torture.store import forked

import medlib
from medlib.data import Case, Dataset, MaskBlock, Store, VolumeBlock, pair
from medlib.data.caching import cache_folder, usual_store
from medlib.io import write_nifti
from medlib.io.nifti import NiftiStack
from medlib.space import Grid
from medlib.transforms import Normalise, Pipeline
from medlib.types import Labels, Mask, MRVolume

SIDE = 96  # voxels: some 3.5 MB a prepared scan
SCANS = 40


def test_the_folder_is_where_the_system_keeps_such_things(monkeypatch, tmp_path):
    monkeypatch.delenv("MEDLIB_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "medlib" / "prepared"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the standard says to pass over
    assert cache_folder() == tmp_path / ".cache" / "medlib" / "prepared"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "medlib" / "prepared"
    monkeypatch.setenv("MEDLIB_CACHE", "off")
    assert cache_folder() is None
    assert usual_store() is None


def test_it_is_its_owner_s_alone_and_never_takes_the_whole_disk(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDLIB_CACHE", str(tmp_path / "c"))
    (tmp_path / "c" / "prepared").mkdir(parents=True, mode=0o755)
    store = usual_store()
    assert store.folder.stat().st_mode & 0o077 == 0
    disk = os.statvfs(tmp_path)
    assert store.limit_bytes <= disk.f_bavail * disk.f_frsize / 2 + 1e9


def test_where_nothing_can_be_written_training_goes_on_without(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("MEDLIB_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be kept in"):
        assert usual_store() is None


def test_a_task_keeps_what_it_prepared_and_nobody_s_name(monkeypatch, tmp_path):
    folder = write_task(tmp_path / "task", 3, shape=(12, 16, 16), prefix="Secret-Name")
    monkeypatch.setenv("MEDLIB_CACHE", str(tmp_path / "cache"))

    def prepare(**choices):
        learn = medlib.segmenter(folder / "images", folder / "labels", kind="mr", **choices)
        return learn.learner.data.train.prepared(0)

    prepare(cache=False)
    assert not (tmp_path / "cache").exists()
    first = prepare()
    files = [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".TAG"]
    assert [path for path in files if path.suffix == ".safetensors"]
    assert not [path for path in files if "secret" in path.name.lower()]
    prepare(cache=tmp_path / "other")
    assert Store(tmp_path / "other").size() > 0

    def fails(*_):
        raise AssertionError("it was prepared again")

    monkeypatch.setattr(Dataset, "_made", fails)
    again = prepare()
    assert torch.equal(first.values[0].data, again.values[0].data)


def test_cases_that_differ_in_anything_that_is_read_are_not_mixed_up(tmp_path):
    """Another outline as a further mask, say: its voxels would be shown to the network."""
    folder = write_task(tmp_path / "task", 2, shape=(12, 16, 16))
    cases = pair(folder / "images", folder / "labels").cases
    labels = Labels.of(["left kidney", "right kidney"])
    keys = set()
    one, other = cases[0].label, cases[1].label
    for more in ({}, {"masks": {"before": one}}, {"masks": {"before": other}},
                 {"masks": {"after": one}}, {"answers": {"age": 3.0}}, {"annotated": ("left kidney",)},
                 {"name": "b"}):  # fmt: skip
        given = {"name": "a", "patient": "a", "scan": cases[0].scan, "label": one} | more
        data = Dataset(
            [Case(**given)],
            (VolumeBlock(MRVolume), MaskBlock(labels)),
            preprocess=Pipeline(),
            augment=Pipeline(),
        )
        keys.add(data._key(0, Store(tmp_path / "store")))
    assert len(keys) == 7


def many(folder):
    grid = Grid.from_axes((SIDE, SIDE, SIDE))
    labels = Labels.of(["ball"])
    mask = torch.zeros(1, SIDE, SIDE, SIDE, dtype=torch.uint8)
    mask[0, 40:50, 40:50, 40:50] = 1
    write_nifti(Mask(mask, grid, labels), folder / "label.nii")
    cases = []
    for number in range(SCANS):
        path = folder / f"{number}.nii"
        write_nifti(MRVolume(torch.full((1, SIDE, SIDE, SIDE), float(number)), grid), path)
        stack = medlib.survey(path).stacks[0]
        assert isinstance(stack, NiftiStack)
        cases.append(Case(str(number), str(number), stack, folder / "label.nii"))
    return cases, (VolumeBlock(MRVolume), MaskBlock(labels))


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads memory in kilobytes")
@pytest.mark.parametrize("room", ["enough", "full", "none"])
def test_any_number_of_scans_takes_no_more_memory(tmp_path, room):
    cases, blocks = many(tmp_path)
    item = 4 * SIDE**3

    def work():
        warnings.simplefilter("ignore")  # of the store that is full
        ctypes.CDLL(None).mallopt(-3, 1 << 16)  # give back what is freed, so that it can be seen
        limit = 1 << 30 if room == "enough" else 3 * item
        store = None if room == "none" else Store(tmp_path / "store", limit_bytes=limit)
        data = Dataset(
            cases,
            blocks,
            preprocess=Pipeline((Normalise(mean=0.0, deviation=2.0),)),
            augment=Pipeline(),
            keep_bytes=4 * item,
            store=store,
        )
        data.prepared(0)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        for _ in range(2):
            for number in range(SCANS):
                assert float(data.prepared(number).values[0].data.mean()) == number / 2
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        # Kept in memory, they would be 40 items, and as many masks.
        return 0 if grown < 10 * item else 1

    assert forked(work).wait() == 0
