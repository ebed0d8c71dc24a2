"""Turning, scaling, shearing, shifting and bending, there and back."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import ORGANS, dice, oblique, organs
from strategies import about, affines, grids, neighbours, voxels

from medlib.space import Affine, Flow, Grid, composed
from medlib.transforms import (
    CropOrPad,
    Elastic,
    Flip,
    Item,
    Move,
    MoveBy,
    Pipeline,
    RandomAffine,
    Rotate,
    Sampler,
    Scale,
    Shear,
    Spacing,
    Trail,
    Translate,
)
from medlib.transforms.spatial import knots
from medlib.types import Boxes, Contours, CTVolume, Mask, MRVolume, PointCloud, Points

RECIPES = (
    RandomAffine(20, 0.2, 0.1, 5.0),
    Rotate((10, 0, 30)),
    Scale(0.3),
    Shear(0.2),
    Translate((5, 0, 3)),
    Elastic(6.0, 20.0),
)
ids = [type(recipe).__name__ for recipe in RECIPES]


def smooth(grid):
    """A volume of long waves, linear enough that interpolation costs little."""
    x, y, z = np.moveaxis(voxels(grid), -1, 0)
    data = 100 * np.sin(x / 15) + 80 * np.cos(y / 17) + 60 * np.sin((x + z) / 20)
    return MRVolume(torch.from_numpy(data.astype(np.float32))[None], grid)


def everything(grid, seed=0):
    """An item in which every placed kind shows the same structure."""
    mask = organs(grid)
    points = grid.to_patient(np.random.default_rng(seed).uniform(4, 12, (6, 3)))
    return Item(
        (
            smooth(grid),
            mask,
            Points(points, tuple("abcdef")),
            PointCloud(points),
            Boxes.around(mask),
            Contours(points, (3, 3), (1, 2), ORGANS),
        ),
        name=f"item {seed}",
    )


@pytest.mark.parametrize("recipe", RECIPES, ids=ids)
def test_shapes_come_back_by_the_trail_s_json(recipe):
    item = everything(oblique())
    moved = Pipeline((recipe,))(item, seed=5)
    assert not np.allclose(moved.values[2].coordinates, item.values[2].coordinates, atol=0.1)
    trail = Trail.from_dict(json.loads(json.dumps(moved.trail.to_dict())))
    near = 1e-4 if isinstance(recipe, Elastic) else 1e-6
    for before, after in zip(item.values[2:], moved.values[2:], strict=True):
        back = trail.decode(after)
        name = "corners" if isinstance(before, Boxes) else "coordinates"
        assert np.abs(getattr(back, name) - getattr(before, name)).max() < near


@pytest.mark.parametrize("recipe", RECIPES, ids=ids)
def test_without_strength_nothing_moves(recipe):
    item = everything(oblique())
    still = Pipeline((recipe,))(item, seed=5, strength=0.0)
    assert torch.allclose(still.values[0].data, item.values[0].data, atol=1e-3)
    assert np.allclose(still.values[2].coordinates, item.values[2].coordinates, atol=1e-9)


def spots(grid, places):
    """Bright Gaussian spots, 3 mm wide, drawn where millimetres say."""
    away = voxels(grid)[..., None, :] - places
    data = np.exp(-(away**2).sum(-1) / (2 * 3.0**2)).sum(-1)
    return MRVolume(torch.from_numpy(data.astype(np.float32))[None], grid)


def centre_of_brightness(volume, near):
    """Millimetres of the middle of the spot about a place."""
    away = np.linalg.norm(voxels(volume.grid) - near, axis=-1)
    weight = volume.data[0].double().numpy() * (away < 9)
    weight = np.where(weight > 0.2 * weight.max(), weight, 0.0)
    return (voxels(volume.grid) * weight[..., None]).sum((0, 1, 2)) / weight.sum()


@pytest.mark.parametrize("recipe", RECIPES, ids=ids)
def test_what_is_seen_lies_where_its_points_are(recipe):
    """Image, mask and points of one structure stay on one another."""
    grid = Grid.from_axes((60, 60, 60), spacing=(1.2, 1, 1))
    places = grid.to_patient([[20, 20, 20], [30, 40, 25], [42, 22, 40], [18, 44, 46]])
    scan = spots(grid, places)
    mask = Mask((scan.data > 0.5).to(torch.uint8), grid, ORGANS)
    moved = Pipeline((recipe, Spacing((1.0, 0.9, 1.1))))(Item((scan, mask, Points(places))), seed=2)
    for place in moved.values[2].coordinates:
        seen = centre_of_brightness(moved.values[0], place)
        assert np.linalg.norm(seen - place) < 0.3
        index = np.rint(moved.grid.to_index(place)).astype(int)
        assert moved.values[1].data[0, *index] == 1


# --- dense maps ---------------------------------------------------------------------------------


@st.composite
def chains(draw):
    """A flow between two affine maps, on a landing grid of any make near a source."""
    source = draw(grids(sides=(6, 16), spacing=(1, 4)))
    landing = draw(neighbours(source, sides=(6, 16), spacing=(1, 4)))
    spacing = draw(st.floats(8, 25))
    lattice = Grid.from_axes(
        (2, 3, 2), spacing=(spacing,) * 3, directions=source.directions, origin=source.centre
    )
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    flow = Flow(lattice, rng.uniform(-0.4, 0.4, (2, 3, 2, 3)) * spacing)
    maps = [about(source.centre, draw(affines())), flow, about(source.centre, draw(affines()))]
    if draw(st.booleans()):
        maps.append(flow.inverse)
    return Move(source, landing, composed(maps))


@given(chains())
@settings(max_examples=25)
def test_voxels_go_where_points_go(move):
    """Knots and splines against each voxel followed by itself."""
    sampler = Sampler(move)
    whole = slice(0, move.landing.shape[0])
    found = sampler._places.part(whole, torch.device("cpu")).double().numpy()
    sizes = np.array(move.source.shape)[:, None, None, None]
    index = np.moveaxis((found + 1) * sizes / 2 - 0.5, 0, -1)
    true = move.source.to_index(move.map.inverse(voxels(move.landing)))
    apart = np.linalg.norm((index - true) * move.source.spacing, axis=-1)
    assert np.percentile(apart, 99) < 0.1
    assert apart.max() < 0.5


def test_ten_millimetres_of_bending_come_back():
    """Dense maps within 0.1 mm at the 99th percentile; a smooth volume to a thousandth of its range."""
    grid = Grid.from_axes((96, 96, 96), spacing=(1.3, 1.3, 1.3))
    scan, mask = smooth(grid), organs(grid)
    step = Elastic(10.0, 25.0)
    for seed in range(20):  # one that bends nearly as far as it may
        item = Pipeline((step,))(Item((scan, mask), name="a"), seed=seed)
        flow = item.trail.steps[0].map
        points = grid.to_patient(np.random.default_rng(0).uniform(5, 90, (4000, 3)))
        if np.linalg.norm(flow(points) - points, axis=1).max() > 8:
            break
    else:
        pytest.fail("no draw bends far enough")
    back, outlines = item.trail.decode(item.values[0]), item.trail.decode(item.values[1])
    assert float((back.data - scan.data).abs().mean()) < 0.005 * float(scan.data.std())
    for name in ORGANS.names:
        assert dice(outlines.structure(name), mask.structure(name)) >= 0.985
    there, home = Sampler(item.trail.steps[0]), Sampler(item.trail.steps[0].inverse)
    whole = slice(0, 96)
    a = there._places.part(whole, torch.device("cpu"))  # where each voxel is read
    b = home.linear(a, fill=0.0)  # read where the way back looks: itself
    sizes = torch.tensor(grid.shape)[:, None, None, None] / 2 * grid.spacing[0]
    own = Sampler(Move(grid, grid))._places.part(whole, torch.device("cpu"))
    apart = ((b - own) * sizes).norm(dim=0).flatten()
    assert float(apart.kthvalue(int(0.99 * len(apart))).values) < 0.1


@given(st.integers(0, 200), st.sampled_from(((40, 40, 40), (6, 40, 40), (20, 3, 50), (1, 40, 40))))
@settings(max_examples=40)
def test_no_draw_folds_and_the_border_stays(seed, shape):
    grid = Grid.from_axes(shape, spacing=(3, 1, 1.5))
    item = Pipeline((Elastic(9.0, 12.0),))(
        Item((Mask(torch.zeros(1, *shape).int(), grid),)), seed=seed
    )
    for step in item.trail.steps:
        corners = grid.corners()
        assert np.allclose(step.map(corners), corners)
        index = np.moveaxis(np.indices(shape), 0, -1)[::3, ::5, ::5].reshape(-1, 3)
        assert (np.linalg.det(step.map.jacobian(grid.to_patient(index))) > 0).all()
        if shape[0] == 1:  # a single slice stays in its plane
            moved = grid.to_index(step.map(grid.to_patient(index)))
            assert np.allclose(moved[:, 0], 0, atol=1e-9)


def test_a_deformation_that_folds_is_not_carried_out():
    """A flow cannot fold, but on too few knots it could seem to: that is looked for."""
    grid = Grid.from_axes((30, 30, 30))
    lattice = Grid.from_axes((2, 2, 2), spacing=(8, 8, 8), origin=(10, 10, 10))
    wild = Flow(lattice, np.random.default_rng(0).uniform(-1, 1, (2, 2, 2, 3)) * 400)
    with pytest.raises(ValueError, match="folds"):
        Sampler(Move(grid, grid, wild)).linear(torch.rand(1, 30, 30, 30), fill=0)


@pytest.mark.parametrize("recipe", [RandomAffine(30, 0.2, 0.2, 4.0), Rotate(40), Elastic(5, 15)])
def test_a_radiograph_stays_in_its_plane(recipe):
    grid = Grid.from_axes((1, 40, 40))
    scan = MRVolume(torch.rand(1, 1, 40, 40), grid)
    moved = Pipeline((recipe,))(Item((scan, Points([[20, 20, 0]]))), seed=1)
    assert abs(moved.values[1].coordinates[0, 2]) < 1e-9
    assert (moved.values[0].data != 0).float().mean() > 0.5


def test_ranges_that_make_no_sense():
    with pytest.raises(ValueError, match="at least 0"):
        RandomAffine(-3.0)
    with pytest.raises(ValueError, match="fold space"):
        RandomAffine(shear=0.7)
    with pytest.raises(ValueError, match=r"without folds; go up to 7\.5 mm"):
        Elastic(12.0, spacing=10.0)


def test_a_map_of_one_s_own_is_always_the_same():
    grid = Grid.from_axes((8, 8, 8))
    turn = Affine.rotation((0, 0, 90), centre=grid.centre)
    item = Pipeline((MoveBy(turn),))(
        Item((MRVolume(torch.rand(1, 8, 8, 8), grid), Points([[1, 2, 3]])))
    )
    assert np.allclose(item.values[1].coordinates, turn([[1, 2, 3]]))


# --- fused ----------------------------------------------------------------------------------------


def test_a_lazy_chain_is_the_eager_one():
    """Flip, turn, bend, resample, crop: in one interpolation what four would give."""
    grid = Grid.from_axes((48, 48, 48), spacing=(2, 1.5, 1.5))
    item = Item((smooth(grid), organs(grid), Points(grid.to_patient([[20, 24, 24]]))), name="x")
    recipes = (
        Flip("anterior-posterior"), RandomAffine(15, 0.1), Elastic(6, 24), Spacing((2.5, 2, 2)),
        CropOrPad((30, 30, 30)),
    )  # fmt: skip
    lazy = Pipeline(recipes)(item, seed=3)
    eager = item
    for step in lazy.trail.steps:
        sampler = Sampler(step)
        from medlib.transforms import resample

        eager = Item(tuple(resample(v, sampler) for v in eager.values), name="x")
    assert lazy.grid == eager.grid
    assert np.allclose(lazy.values[2].coordinates, eager.values[2].coordinates)
    seen = eager.values[0].data != 0
    assert ((lazy.values[0].data != 0) == seen).float().mean() > 0.999
    difference = (lazy.values[0].data - eager.values[0].data)[seen].abs()
    assert float(difference.mean()) < 2.0  # of a range of 480
    for name in ORGANS.names:
        assert dice(lazy.values[1].structure(name), eager.values[1].structure(name)) > 0.95


def test_what_two_maps_share_is_followed_once(monkeypatch):
    calls = []
    follow = knots._flowed
    monkeypatch.setattr(knots, "_flowed", lambda *a: calls.append(1) or follow(*a))
    grid = Grid.from_axes((24, 24, 24))
    pipeline = Pipeline((RandomAffine(20), Elastic(3, 10), Spacing((1.7, 1.7, 1.7))))
    pipeline(Item((CTVolume(torch.rand(1, 24, 24, 24), grid), organs(grid))))
    assert len(calls) == 1
