"""Splits that keep patients whole, and items that are the same wherever they are made."""

import pickle
from dataclasses import replace
from itertools import islice

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import SIDES, structures, write_task

from medlib import io
from medlib.data import Case, DataBlock, MaskBlock, VolumeBlock, by_patient, collate, held_out, pair
from medlib.data.dataset import Rounds
from medlib.data.store import Store
from medlib.space import Grid
from medlib.transforms import Noise, Normalise, Pipeline, RandomAffine, RandomPatch
from medlib.types import Labels, Mask, MRVolume

PATCH = (12, 16, 16)


def cases(patients):
    return [Case(f"{p}_{i}", p, None) for i, p in enumerate(patients)]


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=30).filter(lambda x: len({*x}) > 1),
    st.floats(0.01, 0.99),
    st.integers(0, 5),
)
def test_a_patient_is_never_on_both_sides(patients, fraction, seed):
    every = cases(patients)
    train, valid = by_patient(fraction, seed=seed)(every)
    assert sorted(c.name for c in (*train, *valid)) == sorted(c.name for c in every)
    kept = {c.patient for c in valid}
    assert not kept & {c.patient for c in train}
    assert train
    assert valid
    wanted = fraction * len(set(patients))
    assert abs(len(kept) - wanted) <= 1
    assert by_patient(fraction, seed=seed)(every[::-1])[1] == valid[::-1]


def test_another_seed_keeps_others_back():
    every = cases("abcdefghij")
    assert len({tuple(c.name for c in by_patient(seed=s)(every)[1]) for s in range(8)}) > 3


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 7, float("nan")])
def test_a_fraction_must_be_one(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        by_patient(fraction)


def test_one_patient_cannot_be_split():
    with pytest.raises(ValueError, match="only one patient"):
        by_patient()(cases("aaa"))


def test_a_list_says_who_is_held_out():
    every = cases("aabc")
    train, valid = held_out(["b_2.nii.gz", "c_3"])(every)
    assert [c.name for c in train] == ["a_0", "a_1"]
    assert [c.name for c in valid] == ["b_2", "c_3"]
    with pytest.raises(ValueError, match=r"names b_7.*for example: a_0"):
        held_out(["b_7", "c_3"])(every)
    with pytest.raises(ValueError, match=r"one patient.*a_0, a_1"):
        held_out(["a_1"])(every)
    for names in ([], [c.name for c in every]):
        with pytest.raises(ValueError, match="not all of them"):
            held_out(names)(every)


# --- items --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"), 5)


def block(**changes):
    default = DataBlock(
        blocks=(VolumeBlock(MRVolume), MaskBlock(SIDES)),
        get_items=lambda f: pair(f / "images", f / "labels").cases,
        splitter=by_patient(0.4),
        preprocess=Pipeline((Normalise(),)),
        augment=Pipeline((RandomAffine(), RandomPatch(PATCH), Noise(0.1))),
    )
    return replace(default, **changes)


def same(a, b):
    return a.trail == b.trail and all(
        torch.equal(x.data, y.data) for x, y in zip(a.values, b.values, strict=True)
    )


def test_an_item_is_the_same_whenever_it_is_asked_for(folder):
    one, two = (block().datasets(folder, seed=7).train for _ in range(2))
    asked = [(0, 0), (0, 1), (3, 2), (3, 0)]
    forth = {index: one[index] for index in asked}
    back = {index: two[index] for index in reversed(asked)}
    assert all(same(forth[index], back[index]) for index in asked)
    assert not same(forth[0, 0], forth[3, 0])
    assert not same(forth[0, 0], block().datasets(folder, seed=8).train[0, 0])


def test_workers_make_the_same_batches(folder):
    data = block().datasets(folder, seed=1)
    here = list(islice(data.batches(batch_size=2, seed=1), 4))
    there = list(islice(data.batches(batch_size=2, seed=1, workers=2), 4))
    for a, b in zip(here, there, strict=True):
        assert a.names == b.names
        assert a.trails == b.trails
        assert torch.equal(a.x, b.x)
        for mine, theirs in zip(a.targets, b.targets, strict=True):
            assert torch.equal(mine.data, theirs.data)
    (later,) = islice(data.batches(batch_size=2, seed=1, start=3), 1)
    assert torch.equal(later.x, here[3].x)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no graphics card")
@pytest.mark.parametrize("workers", [0, 1])
def test_pinned_batches_are_the_same(folder, workers):
    data = block().datasets(folder, seed=1)
    (here,) = islice(data.batches(batch_size=2), 1)
    (pinned,) = islice(data.batches(batch_size=2, workers=workers, pinned=True), 1)
    assert pinned.x.is_pinned()
    assert pinned.targets[0].data.is_pinned()
    there = pinned.to("cuda", non_blocking=True)
    assert torch.equal(there.x.cpu(), here.x)
    assert torch.equal(there.targets[0].data.cpu(), here.targets[0].data)


def test_what_is_read_is_what_lies_on_disk(folder):
    data = block().datasets(folder).train
    scan, mask = data.raw(0).values
    assert scan.grid == mask.grid == data.cases[0].scan.grid
    truth = structures(scan.grid, seed=int(data.cases[0].name.removeprefix("case_")))
    assert torch.equal(mask.data.int(), truth.data)
    assert torch.equal(data.truth(0).data, mask.data)
    assert float(data.prepared(0).values[0].data.mean()) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("keep_bytes", [0, 60_000, 1 << 30])
def test_memory_is_bounded_and_changes_nothing(folder, keep_bytes):
    data = block().datasets(folder).train
    small = type(data)(
        data.cases, data.blocks, preprocess=data.preprocess, augment=data.augment,
        keep_bytes=keep_bytes,
    )  # fmt: skip
    for _ in range(2):
        for number in range(len(small)):
            assert same(small[1, number], data[1, number])
    kept = [v.data.nbytes for item in small._kept.values() for v in item.values]
    kept += [mask.data.nbytes for mask in small._truths.values()]
    assert sum(kept) <= keep_bytes
    assert small.transformed(Pipeline(), Pipeline()).keep_bytes == keep_bytes


def test_processes_share_the_memory_that_one_may_take(folder):
    data = block().datasets(folder).train
    one = sum(value.data.nbytes for value in data.prepared(0).values)
    whole = type(data)(
        data.cases, data.blocks, preprocess=data.preprocess, augment=data.augment,
        keep_bytes=3 * one,
    )  # fmt: skip
    assert whole.among(0) is whole
    whole.prepared(0)
    forked = whole.among(2)
    for number in range(len(forked)):
        assert same(forked[1, number], data[1, number])
    assert list(forked._kept) == [0, 1]  # what was there, and half of what there was room for
    spawned = pickle.loads(pickle.dumps(whole.among(2)))
    for number in range(len(spawned)):
        assert same(spawned[1, number], data[1, number])
    assert list(spawned._kept) == [0]
    assert list(whole._kept) == [0]


@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 12), st.integers(0, 3))
def test_every_case_comes_once_a_round_and_a_run_goes_on_where_it_stopped(count, size, skip, seed):
    batches = list(islice(Rounds(count, size, seed=seed), 40))
    flat = [index for batch in batches for index in batch]
    assert all(len(batch) == size for batch in batches)
    for epoch in range(len(flat) // count):
        turn = flat[epoch * count : (epoch + 1) * count]
        assert sorted(turn) == [(epoch, number) for number in range(count)]
    assert list(islice(Rounds(count, size, seed=seed, start=skip), 5)) == batches[skip : skip + 5]


def test_a_batch_is_what_the_network_and_the_loss_take(folder):
    data = block().datasets(folder).train
    batch = collate([data[0, 0], data[0, 1]], data.blocks)
    assert (batch.x.shape, batch.x.dtype) == ((2, 1, *PATCH), torch.float32)
    assert batch.names == tuple(case.name for case in data.cases[:2])
    assert all(trail.native == data.cases[0].scan.grid for trail in batch.trails)
    assert torch.equal(batch.targets[1].data, data[0, 1].values[1].data)
    assert batch.grids == tuple(target.grid for target in batch.targets)
    assert batch.to("cpu").x.equal(batch.x)


def test_scans_of_two_sizes_make_no_batch(folder):
    data = block(augment=Pipeline()).datasets(folder).train
    item = data[0, 0]
    other = replace(item, values=tuple(
        replace(v, data=v.data[:, 1:], grid=v.grid.window((1, 0, 0), v.data[0, 1:].shape))
        for v in item.values), name="the other")  # fmt: skip
    with pytest.raises(ValueError, match=rf"{item.name} is .* the other is .*RandomPatch"):
        data.collate([item, other])


def test_channels_follow_the_order_of_the_table():
    grid = Grid.from_axes((1, 1, 3))
    labels = Labels.of({7: "b", 300: "c", 2: "a"})
    mask = Mask(torch.tensor([[[[0, 2, 300]]]]), grid, labels)
    block = MaskBlock(labels)
    assert block.output.channels == 4
    assert block.tensor(mask).tolist() == [[[[0, 3, 2]]]]


# --- data that must not be learned from ---------------------------------------------------


def spoilt(tmp_path, spoil):
    """A task whose second case's label is another mask."""
    write_task(tmp_path, 3)
    path = tmp_path / "labels" / "case_2.nii.gz"
    mask = io.read_mask(path)
    io.write_nifti(spoil(mask), path)
    data = block(splitter=held_out(["case_3"])).datasets(tmp_path).train
    return data.raw(1)


def test_ids_that_no_table_knows_are_refused(tmp_path):
    def spoil(mask):
        mask.data[0, 0, 0, 0] = 9
        return Mask(mask.data, mask.grid)

    with pytest.raises(ValueError, match=r"case_2: case_2\.nii\.gz holds the ids 9.*it has 1, 2"):
        spoilt(tmp_path, spoil)


@pytest.mark.parametrize(
    ("spoil", "how"),
    [
        (lambda m: Mask(m.data[:, 1:], m.grid.window((1, 0, 0), m.data[0, 1:].shape)), "20×24×24"),
        (lambda m: Mask(m.data, m.grid.window((1, 0, 0), m.grid.shape)), "1.2 mm apart"),
        (lambda m: Mask(m.data, Grid.from_axes(m.grid.shape, spacing=(1.5, 1, 1))), "1.5×1×1 mm"),
    ],
)
def test_a_mask_on_another_grid_is_refused_saying_how_it_differs(tmp_path, spoil, how):
    with pytest.raises(ValueError, match=rf"case_2: case_2\.nii\.gz lies on another grid.*{how}"):
        spoilt(tmp_path, spoil)


def test_a_mask_stored_with_other_axes_is_the_same_mask(tmp_path):
    def turn(mask):
        from medlib.transforms import Move, resample

        turned = resample(mask, Move(mask.grid, mask.grid.reoriented("RIA")))
        return Mask(turned.data, turned.grid)

    scan, mask = spoilt(tmp_path, turn).values
    assert torch.equal(mask.data.int(), structures(scan.grid, seed=2).data)


def test_structures_that_overlap_are_refused(tmp_path):
    write_task(tmp_path, 3)
    path = tmp_path / "labels" / "case_2.nii.gz"
    mask = io.read_mask(path)
    io.write_nifti(Mask(torch.cat([mask.data, mask.data]), mask.grid, SIDES), path)
    with pytest.raises(ValueError, match=r"case_2\.nii\.gz overlap.*one label map"):
        MaskBlock(SIDES).read_file(path, on=mask.grid)
    found = pair(tmp_path / "images", tmp_path / "labels")
    assert "case_2.nii.gz is 24×24×20×2, not one 3-D image" in str(found.set_aside)


# --- kept on disk, and refused ------------------------------------------------------------------


def test_prepared_items_are_kept_on_disk(folder, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    first = block().datasets(folder, store=store).train
    before = [first.prepared(k) for k in range(len(first))]
    again = block().datasets(folder, store=Store(tmp_path / "store")).train
    monkeypatch.setattr(again, "_made", lambda number: pytest.fail("it was made again"))
    for number, item in enumerate(before):
        kept = again.prepared(number)
        assert kept.trail == item.trail
        assert torch.equal(kept.values[0].data, item.values[0].data)
        assert torch.equal(kept.values[1].data, item.values[1].data)


def test_other_preprocessing_is_another_item(folder, tmp_path):
    store = Store(tmp_path / "store")
    one = block().datasets(folder, store=store).train.prepared(0)
    other = replace(block(), preprocess=Pipeline()).datasets(folder, store=store).train.prepared(0)
    assert not torch.equal(one.values[0].data, other.values[0].data)


def test_a_split_that_leaks_is_refused(folder):
    leaky = replace(block(), splitter=lambda cases: (list(cases), list(cases)[:1]))
    with pytest.raises(ValueError, match="the same patient is trained and validated on"):
        leaky.datasets(folder)


def test_what_a_reader_looked_for_goes_with_the_mask(folder):
    data = block().datasets(folder).train
    case = replace(data.cases[0], annotated=("left kidney",))
    mask = MaskBlock(SIDES).read(case, on=case.scan.grid)
    assert mask.annotated == ("left kidney",)
