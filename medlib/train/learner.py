"""The learner: one loop, open at every step."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from medlib.data import Batch, Datasets
from medlib.infer import Predictor
from medlib.models import best_device
from medlib.train.budget import Budget
from medlib.train.callbacks import BestWeights, Callback, CancelFit, OneCycle, StopOnNaN
from medlib.train.losses import dice_and_cross_entropy
from medlib.train.metrics import dice
from medlib.train.precision import DTYPES, miscalculated, quickest
from medlib.train.scores import Scores
from medlib.transforms import Item


@dataclass(frozen=True)
class Point:
    """One line of the training record."""

    step: int
    seconds: float
    loss: float
    scores: Scores | None = None


class Learner:
    """Trains a network on datasets.

    Args:
        network: takes (batch, channel, slice, row, column), gives logits (batch, classes, …).
        data: what is trained and validated on.
        window: size of patches, and of windows in validation.
        loss: from (logits, (batch, 1, …) class numbers) to a scalar; left out, Dice over the
            batch and cross-entropy in equal parts (MONAI's ``DiceCELoss``).
        batch_size: patches a step.
        rate: peak learning rate, of AdamW.
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
        loss: nn.Module | None = None,
        batch_size: int = 2,
        rate: float = 4e-3,
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
        self.network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=rate, weight_decay=decay, fused=True
        )
        self.model, self.optimiser = self.accelerator.prepare(self.network, self.optimiser)
        self.data = data
        self.window = window
        self.loss = loss if loss is not None else dice_and_cross_entropy()
        self.batch_size, self.rate, self.clip = batch_size, rate, clip
        self.validations, self.seed, self.workers = validations, seed, workers
        self.callbacks = [StopOnNaN(), BestWeights(), *callbacks]

        self.step = 0
        self.progress = 0.0
        self.loss_value = self.smooth_loss = float("nan")
        self.seconds_a_step = 0.0
        self.scores = Scores()
        self.record: list[Point] = []
        self.budget = Budget(steps=1)
        self.batch: Batch

    # --- training -------------------------------------------------------------------------

    def fit_one_cycle(
        self,
        *,
        minutes: float | None = None,
        epochs: int | None = None,
        started: float | None = None,
        rate: float | None = None,
    ) -> Scores:
        """Train with the learning rate going up once and down once.

        Args:
            minutes: of wall-clock time, the last validation included; or
            epochs: rounds through the training cases.
            started: ``time.monotonic()`` at which the minutes began; left out, now.
            rate: peak learning rate; left out, the learner's.

        Returns:
            The scores, on the validation cases, of the weights that are kept (the best).
        """
        steps = None if epochs is None else -(-epochs * len(self.data.train) // self.batch_size)
        budget = Budget(minutes=minutes, steps=steps)
        if started is not None:
            budget.started = started
        return self.fit(budget, callbacks=[OneCycle(rate or self.rate)])

    def fit(self, budget: Budget, *, callbacks: Iterable[Callback] = ()) -> Scores:
        """Train until the budget is spent, validating now and then and at the end.

        Ctrl-C ends the training as :class:`CancelFit` does: what was learned is kept.

        Raises:
            ValueError: when the time is over before the first step, or a case cannot be used.
            FloatingPointError: when the loss is no longer a number.
        """
        active = [*self.callbacks, *callbacks]
        self.budget, self.step = budget, 0
        try:
            self._tell(active, "before_fit")
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
        origin, due = time.monotonic(), 1.0 / self.validations
        batches = self.data.batches(
            batch_size=self.batch_size, seed=self.seed, workers=self.workers
        )
        for batch in batches:
            self.progress = self.budget.progress(self.step)
            if self.progress >= 1.0:
                if not self.step:
                    raise ValueError(
                        "the time was over when the scans had been read; give it more minutes"
                    )
                return
            self.batch = batch.to(self.accelerator.device)
            self._tell(active, "before_step")
            self._one_step(active)
            self.seconds_a_step = (time.monotonic() - origin) / self.step
            self._tell(active, "after_step")
            if due <= self.progress < 1.0 - 0.5 / self.validations:
                seconds = self._validate(active)
                # On a busy machine validation is slow: it may take a fifth of the time, no more.
                pause = max(1.0 / self.validations, 5 * self.budget.share(seconds))
                due = self.budget.progress(self.step) + pause

    def _one_step(self, active: list[Callback]) -> None:
        self.model.train()
        dtype = DTYPES.get(self.precision)
        with torch.autocast(self.batch.x.device.type, dtype=dtype, enabled=dtype is not None):
            logits = self.model(self.batch.x.to(memory_format=torch.channels_last_3d))
        loss: Tensor = self.loss(logits.float(), self.batch.y)
        self.loss_value = float(loss.detach())
        last = self.smooth_loss if self.step else self.loss_value
        self.smooth_loss = 0.98 * last + 0.02 * self.loss_value
        self._tell(active, "after_loss")
        self.accelerator.backward(self.scaler.scale(loss))
        self.scaler.unscale_(self.optimiser)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % 10 == 0:
            self._note()

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

    def _tell(self, active: list[Callback], moment: str) -> None:
        for callback in active:
            getattr(callback, moment)(self)

    # --- looking --------------------------------------------------------------------------

    @property
    def predictor(self) -> Predictor:
        """The network as it is now, ready for whole scans."""
        scan, mask = self.data.blocks
        return Predictor(
            network=self.network,
            preprocess=self.data.train.preprocess,
            kind=scan.kind,
            labels=mask.labels,
            window=self.window,
            autocast=DTYPES.get(self.precision),
        )

    def validate(self) -> Scores:
        """Dice of every validation case, predicted whole, on the scan's own grid."""
        # Fewer windows than in prediction: it is done often, and the minutes are for learning.
        predictor, cases = replace(self.predictor, overlap=0.25), {}
        for number, case in enumerate(self.data.valid.cases):
            item, truth = self.data.valid.prepared(number), self.data.valid.truth(number)
            scan_only = Item(item.values[:1], item.trail, item.name)
            cases[case.name] = dice(predictor.decode(scan_only, truth.grid), truth)
        return Scores(cases)

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
                | ({"dice": p.scores.to_dict()["mean"]} if p.scores else {})
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
