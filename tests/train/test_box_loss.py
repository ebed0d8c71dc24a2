"""What is small is what is right: descending the loss leads to the boxes."""

import numpy as np
import pytest
import torch
from oracles import oracle

from medlib.infer import BoxesOutput
from medlib.infer.detecting import encode
from medlib.models import ModelOutput
from medlib.space import Grid
from medlib.train import loss
from medlib.train.box_loss import focal
from medlib.train.supervision import over_levels
from medlib.types import Boxes, Labels

LABELS = Labels.of(["nodule", "cyst"])
GRID = Grid.from_axes((10, 12, 14), spacing=(2.0, 1.0, 1.5), origin=(-40, 10, 300))
OUTPUT = BoxesOutput(LABELS, usual_mm=6.0)
NONE = Boxes.between(np.empty((0, 3)), np.empty((0, 3)), labels=LABELS)


def two():
    low, high = GRID.to_patient([[2, 2, 2], [6, 7, 8]]), GRID.to_patient([[4, 6, 5], [8, 11, 12]])
    return Boxes.between(low, high, ids=(2, 1), labels=LABELS)


def test_descending_the_loss_leads_to_the_boxes():
    raw = torch.zeros(2, OUTPUT.channels, *GRID.shape, requires_grad=True)
    optimiser = torch.optim.Adam([raw], lr=0.2)
    for _ in range(120):
        optimiser.zero_grad()
        loss(OUTPUT.answer(raw, (GRID, GRID)), two(), NONE).backward()
        optimiser.step()
    maps = OUTPUT.answer(raw.detach(), (GRID, GRID))
    found, nothing = OUTPUT.wrap(maps[0], GRID), OUTPUT.wrap(maps[1], GRID)
    assert len(nothing) == 0
    truth = two()
    for true, number in enumerate(truth.ids):
        (k,) = [k for k in range(len(found)) if found.ids[k] == number and found.scores[k] > 0.5]
        assert np.abs(found.low[k] - truth.low[true]).max() < 0.3
        assert np.abs(found.high[k] - truth.high[true]).max() < 0.3


def test_a_batch_without_boxes_teaches_that_there_are_none():
    raw = torch.zeros(1, OUTPUT.channels, *GRID.shape, requires_grad=True)
    found = loss(OUTPUT.answer(raw, (GRID,)), NONE)
    found.backward()
    assert torch.isfinite(found)
    assert (raw.grad[0, :2] > 0).all()  # the heat goes down
    assert (raw.grad[0, 2:] == 0).all()  # of what is not there, no size is asked


def test_sizes_are_off_by_shares_of_themselves():
    """10% too long is as wrong for a small box as for a large one."""
    found = []
    for scale in (4.0, 8.0):
        grid = Grid.from_axes((20, 20, 20), spacing=[scale / 4] * 3)
        box = Boxes.between([[4 * scale / 4] * 3], [[14 * scale / 4] * 3], ids=(1,), labels=LABELS)
        asked = encode(box, grid, LABELS)
        heat = torch.logit(asked.heat.clamp(1e-4, 1 - 1e-4)) + 4.6
        size = asked.size + np.log(1.1) - np.log(6.0)
        raw = torch.cat([heat, asked.away / 6.0, size])[None]
        found.append(float(loss(OUTPUT.answer(raw, (grid,)), box)))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_focal_loss_is_monai_s_for_hard_targets_and_leads_to_soft_ones():
    theirs = oracle("monai.losses").FocalLoss(gamma=2.0, reduction="sum")
    logits = torch.randn(1, 1, 50, generator=torch.Generator().manual_seed(0)) * 3
    hard = (torch.arange(50) % 7 == 0).float().view(1, 1, 50)
    assert float(focal(logits, hard)) == pytest.approx(50 * float(theirs(logits, hard)), rel=1e-4)
    sure = torch.linspace(0.05, 0.95, 91)
    soft = [float(focal(torch.logit(s), torch.tensor(0.7))) for s in sure]
    assert float(sure[int(np.argmin(soft))]) == pytest.approx(0.7, abs=0.01)


def test_coarser_levels_of_a_network_are_asked_for_the_same_boxes():
    raw = torch.zeros(1, OUTPUT.channels, *GRID.shape, requires_grad=True)
    small = torch.zeros(1, OUTPUT.channels, 5, 6, 7, requires_grad=True)

    def compare(logits, targets, grids):
        return loss(OUTPUT.answer(logits, grids), *targets)

    over_levels(compare, ModelOutput(raw, (small,)), [two()], [GRID]).backward()
    hottest = int((-small.grad[0, 0]).argmax())  # where a nodule is wanted most
    place = GRID.resized((5, 6, 7)).to_index(two().centres[1])
    near = np.array(np.unravel_index(hottest, (5, 6, 7)))
    assert np.abs(near - place).max() <= 0.51


def test_what_does_not_fit_is_refused():
    maps = OUTPUT.answer(torch.zeros(1, OUTPUT.channels, *GRID.shape), (GRID,))
    with pytest.raises(ValueError, match="2 targets do not fit 1 items"):
        loss(maps, NONE, NONE)
    with pytest.raises(ValueError, match="gives 2 maps of heat"):
        loss(maps, Boxes(NONE.corners, labels=Labels.of(["nodule"])))
