"""Looking for a rate leaves no trace; freezing and slow layers do what they say."""

import numpy as np
import pytest
import torch

from medlib.models import layer_groups
from medlib.train import Callback, find_rate, loss


def weights(learn):
    return {k: v.clone() for k, v in learn.network.state_dict().items()}


def test_looking_for_a_rate_changes_nothing(learner):
    learn, other = learner(), learner()
    before = weights(learn)
    found = find_rate(learn, steps=30)
    assert all(torch.equal(before[k], v) for k, v in weights(learn).items())
    assert learn.step == 0
    assert 1e-6 < found.suggestion < 1.0
    assert list(found.rates) == sorted(found.rates)
    assert found.losses[-1] > min(found.losses)
    assert len(found.plot().axes) == 1
    a, b = learn.fit_one_cycle(epochs=2), other.fit_one_cycle(epochs=2)
    assert a == b


def test_looking_for_a_rate_leaves_chance_the_scaler_and_the_count_of_batches(learner):
    def noisy(answers, *targets):  # draws, as dropout does
        return loss(answers, *targets) * (1 + 0.01 * torch.rand(()))

    learn = learner(loss=noisy, accumulate=2)
    learn.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1)
    learn.seen = 5
    before = torch.get_rng_state()
    find_rate(learn, steps=5, highest=1e-4)
    assert torch.equal(torch.get_rng_state(), before)
    assert learn.scaler.get_scale() == 4.0
    assert learn.seen == 5


def test_a_suggestion_is_a_rate_that_learns(learner):
    rate = find_rate(learner(), steps=30).suggestion
    learn = learner(rate=rate)
    learn.fit_one_cycle(epochs=4)
    assert learn.smooth_loss < learner().fit_one_cycle(epochs=1).mean + 10
    assert np.isfinite(learn.smooth_loss)


def test_first_layers_learn_slower(learner):
    learn = learner(spread=10.0)
    paces = [group["pace"] for group in learn.optimiser.param_groups]
    assert min(paces) == pytest.approx(0.1)
    assert max(paces) == 1.0
    learn.fit_one_cycle(epochs=2)
    rates = {round(group["lr"] / group["pace"], 9) for group in learn.optimiser.param_groups}
    assert len(rates) == 1
    with pytest.raises(ValueError, match="1 or more"):
        learner(spread=0.5)


def test_the_head_learns_first(learner):
    seen = []

    class Watch(Callback):
        def after_step(self, learn):
            head = layer_groups(learn.network)[-1]
            others = [p for g in layer_groups(learn.network)[:-1] for p in g]
            seen.append((all(p.requires_grad for p in head), any(p.requires_grad for p in others)))

    learn = learner(callbacks=[Watch()])
    learn.fine_tune(epochs=5, frozen=0.4)
    assert seen[0] == (True, False)
    assert seen[-1] == (True, True)
    assert all(p.requires_grad for p in learn.network.parameters())


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_optimisers_by_name(learner, name):
    learn = learner(optimiser=name, accumulate=2)
    learn.fit_one_cycle(epochs=2)
    assert np.isfinite(learn.smooth_loss)
    decays = {group["weight_decay"] for group in learn.optimiser.param_groups}
    assert decays == {0.0, 1e-2}
    with pytest.raises(ValueError, match="no optimiser is called"):
        learner(optimiser="adam")
