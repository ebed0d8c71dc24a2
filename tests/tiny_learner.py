"""A learner of tiny scans, which learns in seconds, on one thread."""

from pathlib import Path

import torch
from tiny import SIDES

from medlib.data import DataBlock, Datasets, MaskBlock, VolumeBlock, held_out, pair
from medlib.models import Architecture
from medlib.train import Learner
from medlib.transforms import Normalise, Pipeline, RandomPatch
from medlib.types import MRVolume

WINDOW = (16, 20, 20)


def tiny_data(folder: Path) -> Datasets:
    """Of what ``write_task`` wrote, two cases of six kept back."""
    return DataBlock(
        blocks=(VolumeBlock(MRVolume), MaskBlock(SIDES)),
        get_items=lambda f: pair(f / "images", f / "labels").cases,
        splitter=held_out(["case_2", "case_5"]),
        preprocess=Pipeline((Normalise(),)),
        augment=Pipeline((RandomPatch(WINDOW, on_label=0.7),)),
    ).datasets(folder)


def tiny_learner(data: Datasets, **arguments: object) -> Learner:
    """A new one each time, always with the same first weights."""
    torch.manual_seed(0)
    network = Architecture.residual_unet(channels=(4, 8, 16)).build(1, 3)
    chosen = {"precision": "fp32", "rate": 1e-2, "window": WINDOW} | arguments
    return Learner(network, data, **chosen)
