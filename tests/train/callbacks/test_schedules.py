"""Rates go where they should, whatever the share of the training, and group by group."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medlib.train import Cosine, OneCycle, Phases

shares = st.floats(0, 1)


@given(shares, st.floats(0, 0.5), st.integers(1, 4), st.floats(0, 0.5))
def test_no_rate_is_above_the_peak_or_below_the_floor(progress, warmup, cycles, floor):
    rate = Cosine(2.0, warmup=warmup, cycles=cycles, floor=floor).rate(progress)
    assert rate <= 2.0 + 1e-9
    assert rate >= (2.0 * floor if progress >= warmup else 0.0) - 1e-9


def test_cosine_is_torchs_with_restarts():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, T_0=50, eta_min=0.1)
    ours = Cosine(1.0, warmup=0.0, floor=0.1, cycles=2)
    for step in range(100):
        assert ours.rate(step / 100) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        optimiser.step()
        theirs.step()


@given(shares, st.floats(0, 1))
def test_phases_are_their_schedules_each_over_its_share(progress, first):
    both = Phases((first, OneCycle(1.0)), (1 - first, OneCycle(0.5)))
    rate = both.rate(progress)
    assert 0 <= rate <= (1.0 if progress < first else 0.5)
    if first in (0.0, 1.0) and progress < 1.0:
        assert rate == pytest.approx(OneCycle(1.0 if first else 0.5).rate(progress))


def test_every_group_learns_at_its_own_pace_of_the_rate(learner):
    learn = learner(spread=10.0)
    learn.progress = 0.5
    Cosine(1.0, warmup=0.0).before_step(learn)
    paces = [group["pace"] for group in learn.optimiser.param_groups]
    assert len(set(paces)) > 1
    assert [group["lr"] for group in learn.optimiser.param_groups] == pytest.approx(
        [0.5 * pace for pace in paces]
    )
