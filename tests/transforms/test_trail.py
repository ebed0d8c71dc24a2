import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from scenes import ORGANS, dice, oblique, organs
from strategies import voxels

from medlib.space import Affine, Flow, Grid
from medlib.transforms import (
    RECIPES,
    Brightness,
    Clip,
    CropOrPad,
    CropToForeground,
    Fit,
    Flip,
    HistogramStandardise,
    Item,
    Move,
    MoveBy,
    Noise,
    Normalise,
    OneOf,
    Only,
    PadTo,
    Pipeline,
    Ramp,
    RandomAffine,
    RandomPatch,
    Remap,
    RemoveSmall,
    Reorient,
    Rescale,
    Resize,
    Sequence,
    SomeOf,
    Spacing,
    Trail,
    Window,
    apply,
)
from medlib.types import CTVolume, Mask, MRVolume, Points, Probabilities


def scan_of(grid, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return CTVolume(torch.rand(1, *grid.shape, generator=draw) * 400 - 100, grid)


def done(seed=3):
    grid = oblique()
    pipeline = Pipeline(
        (
            Reorient("RAS"),
            CropToForeground(above=-50, margin=2),
            Spacing((1.5, 1.0, 1.0)),
            Normalise(mean=50, deviation=100, low=-200, high=300),
            RandomAffine(degrees=20, scale=0.1, shift=3),
            Flip("superior-inferior"),
            Noise(0.1),
            Brightness(),
            RandomPatch((16, 20, 20)),
        )
    )
    return pipeline(Item((scan_of(grid), organs(grid)), name="a"), seed=seed), grid


# --- as JSON ----------------------------------------------------------------------------------


def test_json_brings_back_an_equal_trail():
    item, _ = done()
    text = json.dumps(item.trail.to_dict(), allow_nan=False)
    assert Trail.from_dict(json.loads(text)) == item.trail


def test_a_fused_move_is_json_too():
    item, _ = done()
    trail = Trail((item.trail.way_back(),))
    assert Trail.from_dict(json.loads(json.dumps(trail.to_dict()))) == trail


SCRIPT = """
import json, sys
import numpy as np, torch
from medlib.space import Grid
from medlib.transforms import Trail
from medlib.types import Labels, Mask, Points, Probabilities

folder = sys.argv[1]
words = json.load(open(folder + "/trail.json"))
trail, grid = Trail.from_dict(words["trail"]), Grid.from_dict(words["grid"])
labels = Labels.from_list(words["labels"])
arrays = np.load(folder + "/arrays.npz")
mask = trail.decode(Mask(torch.from_numpy(arrays["mask"]), grid, labels))
probable = trail.decode(Probabilities(torch.from_numpy(arrays["probable"]), grid, labels))
points = trail.decode(Points(arrays["points"]))
assert mask.grid == probable.grid
np.savez(folder + "/decoded.npz", mask=mask.data.numpy(), probable=probable.data.numpy(),
         points=points.coordinates, affine=mask.grid.affine)
"""


def test_another_process_decodes_the_same_with_nothing_but_the_json(tmp_path):
    item, native = done()
    grid = item.grid
    draw = torch.Generator().manual_seed(1)
    mask = torch.randint(0, 4, (1, *grid.shape), generator=draw).to(torch.uint8)
    probable = torch.softmax(torch.randn(4, *grid.shape, generator=draw), 0)
    points = voxels(grid)[3, 4, :5]
    words = {"trail": item.trail.to_dict(), "grid": grid.to_dict(), "labels": ORGANS.to_list()}
    (tmp_path / "trail.json").write_text(json.dumps(words))
    np.savez(tmp_path / "arrays.npz", mask=mask.numpy(), probable=probable.numpy(), points=points)
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], check=True)
    there = np.load(tmp_path / "decoded.npz")

    here = item.trail.decode(Mask(mask, grid, ORGANS))
    assert here.grid == native
    assert np.array_equal(there["affine"], native.affine)
    assert np.array_equal(there["mask"], here.data.numpy())
    sure = item.trail.decode(Probabilities(probable, grid, ORGANS)).data.numpy()
    assert np.allclose(there["probable"], sure, atol=1e-6)
    assert np.array_equal(there["points"], item.trail.decode(Points(points)).coordinates)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"medlib_trail": 1, "steps": []}, "no trail of version 2"),
        ({"steps": []}, "no trail of version 2"),
        ({"medlib_trail": 2}, "has no steps"),
        ({"medlib_trail": 2, "steps": [{"type": "Exec", "code": "1"}]}, "'Exec' is not one of"),
        ({"medlib_trail": 2, "steps": [{"type": "Spacing"}]}, "'Spacing' is not one of"),
        ({"medlib_trail": 2, "steps": [{"type": "AddNoise", "seed": 1}]}, "needs deviation"),
        (
            {"medlib_trail": 2, "steps": [{"type": "AddNoise", "deviation": 1, "seed": 1, "x": 2}]},
            "AddNoise has no x",
        ),
    ],
)
def test_trails_that_are_refused(words, match):
    with pytest.raises(ValueError, match=match):
        Trail.from_dict(words)


def test_a_step_of_one_s_own_is_read_when_it_is_allowed():
    trail = Trail((Rescale(1.0, 2.0),))
    with pytest.raises(ValueError, match="'Rescale' is not one of"):
        Trail.from_dict(trail.to_dict(), steps=(Move,))
    assert Trail.from_dict(trail.to_dict(), steps=(Rescale,)) == trail


def test_trails_items_and_pipelines_survive_a_pickle():
    item, _ = done()
    again = pickle.loads(pickle.dumps(item))
    assert again.trail == item.trail
    assert torch.equal(again.values[0].data, item.values[0].data)
    mask = item.values[1]
    assert torch.equal(again.trail.decode(mask).data, item.trail.decode(mask).data)


# --- the way back -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe",
    [Spacing((0.8, 1.2, 0.9)), RandomAffine(degrees=15, scale=0.1)],
    ids=["resampled", "turned"],
)
def test_organs_there_and_back_at_one_millimetre(recipe):
    grid = oblique((72, 80, 80), spacing=(1, 1, 1))
    mask = organs(grid)
    item = Pipeline((recipe,))(Item((mask,)), seed=1)
    back = item.trail.decode(item.values[0])
    assert back.grid == grid
    for name in ORGANS.names:
        assert dice(back.structure(name), mask.structure(name)) >= 0.99


@pytest.mark.parametrize("spacing", [(5, 1, 1), (1, 5, 7), (2.3, 0.7, 3.1)])
def test_organs_that_the_scan_cuts_off_keep_their_last_slices(spacing):
    """A size rounded down would leave the scan's outermost voxels without an answer."""
    grid = Grid.from_axes((52, 51, 53))
    mask = Mask(torch.ones(1, *grid.shape, dtype=torch.uint8), grid, ORGANS)
    item = Pipeline((Spacing(spacing), PadTo((64, 64, 64))))(Item((mask,)))
    assert (item.trail.decode(item.values[0]).data == 1).all()


def test_a_patch_decodes_to_where_it_was_and_nothing_elsewhere():
    grid = oblique()
    mask = organs(grid)
    item = Pipeline((Reorient("LPS"), RandomPatch((9, 9, 9), on_label=1.0)))(Item((mask,)))
    back = item.trail.decode(item.values[0]).data
    reached = item.trail.decode(
        Mask(torch.ones_like(item.values[0].data), item.grid, ORGANS)
    ).data.bool()
    assert torch.equal(back[reached], mask.data[reached])
    assert (back[~reached] == 0).all()
    assert int(reached.sum()) == 9**3


def test_decoding_passes_through_intensities_in_their_order():
    grid = oblique()
    scan = scan_of(grid)
    pipeline = Pipeline((Normalise(mean=50, deviation=100), Reorient("RAS"), Window(0, 10)))
    item = pipeline(Item((scan,)))
    back = item.trail.decode(item.values[0])
    assert type(back) is CTVolume
    assert back.grid == grid
    assert back.units == "HU"
    assert torch.allclose(back.data, scan.data, atol=1e-3)
    assert item.trail.lost() == ["values below -5 and above 5 (1) were clipped"]


def test_what_is_lost_is_told():
    item, _ = done()
    lost = item.trail.lost()
    assert lost[0] == "values below -200 and above 300 (HU) were clipped"
    assert "noise of standard deviation" in lost[1]


def test_the_native_grid_and_the_way_back_to_it():
    item, native = done()
    assert item.trail.native == native
    back = item.trail.way_back()
    assert (back.source, back.landing) == (item.grid, native)
    mask = item.values[1]
    assert torch.equal(apply(back, mask).data, item.trail.decode(mask).data)
    assert Trail().way_back() is None
    assert Trail().native is None


def test_a_prediction_on_another_grid_is_refused():
    """Restoring by shape and not by grid is how peers put labels in the wrong place."""
    item, _ = done()
    wrong = Grid(item.grid.shape, Affine.translation((1, 0, 0)).matrix @ item.grid.affine)
    with pytest.raises(ValueError, match="1 mm apart"):
        item.trail.decode(Mask(torch.zeros(1, *wrong.shape, dtype=torch.uint8), wrong, ORGANS))


def test_an_item_may_go_on_where_another_pipeline_ended():
    grid = oblique()
    mask = organs(grid)
    first, second = Pipeline((Reorient("RAS"),)), Pipeline((CropOrPad((30, 30, 30)),))
    item = second(first(Item((mask,))))
    assert len(item.trail.steps) == 2
    assert torch.equal(item.trail.decode(item.values[0]).data, mask.data)
    together = (first + second)(Item((mask,)))
    assert together.trail == item.trail


# --- recipes as JSON --------------------------------------------------------------------------

EXAMPLES = (
    Brightness(0.3, 0.2, probability=0.5),
    CropOrPad((4, 5, 0)),
    CropToForeground(above=-300.0, margin=3),
    Fit((0, 32, 24)),
    Flip("anterior-posterior", probability=0.5),
    MoveBy(Affine.rotation((1, 2, 3)) @ Flow(Grid.from_axes((1, 1, 2)), np.ones((1, 1, 2, 3)))),
    Noise(0.2),
    Normalise(1.0, 2.0, low=-1.0),
    PadTo((32, 32, 32)),
    RandomAffine(10, 0.2, 0.1, shift=(0.0, 3.0, 2.0)),
    RandomPatch((8, 8, 8), on_label=0.3),
    Reorient("RAS"),
    Resize((8, 8, 8)),
    Spacing((1.0, 0.0, 2.0), labels="nearest"),
    Window(40, 400),
    Clip(-100.0, None),
    HistogramStandardise(tuple(10.0 * k for k in range(11))),
    OneOf((Noise(0.2), Window(40, 400)), weights=(2.0, 1.0)),
    Only(("CTVolume",), Noise(0.2)),
    Ramp(Sequence((Noise(0.2), RandomAffine())), epochs=10),
    Remap((("liver", "organ"), ("spleen", "organ"))),
    RemoveSmall(0.5),
    SomeOf((Noise(0.2), Brightness()), 1, 2),
)


@pytest.mark.parametrize("kind", RECIPES, ids=lambda kind: kind.__name__)
def test_every_recipe_is_json(kind):
    given = {type(recipe): recipe for recipe in (*EXAMPLES, Sequence(EXAMPLES[:3]))}
    pipeline = Pipeline((given.get(kind) or kind(probability=0.4),))
    specs = json.loads(json.dumps(pipeline.to_list(), allow_nan=False))
    assert Pipeline.from_list(specs, allowed=RECIPES) == pipeline


def test_a_file_cannot_ask_for_other_recipes():
    with pytest.raises(ValueError, match="'Move' is not one of the types allowed"):
        Pipeline.from_list([{"type": "Move"}], allowed=RECIPES)
    with pytest.raises(ValueError, match="not one of the types allowed"):
        Pipeline.from_list([{"type": ["Flip"]}], allowed=RECIPES)
    with pytest.raises(ValueError, match="Spacing needs millimetres"):
        Pipeline.from_list([{"type": "Spacing"}], allowed=RECIPES)
    with pytest.raises(ValueError, match="direction must be one of"):
        Pipeline.from_list([{"type": "Flip", "direction": "up"}], allowed=RECIPES)


def test_mr_has_no_meaning_to_keep():
    grid = oblique()
    item = Pipeline((Normalise(),))(Item((MRVolume(scan_of(grid).data, grid),)))
    assert item.values[0].units == "1"
    assert item.trail.decode(item.values[0]).units == "arbitrary"
