import json
import pickle
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import itk_image, oracle
from strategies import grids, voxels

from medlib.space import Affine, Grid
from medlib.transforms import (
    RECIPES,
    Crop,
    CropOrPad,
    CropToForeground,
    CropToLabels,
    Flip,
    Item,
    Pad,
    PadTo,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Reorient,
    Spacing,
    crop,
)
from medlib.types import (
    Boxes,
    Category,
    Contours,
    CTVolume,
    Labels,
    Mask,
    MRVolume,
    MultiVolume,
    PETVolume,
    PointCloud,
    Points,
    Probabilities,
)

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


few = st.tuples(*[st.integers(0, 3)] * 3)


@given(grids(), few, few)
def test_sides_are_padded_and_cut_again(grid, before, after):
    scan = CTVolume(torch.rand(1, *grid.shape), grid)
    padded = Pipeline((Pad(before, after),))(Item((scan,)))
    sizes = list(zip(before, grid.shape, after, strict=True))
    assert padded.grid.shape == tuple(map(sum, sizes))
    inner = tuple(slice(a, a + n) for a, n, _ in sizes)
    assert torch.equal(padded.values[0].data[0, *inner], scan.data[0])
    assert int((padded.values[0].data == -1000).sum()) == (
        padded.values[0].data.numel() - scan.data.numel()
    )
    again = Pipeline((Crop(before, after),))(Item(padded.values))
    assert again.grid.close_to(grid, tolerance_mm=1e-9)
    assert torch.equal(again.values[0].data, scan.data)


def test_what_is_cropped_and_padded_is_itk_s():
    sitk = oracle("SimpleITK")
    grid = Grid.from_axes((6, 7, 8), spacing=(3, 1, 2), origin=(5, 6, 7))
    data = torch.rand(6, 7, 8)
    before, after = (1, 2, 0), (2, 0, 3)
    for recipe, theirs in ((Crop, sitk.Crop), (Pad, sitk.ConstantPad)):
        ours = Pipeline((recipe(before, after),))(Item((MRVolume(data[None], grid),))).values[0]
        image = theirs(itk_image(data, grid), before[::-1], after[::-1])
        assert np.array_equal(sitk.GetArrayFromImage(image), ours.data[0].numpy())
        assert np.allclose(image.GetOrigin(), ours.grid.origin)


def test_a_crop_that_leaves_nothing_is_refused():
    item = Item((MRVolume(torch.rand(1, 4, 5, 6), Grid.from_axes((4, 5, 6))),))
    with pytest.raises(ValueError, match="leaves nothing"):
        Pipeline((Crop((2, 0, 0), (2, 0, 0)),))(item)
    assert Pipeline((Crop(), Pad()))(item).values[0] is item.values[0]


@pytest.mark.parametrize(
    ("recipe", "match"),
    [
        (lambda: Crop((-1, 0, 0)), "at least 0"),
        (lambda: Pad(after=(0, 0)), "three numbers"),
        (lambda: CropOrPad((4, -4, 4)), "at least 0"),
        (lambda: PadTo((4, 4)), "three sizes"),
        (lambda: RandomPatch((4, 0, 4)), "at least 1"),
        (lambda: RandomPatch((4, 4, 4), on_label=70), "from 0 to 1"),
        (lambda: CropToForeground(margin=-1), "0 voxels or more"),
        (lambda: CropToLabels(margin_mm=-1), "0 mm or more"),
    ],
)
def test_sizes_that_are_none(recipe, match):
    with pytest.raises(ValueError, match=match):
        recipe()


def test_what_is_bright_in_any_series_is_foreground():
    """A lesion that only the PET shows, in what is air for the CT, is not cut away."""
    grid = Grid.from_axes((10, 10, 10))
    body, hot = torch.full((1, 10, 10, 10), -1000.0), torch.zeros(1, 10, 10, 10)
    body[0, 3:5, 3:5, 3:5], hot[0, 8, 8, 8] = 30, 5
    study = MultiVolume((CTVolume(body, grid), PETVolume(hot, grid)), ("CT", "PET"))
    item = Pipeline((CropToForeground(),))(Item((study,)))
    assert item.grid == grid.window((3, 3, 3), (6, 6, 6))
    assert item.values[0]["PET"].data[0, 5, 5, 5] == 5


@given(grids(sides=(3, 9), spacing=(0.5, 4)), st.floats(0, 8), st.integers(0, 99))
def test_a_structure_is_cut_out_with_its_margin_in_millimetres(grid, margin, seed):
    at = tuple(np.random.default_rng(seed).integers(0, grid.shape))
    data = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    data[(0, *at)] = 2
    data[0, 0, 0, 0] = data[0, 0, 0, 0] or 1
    mask = Mask(data, grid, LESIONS)
    item = Pipeline((CropToLabels(("large",), margin),))(Item((mask,)))
    assert int((item.values[0].data == 2).sum()) == 1
    start = np.rint(grid.to_index(item.grid.origin)).astype(int)
    # All within the margin is kept, and on each side no plane that is wholly beyond it.
    near = np.linalg.norm(voxels(grid) - grid.to_patient(at), axis=-1) <= margin
    kept = np.zeros(grid.shape, dtype=bool)
    kept[tuple(slice(a, a + n) for a, n in zip(start, item.grid.shape, strict=True))] = True
    assert kept[near].all()
    apart = 1 / np.linalg.norm(np.linalg.inv(grid.affine)[:3, :3], axis=1)
    reach = np.array(item.grid.shape) - 1
    assert ((np.array(at) - start) * apart < margin + apart).all()
    assert ((start + reach - at) * apart < margin + apart).all()


def test_a_tilted_scan_keeps_its_margin_across_the_tilt():
    """With a tilted gantry slices are closer together than the way from one to the next is long."""
    tilted = np.array([[0.0, 0, 1], [0.6, 1, 0], [0.8, 0, 0]])
    grid = Grid.from_axes((21, 9, 9), spacing=(5, 5, 5), directions=tilted)
    item = Pipeline((CropToLabels(margin_mm=20),))(Item((lesions(grid, ((10, 4, 4), 1)),)))
    assert item.grid.shape == (11, 9, 9)  # 4 mm from slice to slice, and from row to row
    assert Pipeline((CropToLabels(margin_mm=7.9),))(
        Item((lesions(grid, ((10, 4, 4), 1)),))
    ).grid.shape == (5, 5, 5)


def test_structures_are_cut_out_where_moves_have_taken_them():
    grid = Grid.from_axes((20, 20, 20))
    mask = lesions(grid, ((8, 8, 8), 4))
    scan = MRVolume(torch.zeros(1, 20, 20, 20), grid)
    item = Pipeline((Reorient("LIA"), Spacing((0.5, 0.5, 0.5)), CropToLabels(margin_mm=1)))(
        Item((scan, mask))
    )
    moved = Pipeline((Reorient("LIA"), Spacing((0.5, 0.5, 0.5))))(Item((mask,))).values[0]
    inside = int((moved.data == 1).sum())
    assert item.grid.shape == (12, 12, 12)
    assert int((item.values[1].data == 1).sum()) == inside
    assert torch.equal(item.trail.decode(item.values[1]).data, mask.data)


def test_all_masks_of_an_item_count():
    grid = Grid.from_axes((20, 4, 4))
    organs = Mask(lesions(grid, ((2, 0, 0), 1)).data, grid, Labels.of(["organ"]))
    item = Pipeline((CropToLabels(),))(Item((organs, lesions(grid, ((9, 3, 3), 1)))))
    assert item.grid == grid.window((2, 0, 0), (8, 4, 4))


def test_structures_that_cannot_be_found():
    grid = Grid.from_axes((6, 6, 6))
    empty, scan = lesions(grid), MRVolume(torch.zeros(1, 6, 6, 6), grid)
    assert Pipeline((CropToLabels(("large",)),))(Item((empty,))).values[0] is empty
    with pytest.raises(ValueError, match="no mask has liver; there are: small, large"):
        Pipeline((CropToLabels(("liver",)),))(Item((empty,)))
    with pytest.raises(ValueError, match="there is no mask"):
        Pipeline((CropToLabels(),))(Item((scan,)))


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


@pytest.mark.parametrize("seed", range(5))
def test_the_last_voxels_of_a_label_are_found(seed):
    """Of 1201 voxels the moves leave one, which chance alone would miss four times of five."""
    grid = Grid.from_axes((60, 12, 12))
    data = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    data[0, 2:50, 3:8, 4:9] = 1
    data[0, 51, 5, 5] = 1
    mask = Mask(data, grid, LESIONS)
    pipeline = Pipeline((Crop(before=(51, 0, 0)), RandomPatch((3, 3, 3), on_label=1.0)))
    assert pipeline(Item((mask,)), seed=seed).values[0].present_ids() == [1]


def test_labels_of_all_masks_and_layers_take_turns():
    grid = Grid.from_axes((40, 10, 10))
    organs = Mask(lesions(grid, ((2, 2, 2), 3)).data, grid, Labels.of(["organ"]))
    first, second = lesions(grid, ((20, 4, 4), 2)).data, lesions(grid, ((0, 0, 0), 0)).data
    second[0, 34:36, 4, 4] = 2
    layered = Mask(torch.cat([first, second]), grid, LESIONS)
    pipeline = Pipeline((RandomPatch((6, 6, 6), on_label=1.0),))
    seen = [pipeline(Item((organs, layered)), seed=s).values for s in range(150)]
    hits = [(*a.present_ids(), *(10 * i for i in b.present_ids())) for a, b in seen]
    for kind in ((1,), (10,), (20,)):
        assert 30 <= hits.count(kind) <= 70
    assert sum(map(hits.count, ((1,), (10,), (20,)))) == 150


@given(grids(sides=(1, 9)), st.integers(0, 99), st.integers(1, 2))
def test_sites_are_the_voxels_of_each_label(grid, seed, layers):
    data = np.random.default_rng(seed).integers(0, 4, (layers, *grid.shape))
    mask = Mask(torch.from_numpy(data), grid, Labels.of(["a", "b", "c"]))
    assert list(mask.sites) == mask.present_ids()
    for label_id, sites in mask.sites.items():
        assert np.array_equal(sites, np.argwhere((data == label_id).any(0)))
    assert mask.sites is mask.sites
    assert 0 not in replace(mask, data=torch.zeros_like(mask.data)).sites


def test_sites_of_a_large_structure_are_few_and_from_all_of_it():
    grid = Grid.from_axes((40, 50, 60))
    mask = lesions(grid, ((0, 0, 0), 1), ((3, 3, 3), 30))
    small, large = mask.sites.values()
    assert (len(small), len(large)) == (1, 10_000)
    assert len(np.unique(large, axis=0)) == 10_000
    assert (mask.data[0].numpy()[tuple(large.T)] == 2).all()
    for axis in range(3):
        assert set(large[:, axis]) == set(range(3, 33))
    again = pickle.loads(pickle.dumps(mask))
    assert np.array_equal(again.sites[2], large)


def test_a_patch_of_a_mask_seen_before_costs_no_pass_over_its_voxels():
    grid = Grid.from_axes((160, 160, 160))
    item = Item((lesions(grid, ((4, 4, 4), 3), ((20, 20, 20), 60)),))
    pipeline = Pipeline((RandomPatch((8, 8, 8), on_label=1.0),))
    seconds = []
    for seed in range(12):
        start = time.perf_counter()
        pipeline(item, seed=seed)
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    int(item.values[0].data.max())
    np.bincount(item.values[0].data.numpy().ravel())
    one_pass = time.perf_counter() - start
    assert min(seconds[1:]) < one_pass


# --- the part of a value within a grid ----------------------------------------------------------


@given(grids(sides=(2, 9)), st.data())
def test_the_part_within_a_window_is_that_of_the_array(grid, data):
    start = [data.draw(st.integers(0, n - 1)) for n in grid.shape]
    shape = [data.draw(st.integers(1, n - a)) for a, n in zip(start, grid.shape, strict=True)]
    window, within = grid.window(start, shape), tuple(map(slice, start, np.add(start, shape)))
    scan = MRVolume(torch.rand(2, *grid.shape), grid)
    mask = Mask((scan.data > 0.5).int(), grid, LESIONS)
    soft = Probabilities(torch.rand(3, *grid.shape), grid, LESIONS)
    for value in (scan, mask, soft):
        part = crop(value, window)
        assert type(part) is type(value)
        assert part.grid == window
        assert torch.equal(part.data, value.data[:, *within])
    study = crop(MultiVolume((scan, scan), ("T1", "T2")), window)
    assert torch.equal(study["T2"].data, scan.data[:, *within])
    # Seen along other axes, each voxel is still where it was.
    turned = window.reoriented("RAS")
    part = crop(scan, turned)
    index = np.rint(grid.to_index(voxels(turned))).astype(int)
    assert np.array_equal(part.data.numpy(), scan.data.numpy()[:, *np.moveaxis(index, -1, 0)])


@pytest.mark.parametrize(
    ("to", "match"),
    [
        (lambda g: g.window((2, 0, 0), (7, 4, 4)), "reaches beyond .* nothing is known; Pad"),
        (lambda g: g.window((-1, 0, 0), (4, 4, 4)), "reaches beyond"),
        (lambda g: g.resized((8, 16, 16)), "not voxels of the value; resample it"),
        (
            lambda g: Grid(g.shape, Affine.translation((0.3, 0, 0)).matrix @ g.affine),
            "0.3 mm apart",
        ),
    ],
)
def test_grids_whose_voxels_are_not_the_value_s(to, match):
    grid = Grid.from_axes((8, 8, 8), spacing=(2, 1, 1)).reoriented("LPS")
    with pytest.raises(ValueError, match=match):
        crop(MRVolume(torch.zeros(1, *grid.shape), grid), to(grid))


@given(grids(sides=(2, 6)), st.integers(0, 999))
def test_every_place_is_in_one_of_the_halves(grid, seed):
    """Whatever is cut in two: no finding is lost, and none is counted twice."""
    axis = int(np.argmax(grid.shape))
    half = [n // 2 if k == axis else n for k, n in enumerate(grid.shape)]
    rest = [n - n // 2 if k == axis else n for k, n in enumerate(grid.shape)]
    halves = (
        grid.window((0, 0, 0), half),
        grid.window([n // 2 if k == axis else 0 for k, n in enumerate(grid.shape)], rest),
    )
    rng = np.random.default_rng(seed)
    places = grid.to_patient(rng.uniform(-0.49, np.array(grid.shape) - 0.51, (9, 3)))
    names = tuple(f"p{k}" for k in range(9))
    points = Points(places, names)
    cloud = PointCloud(places, torch.arange(9)[:, None])
    boxes = Boxes.between(places - 2, places + 2, ids=(1, 2, 1) * 3, labels=LESIONS)
    parts = [crop(points, to) for to in halves]
    assert sorted(n for part in parts for n in part.names) == list(names)
    for part in parts:
        for name, place in zip(part.names, part.coordinates, strict=True):
            assert np.array_equal(place, places[int(name[1:])])
    features = torch.cat([crop(cloud, to).features for to in halves]).flatten()
    assert sorted(features.tolist()) == list(range(9))
    kept = [crop(boxes, to) for to in halves]
    assert sum(map(len, kept)) == 9
    assert sorted(i for part in kept for i in part.ids) == sorted(boxes.ids)
    for part in kept:  # whole, as they were
        assert all((boxes.corners == box).all((1, 2)).any() for box in part.corners)


def test_a_polygon_that_reaches_in_is_kept_whole():
    """A window within the liver sees the liver, though no point of its outline lies there."""
    grid = Grid.from_axes((4, 20, 20))
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])

    def polygon(low, size, z):
        return np.column_stack([low + size * square, np.full(4, z)])

    around, apart = polygon(0, 19, 2.0), polygon(0, 3, 2.0)
    above, across = polygon(0, 19, 9.0), polygon(9, 8, 2.0)
    outline = Contours(
        np.concatenate([around, apart, above, across]), (4,) * 4, (1, 2, 1, 2), LESIONS
    )
    part = crop(outline, grid.window((1, 8, 8), (2, 4, 4)))
    assert np.array_equal(part.coordinates, np.concatenate([around, across]))
    assert (part.ids, part.labels) == ((1, 2), LESIONS)
    assert len(crop(outline, grid.window((0, 4, 4), (1, 2, 2)))) == 0


def test_an_answer_holds_of_every_part():
    answer = Category("benign", ("benign", "malignant"))
    assert crop(answer, Grid.from_axes((1, 1, 1))) is answer
    nobody = crop(Points(np.zeros((0, 3))), Grid.from_axes((1, 1, 1)))
    assert nobody.coordinates.shape == (0, 3)


@pytest.mark.parametrize(
    "recipe",
    [Crop((1, 0, 2), (0, 1, 0)), Pad(after=(1, 2, 3)), CropToLabels(("small",), 5.0),
     RandomPatch((3, 4, 5), 0.25), CropToForeground(0.5, 2)],
    ids=lambda recipe: type(recipe).__name__,
)  # fmt: skip
def test_recipes_are_json(recipe):
    pipeline = Pipeline((recipe,))
    assert Pipeline.from_list(json.loads(json.dumps(pipeline.to_list())), allowed=RECIPES) == (
        pipeline
    )


def test_patches_lie_where_somebody_looked():
    """A scan drawn on two slices of forty: no patch of it is of slices that nobody drew on."""
    grid = Grid.from_axes((40, 16, 16))
    ids = torch.full((1, *grid.shape), 9, dtype=torch.uint8)
    ids[:, 20:22] = 0
    mask = Mask(ids, grid, Labels((), ignored=9))
    for seed in range(30):
        patch = Pipeline((RandomPatch((4, 8, 8)),))(Item((mask,)), seed=seed).values[0]
        assert (~patch.unseen()).any()
