"""The mean of several models, by hand and by the ensemble, and its file."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import SIDES, Says, scan_of, structures

from medlib.infer import (
    BeliefOutput,
    MaskOutput,
    MeasurementOutput,
    PointsOutput,
    Predictor,
    VolumeInput,
)
from medlib.infer.averaging import average, disagreement
from medlib.models import Architecture
from medlib.package import Ensemble, Model, ModelError, load
from medlib.space import Grid
from medlib.transforms import Item, Normalise, Pipeline, Reorient, Spacing
from medlib.types import Belief, CTVolume, Labels, Mask, Measurement, MRVolume, Points

TINY = Architecture.residual_unet(channels=(2, 4))
GRID = Grid.from_axes((10, 12, 14), spacing=(2.0, 1.0, 1.2), origin=(5, -4, 3))
SEEN = (VolumeInput(MRVolume),)
SAME = Pipeline((Reorient("SPL"), Normalise()))
COARSE = Pipeline((Reorient("LPS"), Spacing((3.0, 2.0, 2.0)), Normalise()))


def model(seed, *, preprocess=SAME, labels=SIDES):
    torch.manual_seed(seed)
    output = MaskOutput(labels)
    predictor = Predictor(
        TINY.build(1, output.channels), preprocess, SEEN, output, (16, 16, 16), 0.25
    )
    return Model.describe(predictor, TINY, training={}, metrics={})


@pytest.fixture
def scan():
    return scan_of(structures(GRID), noise=10)


def native_shares(one, scan):
    """By hand: each channel's probability, led back to the scan's grid as a volume."""
    item = one.predictor.preprocess(Item((scan,)))
    shares = torch.softmax(one.predictor.logits(item), 0)
    back = [
        item.trail.whereabouts.decode(
            MRVolume(p[None], item.grid, background=float(channel == 0))
        ).data[0]
        for channel, p in enumerate(shares)
    ]
    return torch.stack(back)


@pytest.mark.parametrize("ways", [(SAME, SAME), (SAME, COARSE), (COARSE, SAME, COARSE)])
def test_structures_are_where_the_mean_probability_is_highest(scan, ways):
    members = tuple(model(seed, preprocess=way) for seed, way in enumerate(ways))
    found = Ensemble(members, {}, {}).predict(scan)
    assert isinstance(found, Mask)
    assert found.grid == scan.grid
    by_hand = torch.stack([native_shares(one, scan) for one in members]).mean(0)
    wanted = torch.tensor([0, *SIDES.ids])[by_hand.argmax(0)]
    close = by_hand.topk(2, dim=0).values
    sure = close[0] - close[1] > 1e-5
    assert sure.float().mean() > 0.99
    assert torch.equal(found.data[0][sure].long(), wanted[sure])
    assert len(wanted.unique()) > 1


def test_twice_the_same_model_is_that_model(scan):
    one = model(3)
    both = Ensemble((one, one), {}, {})
    assert torch.equal(both.predict(scan).data, one.predict(scan).data)
    assert both.disagreement(scan) == {"left kidney": 0.0, "right kidney": 0.0}


def saying(output, *raw):
    return [Predictor(Says(r), Pipeline(), SEEN, output, GRID.shape) for r in raw]


def test_answers_numbers_and_places_are_averaged(scan):
    asked = saying(BeliefOutput(("no", "yes")), *(torch.tensor([[0.0, x]]) for x in (-1.0, 3.0)))
    shares = torch.sigmoid(torch.tensor([-1.0, 3.0])).numpy()
    found = average(asked, (scan,))
    assert isinstance(found, Belief)
    assert found.shares == pytest.approx((1 - shares.mean(), shares.mean()))
    assert disagreement(asked, (scan,))["yes"] == pytest.approx(shares.std())

    asked = [
        *saying(MeasurementOutput("volume", "ml", 10.0, 2.0), torch.tensor([[1.0]])),
        *saying(MeasurementOutput("volume", "ml", 20.0, 1.0), torch.tensor([[-2.0]])),
    ]
    assert average(asked, (scan,)) == Measurement(15.0, "ml", "volume")
    assert disagreement(asked, (scan,)) == {"volume": pytest.approx(3.0)}

    heat = torch.full((2, 1, 1, *GRID.shape), -1e4)
    heat[0, 0, 0, 2, 3, 4] = heat[1, 0, 0, 6, 3, 4] = 1e4
    asked = saying(PointsOutput(("carina",)), *heat)
    found = average(asked, (scan,))
    assert isinstance(found, Points)
    assert np.allclose(found.coordinates, GRID.to_patient([[4, 3, 4]]), atol=1e-3)
    assert disagreement(asked, (scan,))["carina"] == pytest.approx(4.0, abs=1e-3)  # slices of 2 mm


def test_models_that_do_not_answer_the_same_are_no_ensemble(scan):
    others = Labels.of(["right kidney", "left kidney"])
    with pytest.raises(ModelError, match="same question"):
        Ensemble((model(0), model(1, labels=others)), {}, {})
    with pytest.raises(ModelError, match="two members"):
        Ensemble((model(0),), {}, {})
    one = model(0)
    ct = replace(one, predictor=replace(one.predictor, inputs=(VolumeInput(CTVolume),)))
    with pytest.raises(ModelError, match="shown the same"):
        Ensemble((one, ct), {}, {})
    with pytest.raises(ValueError, match="trained on MRVolume"):
        Ensemble((one, one), {}, {}).predict(CTVolume(scan.data, scan.grid))


def test_it_is_saved_and_read_as_one_file(scan, tmp_path):
    made = Ensemble((model(0), model(1, preprocess=COARSE)), {"cases": 4}, {"mean": 0.5})
    path = made.save(tmp_path / "both.medlib")
    read = load(path)
    assert isinstance(read, Ensemble)
    assert torch.equal(read.predict(scan).data, made.predict(scan).data)
    assert (read.training, read.metrics) == (made.training, made.metrics)
    assert read.digest == made.digest != made.members[0].manifest.weights.sha256[:12]
    assert read.labels == SIDES
    assert read.kind is MRVolume
    assert sorted(p.name for p in tmp_path.iterdir()) == ["both.medlib"]
    assert isinstance(load(made.members[0].save(tmp_path / "one.medlib")), Model)


def without(entry):
    def change(files):
        del files[entry]

    return change


def claiming(**values):
    def change(files):
        said = json.loads(files["ensemble.json"]) | values
        files["ensemble.json"] = json.dumps(said).encode()

    return change


def swapped(files):
    files["members/1/manifest.json"] = files["members/2/manifest.json"]


OUTSIDE = {"folder": "../../outside", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (without("members/2/weights.safetensors"), "damaged"),
        (swapped, "is not the one of"),
        (claiming(version=99), "cannot be used"),
        (claiming(members=[OUTSIDE, OUTSIDE]), "cannot be used"),
        (claiming(run="me"), "cannot be used"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused(tmp_path, change, fault):
    path = Ensemble((model(0), model(1)), {}, {}).save(tmp_path / "both.medlib")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match=rf"both\.medlib.*{fault}"):
        load(path)


def test_what_was_cut_short_is_refused_and_not_taken_for_a_member(tmp_path):
    path = Ensemble((model(0), model(1)), {}, {}).save(tmp_path / "both.medlib")
    content = path.read_bytes()
    for share in range(1, 20):
        (tmp_path / "part.medlib").write_bytes(content[: len(content) * share // 20])
        with pytest.raises(ModelError):
            load(tmp_path / "part.medlib")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere.medlib")
