"""The average is of the weights that there were, is what is scored and kept, and disturbs nothing."""

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from medlib.train import EMA, Callback
from medlib.train.callbacks import BestWeights


class History(Callback):
    """The weights that were learned, and those that were scored."""

    def __init__(self):
        self.learned, self.scored, self.steps = [], [], []

    def before_update(self, learn):
        self.now = {n: p.clone() for n, p in learn.network.named_parameters()}

    def after_step(self, learn):
        self.learned.append({n: p.clone() for n, p in learn.network.named_parameters()})

    def after_validation(self, learn):
        self.scored.append({n: p.clone() for n, p in learn.network.named_parameters()})
        self.steps.append(learn.step)


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_it_is_the_average_that_is_scored_and_kept(learner):
    history, average = History(), EMA(share=0.5, most=3)
    learn = learner(callbacks=[history, average], validations=2)
    learn.fit_one_cycle(epochs=4)
    oracle = None
    for step, now in enumerate(history.learned, start=1):
        module = torch.nn.ParameterDict({n.replace(".", "/"): p for n, p in now.items()})
        if oracle is None:
            oracle = AveragedModel(
                module, avg_fn=lambda old, new, k: torch.lerp(old, new, average.newest(int(k) + 1))
            )
        oracle.update_parameters(module)
        if step in history.steps:
            place = history.steps.index(step)
            wanted = dict(oracle.module.items())
            for name, found in history.scored[place].items():
                torch.testing.assert_close(found, wanted[name.replace(".", "/")])
    kept = dict(learn.network.named_parameters())
    assert any(equal(kept, scored) for scored in history.scored)
    assert not equal(kept, history.learned[-1])


def test_what_is_learned_is_the_same_as_without_it(learner):
    with_it, without = History(), History()
    learner(callbacks=[EMA(), with_it], validations=3).fit_one_cycle(epochs=4)
    learner(callbacks=[without], validations=3).fit_one_cycle(epochs=4)
    assert with_it.steps == without.steps
    assert len(with_it.steps) > 1
    for ours, theirs in zip(with_it.learned, without.learned, strict=True):
        assert equal(ours, theirs)


@pytest.mark.parametrize("first", [True, False])
def test_the_best_weights_are_averages_wherever_it_is_listed(learner, first):
    """Whoever looks after validation has to see what was scored."""
    average, history, best = EMA(share=1.0), History(), BestWeights()
    listed = [average, best, history] if first else [best, history, average]
    learn = learner(callbacks=listed, validations=2)
    learn.fit_one_cycle(epochs=2)
    kept, _ = best.state()
    assert any(all(torch.equal(kept[n], s[n]) for n in s) for s in history.scored)
    assert not any(all(torch.equal(kept[n], s[n]) for n in s) for s in history.learned)


def test_running_statistics_are_averaged_and_counts_are_taken_over():
    network = torch.nn.Sequential(torch.nn.BatchNorm3d(2))

    class Learn:
        pass

    learn, average = Learn(), EMA(share=1.0)
    learn.network = network
    for value in (1.0, 2.0, 6.0):
        network[0].running_mean.fill_(value)
        network[0].num_batches_tracked.fill_(int(value))
        average.after_step(learn)
    mean, _ = average.state()
    assert mean["0.running_mean"].tolist() == pytest.approx([3.0, 3.0])
    assert mean["0.num_batches_tracked"] == 6


def test_weights_that_say_the_same_are_not_all_read_and_the_average_is_what_it_would_be():
    network, average = torch.nn.Linear(1, 1, bias=False), EMA(share=0.2, most=300)
    network.weight.requires_grad_(False)

    class Learn:
        pass

    learn = Learn()
    learn.network = network
    exact, noise, taken = torch.zeros(1, 1), torch.Generator().manual_seed(0), 0
    for step in range(1, 4001):
        now = torch.tensor([[(step / 4000) ** 0.5]]) + 0.1 * torch.randn(1, 1, generator=noise)
        network.weight.copy_(now)
        before = average.state()[1]["taken"]
        average.after_step(learn)
        taken += average.state()[1]["taken"] != before
        exact = torch.lerp(exact, now, average.newest(step))
    (found,) = average.state()[0].values()
    assert abs(found - exact) < 0.03, "and one alone is off by 0.1"
    assert taken < 4000 / 3


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": -1}, {"most": 0}])
def test_an_average_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="looks back"):
        EMA(**wrong)
