"""A box and clicks, scribbles, lines: clicks are kept, sides too, and what cannot be is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from strategies import grids

from medlib.assist import box_around, grow, longest_line, outline
from medlib.assist.clicks import NO_CLICKS
from medlib.space import Grid
from medlib.transforms import Move, resample
from medlib.types import Boxes, Label, Labels, Mask, Points, Volume, measure

ORGAN = Label(300, "organ")


def scene(spacing=(1.0, 1.0, 1.0), shape=(24, 26, 28)) -> tuple[Volume, torch.Tensor]:
    """A noisy ball of 8 mm in a grid whose voxels may be long."""
    grid = Grid.from_axes(shape, spacing=spacing, origin=(-5, 7, 30))
    away = np.linalg.norm(
        grid.to_patient(np.moveaxis(np.indices(shape), 0, -1)) - grid.centre, axis=-1
    )
    noise = gaussian_filter(np.random.default_rng(0).normal(0, 20, shape), 0.5)
    voxels = torch.from_numpy((80 * (away < 8) + noise).astype(np.float32))
    return Volume(voxels[None], grid), torch.from_numpy(away < 8)


def about(scan: Volume, mm: float = 10) -> Boxes:
    return box_around(scan, Points([scan.grid.centre]), 2 * mm)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (4, 0.8, 0.8), (0.8, 3, 0.8)])
def test_a_ball_is_outlined_with_one_click(spacing):
    shape = [int(24 / s) for s in spacing]
    scan, truth = scene(spacing, tuple(shape))
    found = outline(scan, ORGAN, about(scan), Points([scan.grid.centre]))
    inside = found.data[0] == 300
    assert 2 * (inside & truth).sum() / (inside.sum() + truth.sum()) > 0.9


@given(grids(sides=(6, 9), spacing=(0.8, 3)), st.integers(0, 99), st.data())
@settings(max_examples=30)
def test_clicks_are_kept_and_nothing_lies_beyond_the_box(grid, seed, data):
    rng = np.random.default_rng(seed)
    scan = Volume(torch.from_numpy(rng.normal(size=(1, *grid.shape)).astype(np.float32)), grid)
    low, high = np.array([1, 1, 1]), np.array(grid.shape) - 2
    box = Boxes(
        (grid.to_patient(low + (high - low) * np.indices((2, 2, 2)).reshape(3, -1).T))[None]
    )
    index = rng.permutation(np.argwhere(np.ones(high - low + 1)))[:6] + low
    on, off = index[: data.draw(st.integers(1, 3))], index[3:]
    found = outline(scan, ORGAN, box, *(Points(grid.to_patient(i)) for i in (on, off)))
    marked = found.data[0].numpy() == 300
    assert marked[tuple(on.T)].all()
    assert not marked[tuple(off.T)].any()
    beyond = np.ones(grid.shape, bool)
    beyond[1:-1, 1:-1, 1:-1] = False
    assert not marked[beyond].any()


@pytest.mark.parametrize("orientation", ["LAS", "IRP", "ASR", "RSA"])
def test_the_answer_is_the_same_however_the_scan_is_stored(orientation):
    scan, _ = scene((2.0, 1.0, 1.0), (14, 26, 28))
    on = Points([scan.grid.to_patient([6, 13, 15])])
    off = Points([scan.grid.to_patient([6, 13, 22])])
    landing = scan.grid.reoriented(orientation)
    there = resample(scan, Move(scan.grid, landing))
    found = outline(scan, ORGAN, about(scan), on, off)
    again = outline(there, ORGAN, about(scan), on, off)
    moved = resample(found, Move(scan.grid, landing))
    assert torch.equal(moved.data, again.data)


def test_units_do_not_matter():
    scan, _ = scene()
    box, click = about(scan), Points([scan.grid.centre])
    other = Volume(scan.data * 37 - 1024, scan.grid)
    found, again = (outline(s, ORGAN, box, click) for s in (scan, other))
    assert (found.data != again.data).sum() <= 0.01 * (found.data > 0).sum()


def test_a_large_box_is_answered_too():
    scan, truth = scene((0.3, 0.3, 0.3), (72, 72, 72))
    found = outline(scan, ORGAN, about(scan), Points([scan.grid.centre])).data[0] == 300
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9


def test_what_cannot_be_is_refused():
    scan, _ = scene()
    middle = Points([scan.grid.centre])
    box = about(scan)
    for match, arguments in (
        ("at least once", (scan, ORGAN, box, NO_CLICKS)),
        ("both|inside and as outside", (scan, ORGAN, box, middle, middle)),
        ("outside the scan", (scan, ORGAN, box, Points([[500, 0, 0]]))),
        ("outside the box", (scan, ORGAN, box, Points([scan.grid.origin]))),
        ("one box, not 0", (scan, ORGAN, Boxes(np.empty((0, 8, 3))), middle)),
        ("no voxel of the scan", (scan, ORGAN, Boxes.between([[900] * 3], [[910] * 3]), middle)),
        ("one channel", (Volume(scan.data.repeat(2, 1, 1, 1), scan.grid), ORGAN, box, middle)),
        ("no numbers", (Volume(scan.data * np.nan, scan.grid), ORGAN, box, middle)),
    ):
        with pytest.raises(ValueError, match=match):
            outline(*arguments)


def test_scribbles_grow_to_the_edges_and_are_kept():
    scan, truth = scene((3.0, 1.0, 1.0), (12, 26, 28))
    table = Labels.of(["organ", "rest"])
    voxels = torch.zeros(1, *scan.grid.shape, dtype=torch.uint8)
    voxels[0, 5:7, 12:14, 10:18] = 1
    voxels[0, 5, 2, 2:20] = 2
    found = grow(scan, Mask(voxels, scan.grid, table), reach_mm=12, background="rest")
    inside = found.structure("organ")
    assert 2 * (inside & truth).sum() / (inside.sum() + truth.sum()) > 0.9
    assert inside[voxels[0] == 1].all()
    assert found.present_ids() == [1]
    near = grow(scan, Mask((voxels == 1).byte(), scan.grid, table), reach_mm=2)
    assert set(near.present_ids()) == {1}
    assert not near.data[0, :4].any()
    with pytest.raises(ValueError, match="no scribble"):
        grow(scan, Mask((voxels == 2) * 2, scan.grid, table), reach_mm=9, background="rest")
    with pytest.raises(ValueError, match="different grids"):
        grow(Volume(scan.data, scan.grid.window((0, 0, 1), scan.grid.shape)),
             Mask(voxels, scan.grid, table), reach_mm=9)  # fmt: skip


@given(grids(sides=(3, 7)), st.integers(0, 99), st.sampled_from([None, 0, 1, 2]))
@settings(max_examples=30)
def test_the_longest_line_is_as_long_as_any(grid, seed, axis):
    inside = np.random.default_rng(seed).random(grid.shape) > 0.7
    inside[1, 1, 1] = True
    mask = Mask(torch.from_numpy(inside.astype(np.uint8))[None], grid, Labels.of(["bone"]))
    line = longest_line(mask, "bone", axis=axis)
    length = measure(line)[0].value
    axes = [k for k in range(3) if k != axis]
    steps = np.concatenate([np.eye(3)[axes], -np.eye(3)[axes]]) / 2
    ends = (np.argwhere(inside)[:, None] + steps).reshape(-1, 3)
    longest = 0.0
    for plane in [None] if axis is None else range(grid.shape[axis]):
        own = grid.to_patient(ends if plane is None else ends[ends[:, axis] == plane])
        if len(own):
            longest = max(longest, np.linalg.norm(own[:, None] - own, axis=-1).max())
    assert length == pytest.approx(longest, rel=1e-6)
    index = grid.to_index(line.coordinates)
    assert (np.abs(index[:, None] - ends).max(-1).min(1) < 1e-6).all()
