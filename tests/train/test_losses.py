"""The loss that is due: MONAI's and torch's own numbers, and targets that do not belong together."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle

from medlib.space import Grid
from medlib.train import loss
from medlib.types import Categories, Category, Labels, Mask, Measurement, PointCloud, Points

GRID = Grid.from_axes((4, 6, 5))
LABELS = Labels.of({7: "liver", 2: "spleen"})  # channels follow the table, not the ids


def masks(count=2, labels=LABELS):
    draw = torch.Generator().manual_seed(0)
    ids = torch.tensor([0, *labels.ids])
    drawn = [torch.randint(0, len(ids), (1, *GRID.shape), generator=draw) for _ in range(count)]
    return [Mask(ids[numbers], GRID, labels) for numbers in drawn], torch.stack(drawn)


def test_of_masks_it_is_monais():
    targets, numbers = masks()
    logits = torch.randn(2, 3, *GRID.shape, requires_grad=True)
    monai = oracle("monai.losses").DiceCELoss(to_onehot_y=True, softmax=True, batch=True)
    found = loss(logits, *targets)
    assert found.item() == pytest.approx(monai(logits, numbers).item(), abs=1e-6)
    found.backward()
    assert logits.grad.abs().sum() > 0
    sure = 50 * torch.nn.functional.one_hot(numbers[:, 0], 3).movedim(-1, 1).float()
    assert float(loss(sure, *targets)) == pytest.approx(0, abs=1e-4)


@given(st.permutations(range(4)))
def test_the_order_of_a_batch_makes_no_difference(order):
    targets = [Points([[k, 0, 0], [0, k, 1]], ("a", "b")) for k in range(4)]
    seen = torch.arange(24.0).reshape(4, 2, 3)
    assert loss(seen[list(order)], *(targets[k] for k in order)) == pytest.approx(
        float(loss(seen, *targets))
    )


def test_of_points_it_is_millimetres():
    target = Points([[0, 0, 0], [10, 0, 0]], ("a", "b"))
    seen = torch.tensor([[[0.0, 3, 4], [10, 0, 0]]], requires_grad=True)
    found = loss(seen, target)
    assert found.item() == pytest.approx(2.5)
    found.backward()
    assert torch.isfinite(seen.grad).all()  # also where a point is met exactly


def test_of_answers_it_is_torchs():
    words = ("a", "b", "c")
    logits = torch.randn(2, 3)
    found = loss(logits, Category("c", words), Category("a", words))
    wanted = torch.nn.functional.cross_entropy(logits, torch.tensor([2, 0]))
    assert torch.equal(found, wanted)
    found = loss(logits, Categories(("b", "c"), words), Categories((), words))
    answers = torch.tensor([[0.0, 1, 1], [0, 0, 0]])
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(logits, answers)
    assert torch.equal(found, wanted)
    found = loss(torch.tensor([50.0, 70.0]), Measurement(40, "a"), Measurement(72, "a"))
    assert float(found) == 6


def test_nothing_is_learned_of_a_question_that_nobody_answered():
    words = ("a", "b", "c")
    logits = torch.randn(2, 3, requires_grad=True)
    targets = Categories(("b",), words, unknown=("a",)), Categories((), words, unknown=("b", "c"))
    found = loss(logits, *targets, smoothing=0.2)
    found.backward()
    known = torch.tensor([[False, True, True], [True, False, False]])
    assert torch.equal(logits.grad != 0, known)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[known], torch.tensor([0.9, 0.1, 0.1])
    )
    torch.testing.assert_close(found, wanted)
    nothing = loss(logits, *[Categories((), words, unknown=words)] * 2)
    assert float(nothing) == 0  # and not NaN, which would end the training
    nothing.backward()


def test_targets_that_do_not_belong_together_are_refused():
    words = ("a", "b")
    with pytest.raises(ValueError, match=r"vocabularies differ .* item 1 has b, a"):
        loss(torch.zeros(2, 2), Category("a", words), Category("a", words[::-1]))
    with pytest.raises(ValueError, match="differ within a batch"):
        loss(torch.zeros(2), Measurement(1, "mm"), Measurement(1, "cm"))
    with pytest.raises(ValueError, match="labels differ"):
        loss(torch.zeros(2, 3, 4, 6, 5), masks(1)[0][0], masks(1, Labels.of(["x", "y"]))[0][0])
    with pytest.raises(ValueError, match=r"has to be \(1, 2\)"):
        loss(torch.zeros(2, 2), Category("a", words))
    with pytest.raises(TypeError, match="nothing registered"):
        loss(torch.zeros(2, 2), Category("a", words), Measurement(1, "mm"))
    with pytest.raises(TypeError, match="nothing registered"):
        loss(torch.zeros(1, 3), PointCloud(np.zeros((1, 3))))


def test_masks_that_one_answer_a_voxel_cannot_say_are_refused():
    logits = torch.zeros(1, 3, *GRID.shape)
    (mask,), _ = masks(1)
    with pytest.raises(ValueError, match="overlap"):
        loss(logits, Mask(mask.data.expand(2, *GRID.shape), GRID, LABELS))
    with pytest.raises(ValueError, match=r"ids that its table has not: \[5\]"):
        loss(logits, Mask(torch.full_like(mask.data, 5), GRID, LABELS))


# --- what nobody looked at or for ----------------------------------------------------------------

PARTLY = Labels(LABELS.entries, ignored=9)


def test_voxels_that_nobody_looked_at_teach_nothing():
    targets, _ = masks()
    drawn = torch.zeros(1, *GRID.shape, dtype=torch.bool)
    drawn[:, :2] = True  # two slices of four
    partly = [Mask(m.data.where(drawn, torch.tensor(9)), GRID, PARTLY) for m in targets]
    logits = torch.randn(2, 3, *GRID.shape, requires_grad=True)
    found = loss(logits, *partly)
    found.backward()
    assert (logits.grad[:, :, 2:] == 0).all()
    assert (logits.grad[:, :, :2] != 0).any()
    half = GRID.window((0, 0, 0), (2, 6, 5))
    alone = [Mask(m.data[:, :2], half, LABELS) for m in targets]
    assert found.item() == pytest.approx(float(loss(logits.detach()[:, :, :2], *alone)), abs=1e-5)


def test_a_scan_that_nobody_drew_on_is_no_fault_of_the_network():
    blank = Mask(torch.full((1, *GRID.shape), 9), GRID, PARTLY)
    logits = torch.randn(1, 3, *GRID.shape, requires_grad=True)
    loss(logits, blank).backward()
    assert (logits.grad == 0).all()


def test_a_structure_that_nobody_looked_for_is_not_taken_for_background():
    """Sure of a spleen where only the liver was drawn: right as far as anybody knows."""
    ids = torch.zeros(1, *GRID.shape, dtype=torch.int64)
    ids[:, 0] = 7
    everything = Mask(ids, GRID, LABELS)
    liver_only = Mask(ids, GRID, LABELS, annotated=("liver",))
    truth = torch.zeros(1, 3, *GRID.shape)
    truth[:, 1, 0] = 30.0  # liver where it is
    truth[:, 2, 1:] = 30.0  # spleen everywhere else
    assert float(loss(truth, liver_only)) < 1e-3
    assert float(loss(truth, everything)) > 1.0
    both = torch.cat([truth, truth]).requires_grad_()
    loss(both, liver_only, everything).backward()
    assert both.grad[0].abs().max() < 1e-3
    assert both.grad[1].abs().max() > 1e-3


# --- label smoothing ------------------------------------------------------------------------------


def test_smoothed_categories_are_torchs():
    words = ("a", "b", "c")
    logits = torch.randn(2, 3)
    found = loss(logits, Category("c", words), Category("a", words), smoothing=0.2)
    numbers = torch.tensor([2, 0])
    assert torch.equal(
        found, torch.nn.functional.cross_entropy(logits, numbers, label_smoothing=0.2)
    )
    found = loss(logits, Categories(("b", "c"), words), Categories((), words), smoothing=0.2)
    answers = torch.tensor([[0.1, 0.9, 0.9], [0.1, 0.1, 0.1]])
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(logits, answers)
    assert float(found) == pytest.approx(float(wanted))


def test_smoothed_masks_are_torchs_cross_entropy_and_unseen_voxels_teach_nothing():
    targets, numbers = masks()
    logits = torch.randn(2, 3, *GRID.shape, requires_grad=True)
    cross = torch.nn.functional.cross_entropy
    change = cross(logits, numbers[:, 0], label_smoothing=0.3) - cross(logits, numbers[:, 0])
    found = loss(logits, *targets, smoothing=0.3) - loss(logits, *targets)
    assert found.item() == pytest.approx(change.item(), abs=1e-5)
    blank = Mask(torch.full((1, *GRID.shape), 9), GRID, PARTLY)
    loss(logits[:1], blank, smoothing=0.3).backward()
    assert (logits.grad == 0).all()


def test_smoothing_spreads_belief_over_what_was_looked_for_only():
    ids = torch.zeros(1, *GRID.shape, dtype=torch.int64)
    ids[:, 0] = 7
    liver_only = Mask(ids, GRID, LABELS, annotated=("liver",))
    whole = Mask(ids, GRID, Labels.of({7: "liver"}))
    logits = torch.randn(1, 3, *GRID.shape)
    merged = torch.stack([logits[:, [0, 2]].logsumexp(1), logits[:, 1]], 1)
    ours = loss(logits, liver_only, smoothing=0.3) - loss(logits, liver_only)
    theirs = loss(merged, whole, smoothing=0.3) - loss(merged, whole)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)


def test_what_has_no_answers_to_choose_from_cannot_be_smoothed():
    with pytest.raises(TypeError, match="smoothing"):
        loss(torch.zeros(1), Measurement(1.0, "ml"), smoothing=0.1)
