"""The loop: what happens in a step, and in a training from its first step to its last validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medlib.data import Batch
from medlib.models import outputs, train_thawed
from medlib.train.callbacks import CancelFit, CancelStep, CancelValidation
from medlib.train.own_loss import OwnLoss
from medlib.train.precision import DTYPES

if TYPE_CHECKING:
    from medlib.train.learner import Learner


class Loop:
    """Steps until the budget is spent, validations now and then and at the end.

    Args:
        learn: what is trained; its budget and its active callbacks are those of this training.
    """

    def __init__(self, learn: Learner) -> None:
        self.learn = learn
        self._validated = -1  # the step after which it was validated last
        self._besides = 0.0  # seconds that callbacks take at a validation, at most

    def run(self) -> None:
        """The whole training; see :meth:`medlib.train.Learner.fit`.

        Raises:
            ValueError: when the time is over before the first step, or a case cannot be used.
            FloatingPointError: when the loss is no longer a number.
        """
        learn = self.learn
        try:
            interrupted = False
            with suppress(CancelFit):
                learn.tell("before_fit")  # a checkpoint may set the step here
                try:
                    self._steps()
                except KeyboardInterrupt:
                    # Nothing has been learned that could be kept, or processes are out of step.
                    if not learn.step or learn.processes.count > 1:
                        raise
                    interrupted = True
            if self._validated != learn.step:
                with suppress(CancelFit):
                    self._validate()
            learn.finished = not interrupted
        finally:
            learn.tell("after_fit")

    def _steps(self) -> None:
        learn, budget, processes = self.learn, self.learn.budget, self.learn.processes
        for cases in (learn.data.train, learn.data.valid):  # what is wrong with them shows now
            first = len(cases) * processes.number // processes.count  # what one keeps, others find
            for number in range(len(cases)):
                cases.prepared((first + number) % len(cases))
        if budget.minutes is not None:
            self._reserve()
        budget.begin()
        train_thawed(learn.network)
        origin, first = budget.spent, learn.step
        batches = learn.batches()
        while True:
            learn.progress = processes.agreed(budget.progress(learn.step))
            if learn.due <= learn.progress < 1.0 - 0.5 / learn.validations:
                seconds = self._validate()
                # On a busy machine validation is slow: it may take a fifth of the time, no more.
                pause = max(1.0 / learn.validations, 5 * budget.share(seconds))
                learn.due = processes.agreed(budget.progress(learn.step) + pause)
                train_thawed(learn.network)  # prediction leaves all of it training, or none
                continue
            if learn.progress >= 1.0:
                if not learn.step:
                    raise ValueError(
                        "the time was over when the scans had been read; give it more minutes"
                    )
                return
            learn.one_step(batches)
            learn.seconds_a_step = (budget.spent - origin) / (learn.step - first)
            learn.tell("after_step")

    def _reserve(self) -> None:
        """Keep time for the last validation, by a case or two; the first of all is slower."""
        budget = self.learn.budget
        seconds, begun = 0.0, budget.spent
        for _ in islice(self.learn.predictions(), 2):
            seconds, begun = budget.spent - begun, budget.spent
        share = len(self.learn.data.valid) / self.learn.processes.count
        budget.reserve(1.5 * seconds * share + 1.0)

    def _validate(self) -> float:
        """Validate, and return the seconds that it took."""
        learn, budget = self.learn, self.learn.budget
        begun = budget.spent
        self._validated = learn.step
        try:
            learn.tell("before_validation")
        except CancelValidation:
            return 0.0
        learn.scores = learn.validate()
        seconds = budget.spent - begun
        budget.reserve(1.5 * (seconds + self._besides) + 1.0)
        learn.note(learn.scores)
        learn.tell("after_validation")
        whole = budget.spent - begun
        # Pictures are not drawn at every validation, but are at the last.
        self._besides = max(self._besides, whole - seconds)
        budget.reserve(1.5 * (seconds + self._besides) + 1.0)
        return whole


def step(learn: Learner, batches: Iterator[Batch]) -> None:
    """Look at as many batches as a step takes, and change the weights once."""
    if not learn.network.training:  # somebody has looked at it
        train_thawed(learn.network)
    learn.seen = first = learn.step * learn.accumulate
    try:
        learn.tell("before_step")
        losses = []
        for _ in range(learn.accumulate):
            learn.batch = next(batches).to(learn.accelerator.device, non_blocking=True)
            losses.append(_look(learn))
        _update(learn)
        learn.running = learn.running.then(learn.processes.mean(torch.stack(losses).mean()))
    except CancelStep:
        for _ in range(first + learn.accumulate - learn.seen):
            next(batches)
    finally:
        learn.optimiser.zero_grad(set_to_none=True)
    learn.step += 1
    if learn.step % 10 == 0:
        learn.note()


def _look(learn: Learner) -> Tensor:
    """Add a batch's part to the gradient, and return its loss."""
    try:
        learn.tell("before_batch")
    finally:
        learn.seen += 1
    dtype, x = DTYPES.get(learn.precision), learn.batch.x
    labels = (
        learn.loss.labels(learn.batch, learn.output) if isinstance(learn.loss, OwnLoss) else None
    )
    with torch.autocast(x.device.type, dtype=dtype, enabled=dtype is not None):
        learn.given = outputs(learn.model, x.to(memory_format=torch.channels_last_3d), labels)
    learn.found = learn.compare(learn.batch.targets)
    learn.tell("after_loss")
    learn.accelerator.backward(learn.scaler.scale(learn.found / learn.accumulate))
    value = learn.found.detach()
    del learn.given, learn.found  # or they would take up memory until there are others
    return value


def _update(learn: Learner) -> None:
    """Change the weights."""
    learn.scaler.unscale_(learn.optimiser)
    learn.accelerator.clip_grad_norm_(learn.model.parameters(), learn.clip)
    try:
        learn.tell("before_update")
        learn.scaler.step(learn.optimiser)
    finally:
        learn.scaler.update()
