"""Training: it learns, it can be repeated and stopped, and what it keeps is what it measured."""

import math
import time

import pytest
import torch

from medlib.train import BestWeights, Budget, Callback, CancelFit, OneCycle, Scores, dice
from medlib.transforms import Item


def weights(learn):
    return {name: value.clone() for name, value in learn.network.state_dict().items()}


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


class Stop(Callback):
    """Raises at a given step."""

    def __init__(self, error, step):
        self.error, self.step = error, step

    def after_step(self, learn):
        if learn.step == self.step:
            raise self.error


def test_a_tiny_task_is_learned(learner):
    scores = learner().fit_one_cycle(epochs=40)
    assert set(scores.cases) == {"case_2", "case_5"}
    assert scores.labels["left kidney"] > 0.8
    assert scores.labels["right kidney"] > 0.8


def test_the_same_seed_learns_the_same(learner):
    once, again, other = learner(seed=3), learner(seed=3), learner(seed=4)
    for learn in (once, again, other):
        learn.fit_one_cycle(epochs=2)
    assert equal(weights(once), weights(again))
    assert not equal(weights(once), weights(other))
    assert [point.loss for point in once.record] == [point.loss for point in again.record]


def test_scores_are_those_of_whole_scans_on_their_own_grids(learner, data):
    learn = learner()
    scores = learn.fit_one_cycle(epochs=6)
    for number, case in enumerate(data.valid.cases):
        scan, truth = data.valid.raw(number).values
        assert truth.grid == case.scan.grid
        whole = learn.predictor.decode(
            learn.predictor.preprocess(Item((scan,), name=case.name)), scan.grid
        )
        again = dice(whole, truth)
        assert again == pytest.approx(scores.cases[case.name], abs=0.05)


# --- callbacks ----------------------------------------------------------------------------


class Diary(Callback):
    def __init__(self):
        self.seen = []

    def __getattribute__(self, name):
        if name.startswith(("before_", "after_")):
            self.seen.append(name)
        return super().__getattribute__(name)


def test_callbacks_are_called_in_order(learner):
    diary = Diary()
    learner(callbacks=[diary], validations=1, accumulate=2, batch_size=1).fit_one_cycle(epochs=1)
    batch, validation = ["before_batch", "after_loss"], ["before_validation", "after_validation"]
    step = ["before_step", *batch, *batch, "before_update", "after_step"]
    assert diary.seen == ["before_fit", *step, *step, *validation, "after_fit"]


@pytest.mark.parametrize("error", [CancelFit, KeyboardInterrupt])
def test_who_stops_early_keeps_what_was_learned(learner, error):
    diary = Diary()
    learn = learner(callbacks=[Stop(error, 5), diary])
    before = weights(learn)
    scores = learn.fit_one_cycle(epochs=50)
    assert learn.step == 5
    assert scores.cases
    assert scores == learn.scores
    assert not equal(weights(learn), before)
    assert diary.seen[-2:] == ["after_validation", "after_fit"]


def test_stopping_early_keeps_the_best_weights(learner):
    """As Ctrl-C does when a training has gone wrong since its best moment."""
    kept = {}

    class Spoil(Callback):
        def after_validation(self, learn):
            if not kept:
                kept.update(weights(learn), scores=learn.scores)
                with torch.no_grad():
                    for parameter in learn.network.parameters():
                        parameter.mul_(0)

        def after_step(self, learn):
            if kept:
                raise KeyboardInterrupt

    learn = learner(callbacks=[Spoil()])
    scores = learn.fit_one_cycle(epochs=120)
    best = kept.pop("scores")
    assert best.mean > 0.1
    assert scores == best
    assert equal(kept, weights(learn))


def test_stopping_before_anything_was_learned_stops(learner):
    class Now(Callback):
        def before_step(self, learn):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner(callbacks=[Now()]).fit_one_cycle(epochs=1)


def test_a_loss_that_is_no_number_ends_training_naming_the_batch(learner):
    class Poison(Callback):
        def before_batch(self, learn):
            if learn.step == 3:
                learn.batch.x.fill_(math.nan)

    diary = Diary()
    learn = learner(callbacks=[Poison(), diary])
    with pytest.raises(FloatingPointError, match=r"at step 3; the batch was case_\d, case_\d"):
        learn.fit_one_cycle(epochs=10)
    assert diary.seen[-1] == "after_fit"
    assert all(value.isfinite().all() for value in learn.network.state_dict().values())


def test_the_best_weights_come_back_with_their_scores(learner):
    best = BestWeights()
    learn = learner()
    history = []
    for value in (0.2, 0.8, 0.5):
        with torch.no_grad():
            next(learn.network.parameters()).fill_(value)
        learn.scores = Scores({"case": {"liver": value}})
        best.after_validation(learn)
        history.append(weights(learn))
    best.after_fit(learn)
    assert learn.scores.mean == best.best == 0.8
    assert equal(weights(learn), history[1])


def test_another_training_does_not_compete_with_the_best_of_the_last(learner):
    """Its validation cases may be others, on which the scores say something else."""

    class Grade(Callback):
        def __init__(self, grade):
            self.grade = grade

        def after_validation(self, learn):
            learn.scores = Scores({"case": {"liver": self.grade}})

        order = -1

    learn = learner(validations=1)
    assert learn.fit(Budget(steps=1), callbacks=[Grade(0.9)]).mean == 0.9
    before = weights(learn)
    assert learn.fit(Budget(steps=2), callbacks=[Grade(0.4)]).mean == 0.4
    assert not equal(weights(learn), before)


def test_the_rate_goes_up_and_down_once():
    cycle = OneCycle(1.0, rise=0.25, start=0.1)
    rates = [cycle.rate(p / 100) for p in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[25] == max(rates) == 1.0
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[-1] == pytest.approx(0.0)


# --- time ---------------------------------------------------------------------------------


def test_minutes_are_wall_clock_minutes(learner):
    begun = time.monotonic()
    learn = learner()
    learn.fit_one_cycle(minutes=0.1)
    assert 3.0 < time.monotonic() - begun < 9.0
    assert learn.step > 3
    assert learn.progress == pytest.approx(1.0, abs=0.35)


def test_a_network_that_was_never_trained_is_not_passed_off_as_one(learner):
    with pytest.raises(ValueError, match="give it more minutes"):
        learner().fit_one_cycle(minutes=0.1, started=time.monotonic() - 10)


def test_epochs_are_rounds_through_the_cases(learner, data):
    learn = learner(batch_size=3)
    learn.fit_one_cycle(epochs=2)
    assert learn.step == math.ceil(2 * len(data.train) / 3)
    assert learn.summary()["steps"] == learn.step


@pytest.mark.parametrize(
    "length", [{}, {"minutes": 1, "steps": 1}, {"minutes": 0}, {"steps": -1}, {"minutes": math.nan}]
)
def test_a_budget_is_one_positive_length(length):
    with pytest.raises(ValueError, match="train"):
        Budget(**length)
