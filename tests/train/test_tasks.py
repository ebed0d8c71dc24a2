"""One loop for every kind of target, any library's network in it, and answers that land rightly."""

import importlib.util

import numpy as np
import pytest
import torch
from balls import ball, write_balls
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import grids
from tiny import Says
from torch import Tensor, nn

from medlib.data import CategoryBlock, DataBlock, MeasurementBlock, VolumeBlock, held_out
from medlib.data.tables import from_table
from medlib.infer import (
    BeliefOutput,
    MeasurementOutput,
    PointsOutput,
    Predictor,
    VolumeInput,
)
from medlib.models import Architecture, libraries
from medlib.train import Learner
from medlib.transforms import Item, Normalise, PadTo, Pipeline, Reorient, Resize, Spacing
from medlib.types import Belief, Measurement, MRVolume, Points

SIZE = (16, 32, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_balls(tmp_path_factory.mktemp("balls"), 8)


def datasets(folder, block):
    return DataBlock(
        blocks=(VolumeBlock(MRVolume), block),
        get_items=lambda table: from_table(table).cases,
        splitter=held_out(["Secret-Name_2", "Secret-Name_5"]),
        preprocess=Pipeline((Reorient("SPL"), Resize(SIZE), Normalise())),
    ).datasets(folder / "table.csv")


LOOK = CategoryBlock("look", ("bright", "dark"))


def slices_of_timm():
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    return Architecture.slices("timm/test_resnet").build(1, 2)


class MiddleSlice(nn.Module):
    """A Hugging Face image classifier on one slice, called as such models are."""

    spatial_dims = 3
    main_input_name = "pixel_values"

    def __init__(self) -> None:
        super().__init__()
        libraries.torchvision()  # transformers looks for it
        transformers = pytest.importorskip("transformers")
        shape = {"num_channels": 1, "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
        config = transformers.ResNetConfig(**shape, layer_type="basic", num_labels=2)
        self.model = transformers.ResNetForImageClassification(config)

    def forward(self, pixel_values: Tensor):
        return self.model(pixel_values=pixel_values[:, :, pixel_values.shape[2] // 2])


@pytest.mark.parametrize("make", [slices_of_timm, MiddleSlice])
def test_networks_of_other_libraries_learn_in_the_same_loop(folder, make):
    torch.manual_seed(0)
    learner = Learner(
        *(make(), datasets(folder, LOOK)), window=SIZE, rate=5e-3, batch_size=4, precision="fp32"
    )
    scores = learner.fit_one_cycle(epochs=10)
    assert scores.overall["AUROC"] == 1.0
    scan, truth = ball(20)
    found = learner.predictor.predict(scan)
    assert isinstance(found, Belief)
    assert found.category.name == truth["look"]


def test_a_network_that_answers_otherwise_is_told_what_is_needed(folder):
    network = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(SIZE)), 3))
    learner = Learner(network, datasets(folder, LOOK), window=SIZE, precision="fp32")
    with pytest.raises(ValueError, match=r"has to give \(item, channel\) with 2"):
        learner.fit_one_cycle(epochs=1)


def test_numbers_are_learned_about_what_is_usual(folder):
    """So that litres and microlitres are learned equally fast, and untrained is not absurd."""
    pairing = from_table(folder / "table.csv")
    block = MeasurementBlock("volume", "ml").scaled_to(list(pairing.cases))
    values = [case.answers["volume"] for case in pairing.cases]
    assert block.mean == pytest.approx(np.mean(values))
    assert block.deviation == pytest.approx(np.std(values))
    output = block.output
    answers = output.answer(torch.tensor([[0.0], [1.0]]), ())
    assert answers.tolist() == pytest.approx([np.mean(values), np.mean(values) + np.std(values)])


ways = st.sampled_from(
    [
        Pipeline((Reorient("SPL"), Spacing((2.0, 1.5, 3.0)), PadTo((12, 12, 12)))),
        Pipeline((Resize((7, 6, 5)), Reorient("LPS"))),
        Pipeline((PadTo((9, 9, 10)), Normalise())),
    ]
)


@settings(max_examples=30)
@given(grids(), ways, st.data())
def test_a_landmark_lies_where_the_heat_is_in_the_patient(grid, way, data):
    scan = MRVolume(torch.rand(1, *grid.shape), grid)
    seen = way(Item((scan,))).grid
    index = [[data.draw(st.integers(0, n - 1)) for n in seen.shape] for _ in range(2)]
    heat = torch.full((1, 2, *seen.shape), -1e4)
    for channel, place in enumerate(index):
        heat[0, channel, *place] = 1e4
    names = ("left ear", "right ear")
    found = Predictor(
        Says(heat), way, (VolumeInput(MRVolume),), PointsOutput(names), seen.shape
    ).predict(scan)
    assert isinstance(found, Points)
    assert found.names == names
    ends = np.c_[index, [1, 1]] @ seen.affine.T  # by hand, in LPS millimetres
    assert np.abs(found.coordinates - ends[:, :3]).max() < 1e-3


def test_what_is_not_a_place_does_not_move():
    scan, _ = ball(0)
    way = Pipeline((Reorient("SPL"), Spacing((3.0, 3.0, 3.0)), Normalise()))
    size = (24, 24, 24)
    output = BeliefOutput(("no", "yes"))
    sure = Predictor(
        Says(torch.tensor([[0.0, 2.0]])), way, (VolumeInput(MRVolume),), output, size
    ).predict(scan)
    assert sure.shares == pytest.approx(torch.softmax(torch.tensor([0.0, 2.0]), 0).tolist())
    output = MeasurementOutput("volume", "ml", mean=5.0, deviation=2.0)
    found = Predictor(
        Says(torch.tensor([[1.5]])), way, (VolumeInput(MRVolume),), output, size
    ).predict(scan)
    assert found == Measurement(8.0, "ml", "volume")


def test_what_is_larger_than_the_network_has_seen_is_refused_not_cut():
    scan, _ = ball(0)
    output = BeliefOutput(("no", "yes"))
    narrow = Predictor(
        Says(torch.zeros(1, 2)), Pipeline(), (VolumeInput(MRVolume),), output, (12, 16, 15)
    )
    with pytest.raises(ValueError, match=r"scan is 24 × 24 × 27 mm .* up to 24 × 24 × 22 mm"):
        narrow.predict(scan)
