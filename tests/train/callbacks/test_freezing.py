"""The head learns first, then what is behind it; frozen layers stay as they were, whatever looks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medlib.models import layer_groups
from medlib.train import Callback, Unfreeze


class Watch(Callback):
    """How many layer groups have changed by now, and whether what is frozen is left in training."""

    def __init__(self):
        self.changed, self.frozen_in_training = [], False

    def before_fit(self, learn):
        self.first = [[p.clone() for p in group] for group in layer_groups(learn.network)]

    def before_batch(self, learn):
        for part in learn.network.modules():
            parameters = list(part.parameters())
            frozen = parameters and not any(p.requires_grad for p in parameters)
            self.frozen_in_training |= bool(frozen and part.training)

    def after_step(self, learn):
        groups = zip(self.first, layer_groups(learn.network), strict=True)
        moved = [any(not torch.equal(a, b) for a, b in zip(*g, strict=True)) for g in groups]
        self.changed.append(sum(moved))


def test_group_after_group_learns_from_the_head_backwards(learner):
    watch = Watch()
    learn = learner(callbacks=[watch], validations=4)
    learn.fine_tune(epochs=5, frozen=0.3, gradual=0.6)  # ten steps
    assert watch.changed == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    assert not watch.frozen_in_training  # not even after a validation
    assert all(p.requires_grad for p in learn.network.parameters())


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 6))
def test_nothing_freezes_again(begin, end, groups):
    begin, end = sorted((begin, end))
    counts = [Unfreeze(begin, end).thawed(k / 50, groups) for k in range(51)]
    assert counts == sorted(counts)
    assert set(counts) <= set(range(1, groups + 1))
    assert counts[-1] == groups


@pytest.mark.parametrize("wrong", [(0.5, 0.4), (-0.1, 0.5), (0.5, 1.1)])
def test_shares_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="two shares"):
        Unfreeze(*wrong)
