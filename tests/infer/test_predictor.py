"""From a scan to a mask on its own grid: the right voxels, the right side, whatever the grid.

The network is one that knows the answer from each voxel's own value, so all that can go wrong
is the way there and back.
"""

import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import grids
from tiny import CONTRAST, SIDES, Says, Seer, scan_of, structures

from medlib import io
from medlib.infer import MaskOutput, Predictor, Shares, VolumeInput, decode_mask
from medlib.space import Grid
from medlib.train import dice
from medlib.transforms import (
    CropToForeground,
    Flip,
    Item,
    Normalise,
    PadTo,
    Pipeline,
    Reorient,
    Spacing,
)
from medlib.types import CTVolume, Labels, Mask, MRVolume

FIXED = Normalise(mean=0.0, deviation=CONTRAST)
UPRIGHT = Pipeline((Reorient("SPL"), FIXED))


def seer(preprocess, labels=SIDES, window=(16, 16, 16), **more):
    return Predictor(
        Seer(scale=1 / CONTRAST),
        preprocess,
        (VolumeInput(MRVolume),),
        MaskOutput(labels),
        window,
        **more,
    )


def side_of(mask, name):
    """Mean LPS x of a structure: positive is the patient's left."""
    return mask.grid.to_patient(mask.structure(name).nonzero().numpy())[:, 0].mean()


@settings(max_examples=25)
@given(grids(sides=(16, 30), spacing=(0.8, 2.5)))
def test_predictions_land_on_the_scans_own_grid_voxel_for_voxel(grid):
    truth = structures(grid)
    found = seer(UPRIGHT).predict(scan_of(truth))
    assert found.grid == grid  # exactly, not nearly
    assert np.array_equal(found.grid.affine, grid.affine)
    assert found.data.shape == (1, *grid.shape)
    assert torch.equal(found.data.int(), truth.data)
    assert found.labels == SIDES


@settings(max_examples=25)
@given(grids(sides=(24, 30), spacing=(0.9, 1.5)), st.floats(0.5, 0.75), st.booleans())
def test_resampling_on_the_way_moves_nothing(grid, factor, crop):
    truth = structures(grid)
    chosen = tuple(float(s * factor) for s in grid.reoriented("SPL").spacing)
    more = (CropToForeground(above=50.0, margin=3),) if crop else ()
    if crop:  # what is darker than its surroundings is cut away, and must not be found elsewhere
        truth = Mask(truth.data * (truth.data == 1), grid, SIDES)
    way = Pipeline((Reorient("SPL"), Spacing(chosen), *more, PadTo((24, 8, 8)), FIXED))
    found = seer(way).predict(scan_of(truth))
    assert found.grid == grid
    scores = dice(found, truth)
    assert scores["left kidney"] >= 0.95
    assert crop or scores["right kidney"] >= 0.95


@settings(max_examples=25)
@given(grids(sides=(20, 28), spacing=(0.9, 2.0), degrees=30))
def test_left_stays_left(grid):
    truth = structures(grid)
    found = seer(Pipeline((Reorient("RAI"), Spacing((1.0, 1.0, 1.0)), FIXED))).predict(
        scan_of(truth)
    )
    assert side_of(found, "left kidney") > grid.centre[0] > side_of(found, "right kidney")


@settings(max_examples=10)
@given(grids(sides=(18, 24), spacing=(0.9, 2.0)))
def test_a_model_of_mirrored_scans_names_the_patients_own_sides(grid):
    """Mirrored in preparation, what is left was learned as right: it has to come back as left."""
    truth = structures(grid)
    predictor = seer(Pipeline((Reorient("SPL"), Flip("left-right"), FIXED)))
    levels = predictor.network.levels
    levels.data = levels.data[[0, 2, 1]]  # as it learned from masks that were mirrored too
    assert torch.equal(predictor.predict(scan_of(truth)).data.int(), truth.data)


def test_ids_are_the_tables_whatever_their_order():
    labels = Labels.of({300: "left kidney", 7: "right kidney"})
    truth = structures(Grid.from_axes((18, 20, 20)), labels=labels)
    found = seer(UPRIGHT, labels).predict(scan_of(truth))
    assert torch.equal(found.data, truth.data)


def test_another_kind_of_scan_is_refused():
    scan = scan_of(structures(Grid.from_axes((18, 20, 20))), kind=CTVolume)
    with pytest.raises(ValueError, match="trained on MRVolume, and the scan is a CTVolume"):
        seer(UPRIGHT).predict(scan)


def test_predicting_leaves_the_network_in_training_as_it_was():
    predictor = seer(UPRIGHT)
    predictor.network.train()
    predictor.predict(scan_of(structures(Grid.from_axes((18, 20, 20)))))
    assert predictor.network.training


def test_beyond_what_the_network_saw_there_is_nothing():
    """A label at the edge of a crop must not be smeared over the rest of the scan."""
    grid = Grid.from_axes((10, 10, 10))
    crop = Pipeline((CropToForeground(above=0.5),))
    scan = MRVolume(torch.zeros(1, 10, 10, 10), grid)
    scan.data[0, 4:6, 4:6, 4:6] = 1.0
    item = crop(Item((scan,)))
    logits = torch.stack([torch.zeros(2, 2, 2), torch.full((2, 2, 2), 9.0)])
    found = decode_mask(
        (Shares(torch.softmax(logits, 0), item.trail),), Labels.of(["lesion"]), grid
    )
    assert torch.equal(found.data, scan.data.to(torch.uint8))


SCRIPT = """
import json, sys, torch
from medlib import io
from medlib.infer import Shares, decode_mask
from medlib.space import Grid
from medlib.transforms import Trail
from medlib.types import Labels

kept = json.load(open(sys.argv[1]))
trail = Trail.from_dict(kept["trail"])
mask = decode_mask((Shares(torch.load(sys.argv[2], weights_only=True), trail),), Labels.from_list(kept["labels"]), trail.native)
io.write_nifti(mask, sys.argv[3])
"""


def test_a_trail_on_disk_leads_a_prediction_back_in_another_process(tmp_path):
    turned = [[0.9, -0.3, 0.3], [0.3, 0.95, 0.1], [-0.3, 0.0, 0.95]]
    axes = np.linalg.qr(np.array(turned))[0][:, ::-1]
    grid = Grid.from_axes((20, 26, 22), spacing=(2.2, 0.9, 1.1), directions=axes, origin=(5, 6, 7))
    scan = scan_of(structures(grid), noise=15)
    predictor = seer(Pipeline((Reorient("SPL"), Spacing((1.5, 1.2, 1.2)), FIXED)))
    here = predictor.predict(scan)
    item = predictor.preprocess(Item((scan,)))
    kept = {"trail": item.trail.to_dict(), "labels": SIDES.to_list()}
    (tmp_path / "trail.json").write_text(json.dumps(kept))
    torch.save(predictor.probabilities(item), tmp_path / "shares.pt")
    files = [str(tmp_path / name) for name in ("trail.json", "shares.pt", "mask.nii.gz")]
    subprocess.run([sys.executable, "-c", SCRIPT, *files], check=True, timeout=120)
    there = io.read_mask(tmp_path / "mask.nii.gz", on=grid)
    assert torch.equal(there.data, here.data)
    assert dice(here, structures(grid))["left kidney"] > 0.9


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_scan_some_of_whose_voxels_are_no_numbers_is_refused(value):
    """Normalised by its own mean, none would be one, and nothing would be found in all of it."""
    scan = scan_of(structures(Grid.from_axes((20, 24, 24))))
    data = scan.data.clone()
    data[0, 1, 2, 3] = value
    with pytest.raises(
        ValueError, match=r"1 of 11520 voxels .* in slice 2, row 3, column 4; .* 0 "
    ):
        seer(Pipeline((Normalise(),))).predict(replace(scan, data=data))


def test_a_network_that_gives_no_numbers_is_not_taken_to_have_found_nothing():
    scan = scan_of(structures(Grid.from_axes((16, 16, 16))))
    predictor = seer(UPRIGHT)
    predictor.network.levels.data[1] = math.nan
    with pytest.raises(ValueError, match="is no number: a training has ruined its weights"):
        predictor.predict(scan)
    never = torch.zeros(1, 3, 16, 16, 16)
    never[:, 1] = -math.inf  # no chance at all, as networks say of what cannot be
    never[:, 2, 4:6] = 1.0
    sayer = Says(never).requires_grad_(False)
    found = replace(predictor, network=sayer).predict(scan).data
    assert found.unique().tolist() == [0, SIDES.ids[1]]
