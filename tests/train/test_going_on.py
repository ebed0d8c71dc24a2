"""A training that is given in minutes goes on where it was killed: its clock, and all that follows it."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace

import pytest
from tiny import write_task
from torch import allclose

from medlib.data import none_kept, pair
from medlib.tasks import segmenter
from medlib.train import (
    EMA,
    Budget,
    Callback,
    CancelFit,
    Checkpoints,
    EarlyStopping,
    OneCycle,
    Unfreeze,
)


class Clock:
    """Says what it is told to say; a second goes by in each step, and none in between."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


class Diary(Callback):
    """Lets time go by, and writes down what follows from it; ends the process after a step."""

    order = 110  # the checkpoint is written, which is as a kill would find it

    def __init__(self, clock, *, last=None):
        self.clock, self.last = clock, last
        self.rates, self.thawed, self.validated = {}, {}, []

    def before_step(self, learn):
        self.rates[learn.step] = learn.optimiser.param_groups[-1]["lr"]
        self.thawed[learn.step] = all(p.requires_grad for p in learn.network.parameters())
        self.clock.now += 1.0

    def after_step(self, learn):
        if learn.step == self.last:
            raise Killed

    def before_validation(self, learn):
        self.validated.append(learn.step)


class Killed(BaseException):
    """What nothing in the training catches."""


def trained(learner, path, *, begun, last=None, minutes=0.5, patience=20):
    """A training of half a minute, a second a step, and its diary."""
    clock = Clock(begun)
    diary = Diary(clock, last=last)
    learn = learner(callbacks=[EMA(0.3), Checkpoints(path, seconds=0.0), diary])
    also = [OneCycle(1e-2), Unfreeze(0.3), EarlyStopping(patience)]
    budget = Budget(minutes=minutes, clock=clock)
    if last is None:
        learn.fit(budget, callbacks=also)
    else:
        with pytest.raises(Killed):
            learn.fit(budget, callbacks=also)
    return learn, diary


@pytest.mark.parametrize("last", [4, 13])
def test_schedules_validations_and_minutes_go_on_where_they_were(learner, tmp_path, last):
    whole, expected = trained(learner, tmp_path / "a", begun=0.0)
    _, first = trained(learner, tmp_path / "b", begun=0.0, last=last)
    learn, second = trained(learner, tmp_path / "b", begun=5000.0)
    assert learn.step == whole.step
    assert min(second.rates) == last
    assert first.rates | second.rates == pytest.approx(expected.rates)
    assert first.thawed | second.thawed == expected.thawed
    assert first.validated + second.validated == expected.validated
    assert [point.seconds for point in learn.record] == [point.seconds for point in whole.record]
    state = whole.network.state_dict()
    assert all(
        allclose(state[name], tensor, atol=1e-5)
        for name, tensor in learn.network.state_dict().items()
    )


def test_patience_goes_on_too(learner, tmp_path):
    class Grade(Callback):
        def after_validation(self, learn):
            learn.scores = type(learn.scores)({"a": {"b": 0.5}})

    def run(path, begun, last=None):
        clock = Clock(begun)
        diary = Diary(clock, last=last)
        learn = learner(callbacks=[Grade(), Checkpoints(path, seconds=0.0), diary])
        with suppress(Killed):
            learn.fit(Budget(minutes=0.5, clock=clock), callbacks=[EarlyStopping(2)])
        return learn.step

    expected = run(tmp_path / "a", 0.0)
    assert expected < 20  # it did not wait for the end
    run(tmp_path / "b", 0.0, last=expected - 2)
    assert run(tmp_path / "b", 900.0) == expected


def test_what_reading_again_takes_is_taken_from_the_minutes_and_not_from_the_schedule():
    clock = Clock(100.0)
    budget = Budget(minutes=1, clock=clock)
    budget.go_on(spent=30.0, progress=0.4)
    clock.now += 10.0
    budget.begin()
    assert budget.progress(1) == 0.4
    assert budget.seconds_left(1, 1.0) == 20.0
    clock.now += 10.0
    assert budget.progress(1) == pytest.approx(0.7)
    clock.now += 10.0
    assert budget.progress(1) == 1.0


def test_killed_in_the_last_validation_nothing_is_trained_twice(learner, tmp_path):
    path = tmp_path / "c"

    class End(Callback):
        def made_with(self):
            return None

        def before_validation(self, learn):
            if learn.progress >= 1.0:
                raise Killed

    clock = Clock(0.0)
    learn = learner(callbacks=[Checkpoints(path, seconds=0.0), Diary(clock), End()])
    with pytest.raises(Killed):
        learn.fit(Budget(minutes=0.2, clock=clock))
    diary = Diary(clock)
    again = learner(callbacks=[Checkpoints(path, seconds=0.0), diary])
    again.fit(Budget(minutes=0.2, clock=Clock(700.0)))
    assert again.step == learn.step
    assert diary.rates == {}


def test_who_only_looks_on_may_come_and_go(learner, tmp_path):
    class Looks(Callback):
        def made_with(self):
            return None

        def after_step(self, learn):
            if learn.step == 3:
                raise CancelFit

    path = tmp_path / "c"
    clock = Clock(0.0)
    first = learner(callbacks=[Checkpoints(path, seconds=0.0), Diary(clock, last=2), Looks()])
    with pytest.raises(Killed):
        first.fit(Budget(steps=4, clock=clock))
    second = learner(callbacks=[Checkpoints(path, seconds=0.0), Diary(clock)])
    second.fit(Budget(steps=4, clock=clock))
    assert second.step == 4


def often(task):
    """Write at every step."""
    (keep,) = (one for one in task.learner.callbacks if isinstance(one, Checkpoints))
    keep.seconds = 0.0


def written(plan):
    return json.dumps(plan.to_dict())


def test_a_task_goes_on_by_the_plan_that_it_was_begun_with(tmp_path):
    folder, path = write_task(tmp_path, 4, shape=(12, 16, 16)), tmp_path / "t.checkpoint"

    def prepared(**more):
        task = segmenter(
            folder / "images", folder / "labels", kind="mr", minutes=0.01, validation=0.5,
            cache=False, checkpoint=path, **more,
        )  # fmt: skip
        often(task)
        return task

    usual = prepared().plan
    begun = replace(usual, rate=usual.rate / 2)
    clock = Clock(0.0)
    with pytest.raises(Killed):
        prepared(plan=begun, callbacks=[Diary(clock, last=2)]).fine_tune(epochs=4)
    again = prepared(callbacks=[Diary(clock)])
    assert written(again.plan) == written(begun) != written(usual)
    again.fine_tune(epochs=4)
    assert again.learner.step == again.learner.budget.steps
    assert not path.exists()
    others = again.anew(none_kept()).learner.callbacks
    assert not any(isinstance(one, Checkpoints) for one in others)  # folds would share the file


@pytest.mark.parametrize("changed", [{"kind": "ct"}, {"seed": 1}, {"pretrained": "a.medlib"}])
def test_a_task_of_another_question_is_refused_before_anything_is_read(tmp_path, changed):
    folder, path = write_task(tmp_path, 4, shape=(12, 16, 16)), tmp_path / "t.checkpoint"
    chosen = {"kind": "mr", "minutes": 0.01, "validation": 0.5, "cache": False, "checkpoint": path}
    pairing = pair(folder / "images", folder / "labels")
    task = segmenter(pairing, callbacks=[Diary(Clock(0.0), last=1)], **chosen)
    often(task)
    with pytest.raises(Killed):
        task.fine_tune(epochs=4)
    shutil.rmtree(folder / "images")
    with pytest.raises(ValueError, match=r"t\.checkpoint is of another training"):
        segmenter(pairing, **chosen | changed)
