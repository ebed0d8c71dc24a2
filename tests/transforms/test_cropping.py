import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import grids

from medlib.space import Grid
from medlib.transforms import (
    CropOrPad,
    CropToForeground,
    Flip,
    Item,
    PadTo,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Spacing,
)
from medlib.types import CTVolume, Labels, Mask, MRVolume

shapes = st.tuples(*[st.integers(1, 9)] * 3)
LESIONS = Labels.of(["small", "large"])


def lesions(grid, *boxes):
    data = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    for label, (start, size) in enumerate(boxes, start=1):
        data[(0, *(slice(a, a + size) for a in start))] = label
    return Mask(data, grid, LESIONS)


@given(grids(), shapes)
def test_cropping_and_padding_keep_the_middle(grid, shape):
    scan = MRVolume(torch.rand(1, *grid.shape), grid)
    item = Pipeline((CropOrPad(shape),))(Item((scan,)))
    assert item.grid.shape == shape
    shift = grid.to_index(item.grid.centre) - grid.to_index(grid.centre)
    assert np.abs(shift).max() < 0.51
    for n, m, axis in zip(grid.shape, shape, range(3), strict=True):
        if n == m:
            assert abs(shift[axis]) < 1e-9


@given(grids(), shapes)
def test_padding_cuts_nothing(grid, shape):
    scan = MRVolume(torch.rand(1, *grid.shape) + 1, grid)
    item = Pipeline((PadTo(shape),))(Item((scan,)))
    assert item.grid.shape == tuple(map(max, grid.shape, shape))
    assert int((item.values[0].data != 0).sum()) == scan.data.numel()
    assert torch.equal(item.trail.decode(item.values[0]).data, scan.data)


def test_zero_leaves_an_axis_as_it_is():
    grid = Grid.from_axes((4, 5, 6))
    item = Item((MRVolume(torch.rand(1, 4, 5, 6), grid),))
    assert Pipeline((CropOrPad((0, 3, 8)),))(item).grid.shape == (4, 3, 8)
    assert Pipeline((CropOrPad((0, 5, 6)),))(item).values[0] is item.values[0]


def test_foreground_is_cut_out_with_its_margin():
    grid = Grid.from_axes((10, 10, 10))
    data = torch.full((1, 10, 10, 10), -1000.0)
    data[0, 3:5, 2:8, 9] = 30
    scan = CTVolume(data, grid)
    item = Pipeline((CropToForeground(margin=1),))(Item((scan,)))
    assert item.grid == grid.window((2, 1, 8), (4, 8, 2))
    assert torch.equal(item.trail.decode(item.values[0]).data, data)
    assert not Pipeline((CropToForeground(above=500),))(Item((scan,))).trail.steps


@given(
    grids(sides=(3, 12)), shapes, st.integers(0, 10**6), st.sampled_from((0.0, 1.0)),
    st.booleans(),
)  # fmt: skip
def test_a_patch_lies_within_the_scan_or_around_it(grid, shape, seed, on_label, labelled):
    scan = MRVolume(torch.ones(1, *grid.shape), grid)
    mask = lesions(grid, ((1, 1, 1), 1)) if labelled else lesions(grid)
    item = Pipeline((RandomPatch(shape, on_label=on_label),))(Item((scan, mask)), seed=seed)
    assert item.grid.shape == shape
    start = np.rint(grid.to_index(item.grid.origin)).astype(int)
    for a, size, n in zip(start, shape, grid.shape, strict=True):
        assert 0 <= a <= n - size if size <= n else n - size <= a <= 0
    # All of the scan that can be seen is seen: nothing is padded where there is room.
    seen = int(item.values[0].data.sum())
    assert seen == np.prod([min(a, b) for a, b in zip(shape, grid.shape, strict=True)])


def test_patches_come_from_everywhere():
    grid = Grid.from_axes((10, 4, 8))
    scan = MRVolume(torch.zeros(1, 10, 4, 8), grid)
    recipe = Pipeline((RandomPatch((4, 6, 8), on_label=0),))
    starts = {
        tuple(np.rint(grid.to_index(recipe(Item((scan,)), seed=s).grid.origin)).astype(int))
        for s in range(400)
    }
    assert starts == {(a, -b, 0) for a in range(7) for b in range(3)}


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize(
    "before",
    [
        (),
        (RandomAffine(degrees=60, scale=0.3, shift=5),),
        (Spacing((0.7, 1.4, 0.9)), Flip("superior-inferior"), RandomAffine(degrees=180)),
        (CropOrPad((18, 14, 22)), RandomAffine()),
    ],
    ids=["alone", "turned", "resampled", "cut"],
)
def test_a_patch_on_a_label_has_one_in_it(before, seed):
    """The label's place is asked for after all moves, not on the scan as it was."""
    grid = Grid.from_axes((24, 28, 26), spacing=(1.5, 1, 1), origin=(5, 6, 7)).reoriented("RSA")
    mask = lesions(grid, ((8, 10, 9), 3), ((14, 12, 12), 4))
    scan = MRVolume(torch.zeros(1, *grid.shape), grid)
    pipeline = Pipeline((*before, RandomPatch((8, 8, 8), on_label=1.0)))
    item = pipeline(Item((scan, mask)), seed=seed)
    assert item.values[1].present_ids()


def test_labels_that_were_cut_away_are_not_looked_for():
    """The large label lies outside the crop: every patch is on the small one, which is left."""
    grid = Grid.from_axes((40, 10, 10))
    mask = lesions(grid, ((19, 4, 4), 2), ((0, 0, 0), 8))
    pipeline = Pipeline((CropOrPad((16, 10, 10)), RandomPatch((6, 6, 6), on_label=1.0)))
    for seed in range(20):
        assert pipeline(Item((mask,)), seed=seed).values[0].present_ids() == [1]


def test_a_small_lesion_is_chosen_as_often_as_a_large_one():
    grid = Grid.from_axes((32, 32, 32))
    mask = lesions(grid, ((2, 2, 2), 1), ((14, 14, 14), 14))
    pipeline = Pipeline((RandomPatch((4, 4, 4), on_label=1.0),))
    found = [pipeline(Item((mask,)), seed=s).values[0].present_ids() for s in range(200)]
    assert 70 <= found.count([1]) <= 130
    assert all(ids in ([1], [2]) for ids in found)


def test_a_scan_without_labels_gives_patches_from_anywhere():
    grid = Grid.from_axes((8, 8, 8))
    item = Pipeline((RandomPatch((4, 4, 4), on_label=1.0),))(Item((lesions(grid),)))
    assert item.grid.shape == (4, 4, 4)
