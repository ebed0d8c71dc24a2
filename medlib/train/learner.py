"""The learner: one loop, open at every step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from medlib.data import Batch, Datasets
from medlib.infer import Looks, Output, Predictor, checked
from medlib.models import ModelOutput, best_device, outputs, train_thawed
from medlib.space import Grid
from medlib.train.budget import Budget
from medlib.train.callbacks import (
    BestWeights,
    Callback,
    Cancel,
    CancelFit,
    CancelStep,
    CancelValidation,
    OneCycle,
    Phases,
    StopOnNaN,
    Unfreeze,
)
from medlib.train.losses import loss as loss_by_kind
from medlib.train.optimiser import optimiser_for
from medlib.train.precision import DTYPES, chosen
from medlib.train.record import Point, RunningLoss
from medlib.train.scores import Scores, scored
from medlib.train.supervision import over_levels
from medlib.transforms import Item
from medlib.types import Kind


class Learner:
    """Trains any network on datasets.

    What is learned, the data's blocks say: the loss and the scores are found by the kind of the
    targets (:func:`medlib.train.loss`), and the network's numbers are read by the block's output.
    A network that answers at coarser levels too, in training, is held to them (deep supervision).
    What else is to happen, callbacks say; when they are told what: :mod:`medlib.train.callbacks.base`.

    Args:
        network: takes (batch, channel, slice, row, column); gives as many numbers, or maps of
            them, as the target's output asks for. Hugging Face models are called as they are.
        data: what is trained and validated on.
        window: size of patches, and of windows in validation.
        loss: left out, found by the targets' kind; ``functools.partial(medlib.train.loss,
            smoothing=0.1)`` is that loss with label smoothing. A torch module takes (answers,
            targets as plain tensors); any other function takes (answers, target, target, …), of
            kinds.
        batch_size: patches a batch.
        accumulate: batches a step.
        rate: peak learning rate of the last layer group.
        spread: how many times slower the first layer group learns than the last; between them
            evenly on a logarithmic scale. 1: all alike.
        optimiser: ``"adamw"`` or ``"sgd"`` (Nesterov, momentum 0.99 as in nnU-Net).
        decay: weight decay.
        clip: largest norm of the gradient.
        precision: ``"bf16"``, ``"fp16"``, ``"fp32"``, or ``"auto"``: bf16 where the device is
            quick at it.
        overlap: of neighbouring windows in prediction.
        looks: at a scan in prediction.
        validations: about how often to validate in a training.
        careful: whether validation predicts as the predictor does. Else it is quicker, since it is
            done often: with fewer windows, and at one look.
        callbacks: what else should happen.
        seed: of the order of cases.
        workers: processes that prepare batches.

    Example: see ``docs/layers.md``, where every layer does the same task.
    """

    def __init__(
        self,
        network: nn.Module,
        data: Datasets,
        *,
        window: tuple[int, int, int],
        loss: Callable[..., Tensor] | None = None,
        batch_size: int = 2,
        accumulate: int = 1,
        rate: float = 4e-3,
        spread: float = 1.0,
        optimiser: str = "adamw",
        decay: float = 1e-2,
        clip: float = 12.0,
        precision: str = "auto",
        overlap: float = 0.5,
        looks: Looks | None = None,
        validations: int = 6,
        careful: bool = False,
        callbacks: Iterable[Callback] = (),
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        from accelerate import Accelerator

        device = best_device()
        self.precision = chosen(precision, network, window, device, data.channels)
        # accelerate keeps one precision a process; learners differ, so precision is torch's part.
        self.accelerator = Accelerator(mixed_precision="no")
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        for parameter in network.parameters():
            if parameter.ndim == 5:  # networks may have 2-D parts, which know no such format
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
        self.network = network
        self.optimiser = optimiser_for(network, optimiser, rate=rate, spread=spread, decay=decay)
        self.model, self.optimiser = self.accelerator.prepare(self.network, self.optimiser)
        self.data = data
        self.window, self.overlap, self.looks = window, overlap, looks or Looks()
        self.loss = loss if loss is not None else loss_by_kind
        self.batch_size, self.accumulate, self.rate, self.clip = batch_size, accumulate, rate, clip
        self.validations, self.careful = validations, careful
        self.seed, self.workers = seed, workers
        self.callbacks = [StopOnNaN(), BestWeights(), *callbacks]

        self.step = 0
        self.seen = 0
        self.progress = 0.0
        self.finished = False
        self.validated = -1
        self.running = RunningLoss()
        self.seconds_a_step = 0.0
        self.scores = Scores()
        self.record: list[Point] = []
        self.due = 0.0
        self.besides = 0.0  # seconds that callbacks take at a validation, at most
        self.active: list[Callback] = []
        self.budget = Budget(steps=1)
        self.batch: Batch
        self.given: ModelOutput
        self.found: Tensor
        self.output: Output = data.output  # what is asked of the network

    @property
    def loss_value(self) -> float:
        """The loss of the last step; NaN before the first."""
        return float("nan") if self.running.last is None else float(self.running.last)

    @property
    def smooth_loss(self) -> float:
        """The loss, smoothed over the last fifty steps or so; NaN before the first."""
        return float("nan") if self.running.smooth is None else float(self.running.smooth)

    # --- training -------------------------------------------------------------------------

    def fit_one_cycle(
        self,
        *,
        minutes: float | None = None,
        epochs: int | None = None,
        started: float | None = None,
        rate: float | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> Scores:
        """Train with the learning rate going up once and down once.

        Args:
            minutes: of wall-clock time, the last validation included; or
            epochs: rounds through the training cases.
            started: ``time.monotonic()`` at which the minutes began; left out, now.
            rate: peak learning rate; left out, the learner's.
            callbacks: for this training only.

        Returns:
            The scores, on the validation cases, of the weights that are kept (the best).
        """
        budget = self.budget_for(minutes, epochs, started)
        return self.fit(budget, callbacks=[OneCycle(rate or self.rate), *callbacks])

    def fine_tune(
        self,
        *,
        minutes: float | None = None,
        epochs: int | None = None,
        started: float | None = None,
        frozen: float = 0.1,
        gradual: float | None = None,
        rate: float | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> Scores:
        """Train the head alone for a while, then everything: for networks that were pretrained.

        Args:
            minutes: of wall-clock time, for both together; or
            epochs: rounds through the training cases.
            started: ``time.monotonic()`` at which the minutes began; left out, now.
            frozen: share of them in which only the last layer group learns.
            gradual: share of them after which all of it learns, group after group having been
                thawed from the head backwards; left out, all at once.
            rate: peak learning rate of the last group, in the first part; half of it in the second;
                left out, the learner's.
            callbacks: for this training only.
        """
        peak = rate or self.rate
        cycles = Phases((frozen, OneCycle(peak)), (1 - frozen, OneCycle(peak / 2)))
        thaw = Unfreeze(frozen, gradual)
        return self.fit(
            self.budget_for(minutes, epochs, started), callbacks=[thaw, cycles, *callbacks]
        )

    def budget_for(
        self, minutes: float | None, epochs: int | None, started: float | None = None
    ) -> Budget:
        """What a training of so many minutes, or so many rounds, may take."""
        seen = self.batch_size * self.accumulate
        steps = None if epochs is None else -(-epochs * len(self.data.train) // seen)
        begun = {} if started is None else {"started": started}
        return Budget(minutes=minutes, steps=steps, **begun)

    def fit(self, budget: Budget, *, callbacks: Iterable[Callback] = ()) -> Scores:
        """Train until the budget is spent, validating now and then and at the end.

        Ctrl-C ends the training as :class:`CancelFit` does: what was learned is kept.

        Raises:
            ValueError: when the time is over before the first step, or a case cannot be used.
            FloatingPointError: when the loss is no longer a number.
        """
        self.active = sorted([*self.callbacks, *callbacks], key=lambda callback: callback.order)
        self.budget, self.step, self.due = budget, 0, 1.0 / self.validations
        self.running, self.finished = RunningLoss(), False
        self.validated = -1
        try:
            interrupted = False
            with suppress(CancelFit):
                self._tell("before_fit")  # a checkpoint may set the step here
                try:
                    self._steps()
                except KeyboardInterrupt:
                    if not self.step:  # nothing has been learned that could be kept
                        raise
                    interrupted = True
            if self.validated != self.step:
                with suppress(CancelFit):
                    self._validate()
            self.finished = not interrupted
        finally:
            self._tell("after_fit")
        return self.scores

    def _steps(self) -> None:
        for cases in (self.data.train, self.data.valid):  # what is wrong with them shows now
            for number in range(len(cases)):
                cases.prepared(number)
        if self.budget.minutes is not None:
            self._reserve()
        self.budget.begin()
        train_thawed(self.network)
        origin, first = time.monotonic(), self.step
        batches = self.batches()
        while True:
            self.progress = self.budget.progress(self.step)
            if self.due <= self.progress < 1.0 - 0.5 / self.validations:
                seconds = self._validate()
                # On a busy machine validation is slow: it may take a fifth of the time, no more.
                pause = max(1.0 / self.validations, 5 * self.budget.share(seconds))
                self.due = self.budget.progress(self.step) + pause
                train_thawed(self.network)  # prediction leaves all of it training, or none
                continue
            if self.progress >= 1.0:
                if not self.step:
                    raise ValueError(
                        "the time was over when the scans had been read; give it more minutes"
                    )
                return
            self.one_step(batches)
            self.seconds_a_step = (time.monotonic() - origin) / (self.step - first)
            self._tell("after_step")

    def batches(self) -> Iterator[Batch]:
        """Training batches without end, from the one that the next step sees."""
        return self.data.batches(
            batch_size=self.batch_size,
            seed=self.seed,
            start=self.step * self.accumulate,
            workers=self.workers,
        )

    def one_step(self, batches: Iterator[Batch]) -> None:
        """Look at as many batches as a step takes, and change the weights once."""
        if not self.network.training:  # somebody has looked at it
            train_thawed(self.network)
        self.seen = first = self.step * self.accumulate
        try:
            self._tell("before_step")
            losses = []
            for _ in range(self.accumulate):
                self.batch = next(batches).to(self.accelerator.device)
                losses.append(self._look())
            self._update()
            self.running = self.running.then(torch.stack(losses).mean())
        except CancelStep:
            for _ in range(first + self.accumulate - self.seen):
                next(batches)
        finally:
            self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % 10 == 0:
            self._note()

    def _look(self) -> Tensor:
        """Add a batch's part to the gradient, and return its loss."""
        try:
            self._tell("before_batch")
        finally:
            self.seen += 1
        dtype, x = DTYPES.get(self.precision), self.batch.x
        with torch.autocast(x.device.type, dtype=dtype, enabled=dtype is not None):
            self.given = outputs(self.model, x.to(memory_format=torch.channels_last_3d))
        self.found = self.compare(self.batch.targets)
        self._tell("after_loss")
        self.accelerator.backward(self.scaler.scale(self.found / self.accumulate))
        value = self.found.detach()
        del self.given, self.found  # or they would take up memory until there are others
        return value

    def _update(self) -> None:
        """Change the weights."""
        self.scaler.unscale_(self.optimiser)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip)
        try:
            self._tell("before_update")
            self.scaler.step(self.optimiser)
        finally:
            self.scaler.update()

    def compare(self, targets: Sequence[Kind]) -> Tensor:
        """How far what the network gave for the batch is from these targets, one for each item.

        Coarser levels, if the network gave any, are compared with coarser targets.
        """
        return over_levels(self._compared, self.given, targets, self.batch.grids)

    def _compared(self, raw: Tensor, targets: Sequence[Kind], grids: Sequence[Grid]) -> Tensor:
        answers = self.output.answer(checked(raw.float(), self.output), grids)
        if isinstance(self.loss, nn.Module):
            block = self.data.blocks[-1]
            truth = torch.stack([block.tensor(target) for target in targets])
            found: Tensor = self.loss(answers, truth.to(answers.device))
        else:
            found = self.loss(answers, *targets)
        return found

    def _reserve(self) -> None:
        """Keep time for the last validation, by a case or two; the first of all is slower."""
        begun = time.monotonic()
        for _ in islice(self.predictions(), 2):
            seconds, begun = time.monotonic() - begun, time.monotonic()
        self.budget.reserve(1.5 * seconds * len(self.data.valid) + 1.0)

    def _validate(self) -> float:
        """Validate, and return the seconds that it took."""
        begun = time.monotonic()
        self.validated = self.step
        try:
            self._tell("before_validation")
        except CancelValidation:
            return 0.0
        self.scores = self.validate()
        seconds = time.monotonic() - begun
        self.budget.reserve(1.5 * (seconds + self.besides) + 1.0)
        self._note(self.scores)
        self._tell("after_validation")
        whole = time.monotonic() - begun
        # Pictures are not drawn at every validation, but are at the last.
        self.besides = max(self.besides, whole - seconds)
        self.budget.reserve(1.5 * (seconds + self.besides) + 1.0)
        return whole

    def _note(self, scores: Scores | None = None) -> None:
        seconds = time.monotonic() - self.budget.started
        self.record.append(Point(self.step, seconds, self.smooth_loss, scores))

    def _tell(self, event: str) -> None:
        """Tell all callbacks, then cancel, if one of them wants to."""
        wanted: Cancel | None = None
        for callback in self.active:
            try:
                getattr(callback, event)(self)
            except Cancel as cancel:
                wanted = cancel if wanted is None or isinstance(cancel, CancelFit) else wanted
        if wanted is not None:
            raise wanted

    # --- looking --------------------------------------------------------------------------

    @property
    def predictor(self) -> Predictor:
        """The network as it is now, ready for whole scans."""
        return Predictor(
            network=self.network,
            preprocess=self.data.train.preprocess,
            inputs=self.data.inputs,
            output=self.output,
            window=self.window,
            overlap=self.overlap,
            looks=self.looks,
            autocast=DTYPES.get(self.precision),
        )

    def validate(self) -> Scores:
        """How good the predictions of the validation cases are, each on its scan's own grid."""
        return scored(self.predictions())

    def predictions(self) -> Iterator[tuple[str, Kind, Kind]]:
        """(name, prediction, truth) of every validation case, predicted whole."""
        predictor = self.predictor
        if not self.careful:
            predictor = replace(predictor, overlap=min(0.25, self.overlap), looks=Looks())
        for number, case in enumerate(self.data.valid.cases):
            item, truth = self.data.valid.prepared(number), self.data.valid.truth(number)
            seen = Item(item.values[:-1], item.trail, item.name)
            yield case.name, predictor.decode(seen, case.scan.grid), truth

    def summary(self) -> dict[str, Any]:
        """The training record, as plain JSON values."""
        return {
            "steps": self.step,
            "seconds": round(self.record[-1].seconds, 1) if self.record else 0.0,
            "precision": self.precision,
            "batch_size": self.batch_size,
            "rate": self.rate,
            "seed": self.seed,
            "curve": [point.to_dict() for point in self.record],
        }
