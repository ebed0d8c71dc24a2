from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import itk_resampled
from strategies import about, affines, grids, neighbours, voxels

from medlib.space import Affine, Grid
from medlib.transforms import (
    CropOrPad,
    Item,
    Move,
    Pipeline,
    Reorient,
    Sampler,
    Spacing,
    apply,
    resample,
    undo,
)
from medlib.transforms.spatial import places as places_room
from medlib.transforms.spatial.knots import Knots
from medlib.transforms.spatial.lattices import aligned
from medlib.transforms.spatial.places import Places
from medlib.transforms.spatial.reading import interpolated, nearest_voxel
from medlib.types import Category, CTVolume, Kind, Labels, Mask, Points, Probabilities, Volume

ORGANS = Labels.of(["a", "b", "c"])


@st.composite
def moves(draw):
    """Any grid to any other near it, the patient turned, stretched and mirrored meanwhile."""
    source = draw(grids(sides=(1, 12)))
    landing = draw(neighbours(source, sides=(1, 12)))
    kind = draw(st.sampled_from(("stay", "go")))
    going = Affine.identity() if kind == "stay" else about(source.centre, draw(affines()))
    return Move(source, landing, going)


def random(grid, seed=0, channels=1):
    return torch.rand(channels, *grid.shape, generator=torch.Generator().manual_seed(seed))


def random_mask(grid, seed=0, layers=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 4, (layers, *grid.shape), generator=draw).to(torch.uint8)


def source_index(move):
    """Where in the source each voxel of the landing comes from, (slice, row, column, 3)."""
    return move.source.to_index(move.map.inverse(voxels(move.landing)))


def settled(index, shape, *, every=False):
    """Away from the box's edge (and from where the nearest voxel changes): no rounding decides."""
    low, high = np.abs(index + 0.5), np.abs(index - np.array(shape) + 0.5)
    clear = np.minimum(low, high) > 1e-3
    if every:
        clear &= np.abs(index - np.floor(index) - 0.5) > 1e-3
    return torch.from_numpy(clear.all(-1))


# --- against ITK ------------------------------------------------------------------------------


@given(moves(), st.integers(0, 99))
def test_volumes_are_those_of_itk(move, seed):
    scan = Volume(random(move.source, seed, channels=2), move.source, background=-3.0)
    ours = resample(scan, move)
    assert ours.grid == move.landing
    sure = settled(source_index(move), move.source.shape)
    for mine, data in zip(ours.data, scan.data, strict=True):
        theirs = itk_resampled(data, move.source, move.landing, going=move.map, fill=-3.0)
        assert torch.allclose(mine[sure], theirs[sure], atol=2e-4)


@given(moves(), st.integers(0, 99))
def test_nearest_masks_are_those_of_itk(move, seed):
    mask = Mask(random_mask(move.source, seed, layers=2), move.source, ORGANS)
    ours = resample(mask, move)
    assert ours.data.dtype == torch.uint8
    sure = settled(source_index(move), move.source.shape, every=True)
    for mine, layer in zip(ours.data, mask.data, strict=True):
        theirs = itk_resampled(layer, move.source, move.landing, going=move.map, linear=False)
        assert torch.equal(mine[sure], theirs[sure])


@given(moves(), st.integers(0, 99))
def test_label_by_label_is_the_strongest_of_itk_s(move, seed):
    mask = Mask(random_mask(move.source, seed), move.source, ORGANS)
    ours = resample(mask, replace(move, labels="linear"))
    each = torch.stack(
        [
            itk_resampled(
                (mask.data[0] == i).float(),
                move.source,
                move.landing,
                going=move.map,
                fill=float(i == 0),
            )
            for i in range(4)
        ]
    )
    first, second = each.topk(2, dim=0).values
    sure = settled(source_index(move), move.source.shape) & (first - second > 2e-3)
    assert torch.equal(ours.data[0][sure], each.argmax(0).to(torch.uint8)[sure])
    assert set(ours.data.unique().tolist()) <= {0, *mask.data.unique().tolist()}


def test_the_map_says_where_points_go():
    """A bright voxel and a point on it, moved 2 mm to the patient's left, are both there."""
    grid = Grid.from_axes((3, 3, 7))
    data = torch.zeros(1, 3, 3, 7)
    data[0, 1, 1, 2] = 1
    move = Move(grid, grid, Affine.translation((2, 0, 0)))
    assert resample(Volume(data, grid), move).data[0, 1, 1, 4] == 1
    moved = resample(Points(grid.to_patient([[1, 1, 2]])), move)
    assert np.allclose(moved.coordinates, grid.to_patient([[1, 1, 4]]))


# --- three ways of sampling, one answer -------------------------------------------------------


@given(moves(), st.sampled_from(("nearest", "linear")))
def test_axis_by_axis_is_the_general_way(move, how):
    # The same grid, resized and cut elsewhere: its axes stay parallel.
    landing = move.source.resized(move.landing.shape).window((1, -1, 0), move.landing.shape)
    places = Places(Affine.identity(), landing, move.source, Knots(landing, []))
    data = random(move.source)
    by_axis = aligned(data, places.index_map, landing.shape, how, [-1.0])
    every = places.part(slice(0, landing.shape[0]), data.device)
    general = nearest_voxel(data, every)
    if how == "linear":
        general = interpolated(data[None], every[None])[0]
    index = move.source.to_index(voxels(landing))
    sure = settled(index, move.source.shape, every=how == "nearest")
    inside = (index > -0.5) & (index < np.array(move.source.shape) - 0.5)
    inside = torch.from_numpy(inside.all(-1))
    assert torch.allclose(by_axis[0][sure & inside], general[0][sure & inside], atol=1e-4)
    assert (by_axis[0][sure & ~inside] == -1).all()


@given(moves(), st.sampled_from(("nearest", "linear")))
def test_simpleitk_and_torch_are_one(move, how):
    """Two backends, one meaning: to 1e-4 of the range, wherever rounding does not decide."""
    data = random(move.source, channels=2)
    by_itk = getattr(Sampler(move), how)(data, fill=[-1.0, -2.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medlib.transforms.spatial.itk.suits", lambda data: False)
        by_torch = getattr(Sampler(move), how)(data, fill=[-1.0, -2.0])
    sure = settled(source_index(move), move.source.shape, every=how == "nearest")
    assert torch.allclose(by_itk[:, sure], by_torch[:, sure], atol=1e-4)


@given(moves(), st.sampled_from(("nearest", "linear")))
def test_slabs_are_the_whole(move, how):
    data = random_mask(move.source, layers=2)
    labels = replace(move, labels=how)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medlib.transforms.spatial.itk.suits", lambda data: False)
        whole, numbers = getattr(Sampler(move), how)(data, fill=9), Sampler(labels).labels(data)
        slab = 2 * move.landing.shape[1] * move.landing.shape[2]
        patch.setattr(places_room, "_SLAB", slab)
        assert torch.allclose(getattr(Sampler(move), how)(data, fill=9), whole, atol=1e-5)
        assert torch.equal(Sampler(labels).labels(data), numbers)


def unseen(move):
    ones = torch.ones(1, *move.source.shape, dtype=torch.uint8)
    return Sampler(move).nearest(ones, fill=0)[0] == 0


@given(moves())
def test_unseen_is_what_lies_outside_the_source_s_box(move):
    index = source_index(move)
    beyond = (index < -0.5) | (index > np.array(move.source.shape) - 0.5)
    sure = settled(index, move.source.shape)
    assert torch.equal(unseen(move)[sure], torch.from_numpy(beyond.any(-1))[sure])


@pytest.mark.parametrize("shape", [(1, 6, 7), (6, 1, 7), (6, 7, 1), (1, 1, 1)])
def test_a_single_slice_is_carried_over_its_thickness(shape):
    grid = Grid.from_axes(shape, spacing=(5, 1, 1))
    tilted = Move(grid, grid, Affine.rotation((2, 3, 4), centre=grid.centre))
    flat = Volume(torch.full((1, *shape), 7.0), grid, background=-1.0)
    for move in (tilted, Move(grid, grid.respaced((1, 0.5, 0.5)))):
        moved = resample(flat, move)
        seen = ~unseen(move)
        assert torch.allclose(moved.data[0][seen], torch.tensor(7.0))
        assert (moved.data[0][~seen] == -1).all()


FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


@pytest.mark.parametrize("dtype", FLOATS + INTEGERS, ids=str)
@pytest.mark.parametrize("way", ["exact", "axis by axis", "general"])
def test_dtypes(dtype, way):
    grid = Grid.from_axes((5, 6, 7))
    move = {
        "exact": Move(grid, grid.window((1, 1, 1), (6, 4, 4))),
        "axis by axis": Move(grid, grid.respaced((1.7, 1.2, 0.8))),
        "general": Move(grid, grid, Affine.rotation((10, 20, 30), centre=grid.centre)),
    }[way]
    data = (random(grid) * 100).to(dtype)
    moved = resample(Volume(data, grid), move).data
    kept = dtype if dtype in FLOATS or way == "exact" else torch.float32
    assert moved.dtype == kept
    reference = resample(Volume(data.double(), grid), move).data
    coarse = {torch.float16: 2e-3, torch.bfloat16: 1e-2}.get(dtype, 1e-5)
    assert torch.allclose(moved.double(), reference, rtol=coarse, atol=1e-4)
    if dtype in INTEGERS:
        ids = (random(grid) * 3).to(dtype)
        assert resample(Mask(ids, grid), move).data.dtype == dtype
        assert resample(Mask(ids, grid), replace(move, labels="linear")).data.dtype == dtype


# --- what is beyond the field of view ---------------------------------------------------------


def test_beyond_the_field_of_view_is_empty_space():
    grid = Grid.from_axes((4, 4, 4))
    move = Move(grid, grid.window((-2, 0, 0), (4, 4, 4)))
    scan = resample(CTVolume(torch.full((1, 4, 4, 4), 40, dtype=torch.int16), grid), move)
    assert (scan.data[0, :2] == -1000).all()
    assert (scan.data[0, 2:] == 40).all()
    mask = resample(Mask(torch.ones(1, 4, 4, 4, dtype=torch.uint8), grid, ORGANS), move)
    assert (mask.data[0, :2] == 0).all()
    sure = torch.zeros(4, 4, 4, 4)
    sure[2] = 1
    probable = resample(Probabilities(sure, grid, ORGANS), move)
    assert (probable.data[:, :2].argmax(0) == 0).all()
    assert torch.allclose(probable.data.sum(0), torch.ones(4, 4, 4))
    assert (probable.data[2, 2:] == 1).all()


@given(moves())
def test_probabilities_still_sum_to_one(move):
    data = torch.softmax(4 * random(move.source, channels=4), 0)
    moved = resample(Probabilities(data, move.source, ORGANS), move)
    assert torch.allclose(moved.data.sum(0), torch.ones(move.landing.shape), atol=1e-5)


# --- values of other kinds, and values elsewhere ----------------------------------------------


def test_an_answer_about_the_patient_does_not_move():
    grid = Grid.from_axes((2, 2, 2))
    answer = Category("benign", ("benign", "malignant"))
    assert apply(Move(grid, grid.window((1, 1, 1), (1, 1, 1))), answer) is answer


@given(moves())
def test_points_go_and_come_back(move):
    points = Points(np.random.default_rng(0).uniform(-200, 200, (9, 3)), names=tuple("abcdefghi"))
    there = apply(move, points)
    assert there.names == points.names
    assert np.allclose(undo(move, there).coordinates, points.coordinates, atol=1e-8)


def test_values_on_another_grid_are_refused():
    grid = Grid.from_axes((4, 4, 4))
    move = Move(grid, grid.window((1, 1, 1), (2, 2, 2)))
    elsewhere = Grid.from_axes((4, 4, 4), origin=(0, 0, 1))
    with pytest.raises(ValueError, match=r"not on the grid that the move starts from.*1 mm apart"):
        resample(Volume(torch.zeros(1, 4, 4, 4), elsewhere), move)


def test_a_kind_nobody_taught_is_not_left_behind_in_silence():
    """A peer leaves points where they were under elastic deformation, without an error."""

    class Mesh(Kind):
        pass

    grid = Grid.from_axes((2, 2, 2))
    with pytest.raises(TypeError, match=r"resample has nothing registered for \(Mesh, Sampler\)"):
        apply(Move(grid, grid), Mesh())


def test_a_misspelt_way_of_reading_labels():
    grid = Grid.from_axes((2, 2, 2))
    with pytest.raises(ValueError, match="nearest or linear, not 'cubic'"):
        Move(grid, grid, labels="cubic")


# --- moves that only copy ---------------------------------------------------------------------


@given(
    grids(sides=(2, 8)),
    st.sampled_from(("SPL", "IAR", "RAS", "LIP")),
    st.tuples(*[st.integers(-3, 3)] * 3),
    st.tuples(*[st.integers(1, 9)] * 3),
)
def test_what_was_not_cut_away_comes_back_bit_for_bit(grid, orientation, start, shape):
    """However oblique the scan: reorient, then crop and pad."""
    turned = grid.reoriented(orientation)
    move = Move(grid, turned).then(Move(turned, turned.window(start, shape)))
    scan = Volume(random(grid), grid, background=-9.0)
    mask = Mask(random_mask(grid), grid, ORGANS)
    back = [undo(move, apply(move, value)) for value in (scan, mask)]
    assert all(value.grid == grid for value in back)
    index = turned.to_index(voxels(grid)) - start
    kept = torch.from_numpy(((index > -0.4) & (index < np.array(shape) - 0.6)).all(-1))
    assert torch.equal(back[0].data[0][kept], scan.data[0][kept])
    assert torch.equal(back[1].data[0][kept], mask.data[0][kept])
    assert (back[0].data[0][~kept] == -9).all()
    assert (back[1].data[0][~kept] == 0).all()


def test_nothing_is_copied_where_nothing_changes():
    grid = Grid.from_axes((300, 512, 512), spacing=(1, 0.7, 0.7))
    scan = CTVolume(torch.empty(1, 300, 512, 512, dtype=torch.int16), grid)
    for move in (Move(grid, grid), Move(grid, Grid.from_dict(grid.to_dict()))):
        assert apply(move, scan).data.data_ptr() == scan.data.data_ptr()
    recipes = (Reorient(grid.orientation), Spacing((1, 0.7, 0.7)), CropOrPad(grid.shape))
    assert Pipeline(recipes)(Item((scan,))).values[0] is scan
    crop = Move(grid, grid.window((1, 1, 1), (10, 10, 10)))
    assert apply(crop, scan).data.untyped_storage().data_ptr() == scan.data.data_ptr()
