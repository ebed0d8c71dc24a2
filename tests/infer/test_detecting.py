"""Boxes become maps and maps boxes, on any grid; what a window sees in part does no harm."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import grids
from torch import Tensor, nn

from medlib.infer import BoxesOutput, Predictor, VolumeInput
from medlib.infer.detecting import encode
from medlib.space import Affine, Grid
from medlib.transforms import Item, Pipeline, Reorient, Spacing, resample
from medlib.transforms.spatial.move import Move
from medlib.types import Boxes, Labels, MRVolume

LABELS = Labels.of({7: "nodule", 2: "cyst"})
CHOICE = np.indices((2, 2, 2)).reshape(3, -1).T


def on_grid(grid, ends, ids=()):
    """Boxes along a grid's axes, from ends (n, 2, 3) in its indices."""
    corners = np.asarray(ends, dtype=float).reshape(-1, 2, 3)[:, CHOICE, np.arange(3)]
    return Boxes(grid.to_patient(corners), ids, labels=LABELS)


def as_if_known(asked, usual):
    """What a perfect network would give."""
    heat = torch.logit(asked.heat.clamp(1e-3, 1 - 1e-3)) + 4.6
    return torch.cat([heat, asked.away / usual, asked.size - np.log(usual)])


def decoded(output, raw, grid):
    return output.wrap(output.answer(raw[None], (grid,))[0], grid)


@settings(max_examples=60, deadline=None)
@given(grids(sides=(6, 14), sheared=True), st.data())
def test_boxes_come_back_from_their_maps(grid, data):
    shape = np.array(grid.shape)
    ends = []
    for _ in range(data.draw(st.integers(0, 2))):
        middle = [data.draw(st.floats(0, n - 1)) for n in shape]
        half = [data.draw(st.floats(0.3, 6)) for _ in range(3)]
        ends.append([np.subtract(middle, half), np.add(middle, half)])
    if len(ends) == 2:  # neighbouring middles are one peak
        assume(np.abs(np.rint(np.mean(ends, 1)[0]) - np.rint(np.mean(ends, 1)[1])).max() > 2)
    ids = tuple(LABELS.ids[k % 2] for k in range(len(ends)))
    boxes = on_grid(grid, ends, ids)
    output = BoxesOutput(LABELS, usual_mm=8.0)
    found = decoded(output, as_if_known(encode(boxes, grid, LABELS), 8.0), grid)
    sure = [k for k, score in enumerate(found.scores) if score > 0.99]
    assert sorted(found.ids[k] for k in sure) == sorted(ids)
    size = np.array(grid.spacing).max() * 14
    for number, corners in zip(ids, boxes.corners, strict=True):
        (k,) = [k for k in sure if found.ids[k] == number]
        assert np.abs(found.corners[k] - corners).max() < 1e-4 * size


def test_a_turned_box_is_as_long_as_what_is_round_in_it():
    """Boxes are turned in training. Enclosing the corners would teach lengths a fifth too large."""
    grid = Grid.from_axes((20, 20, 20))
    cube = on_grid(grid, [[[5, 5, 5], [13, 13, 13]]], (7,))
    angle = np.radians(15)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turned = Boxes(cube.corners @ turn[:3, :3].T, (7,), labels=LABELS)
    inside = encode(turned, grid, LABELS)
    place = np.unravel_index(int(inside.heat[0].argmax()), grid.shape)
    assert inside.size[(slice(None), *place)].exp().tolist() == pytest.approx([8, 8, 8], rel=1e-5)


def test_what_a_patch_cuts_off_is_not_asked_for_and_not_held_against_anyone():
    grid = Grid.from_axes((16, 16, 16))
    cut = on_grid(grid, [[[5, 5, -9], [11, 11, 7]], [[40, 40, 40], [50, 50, 50]]], (7, 7))
    asked = encode(cut, grid, LABELS)
    assert not (asked.heat == 1).any()
    assert asked.weight.sum() == 0
    assert asked.heat[0, 8, 8, 0] > 0.8  # it may well be called a middle


def test_each_box_counts_alike_however_large():
    grid = Grid.from_axes((24, 24, 24))
    both = on_grid(grid, [[[1, 1, 1], [3, 3, 3]], [[6, 6, 6], [22, 22, 22]]], (2, 7))
    asked = encode(both, grid, LABELS)
    assert float(asked.weight.sum()) == pytest.approx(2, rel=1e-5)
    assert float(asked.weight[:5, :5, :5].sum()) == pytest.approx(1, rel=1e-5)


def test_labels_are_found_by_name():
    grid = Grid.from_axes((8, 8, 8))
    other = Labels.of({1: "cyst", 2: "nodule"})
    box = Boxes.between([[2, 2, 2]], [[5, 5, 5]], ids=(1,), labels=other)
    assert encode(box, grid, LABELS).heat[1].max() == 1  # the second map is the cysts'
    stone = Boxes(box.corners, (1,), labels=Labels.of(["stone"]))
    with pytest.raises(ValueError, match="boxes of stone, which are not to be learned"):
        encode(stone, grid, LABELS)
    with pytest.raises(ValueError, match="have no labels"):
        encode(Boxes(box.corners), grid, LABELS)


class Bright(nn.Module):
    """Takes each voxel's own value for the heat; every finding is 6 mm long."""

    def __init__(self) -> None:
        super().__init__()
        self.none = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, *[torch.zeros_like(x)] * 6], 1)


@settings(max_examples=20, deadline=None)
@given(grids(sides=(14, 20), spacing=(0.8, 1.5)), st.data())
def test_windows_see_no_finding_twice_and_boxes_land_in_the_scan(grid, data):
    """A window of a third of the scan; middles anywhere, at the borders of windows too."""
    index = [data.draw(st.integers(0, n - 1)) for n in grid.shape]
    heat = torch.full((1, *grid.shape), -4.0)
    heat[(0, *index)] = 12.0
    scan = MRVolume(heat, grid)
    one = Labels.of(["nodule"])
    predictor = Predictor(
        network=Bright(),
        preprocess=Pipeline((Reorient("SPL"),)),
        inputs=(VolumeInput(MRVolume),),
        output=BoxesOutput(one, usual_mm=6.0, least=0.5),
        window=(7, 6, 8),
    )
    found = predictor.predict(scan)
    assert len(found) == 1
    assert np.abs(found.centres[0] - grid.to_patient(index)).max() < 1e-6
    edges = found.corners[0].reshape(2, 2, 2, 3)
    assert [np.linalg.norm(np.diff(edges, axis=k).mean((0, 1, 2))) for k in range(3)] == (
        pytest.approx([6.0] * 3, rel=1e-5)
    )


def test_an_empty_scan_has_no_boxes():
    grid = Grid.from_axes((6, 6, 6))
    output = BoxesOutput(LABELS)
    found = decoded(output, torch.zeros(output.channels, *grid.shape), grid)
    assert len(found) == 0
    assert found.labels == LABELS


def test_no_more_boxes_are_given_than_asked_for_and_the_surest_first():
    grid = Grid.from_axes((9, 9, 30))
    output = BoxesOutput(LABELS, usual_mm=1.0, most=3)
    raw = torch.zeros(output.channels, *grid.shape)
    raw[0] = raw[1] = -9
    for k, column in enumerate(range(1, 30, 4)):
        raw[k % 2, 4, 4, column] = 5.0 + k
    found = decoded(output, raw, grid)
    assert len(found) == 3
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert found.centres[0] == pytest.approx([29, 4, 4])


def test_outputs_are_plain_values():
    from medlib.infer import OUTPUTS
    from medlib.transforms.spec import from_dict

    output = BoxesOutput(LABELS, usual_mm=12.5)
    assert from_dict(output.to_dict(), OUTPUTS) == output


def test_augmentation_moves_the_maps_with_the_scan():
    """A bright voxel and a box around it: after any move the heat is where the voxel went."""
    grid = Grid.from_axes((15, 15, 15), spacing=(1.5, 1.0, 1.0))
    data = torch.zeros(1, 15, 15, 15)
    data[0, 6, 8, 9] = 1.0
    box = on_grid(grid, [[[4, 6, 7], [8, 10, 11]]], (7,))
    turn = Affine.translation((1.0, -2.0, 1.5))
    moved = [resample(v, Move(grid, grid, turn)) for v in (MRVolume(data, grid), box)]
    hot = encode(moved[1], grid, LABELS).heat[0]
    assert int(hot.argmax()) == int(moved[0].data[0].argmax())
    item = Pipeline((Spacing((1, 1, 1)),))(Item((MRVolume(data, grid), box)))
    hot = encode(item.values[1], item.grid, LABELS).heat[0]
    near = np.array(np.unravel_index(int(hot.argmax()), hot.shape))
    bright = np.array(np.unravel_index(int(item.values[0].data[0].argmax()), hot.shape))
    assert np.abs(near - bright).max() <= 1
