"""Moves in a row are one move: what is fused, and undone, is what was done step by step."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import about, affines, grids, neighbours, voxels

from medlib.space import Affine, Grid
from medlib.transforms import (
    CropOrPad,
    Elastic,
    Flip,
    Item,
    Move,
    PadTo,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Reorient,
    Resize,
    Sampler,
    Spacing,
    apply,
)
from medlib.types import Boxes, Contours, CTVolume, Labels, Mask, PointCloud, Points

LUMP = Labels.of(["lump"])
sizes = st.tuples(*[st.integers(4, 14)] * 3)
recipes = st.one_of(
    st.sampled_from(("RAS", "SPL", "LIP")).map(Reorient),
    st.sampled_from(("left-right", "anterior-posterior", "superior-inferior")).map(Flip),
    sizes.map(CropOrPad),
    sizes.map(PadTo),
    sizes.map(RandomPatch),
    sizes.map(Resize),
    st.tuples(*[st.floats(0.6, 3)] * 3).map(Spacing),
    st.floats(0, 40).map(lambda degrees: RandomAffine(degrees=degrees, scale=0.2, shift=3)),
    st.floats(1, 4).map(lambda furthest: Elastic(furthest, 8.0)),
)
pipelines = st.lists(recipes, min_size=1, max_size=5).map(lambda r: Pipeline(tuple(r)))


@st.composite
def walks(draw):
    """Moves that follow one another, from grid to grid."""
    grid = draw(grids(sides=(4, 9), spacing=(0.7, 2)))
    found = []
    for _ in range(3):
        if draw(st.booleans()):
            shape = [draw(st.integers(3, 9)) for _ in range(3)]
            landing = grid.window([draw(st.integers(-2, 2)) for _ in range(3)], shape)
        else:
            landing = draw(neighbours(grid, sides=(4, 9), spacing=(0.7, 2)))
        going = about(grid.centre, draw(affines())) if draw(st.booleans()) else Affine.identity()
        found.append(Move(grid, landing, going))
        grid = landing
    return found


def brightness(points):
    """A scan that is linear in the patient's millimetres: interpolation leaves it exact."""
    return 100 + points @ np.array([1.0, -2.0, 0.5])


def phantom(grid):
    """A scan, a lump and the point in its middle, each drawn from what millimetres say."""
    places = voxels(grid)
    radius = 0.3 * min(np.array(grid.shape) * grid.spacing)
    lump = np.linalg.norm(places - grid.centre, axis=-1) <= radius
    item = Item(
        (
            CTVolume(torch.from_numpy(brightness(places))[None], grid),
            Mask(torch.from_numpy(lump.astype(np.uint8))[None], grid, LUMP),
            Points(grid.centre[None], ("middle",)),
            Boxes.between(grid.centre[None] - radius, grid.centre[None] + radius),
            Contours(grid.centre + radius * np.eye(3), (3,), (1,), LUMP),
            PointCloud(grid.corners()),
        )
    )
    return item, radius


def paths(steps):
    """Where each voxel of the last grid was before each step: millimetres, the last first."""
    places = voxels(steps[-1].landing)
    for step in reversed(steps):
        places = step.map.inverse(places)
        yield step, places


def hidden_and_settled(steps, *, rim=1e-3):
    """By the definition: which voxels came by a place outside a grid; and which surely.

    Surely is: no place on the way was nearer to an edge than ``rim`` voxels.
    """
    hidden = np.zeros(steps[-1].landing.shape, dtype=bool)
    sure = ~hidden
    for step, places in paths(steps):
        index = step.source.to_index(places)
        shape = np.array(step.source.shape)
        hidden |= ((index < -0.5) | (index > shape - 0.5)).any(-1)
        edge = np.minimum(np.abs(index + 0.5), np.abs(index - shape + 0.5)).min(-1)
        sure &= edge > rim
    return torch.from_numpy(hidden), torch.from_numpy(sure)


def unseen(move):
    ones = torch.ones(1, *move.source.shape, dtype=torch.uint8)
    return Sampler(move).nearest(ones, fill=0)[0] == 0


def fused(steps):
    one = steps[0]
    for step in steps[1:]:
        one = one.then(step)
    return one


@given(walks())
def test_hidden_is_what_any_step_would_have_hidden(steps):
    one = fused(steps)
    hidden, sure = hidden_and_settled(steps)
    assert torch.equal(unseen(one)[sure], hidden[sure])


@given(walks())
def test_it_does_not_matter_which_are_fused_first(steps):
    a, b, c = steps
    left, right = a.then(b).then(c), a.then(b.then(c))
    assert np.allclose(left.map.matrix, right.map.matrix, atol=1e-8)
    assert (left.source, left.landing, left.labels) == (right.source, right.landing, right.labels)
    _, sure = hidden_and_settled(steps)
    assert torch.equal(unseen(left)[sure], unseen(right)[sure])


@given(walks())
def test_undoing_one_is_undoing_each(steps):
    back = fused(steps).inverse
    each = [step.inverse for step in reversed(steps)]
    assert back.landing == steps[0].source
    hidden, sure = hidden_and_settled(each)
    assert torch.equal(unseen(back)[sure], hidden[sure])
    twice = back.inverse
    assert (twice.source, twice.landing) == (back.landing, back.source)
    assert np.allclose(twice.map.matrix, fused(steps).map.matrix, atol=1e-8)


@given(walks())
def test_a_volume_fused_is_the_volume_step_by_step(steps):
    """Away from edges, where steps blend in the empty space that the single move never reads."""
    start = steps[0].source
    scan = CTVolume(torch.from_numpy(brightness(voxels(start)))[None], start)
    once = apply(fused(steps), scan).data[0]
    stepwise, inner = scan, CTVolume(torch.ones(1, *start.shape).double(), start, background=0.0)
    for step in steps:
        stepwise = apply(step, stepwise)
        index = step.source.to_index(step.map.inverse(voxels(step.landing)))
        within = ((index >= 0) & (index <= np.array(step.source.shape) - 1)).all(-1)
        inner = apply(step, inner)
        inner.data.mul_(torch.from_numpy(within) & (inner.data > 1 - 1e-6))
    sure = inner.data[0] == 1
    assert torch.allclose(once[sure], stepwise.data[0][sure], atol=1e-3)
    *_, (_, native) = paths(steps)
    truth = torch.from_numpy(brightness(native))
    assert torch.allclose(once[sure], truth[sure], atol=1e-3)


@given(grids(sides=(8, 14), spacing=(0.7, 3)), pipelines, st.integers(0, 99))
def test_scan_mask_and_point_of_one_lump_stay_on_one_another(grid, pipeline, seed):
    """Whatever a pipeline does: each is where the others say that it is."""
    item, radius = phantom(grid)
    labels = Labels.of(["lump"])
    done = pipeline(item, seed=seed)
    scan, mask, point, boxes, contours, cloud = done.values
    assert scan.grid == mask.grid
    assert mask.labels == labels
    steps = [step for step in done.trail.steps if isinstance(step, Move)]
    if not steps:
        return
    *_, (_, native) = paths(steps)
    bent = any(not isinstance(step.map, Affine) for step in steps)
    # What bends is followed on knots, to a tenth of a millimetre.
    hidden, sure = hidden_and_settled(steps, rim=0.3 if bent else 1e-3)
    assert (scan.data[0][hidden & sure] == -1000).all()
    assert (mask.data[0][hidden & sure] == 0).all()

    index = grid.to_index(native)
    inner = torch.from_numpy(((index >= 0) & (index <= np.array(grid.shape) - 1)).all(-1))
    inner &= ~hidden & sure
    assert torch.allclose(
        scan.data[0].double()[inner],
        torch.from_numpy(brightness(native))[inner],
        atol=1.0 if bent else 1e-2,  # it rises by 2.3 a millimetre
    )

    # The lump's surface is a voxel thick: beyond that the mask must agree with the ball itself.
    distance = torch.from_numpy(np.linalg.norm(native - grid.centre, axis=-1))
    voxel = float(np.linalg.norm(grid.spacing))
    assert (mask.data[0][inner & (distance < radius - voxel)] == 1).all()
    assert (mask.data[0][inner & (distance > radius + voxel)] == 0).all()

    whole = fused(steps)
    assert np.allclose(point.coordinates, whole.map(grid.centre[None]), atol=1e-6)
    near = 1e-3 if bent else 1e-6
    for before, after in zip(item.values[2:], (point, boxes, contours, cloud), strict=True):
        name = "corners" if isinstance(before, Boxes) else "coordinates"
        ours, there = getattr(before, name), getattr(after, name)
        assert np.allclose(there, whole.map(ours), atol=1e-6)
        assert np.allclose(getattr(done.trail.decode(after), name), ours, atol=near)


@pytest.mark.parametrize("seed", range(8))
def test_the_middle_of_the_mask_is_the_point(seed):
    grid = Grid.from_axes((48, 48, 48), spacing=(1.5, 1, 1), origin=(-20, 30, 100))
    item, _ = phantom(grid)
    pipeline = Pipeline(
        (
            Reorient("LIP"),
            Spacing((1.2, 1.2, 1.2)),
            Flip("superior-inferior", probability=0.5),
            RandomAffine(degrees=25, scale=0.15, shift=4),
            CropOrPad((64, 64, 64)),
        )
    )
    _, mask, point, *_ = pipeline(item, seed=seed).values
    index = mask.data[0].nonzero().double().mean(0).numpy()
    assert np.abs(index - mask.grid.to_index(point.coordinates)[0]).max() < 0.3


def test_what_was_cut_stays_hidden_when_padded_again():
    grid = Grid.from_axes((8, 8, 8))
    item = Item((CTVolume(torch.full((1, 8, 8, 8), 50.0), grid),))
    done = Pipeline((CropOrPad((4, 8, 8)), CropOrPad((8, 8, 8))))(item)
    data = done.values[0].data[0]
    assert done.grid == grid
    assert (data[2:6] == 50).all()
    assert (data[:2] == -1000).all()
    assert (data[6:] == -1000).all()


def test_windows_that_hide_nothing_are_forgotten():
    grid = Grid.from_axes((8, 8, 8))
    padded = grid.window((-2, -2, -2), (12, 12, 12))
    pad, crop = Move(grid, padded), Move(padded, grid)
    assert pad.then(crop).windows == ()
    assert not unseen(pad.then(crop)).any()
    assert len(crop.then(pad).windows) == 1


def test_moves_that_do_not_follow_one_another():
    grid = Grid.from_axes((8, 8, 8))
    move = Move(grid, grid.window((1, 1, 1), (4, 4, 4)))
    with pytest.raises(ValueError, match="do not follow one another: 4×4×4 voxels against 8×8×8"):
        move.then(move)


def test_one_interpolation_is_sharper_than_two():
    """Half a voxel there and half a voxel back, fused, is nothing at all."""
    grid = Grid.from_axes((8, 8, 8))
    there = Move(grid, grid, Affine.translation((0.5, 0, 0)))
    scan = CTVolume(torch.rand(1, 8, 8, 8), grid)
    assert there.then(there.inverse).windows[0][1] == grid
    back = apply(there.then(there.inverse), scan)
    assert torch.equal(back.data[..., :7], scan.data[..., :7])
