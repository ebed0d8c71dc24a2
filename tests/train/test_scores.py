"""Dice against its definition, and what is said where there is nothing to say."""

import json
import math

import pytest
import torch

from medlib.space import Grid
from medlib.train import Scores, dice
from medlib.types import Labels, Mask

GRID = Grid.from_axes((4, 5, 6))
LABELS = Labels.of({3: "a", 1: "b", 9: "c"})


def random_mask(seed, ids=(0, 1, 3)):
    draw = torch.Generator().manual_seed(seed)
    return Mask(torch.tensor(ids)[torch.randint(0, len(ids), (1, 4, 5, 6), generator=draw)], GRID, LABELS)  # fmt: skip


def test_dice_is_dices():
    from oracles import oracle

    metric = oracle("monai.metrics").DiceMetric(include_background=False, reduction="none")
    p, t = random_mask(0), random_mask(1)
    hot = [torch.stack([m.data[0] == i for i in (0, 3, 1)])[None].float() for m in (p, t)]
    assert [dice(p, t)["a"], dice(p, t)["b"]] == pytest.approx(metric(*hot)[0].tolist())


def test_what_neither_has_says_nothing_and_what_one_lacks_is_nought():
    full, without = random_mask(0), random_mask(1, ids=(0, 1))
    assert math.isnan(dice(full, full)["c"])
    assert dice(full, full)["a"] == 1.0
    assert dice(full, without)["a"] == dice(without, full)["a"] == 0.0


def test_masks_on_other_grids_are_not_compared():
    mask = random_mask(0)
    shifted = Mask(mask.data, GRID.window((1, 0, 0), GRID.shape), LABELS)
    with pytest.raises(ValueError, match=r"different grids: .* 1 mm apart"):
        dice(mask, shifted)


def test_means_leave_out_what_says_nothing():
    scores = Scores({"x": {"a": 1.0, "b": math.nan}, "y": {"a": 0.5, "b": math.nan}})
    assert scores.labels["a"] == 0.75
    assert math.isnan(scores.labels["b"])
    assert scores.mean == 0.75
    assert math.isnan(Scores().mean)
    assert json.loads(json.dumps(scores.to_dict(), allow_nan=False))["labels"] == {"a": 0.75, "b": None}  # fmt: skip
