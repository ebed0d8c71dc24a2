"""What is cancelled leaves no trace, and costs nobody else anything."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from medlib.train import Callback, CancelFit, CancelStep, CancelValidation, StopOnNaN

STEP = ("before_step", "before_batch", "after_loss", "before_update")
EVENTS = (*STEP, "after_step", "before_validation", "after_validation")


def weights(learn):
    return {name: value.clone() for name, value in learn.network.state_dict().items()}


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


class At(Callback):
    """Raises at the given event of the given step."""

    def __init__(self, event, step, cancel):
        self.step, self.cancel = step, cancel
        setattr(self, event, self.happen)

    def happen(self, learn):
        if learn.step == self.step:
            raise self.cancel


class Diary(Callback):
    """The batches that were looked at, and the weights after each step."""

    def __init__(self):
        self.batches, self.weights, self.told = [], [], []

    def before_batch(self, learn):
        self.batches.append((learn.seen, learn.batch.names, learn.batch.x.clone()))

    def after_step(self, learn):
        self.weights.append(weights(learn))
        assert all(p.grad is None for p in learn.network.parameters())

    def after_validation(self, learn):
        self.told.append(learn.step)


@pytest.mark.parametrize("event", STEP)
def test_a_step_that_was_left_out_teaches_nothing_and_shifts_nothing(learner, event):
    whole, torn = Diary(), Diary()
    chosen = {"accumulate": 2, "batch_size": 1, "validations": 1}
    learner(callbacks=[whole], **chosen).fit_one_cycle(epochs=2)
    learn = learner(callbacks=[At(event, 1, CancelStep), torn], **chosen)
    learn.fit_one_cycle(epochs=2)
    assert learn.step == len(torn.weights) == len(whole.weights) == 4
    assert equal(torn.weights[0], whole.weights[0])
    assert equal(torn.weights[1], torn.weights[0])
    assert not equal(torn.weights[2], torn.weights[1])
    later = [[b for b in diary.batches if b[0] >= 4] for diary in (whole, torn)]
    assert len(later[0]) == len(later[1]) == 4
    for ours, theirs in zip(*later, strict=True):
        assert ours[:2] == theirs[:2]
        assert torch.equal(ours[2], theirs[2])


def test_a_step_can_be_left_out_in_half_precision(learner):
    """The gradient's scale has been taken away by then, and has to come back."""
    diary = Diary()
    at = At("before_update", 1, CancelStep)
    learner(callbacks=[at, diary], precision="fp16", validations=1).fit_one_cycle(epochs=2)
    assert equal(diary.weights[0], diary.weights[1])
    assert not equal(diary.weights[1], diary.weights[3])


@pytest.mark.parametrize("event", EVENTS)
def test_whatever_ends_a_training_it_is_validated_and_all_hear_of_it(learner, event):
    diary = Diary()
    learn = learner(callbacks=[At(event, 2, CancelFit), diary], validations=4)
    before = weights(learn)
    scores = learn.fit_one_cycle(epochs=4)
    assert learn.step == 2
    assert learn.finished
    assert not equal(weights(learn), before)
    if event == "before_validation":
        return  # it was the validation that was to show something
    assert diary.told[-1] == 2
    assert scores.cases == learn.scores.cases
    assert set(scores.cases) == {"case_2", "case_5"}


def test_what_an_interrupted_step_began_is_no_part_of_the_next_training(learner):
    class Interrupt(Callback):
        def before_update(self, learn):
            if learn.step == 2:
                raise KeyboardInterrupt

    learn = learner(callbacks=[Interrupt()], validations=1)
    learn.fit_one_cycle(epochs=4)
    assert not learn.finished
    assert all(p.grad is None for p in learn.network.parameters())


def test_a_validation_can_be_left_out(learner):
    class Later(Callback):
        def before_validation(self, learn):
            if learn.progress < 0.7:
                raise CancelValidation

    diary = Diary()
    learn = learner(callbacks=[Later(), diary], validations=4)
    learn.fit_one_cycle(epochs=4)
    assert diary.told[-1] == 8
    assert all(step > 5 for step in diary.told)


def test_a_second_training_of_as_many_steps_is_validated_too(learner):
    diary = Diary()
    learn = learner(callbacks=[diary], validations=1)
    learn.fit_one_cycle(epochs=1)
    learn.fit_one_cycle(epochs=1)
    assert diary.told == [2, 2]


class Waits(TorchDispatchMode):
    """Counts the moments at which a processor would have to wait for a graphics card."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket in (
            torch.ops.aten._local_scalar_dense,
            torch.ops.aten.nonzero,
        )
        return func(*args, **(kwargs or {}))


def test_a_step_reads_no_number_that_is_still_being_computed(learner):
    """Each reading lets a graphics card run dry; a loop without a library need not do it either."""
    learn = learner(callbacks=[])
    learn.callbacks = [StopOnNaN(every=100)]
    learn.active = list(learn.callbacks)
    batches = learn.batches()
    learn.one_step(batches)
    prepared = iter([next(batches) for _ in range(5)])
    with Waits() as waits:
        for _ in range(5):
            learn.one_step(prepared)
    # Masks are looked through for ids that their table has not, where that makes nobody wait.
    masks = 5 * learn.batch_size if learn.accelerator.device.type == "cpu" else 0
    assert waits.count == masks
    with Waits() as waits:
        assert learn.loss_value > 0
    assert waits.count == 1
