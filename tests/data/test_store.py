"""Prepared once, read ever after: whole or absent, the same to the last bit, and bounded."""

import json
import os
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from tiny import structures, write_task
from torture.store import forked, torment

from medlib import io
from medlib.data.digests import content_digest, digest
from medlib.data.store import Store
from medlib.data.written import packed, unpacked
from medlib.space import Grid
from medlib.transforms import (
    Item,
    Normalise,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Reorient,
    Spacing,
    Step,
)
from medlib.types import (
    Boxes,
    Categories,
    Category,
    Contours,
    CTVolume,
    Gridded,
    Kind,
    Labels,
    Mask,
    Measurement,
    MRVolume,
    MultiVolume,
    PETVolume,
    PointCloud,
    Points,
    Probabilities,
    Volume,
)

GRID = Grid.from_axes((6, 7, 8), spacing=(2.5, 0.7, 0.9), origin=(-3, 1e3, 0.1))
TABLE = Labels.of({1: "liver", 700: "left kidney"}, ignored=9)
GB = 1 << 30


def mask(dtype=torch.int32):
    data = torch.zeros(2, *GRID.shape, dtype=dtype)
    data[0, 2:4, 1:5, 3:6], data[1, 3, 2], data[0, 0] = 1, 700, 9
    return Mask(data, GRID, TABLE, annotated=("left kidney",))


def values():
    torch.manual_seed(0)
    scan = torch.randn(1, *GRID.shape)
    yield CTVolume((scan * 500).to(torch.int16), GRID)
    yield PETVolume(scan.double(), GRID, background=-0.5, units="1")
    yield MRVolume(scan.to(torch.bfloat16), GRID)
    yield Volume(scan.half().repeat(3, 1, 1, 1), GRID)
    yield Volume(scan > 0, GRID, background=float("-inf"))
    yield MultiVolume((MRVolume(scan, GRID), MRVolume(scan, GRID)), ("T1", "FLAIR"))
    yield mask()
    yield Mask(torch.zeros(1, *GRID.shape, dtype=torch.bool), GRID)
    yield Probabilities(torch.rand(3, *GRID.shape), GRID, TABLE)
    yield Points([[1.5, 2, 1e-9]], ("carina",))
    yield PointCloud([[0, 0, 1], [2, 3, 4]], features=torch.rand(2, 5))
    yield Boxes.between([[0, 0, 0]], [[1, 2, 3]], ids=(700,), scores=(0.25,), labels=TABLE)
    yield Contours([[0, 0, 0], [1, 0, 0], [0, 1, 0]], (3,), (1,), TABLE)
    yield Category("benign", ("benign", "malignant"))
    yield Categories((), ("effusion", "nodule"))
    yield Categories((), ("effusion", "nodule"), unknown=("nodule",))
    yield Measurement(0.1 + 0.2, "ml", "liver volume")


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Kind):
        named = [f.name for f in fields(one)]
        return type(one) is type(other) and all(
            same(getattr(one, n), getattr(other, n)) for n in named
        )
    return one == other


def never():
    raise AssertionError("it was there")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", limit_bytes=GB)


# --- what goes in comes out ---------------------------------------------------------------


@pytest.mark.parametrize("value", values(), ids=lambda v: type(v).__name__)
def test_every_kind_comes_back_as_it_was(store, value):
    made = Item((value,), name="Ü/1")
    store.item("k", lambda: made)
    found = store.item("k", never)
    assert same(found.values, made.values)
    assert found.name == made.name


def test_the_trail_comes_back_and_leads_home(store):
    prepare = Pipeline((Reorient("RAS"), Spacing((2, 1, 1)), RandomAffine(), Normalise()))
    scan = MRVolume(torch.rand(1, *GRID.shape), GRID)
    made = prepare(Item((scan, mask()), name="a"))
    store.item("k", lambda: made)
    found = store.item("k", never)
    assert found.trail == made.trail
    one, other = (item.trail.decode(item.values[1]) for item in (made, found))
    assert same(one, other)
    assert other.annotated == ("left kidney",)


@dataclass(frozen=True)
class Needle(Kind):
    """A kind of somebody's own."""

    tip: np.ndarray
    seen_on: Volume
    length: float = float("nan")


@dataclass(frozen=True)
class Shave(Step):
    """A step of somebody's own."""

    by: float = 1.0


def test_kinds_and_steps_of_ones_own_need_nothing_more(store):
    scan = MRVolume(torch.rand(1, *GRID.shape), GRID)
    trail = replace(Item((scan,)).trail, steps=(Shave(2.0),))
    store.item("k", lambda: Item((Needle(np.arange(3.0), scan),), trail))
    found = store.item("k", never)
    needle = found.values[0]
    assert same((needle.tip, needle.seen_on), (np.arange(3.0), scan))
    assert np.isnan(needle.length)
    assert found.trail == trail


@dataclass(frozen=True)
class Odd(Kind):
    what: object


def test_what_cannot_be_written_plainly_is_refused_and_nothing_is_left(store):
    with pytest.raises(TypeError, match="nothing registered for"):
        store.item("k", lambda: Item((Odd({1, 2}),)))
    assert [p.name for p in store.folder.iterdir()] == ["CACHEDIR.TAG"]


def test_views_are_written_by_themselves(store):
    whole = torch.rand(1, 60, 70, 80)
    view = whole[:, 10:16, ::10, 5:13]
    parts = (MRVolume(view, GRID), MRVolume(view.flip(3), GRID), MRVolume(view, GRID))
    store.item("k", lambda: Item(parts))
    assert same(store.item("k", never).values, parts)
    assert store.size() < 3 * view.nbytes + 5000
    for tensor in packed(Item(parts))[1].values():
        assert tensor.is_contiguous()


def test_where_labels_are_is_not_looked_for_again(store, monkeypatch):
    store.item("k", lambda: Item((mask(),)))
    found = store.item("k", never).values[0]
    monkeypatch.setattr(Mask, "extents", never)
    assert list(found.sites) == list(mask_sites := {1: 24, 700: 8})
    assert {k: len(v) for k, v in found.sites.items()} == mask_sites
    assert not found.sites[1].flags.writeable


# --- memory -------------------------------------------------------------------------------

READER = """
import sys, torch
from medlib.data.store import Store
from medlib.space import Grid
from medlib.transforms import Item
from medlib.types import MRVolume, CTVolume

def rss(kind):
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return int(lines[kind].split()[0]) / 1024

from medlib.data.digests import digest
from medlib.transforms import Normalise, Pipeline, Spacing

print(digest(Pipeline((Spacing((2, 1, 1)), Normalise())), Normalise, {'b': 1, 'a': (2, None)}))
store, grid = Store(sys.argv[1]), Grid.from_axes((128, 256, 256))
for n in range(4):
    store.item(str(n), lambda: Item((MRVolume(torch.full((1, 128, 256, 256), float(n)), grid),)))
before = rss("RssAnon") + rss("RssFile")
items = [store.item(str(n), lambda: 1 / 0) for n in range(4)]
for item in items:
    patch = item.values[0].data[:, 60:64, 100:132, 100:132].clone()
print(rss("RssAnon") + rss("RssFile") - before)
items[0].values[0].data[0, 0, 0, 0] = 7.0
print(float(store.item("0", lambda: 1 / 0).values[0].data[0, 0, 0, 0]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_another_process_pays_for_patches_and_keeps_its_writes_to_itself(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", READER, str(tmp_path / "s")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    same_digest, grown, on_disk = done.stdout.split()
    assert float(grown) < 16  # MB, of the 128 that the four scans are
    assert float(on_disk) == 0.0
    prepare = Pipeline((Spacing((2, 1, 1)), Normalise()))
    assert same_digest == digest(prepare, Normalise, {"a": (2, None), "b": 1})


# --- damage and limits --------------------------------------------------------------------


def small(n):
    return Item((MRVolume(torch.full((1, 10, 10, 10), float(n)), Grid.from_axes((10, 10, 10))),))


def entries(store):
    return sorted(p for p in store.folder.iterdir() if p.suffix == ".safetensors")


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, None, "version"])
def test_a_damaged_or_foreign_entry_is_made_anew(store, damage):
    store.item("k", lambda: small(1))
    (path,) = entries(store)
    if damage == "version":
        from safetensors.torch import save_file

        save_file({}, path, {"medlib_item": json.dumps({"name": "a", "trail": {}, "values": []})})
    else:
        path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    assert same(store.item("k", lambda: small(2)).values, small(2).values)
    assert same(store.item("k", never).values, small(2).values)


@pytest.mark.parametrize("damage", [b"", b"\0" * 50, b"\xff", b"another word"])
def test_a_damaged_note_is_made_anew(store, damage):
    assert store.text("k", lambda: "a word\nor two") == "a word\nor two"
    assert store.text("k", never) == "a word\nor two"
    (path,) = store.folder.glob("*.txt")
    path.write_bytes(damage)
    assert store.text("k", lambda: "a word") == "a word"
    assert store.text("k", never) == "a word"


def test_a_failure_to_make_keeps_nothing(store):
    with pytest.raises(ZeroDivisionError):
        store.item("k", lambda: 1 / 0)
    assert entries(store) == []


def aged(store, seconds):
    for path in store.folder.iterdir():
        stat = path.stat()
        os.utime(path, (stat.st_atime - seconds, stat.st_mtime - seconds))


def test_the_least_recently_used_goes_first(tmp_path):
    store = Store(tmp_path, limit_bytes=20_000)  # four entries of 4.5 kB
    for n in range(4):
        store.item(str(n), lambda n=n: small(n))
        aged(store, 10_000)
    kept = store.item("0", never)  # used just now
    store.item("new", lambda: small(9))
    assert store.size() <= 20_000
    assert len(entries(store)) == 4
    store.item("0", never)
    store.item("3", never)
    assert same(store.item("1", lambda: small(-1)).values, small(-1).values)  # it went
    assert same(kept.values, small(0).values)


def test_the_folder_is_not_counted_for_each_entry(tmp_path, monkeypatch):
    """Or an archive of thousands of scans would take hours: each would look through all before it."""
    counted, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda *a: counted.append(1) or scandir(*a))
    store = Store(tmp_path, limit_bytes=100_000, in_use_seconds=0)
    for n in range(2_000):
        store.text(str(n), lambda: "x" * 100)
        assert n % 100 or store.size() <= 100_000
    assert store.size() > 80_000
    assert len(counted) < 500


def test_what_is_mapped_may_go_and_is_still_read(tmp_path):
    store = Store(tmp_path, limit_bytes=6_000)
    held = store.item("held", lambda: small(5))
    aged(store, 10_000)
    store.item("new", lambda: small(6))
    assert len(entries(store)) == 1
    assert same(held.values, small(5).values)


def test_when_all_is_in_use_nothing_is_thrown_out_and_it_is_said(tmp_path):
    store = Store(tmp_path, limit_bytes=10_000)
    for n in range(2):
        store.item(str(n), lambda n=n: small(n))
    with pytest.warns(UserWarning, match="all of it is in use.*more room"):
        found = store.item("2", lambda: small(2))
    assert same(found.values, small(2).values)
    for n in range(2):
        assert same(store.item(str(n), never).values, small(n).values)
    with pytest.warns(UserWarning, match="in use"):
        Store(tmp_path / "b", limit_bytes=10).item("k", lambda: small(1))


def test_leftovers_are_swept_and_strangers_files_are_not(tmp_path):
    store = Store(tmp_path)
    old, new = (tmp_path / f"{n * 40}-{n * 32}.part" for n in "ab")
    others = [tmp_path / n for n in ("notes.md", "model.safetensors", "notes.txt", "film.part")]
    for path in (old, new, *others):
        path.write_text("x")
    os.utime(old, (0, time.time() - 3600))
    for other in others:
        os.utime(other, (0, 0))
    Store(tmp_path, limit_bytes=1)
    assert not old.exists()
    assert new.exists()  # somebody may be writing it
    with pytest.warns(UserWarning, match="in use"):
        Store(tmp_path, limit_bytes=1).item("k", lambda: small(1))
    store.item("kept", lambda: small(1))
    assert store.clear() > 0
    assert "kept" not in store
    assert store.size() == 0
    assert all(other.exists() for other in others)
    assert store.folder.stat().st_mode & 0o077 == 0 or tmp_path == store.folder


def test_the_folder_is_its_owners_alone(tmp_path):
    store = Store(tmp_path / "new")
    assert store.folder.stat().st_mode & 0o077 == 0


def test_a_disk_that_takes_nothing_costs_time_and_no_result(store, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left"):
        found = store.item("k", lambda: small(3))
    assert same(found.values, small(3).values)
    assert [p.name for p in store.folder.iterdir()] == ["CACHEDIR.TAG"]


def test_parallel_writers_and_eviction_never_mix_up_items(tmp_path):
    """Room for five of eight, any of which may go at any moment."""

    def write_and_read():
        warnings.simplefilter("ignore")
        store = Store(tmp_path, limit_bytes=24_000, in_use_seconds=0)
        for n in [*range(8)] * 10:
            item = store.item(str(n), lambda n=n: small(n))
            if not (item.values[0].data == n).all():
                return 1
        return 0

    writers = [forked(write_and_read) for _ in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert not list(tmp_path.glob("*.part"))
    assert Store(tmp_path).size() <= 24_000 + 2 * 4_500


def test_writers_killed_at_any_moment_leave_whole_entries_or_none(tmp_path):
    killed, whole = torment(tmp_path, kills=12)
    assert killed == 12
    assert whole > 0


# --- digests ------------------------------------------------------------------------------


def test_digests_differ_by_all_that_matters():
    pipelines = [Pipeline((Spacing((2, 1, s)), Normalise())) for s in (1, 2)]
    parts = [
        (), (None,), ("",), ("a", "b"), ("ab",), (("a", "b"),), (1,), (True,), ("1",), (b"1",), (1.0,),
        (0.1,), (0.1 + 1e-17 + 3e-17,), ({},), ({"a": 1},), ({"a": 2},), *((p,) for p in pipelines), (Normalise(),),
        (MRVolume,), (CTVolume,), (TABLE,), (replace(TABLE, ignored=8),), (GRID,), (np.zeros(2),), (np.zeros((2, 1)),),
        (np.zeros(2, np.float32),), (torch.zeros(2),), (RandomPatch((1, 1, 1)),),
    ]  # fmt: skip
    found = [digest(*part) for part in parts]
    assert len(set(found)) == len(found)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    with pytest.raises(TypeError, match="no digest"):
        digest(object())
    with pytest.raises(FileNotFoundError):
        digest(Path("/nowhere/at/all"))


def test_a_recipe_of_ones_own_counts_by_what_it_does():
    def cut(by):
        space = {"__name__": "__main__", "dataclass": dataclass}
        exec(f"@dataclass(frozen=True)\nclass Cut:\n  def draw(self): return {by}", space)
        return space["Cut"]()

    assert digest(cut(1)) == digest(cut(1))
    assert digest(cut(1)) != digest(cut(2))


def test_files_count_by_their_bytes(tmp_path):
    write_task(tmp_path, 2, shape=(6, 8, 8))
    one, two = sorted((tmp_path / "images").iterdir())
    copy = tmp_path / "copy.nii.gz"
    copy.write_bytes(one.read_bytes())
    assert digest(one) == digest(copy) != digest(two)
    stacks = [io.survey(path).stacks[0] for path in (one, copy, two)]
    assert digest(stacks[0]) == digest(stacks[1]) != digest(stacks[2])
    assert digest(tmp_path / "images") != digest(tmp_path / "labels")


def test_a_store_reads_files_once_and_sees_when_they_change(tmp_path, store, monkeypatch):
    write_task(tmp_path, 1, shape=(6, 8, 8))
    (path,) = (tmp_path / "images").iterdir()
    (stack,) = io.survey(path).stacks
    long_ago = time.time() - 1000
    os.utime(path, (long_ago, long_ago))
    first = store.digest(stack, Normalise())
    with monkeypatch.context() as patched:
        patched.setattr("medlib.data.store.files_digest", lambda files: never())
        assert store.digest(stack, Normalise()) == first
        assert Store(store.folder).digest(stack, Normalise()) == first  # another process, later
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])  # the same length
    changed = store.digest(stack, Normalise())
    assert changed != first
    path.write_bytes(data)  # within the clock's grain, perhaps: too fresh to be remembered
    assert store.digest(stack, Normalise()) == first


def test_content_is_the_voxels_however_they_are_stored():
    scan = MRVolume(torch.randint(-5, 90, (1, *GRID.shape), dtype=torch.int16), GRID)
    whole = content_digest(scan)
    turned = Pipeline((Reorient("RIA"),))(Item((scan,))).values[0]
    moved = replace(scan, grid=Grid.from_axes(GRID.shape, spacing=(1, 1, 1)))
    for other in (turned, moved, CTVolume(scan.data.float(), GRID)):
        assert content_digest(other) == whole
    for data in (scan.data + 1, scan.data.flip(3), scan.data[:, :, :, :7]):
        grid = Grid.from_axes(data.shape[1:])
        assert content_digest(MRVolume(data, grid)) != whole
    both = MultiVolume((scan, turned_back := replace(scan)), ("a", "b"))
    assert content_digest(both) != whole
    assert isinstance(turned_back, Gridded)


def test_structures_survive(store):
    """A real mask, through the store and back along its trail, to the last voxel."""
    drawn = structures(GRID)
    item = store.item("k", lambda: Pipeline((Reorient("LIA"),))(Item((drawn,))))
    assert torch.equal(item.trail.decode(item.values[0]).data, drawn.data)
    assert unpacked(*packed(item)).trail == item.trail


def test_header_is_plain_json_and_no_pickle_is_there(store):
    store.item("k", lambda: Item((mask(),), name="a"))
    (path,) = entries(store)
    with safe_open(path, "pt") as file:
        said = json.loads(file.metadata()["medlib_item"])
    assert said["name"] == "a"
    assert b"pickle" not in path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.item("k", never).values[0].data.clone()
