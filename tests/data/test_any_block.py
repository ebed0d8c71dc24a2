"""Any block on either side: what is seen and what is learned, by a training and in its package."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import grids, voxels
from torch import Tensor, nn

from medlib import io
from medlib.data import (
    Case,
    CategoryBlock,
    DataBlock,
    MaskBlock,
    MeasurementBlock,
    MultiVolumeBlock,
    PointsBlock,
    Store,
    VolumeBlock,
    from_table,
    held_out,
)
from medlib.infer import (
    BoxesInput,
    MaskInput,
    MeasurementInput,
    PointsInput,
    Predictor,
    VolumeInput,
    VolumeOutput,
    WordsInput,
    shown,
)
from medlib.io.markups import write_points
from medlib.models import Architecture
from medlib.package import Model
from medlib.space import Grid
from medlib.train import Learner, metrics, scored
from medlib.transforms import (
    Flip,
    Noise,
    Normalise,
    PadTo,
    Pipeline,
    RandomPatch,
    Reorient,
)
from medlib.types import (
    Boxes,
    Categories,
    Category,
    CTVolume,
    Labels,
    Mask,
    Measurement,
    MRVolume,
    Points,
    Reference,
)

GRID = Grid.from_axes((12, 14, 16), spacing=(2.0, 1.5, 1.5), origin=(-12, 30, 7))
SIDES = Labels.of(["kidney_left", "kidney_right"])
EYES = ("eye_left", "eye_right")
PATCH = (8, 8, 8)


def write_case(folder, number):
    """A scan, the same through another scanner (twice as bright, and 30 more), and what is known."""
    draw = np.random.default_rng(number)
    places = voxels(GRID)
    left = np.linalg.norm(places - GRID.centre - [5, 0, 0], axis=-1) < 4
    right = np.linalg.norm(places - GRID.centre + [5, 0, 0], axis=-1) < 3
    mask = Mask(torch.from_numpy(left + 2 * right)[None].to(torch.uint8), GRID, SIDES)
    t1 = MRVolume(torch.from_numpy(draw.normal(100, 20, GRID.shape).astype(np.float32))[None], GRID)
    ct = CTVolume(t1.data * 2 + 30, GRID)
    points = Points([np.add(GRID.centre, [6, 0, 0]), np.add(GRID.centre, [-6, 0, 0])], EYES)
    paths = {n: folder / f"{n}_{number}.nii.gz" for n in ("t1", "ct", "mask")}
    for name, value in (("t1", t1), ("ct", ct), ("mask", mask)):
        io.write_nifti(value, paths[name])
    write_points(points, folder / f"points_{number}.mrk.json")
    stacks = {n: io.survey(paths[n]).stacks[0] for n in ("t1", "ct")}
    return Case(
        name=f"case_{number}",
        patient=f"p{number}",
        scan=stacks["t1"],
        label=paths["mask"],
        masks={"earlier": paths["mask"]},
        series=stacks,
        points=folder / f"points_{number}.mrk.json",
        answers={"age": 40.0 + 10 * number, "sex": "fm"[number % 2]},
    )


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    return [write_case(folder, number) for number in range(3)]


CUT = (RandomPatch(PATCH),)


def data_of(cases, *blocks, augment=CUT):
    return DataBlock(
        blocks=blocks,
        get_items=lambda found: found,
        splitter=held_out(["case_2"]),
        preprocess=Pipeline((Reorient("SPL"), Normalise())),
        augment=Pipeline(augment),
    ).datasets(cases)


SCAN = VolumeBlock(MRVolume, "t1")
MASK = MaskBlock(SIDES)
EARLIER = MaskBlock(SIDES, called="earlier")
AGE = MeasurementBlock("age", "a")
SEX = CategoryBlock("sex", ("f", "m"))
POINTS = PointsBlock(EYES)
BOTH = MultiVolumeBlock((("t1", MRVolume), ("ct", CTVolume)))


# --- as input -------------------------------------------------------------------------------------


def test_every_block_becomes_as_many_channels_as_it_says(cases):
    blocks = (SCAN, EARLIER, POINTS, AGE, SEX, MASK)
    data = data_of(cases, *blocks)
    batch = next(data.batches(batch_size=2))
    assert data.channels == 1 + 2 + 2 + 1 + 2
    assert batch.x.shape == (2, data.channels, *PATCH)
    assert batch.x.dtype == torch.float32
    for block in data.blocks[:-1]:
        value = block.read(cases[0], on=cases[0].scan.grid)
        assert block.input.tensor(value, GRID).shape == (block.input.channels, *GRID.shape)
        assert len(block.input.empty(value)) == block.input.channels


def test_a_table_names_further_masks(cases, tmp_path):
    case = cases[0]
    where = {"scan:t1": case.scan.files[0].path, "mask:earlier": case.masks["earlier"]}
    rows = [",".join(("name", *where)), ",".join(("a", *map(str, where.values())))]
    lost = ",".join(("b", str(where["scan:t1"]), "nowhere.nii.gz"))
    (tmp_path / "cases.csv").write_text("\n".join([*rows, lost]))
    found = from_table(tmp_path / "cases.csv")
    assert [one.masks for one in found.cases] == [case.masks]
    assert "there is no file nowhere.nii.gz" in str(found.set_aside)


@settings(max_examples=20)
@given(grids(sides=(3, 9)), st.floats(1, 9))
def test_heat_falls_off_with_millimetres_whatever_the_grid(grid, sigma):
    place = np.add(grid.centre, [1.0, -2.0, 0.5])
    heat = PointsInput(("tip",), sigma).tensor(Points([place], ("tip",)), grid)[0]
    away = np.linalg.norm(voxels(grid) - place, axis=-1)
    np.testing.assert_allclose(heat, np.exp(-(away**2) / (2 * sigma**2)), atol=1e-5)


@settings(max_examples=20)
@given(grids(sides=(3, 9)))
def test_a_box_is_filled_with_the_voxels_whose_centres_it_holds(grid):
    low, high = (np.add(grid.centre, shift) for shift in ([-3, -2, -4], [1, 5, 2]))
    labels = Labels.of(["lesion", "cyst"])
    boxes = Boxes.between([low], [high], ids=(2,), labels=labels)
    filled = BoxesInput(labels).tensor(boxes, grid)
    places = voxels(grid)
    near = (np.abs(places - low) < 1e-3).any(-1) | (np.abs(places - high) < 1e-3).any(-1)
    inside = ((places >= low) & (places <= high)).all(-1)
    assert not filled[0].any()
    assert (filled[1].bool().numpy() == inside)[~near].all()


def test_what_is_known_of_the_training_cases_scales_a_number(cases):
    data = data_of(cases, SCAN, AGE, MASK)
    assert data.inputs[1] == MeasurementInput("a", 45.0, 5.0, "age")  # of 40 and 50, not of 60
    seen = data.inputs[1].tensor(Measurement(720, "a", "age"), GRID)
    assert torch.equal(seen.unique(), torch.tensor([135.0]))


def test_words_are_ones():
    grid = Grid.from_axes((1, 1, 1))
    words = WordsInput(("f", "m"), name="sex")
    assert words.tensor(Category("m", ("f", "m")), grid).flatten().tolist() == [0, 1]
    several = WordsInput(("a", "b", "c"), exclusive=False)
    said = Categories(("a", "c"), ("a", "b", "c"))
    assert several.tensor(said, grid).flatten().tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="no word called x"):
        words.tensor(Category("x", ("x", "m")), grid)


def test_left_and_right_change_places_in_all_that_is_seen(cases):
    """A mirrored item is what the mirrored patient would have given: channel by channel."""
    blocks = (SCAN, EARLIER, POINTS, MASK)
    data = data_of(cases, *blocks, augment=())
    there = data.train.prepared(0)
    back = Pipeline((Flip("left-right"),))(there)
    inputs = data.inputs
    x, mirrored = (shown(inputs, item.values[:-1], item.grid) for item in (there, back))
    axis = 1 + next(k for k, letter in enumerate(there.grid.orientation) if letter in "LR")
    turned = x.flip(axis)
    assert torch.equal(mirrored[0], turned[0])
    for left, right in ((1, 2), (3, 4)):
        torch.testing.assert_close(mirrored[left], turned[right])
        torch.testing.assert_close(mirrored[right], turned[left])


def test_landmarks_that_are_learned_keep_the_order_of_the_maps_when_mirrored(cases):
    data = data_of(cases, SCAN, POINTS, augment=(Flip("left-right"), PadTo((16, 16, 16))))
    target = next(data.batches(batch_size=1)).targets[0]
    assert target.names == EYES
    left, right = target.coordinates
    assert left[0] > right[0]  # still at the left of the patient


def test_masks_are_matched_by_name_whatever_their_ids():
    other = Labels.of({7: "kidney_right", 9: "kidney_left"})
    mask = Mask(torch.tensor([[[[0, 7, 9]]]]), Grid.from_axes((1, 1, 3)), other)
    seen = MaskInput(SIDES).tensor(mask, mask.grid)
    assert seen.flatten(1).tolist() == [[0, 0, 1], [0, 1, 0]]
    with pytest.raises(ValueError, match="no label called spleen"):
        MaskInput(Labels.of(["spleen"])).tensor(mask, mask.grid)


# --- as output ------------------------------------------------------------------------------------


def test_a_scan_to_be_learned_is_moved_and_never_blurred_or_normalised(cases):
    augment = (Noise(0.5), RandomPatch(PATCH))
    data = data_of(cases, SCAN, VolumeBlock(CTVolume, "ct"), augment=augment)
    item = data.train[0, 0]
    scan, truth = item.values
    assert isinstance(truth, Reference)
    assert scan.grid == truth.grid
    native = data.train.raw(0).values[1].scan
    there = native.grid.to_index(truth.grid.to_patient(np.argwhere(np.ones(PATCH)))).round()
    expected = native.data[0].numpy()[tuple(there.astype(int).T)]
    np.testing.assert_array_equal(truth.scan.data.flatten(), expected)  # in HU, as it was taken
    usual = data.output
    seen = [data.train.truth(k).data for k in range(2)]
    assert usual.mean == pytest.approx(float(torch.stack(seen).mean()), rel=1e-5)
    target = data.train.collate([item]).targets[0]
    torch.testing.assert_close(target.data * usual.deviation + usual.mean, truth.scan.data)


def test_a_scan_to_be_learned_comes_back_from_the_store_as_it_was(cases, tmp_path):
    block = DataBlock((SCAN, BOTH), lambda found: found, held_out(["case_2"]))
    first = block.datasets(cases).train.prepared(0).values[1]
    for _ in range(2):
        kept = block.datasets(cases, store=Store(tmp_path)).train.prepared(0).values[1]
        assert isinstance(kept, Reference)
        assert [type(part) for part in kept.scan.parts] == [MRVolume, CTVolume]
        assert torch.equal(kept.data, first.data)


class Doubled(nn.Module):
    """A CT from an MR that was normalised by 100 and 20, in deviations of the CT."""

    def __init__(self, mean: float, deviation: float) -> None:
        super().__init__()
        self.rest = nn.Parameter(torch.tensor(0.0))
        self.mean, self.deviation = mean, deviation

    def forward(self, x: Tensor) -> Tensor:
        return ((x * 20 + 100) * 2 + 30 - self.mean) / self.deviation + self.rest


@settings(max_examples=15)
@given(grids(sides=(6, 12), spacing=(0.8, 2.0)), st.booleans())
def test_a_made_scan_is_in_its_units_on_the_scans_own_grid(grid, cropped):
    draw = torch.Generator().manual_seed(0)
    scan = MRVolume(100 + 20 * torch.randn(1, *grid.shape, generator=draw), grid)
    crop = (RandomPatch((4, 4, 4)),) if cropped else ()
    way = Pipeline((Reorient("SPL"), *crop, Normalise(mean=100.0, deviation=20.0)))
    output = VolumeOutput(CTVolume, mean=200.0, deviation=50.0)
    predictor = Predictor(Doubled(200.0, 50.0), way, (VolumeInput(MRVolume),), output, (8, 8, 8))
    made = predictor.predict(scan)
    assert type(made) is CTVolume
    assert made.grid == grid
    right = torch.isclose(made.data, scan.data * 2 + 30, atol=1e-2)
    if cropped:  # what was not looked at is air, and never what the network might have said
        assert int(right.sum()) == 64
        assert bool((made.data[~right] == CTVolume.default_background).all())
    else:
        assert bool(right.all())


def test_figures_of_a_made_scan_are_those_of_monai():
    from monai.metrics import PSNRMetric, SSIMMetric

    draw = torch.Generator().manual_seed(1)
    grid = Grid.from_axes((14, 16, 15))
    true = MRVolume(torch.rand(1, *grid.shape, generator=draw) * 90, grid)
    made = replace(true, data=true.data + 5 * torch.randn(true.data.shape, generator=draw))
    found = {m.name: m.value for m in metrics(made, true)}
    wide = float(true.data.max() - true.data.min())
    pair = made.data[None], true.data[None]
    assert found["PSNR"] == pytest.approx(float(PSNRMetric(max_val=wide)(*pair)), rel=1e-4)
    ssim = SSIMMetric(spatial_dims=3, data_range=torch.tensor(wide))(*pair)
    assert found["SSIM"] == pytest.approx(float(ssim), rel=1e-3)
    assert found["MAE"] == pytest.approx(float((made.data - true.data).abs().mean()), rel=1e-5)
    scores = scored([("a", made, true)])
    assert scores.errors
    assert scores.labels["scan"] == pytest.approx(found["MAE"])
    ct = CTVolume(true.data, grid)
    with pytest.raises(ValueError, match="in arbitrary, the target in HU"):
        metrics(true, ct)


# --- trained, saved, loaded -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "blocks",
    [
        (SCAN, VolumeBlock(CTVolume, "ct")),
        (SCAN, BOTH),
        (BOTH, MASK),
        (SCAN, EARLIER, POINTS, AGE, SEX, MASK),
        (SCAN, SEX, AGE),
        (MASK, SEX),
    ],
    ids=lambda blocks: "+".join(type(b).__name__.removesuffix("Block") for b in blocks),
)
def test_any_blocks_are_learned_saved_and_predict_the_same(cases, blocks, tmp_path):
    whole = blocks[-1].output.whole
    size = (16, 16, 16) if whole else PATCH
    data = data_of(cases, *blocks, augment=(PadTo(size),) if whole else (RandomPatch(size),))
    if blocks[0] is MASK:
        data = data.transformed(Pipeline((Reorient("SPL"),)), data.train.augment)
    torch.manual_seed(0)
    if data.output.voxelwise:
        architecture = Architecture.residual_unet(channels=(4, 8))
    else:
        architecture = Architecture("resnet", {"depth": 10, "width": 4})
    network = architecture.build(data.channels, data.output.channels)
    learner = Learner(network, data, window=size, precision="fp32", batch_size=2)
    scores = learner.fit_one_cycle(epochs=2)
    assert np.isfinite(scores.mean)
    model = Model.describe(learner.predictor, architecture, training={}, metrics={})
    again = Model.load(model.save(tmp_path / "m.medlib"))
    assert again.inputs == data.inputs
    case = data.valid.cases[0]
    given = [block.read(case, on=case.scan.grid) for block in data.blocks[:-1]]
    here, there = model.predict(*given), again.predict(*given)
    named = again.predict(**{one.name: v for one, v in zip(again.inputs, given, strict=True)})
    for other in (there, named):
        assert type(other) is type(here)
        if hasattr(here, "data"):
            assert torch.equal(other.data, here.data)
            assert other.grid == case.scan.grid
        else:
            assert other == here


def test_a_package_takes_paths_numbers_and_words(cases, tmp_path):
    data = data_of(cases, BOTH, EARLIER, POINTS, AGE, SEX, MASK)
    architecture = Architecture.residual_unet(channels=(4, 8))
    torch.manual_seed(0)
    network = architecture.build(data.channels, data.output.channels)
    learner = Learner(network, data, window=PATCH, precision="fp32")
    model = Model.describe(learner.predictor, architecture, training={}, metrics={})
    case = cases[0]
    given = [block.read(case, on=case.scan.grid) for block in data.blocks[:-1]]
    paths = dict(case.series)
    found = model.predict(paths, case.masks["earlier"], case.points, age=40.0, sex="f")
    assert torch.equal(found.data, model.predict(*given).data)
    with pytest.raises(ValueError, match=r"is shown scan, earlier, points, age, sex.*given scan"):
        model.predict(paths)
    with pytest.raises(ValueError, match="each once"):
        model.predict(*given, sex="f")
    with pytest.raises(ValueError, match="the series ct is missing"):
        model.predict({"t1": paths["t1"]}, *given[1:])
    card = model.manifest.card()
    assert "age (Measurement, a)" in card
    assert "t1 MRVolume" in card


def test_a_scan_on_another_grid_is_refused(cases, tmp_path):
    moved = replace(GRID, affine=GRID.affine + 3 * np.eye(4, k=3))
    io.write_nifti(CTVolume(torch.zeros(1, *GRID.shape), moved), tmp_path / "moved.nii.gz")
    series = {"t1": cases[0].scan, "ct": io.survey(tmp_path / "moved.nii.gz").stacks[0]}
    case = replace(cases[0], series=series)
    with pytest.raises(ValueError, match=r"another grid than the scan.*after registration"):
        VolumeBlock(CTVolume, "ct").read(case, on=GRID)


def test_a_shift_between_two_scanners_is_learned(cases):
    """Two numbers suffice: from there on the made scan is the true one."""
    data = data_of(cases, SCAN, VolumeBlock(CTVolume, "ct"))
    network = nn.Conv3d(1, 1, 1)
    learner = Learner(network, data, window=PATCH, precision="fp32", rate=0.1, batch_size=4)
    scores = learner.fit_one_cycle(epochs=120)
    assert scores.measure == "mean absolute error in HU"
    assert scores.mean < 4.0  # of a deviation of 40 HU
    assert len(list(islice(learner.predictions(), 5))) == 1
