"""Training stops when it should, not before, and says why."""

import math

import pytest
import torch

from medlib.train import Callback, CancelFit, EarlyStopping, Scores, StopOnNaN


class Learn:
    """As much of a learner as stopping looks at."""

    scores = Scores()


def told(stop, merits):
    """After how many validations it stops."""
    learn = Learn()
    for number, merit in enumerate(merits, start=1):
        learn.scores = Scores({"case": {"liver": merit}})
        try:
            stop.after_validation(learn)
        except CancelFit:
            return number
    return None


def test_it_waits_as_long_as_it_was_told_to():
    assert told(EarlyStopping(2), [0.1, 0.2, 0.2, 0.15]) == 4
    assert told(EarlyStopping(2), [0.1, 0.2, 0.2, 0.3, 0.3, 0.3]) == 6
    assert told(EarlyStopping(2, gain=0.15), [0.1, 0.2, 0.24]) == 3
    assert told(EarlyStopping(3), [0.1, 0.2, 0.3, 0.4]) is None
    assert told(EarlyStopping(1), [math.nan]) == 1


def test_what_is_an_error_has_to_fall():
    stop, learn = EarlyStopping(1), Learn()
    for error in (5.0, 4.0, 3.0):
        learn.scores = Scores({"case": {"centre": error}}, "error in mm", errors=True)
        stop.after_validation(learn)
    with pytest.raises(CancelFit):
        stop.after_validation(learn)


def test_it_goes_on_waiting_after_a_restart():
    stop, other = EarlyStopping(3), EarlyStopping(3)
    assert told(stop, [0.5, 0.4, 0.4]) is None
    other.restore(*stop.state())
    assert told(other, [0.45]) == 1
    fresh = EarlyStopping(2)
    other.restore(*fresh.state())
    assert other.best == -math.inf


def test_a_training_that_stops_early_is_at_its_end(learner):
    class Same(Callback):
        order = -1

        def after_validation(self, learn):
            learn.scores = Scores({"case": {"liver": 0.5}})

    learn = learner(callbacks=[EarlyStopping(2), Same()], validations=6)
    learn.fit_one_cycle(epochs=12)
    assert learn.step == 12  # the third validation of six
    assert learn.finished


@pytest.mark.parametrize("patience", [0, -1])
def test_no_patience_is_no_patience(patience):
    with pytest.raises(ValueError, match="at least one"):
        EarlyStopping(patience)


def test_a_loss_that_is_looked_at_late_is_still_named(learner):
    """As on a graphics card, where a look at every step would cost much."""

    class Poison(Callback):
        def before_batch(self, learn):
            if learn.step == 3:
                self.names = learn.batch.names
                learn.batch.x.fill_(math.nan)

    poison = Poison()
    learn = learner(callbacks=[poison], validations=2)
    learn.callbacks[0] = StopOnNaN(every=100)
    with pytest.raises(FloatingPointError, match="at step 3; the batch was") as caught:
        learn.fit_one_cycle(epochs=8)
    assert ", ".join(poison.names) in str(caught.value)
    assert learn.step == 8  # the validation that was due, and was not made with ruined weights
    assert not learn.scores.cases
    assert not torch.isfinite(next(learn.network.parameters())).all()
