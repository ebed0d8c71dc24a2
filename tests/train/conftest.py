"""A task that a tiny network learns in seconds, on one thread."""

from collections.abc import Callable

import pytest
import torch
from tiny import SIDES, write_task

from medlib.data import DataBlock, Datasets, MaskBlock, VolumeBlock, held_out, pair
from medlib.models import Architecture
from medlib.train import Learner
from medlib.transforms import Normalise, Pipeline, RandomPatch
from medlib.types import MRVolume

WINDOW = (16, 20, 20)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Datasets:
    folder = write_task(tmp_path_factory.mktemp("task"), 6)
    return DataBlock(
        blocks=(VolumeBlock(MRVolume), MaskBlock(SIDES)),
        get_items=lambda f: pair(f / "images", f / "labels").cases,
        splitter=held_out(["case_2", "case_5"]),
        preprocess=Pipeline((Normalise(),)),
        augment=Pipeline((RandomPatch(WINDOW, on_label=0.7),)),
    ).datasets(folder)


@pytest.fixture
def learner(data: Datasets) -> Callable[..., Learner]:
    """``learner(**arguments)``: a new one each time, always with the same first weights."""

    def make(**arguments: object) -> Learner:
        torch.manual_seed(0)
        network = Architecture.residual_unet(channels=(4, 8, 16)).build(1, 3)
        chosen = {"precision": "fp32", "rate": 1e-2, "window": WINDOW} | arguments
        return Learner(network, data, **chosen)

    return make
