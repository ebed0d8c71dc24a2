"""The learner: one loop, open at every step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from medlib.data import Batch, Datasets
from medlib.infer import Output, Predictor, checked
from medlib.models import best_device, call, freeze_to, train_thawed
from medlib.train.budget import Budget
from medlib.train.callbacks import BestWeights, Callback, CancelFit, OneCycle, StopOnNaN
from medlib.train.losses import loss as loss_by_kind
from medlib.train.optimiser import optimiser_for
from medlib.train.precision import DTYPES, miscalculated, quickest
from medlib.train.record import Point
from medlib.train.scores import Scores, scored
from medlib.transforms import Item
from medlib.types import Kind


class Learner:
    """Trains any network on datasets.

    What is learned, the data's blocks say: the loss and the scores are found by the kind of the
    targets (:func:`medlib.train.loss`), and the network's numbers are read by the block's output.

    Args:
        network: takes (batch, channel, slice, row, column); gives as many numbers, or maps of
            them, as the target's output asks for. Hugging Face models are called as they are.
        data: what is trained and validated on.
        window: size of patches, and of windows in validation.
        loss: left out, found by the targets' kind. A torch module takes (answers, targets as
            plain tensors); any other function takes (answers, target, target, …), of kinds.
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
        validations: about how often to validate in a training.
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
        validations: int = 6,
        callbacks: Iterable[Callback] = (),
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        from accelerate import Accelerator

        device = best_device()
        self.precision = _precision(precision, network, window, device)
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
        self.window = window
        self.loss = loss if loss is not None else loss_by_kind
        self.batch_size, self.accumulate, self.rate, self.clip = batch_size, accumulate, rate, clip
        self.validations, self.seed, self.workers = validations, seed, workers
        self.callbacks = [StopOnNaN(), BestWeights(), *callbacks]

        self.step = 0
        self.progress = 0.0
        self.loss_value = self.smooth_loss = float("nan")
        self.seconds_a_step = 0.0
        self.scores = Scores()
        self.record: list[Point] = []
        self.due = 0.0
        self.active: list[Callback] = []
        self.budget = Budget(steps=1)
        self.batch: Batch

    @property
    def output(self) -> Output:
        """What is asked of the network."""
        return self.data.output

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
        seen = self.batch_size * self.accumulate
        steps = None if epochs is None else -(-epochs * len(self.data.train) // seen)
        budget = Budget(minutes=minutes, steps=steps)
        if started is not None:
            budget.started = started
        return self.fit(budget, callbacks=[OneCycle(rate or self.rate), *callbacks])

    def fine_tune(
        self,
        *,
        minutes: float | None = None,
        epochs: int | None = None,
        frozen: float = 0.1,
        rate: float | None = None,
    ) -> Scores:
        """Train the head alone for a while, then everything: for networks that were pretrained.

        Args:
            minutes: of wall-clock time, for both together; or
            epochs: rounds through the training cases.
            frozen: share of them in which only the last layer group learns.
            rate: peak learning rate of the last group; left out, the learner's.
        """
        peak, begun = rate or self.rate, time.monotonic()
        freeze_to(self.network, -1)
        try:
            self.fit(self._share_of(minutes, epochs, frozen), callbacks=[OneCycle(peak)])
        finally:
            freeze_to(self.network, 0)
        if minutes is None:
            rest = self._share_of(None, epochs, 1 - frozen)
        else:
            rest = Budget(minutes=minutes, started=begun)  # all that is left of them
        return self.fit(rest, callbacks=[OneCycle(peak / 2)])

    def _share_of(self, minutes: float | None, epochs: int | None, share: float) -> Budget:
        if minutes is not None:
            return Budget(minutes=minutes * share)
        steps = (epochs or 0) * len(self.data.train) * share / self.batch_size / self.accumulate
        return Budget(steps=max(1, round(steps)))

    def fit(self, budget: Budget, *, callbacks: Iterable[Callback] = ()) -> Scores:
        """Train until the budget is spent, validating now and then and at the end.

        Ctrl-C ends the training as :class:`CancelFit` does: what was learned is kept.

        Raises:
            ValueError: when the time is over before the first step, or a case cannot be used.
            FloatingPointError: when the loss is no longer a number.
        """
        self.active = active = [*self.callbacks, *callbacks]
        self.budget, self.step, self.due = budget, 0, 1.0 / self.validations
        try:
            self._tell(active, "before_fit")  # a checkpoint may set the step here
            with suppress(CancelFit):
                try:
                    self._steps(active)
                except KeyboardInterrupt:
                    if not self.step:  # nothing has been learned that could be kept
                        raise
            if not (self.record and self.record[-1].step == self.step and self.record[-1].scores):
                self._validate(active)
        finally:
            self._tell(active, "after_fit")
        return self.scores

    def _steps(self, active: list[Callback]) -> None:
        for cases in (self.data.train, self.data.valid):  # what is wrong with them shows now
            for number in range(len(cases)):
                cases.prepared(number)
        self.budget.begin()
        origin, first = time.monotonic(), self.step
        batches = self.batches()
        while True:
            self.progress = self.budget.progress(self.step)
            if self.due <= self.progress < 1.0 - 0.5 / self.validations:
                seconds = self._validate(active)
                # On a busy machine validation is slow: it may take a fifth of the time, no more.
                pause = max(1.0 / self.validations, 5 * self.budget.share(seconds))
                self.due = self.budget.progress(self.step) + pause
                continue
            if self.progress >= 1.0:
                if not self.step:
                    raise ValueError(
                        "the time was over when the scans had been read; give it more minutes"
                    )
                return
            self.one_step(batches, active)
            self.seconds_a_step = (time.monotonic() - origin) / (self.step - first)
            self._tell(active, "after_step")

    def batches(self) -> Iterator[Batch]:
        """Training batches without end, from the one that the next step sees."""
        return self.data.batches(
            batch_size=self.batch_size,
            seed=self.seed,
            start=self.step * self.accumulate,
            workers=self.workers,
        )

    def one_step(self, batches: Iterator[Batch], active: Iterable[Callback] = ()) -> None:
        """Look at as many batches as a step takes, and change the weights once."""
        train_thawed(self.network)
        value = 0.0
        for part in range(self.accumulate):
            self.batch = next(batches).to(self.accelerator.device)
            if part == 0:
                self._tell(active, "before_step")
            found = self._loss_of(self.batch)
            value += float(found.detach()) / self.accumulate
            self.loss_value = value
            if part == self.accumulate - 1:
                last = self.smooth_loss if self.step else value
                self.smooth_loss = 0.98 * last + 0.02 * value
                self._tell(active, "after_loss")
            self.accelerator.backward(self.scaler.scale(found / self.accumulate))
        self.scaler.unscale_(self.optimiser)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % 10 == 0:
            self._note()

    def _loss_of(self, batch: Batch) -> Tensor:
        dtype = DTYPES.get(self.precision)
        with torch.autocast(batch.x.device.type, dtype=dtype, enabled=dtype is not None):
            raw = call(self.model, batch.x.to(memory_format=torch.channels_last_3d))
        answers = self.output.answer(checked(raw.float(), self.output), batch.grids)
        if isinstance(self.loss, nn.Module):
            block = self.data.blocks[-1]
            truth = torch.stack([block.tensor(target) for target in batch.targets])
            found: Tensor = self.loss(answers, truth.to(answers.device))
        else:
            found = self.loss(answers, *batch.targets)
        return found

    def _validate(self, active: list[Callback]) -> float:
        """Validate, and return the seconds that it took."""
        begun = time.monotonic()
        self.scores = self.validate()
        seconds = time.monotonic() - begun
        self.budget.reserve(1.5 * seconds + 1.0)
        self._note(self.scores)
        self._tell(active, "after_validation")
        return seconds

    def _note(self, scores: Scores | None = None) -> None:
        seconds = time.monotonic() - self.budget.started
        self.record.append(Point(self.step, seconds, self.smooth_loss, scores))

    def _tell(self, active: Iterable[Callback], moment: str) -> None:
        for callback in active:
            getattr(callback, moment)(self)

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
            autocast=DTYPES.get(self.precision),
        )

    def validate(self) -> Scores:
        """How good the predictions of the validation cases are, each on its scan's own grid."""
        return scored(self.predictions())

    def predictions(self) -> Iterator[tuple[str, Kind, Kind]]:
        """(name, prediction, truth) of every validation case, predicted whole."""
        # Fewer windows than in prediction: it is done often, and the minutes are for learning.
        predictor = replace(self.predictor, overlap=0.25)
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
            "curve": [
                {"step": p.step, "seconds": round(p.seconds, 1), "loss": round(p.loss, 4)}
                | ({"score": p.scores.to_dict()["mean"]} if p.scores else {})
                for p in self.record
            ],
        }


def _precision(
    wanted: str, network: nn.Module, window: tuple[int, int, int], device: torch.device
) -> str:
    """The precision to train in, after a look at what the device cannot do rightly."""
    chosen = quickest(device) if wanted == "auto" else wanted
    if chosen != "bf16" or device.type != "cpu":
        return chosen
    wrong = miscalculated(network, window)
    if not wrong:
        return chosen
    if wanted == "auto":
        return "fp32"
    raise ValueError(
        f"bf16 gradients of {', '.join(wrong[:3])} would be wrong on this processor, since they "
        f"see two slices; use fp32, or a window of another size than {window}"
    )
