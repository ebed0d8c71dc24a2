"""Several looks must agree with one where a network wavers not, and be nearer the truth where it does."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import grids
from tiny import CONTRAST, SIDES, Seer, scan_of, structures
from torch import nn

from medlib.infer import Looks, MaskOutput, PointsOutput, Predictor, VolumeInput, VolumeOutput
from medlib.infer.looks import averaged
from medlib.space import Grid
from medlib.train import dice
from medlib.transforms import (
    Brightness,
    Flip,
    Item,
    Normalise,
    Pipeline,
    RandomAffine,
    Reorient,
)
from medlib.types import MRVolume

WAY = Pipeline((Reorient("SPL"), Normalise(mean=0.0, deviation=CONTRAST)))
TURNED = Pipeline((RandomAffine(degrees=12.0, scale=0.1),))


def predictor(network, looks=None):
    return Predictor(
        network,
        WAY,
        (VolumeInput(MRVolume),),
        MaskOutput(SIDES),
        (16, 16, 16),
        looks=looks or Looks(),
    )


def side_of(mask, name):
    return mask.grid.to_patient(mask.structure(name).nonzero().numpy())[:, 0].mean()


@settings(max_examples=15, deadline=None)
@given(grids(sides=(20, 28), spacing=(0.9, 2.0)), st.integers(2, 5))
def test_looks_are_led_back_to_where_they_came_from(grid, count):
    truth = structures(grid)
    found = predictor(Seer(scale=1 / CONTRAST), Looks(count, TURNED)).predict(scan_of(truth))
    assert found.grid == grid
    scores = dice(found, truth)
    assert min(scores.values()) > 0.85
    assert side_of(found, "left kidney") > grid.centre[0] > side_of(found, "right kidney")


class Wavering(nn.Module):
    """Right, but for an error that depends on where its own grid lies, as aliasing does."""

    def __init__(self):
        super().__init__()
        self.seer = Seer(scale=1 / CONTRAST)
        field = torch.from_numpy(np.random.default_rng(0).normal(0, 10, (16, 16, 16))).float()
        self.register_buffer("field", field)

    def forward(self, x):
        return self.seer(x) + self.field * torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1, 1)


def test_the_mean_of_looks_wavers_less():
    truth = structures(Grid.from_axes((16, 16, 16), spacing=(2.0, 2.0, 2.0)))
    scan = scan_of(truth)
    once = dice(predictor(Wavering()).predict(scan), truth)
    often = dice(predictor(Wavering(), Looks(8, TURNED)).predict(scan), truth)
    gains = [often[name] - once[name] for name in SIDES.names]
    assert min(gains) > 0.02, (once, often)


def test_what_a_look_did_not_see_is_left_to_the_others():
    """At the rim of a scan, a turned look sees nothing, which is not to say that nothing is there."""
    grid = Grid.from_axes((12, 12, 12))
    item = Item((MRVolume(torch.zeros(1, 12, 12, 12), grid),))
    looks = Looks(6, Pipeline((RandomAffine(degrees=45.0, scale=0.3),)))
    everywhere = [(torch.full((1, 12, 12, 12), 0.75), look) for look in looks.at(item)]
    assert torch.allclose(averaged(everywhere), torch.tensor(0.75), atol=1e-5)


def test_the_same_scan_is_looked_at_in_the_same_ways():
    scan = scan_of(structures(Grid.from_axes((16, 16, 16))), noise=20)
    twice = [predictor(Wavering(), Looks(4, TURNED)).predict(scan).data for _ in range(2)]
    assert torch.equal(*twice)


def test_a_look_may_change_how_bright_a_scan_is():
    truth = structures(Grid.from_axes((16, 16, 16)))
    looks = Looks(3, Pipeline((Brightness(contrast=0.0, shift=0.05),)))
    found = predictor(Seer(scale=1 / CONTRAST), looks).predict(scan_of(truth))
    assert torch.equal(found.data.int(), truth.data)


def test_sides_are_never_exchanged_for_a_look():
    grid = Grid.from_axes((16, 16, 16))
    item = Item((structures(grid),))
    looks = list(Looks(2, Pipeline((Flip("left-right", probability=1.0),))).at(item))
    with pytest.raises(ValueError, match="not exchange the names"):
        averaged([(torch.zeros(3, 16, 16, 16), look) for look in looks])


@pytest.mark.parametrize("count", [0, -1, 2])
def test_looks_that_make_no_sense_are_refused(count):
    with pytest.raises(ValueError, match="look"):
        Looks(count)


class Hottest(nn.Module):
    """Heat where it is brightest."""

    def __init__(self):
        super().__init__()
        self.sharp = nn.Parameter(torch.tensor(40.0))

    def forward(self, x):
        return x * self.sharp


def test_landmarks_of_several_looks_come_back_to_where_they_are():
    grid = Grid.from_axes((24, 24, 24), spacing=(2.0, 1.0, 1.0))
    z, y, x = np.indices(grid.shape)
    blob = np.exp(-((z - 9) ** 2 + (y - 13) ** 2 + (x - 7) ** 2) / 8.0)
    scan = MRVolume(torch.from_numpy(blob[None]).float(), grid)
    looks = Looks(6, Pipeline((RandomAffine(degrees=30.0, scale=0.2),)))
    seer = Predictor(
        Hottest(), Pipeline(), (VolumeInput(MRVolume),), PointsOutput(("tip",)), grid.shape, looks=looks
    )  # fmt: skip
    away = seer.predict(scan).coordinates[0] - grid.to_patient((9, 13, 7))
    assert np.linalg.norm(away) < 0.3


def test_what_has_no_mean_is_looked_at_once():
    with pytest.raises(ValueError, match="no mean for VolumeOutput; look once"):
        Predictor(
            nn.Identity(), WAY, (VolumeInput(MRVolume),), VolumeOutput(MRVolume), (8, 8, 8),
            looks=Looks(2, TURNED),
        )  # fmt: skip
