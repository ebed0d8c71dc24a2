"""Learners that have learned a little, of tiny scans: of structures, of answers, of numbers."""

from dataclasses import replace

import pytest
import torch
from tiny import SIDES, Seer, write_task
from torch import nn

from medlib.data import (
    CategoryBlock,
    DataBlock,
    MaskBlock,
    MeasurementBlock,
    VolumeBlock,
    held_out,
    pair,
)
from medlib.train import Learner
from medlib.transforms import Pipeline, RandomPatch
from medlib.types import MRVolume

WINDOW = (16, 20, 20)


@pytest.fixture(scope="session")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"), 5, shape=(16, 20, 20))


def learner_of(task, target, network, *, name="case", whose=None, **more):
    """Cases 1 to 3 to learn from, 4 and 5 kept back; answers alternate."""

    def cases(folder):
        for number, case in enumerate(pair(folder / "images", folder / "labels").cases):
            answers = {"finding": ("benign", "malignant")[number % 2], "age": 40.0 + number}
            yield replace(
                case,
                name=case.name.replace("case", name),
                patient=whose if whose and number >= 3 else case.patient,
                answers=answers,
            )

    data = DataBlock(
        blocks=(VolumeBlock(MRVolume), target),
        get_items=lambda folder: list(cases(folder)),
        splitter=held_out([f"{name}_4", f"{name}_5"]),
        augment=Pipeline((RandomPatch(WINDOW),)),
    ).datasets(task)
    chosen = {"precision": "fp32", "window": WINDOW, "rate": 1e-4} | more
    return Learner(network, data, **chosen)


class Lazy(nn.Module):
    """A few numbers of the whole scan."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(1, channels)

    def forward(self, x):
        return self.head(x.mean((2, 3, 4)) / 100)


@pytest.fixture(scope="session")
def outliner(task):
    learn = learner_of(task, MaskBlock(SIDES), Seer())
    learn.fit_one_cycle(epochs=1)
    return learn


@pytest.fixture(scope="session")
def classifier(task):
    torch.manual_seed(0)
    learn = learner_of(task, CategoryBlock("finding", ("benign", "malignant")), Lazy(2))
    learn.fit_one_cycle(epochs=1)
    return learn


@pytest.fixture(scope="session")
def estimator(task):
    torch.manual_seed(0)
    learn = learner_of(task, MeasurementBlock("age", "a", mean=42, deviation=2), Lazy(1))
    learn.fit_one_cycle(epochs=1)
    return learn


@pytest.fixture
def make_outliner(task):
    """``make_outliner(**arguments)``: a new one each time, not yet trained."""

    def make(**more):
        return learner_of(task, MaskBlock(more.pop("labels", SIDES)), Seer(), **more)

    return make
