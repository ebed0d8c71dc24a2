"""The learner: one loop, open at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from medlib.data import Batch, Datasets
from medlib.infer import Looks, Output, Predictor
from medlib.models import ModelOutput, best_device
from medlib.train.accelerating import Processes, accelerator_on
from medlib.train.budget import Budget
from medlib.train.callbacks import (
    BestWeights,
    Callback,
    OneCycle,
    Phases,
    StopOnNaN,
    Unfreeze,
    tell,
)
from medlib.train.loop import Loop, step
from medlib.train.losses import loss as loss_by_kind
from medlib.train.optimiser import optimiser_for
from medlib.train.own_loss import OwnLoss
from medlib.train.precision import DTYPES, chosen
from medlib.train.record import Point, RunningLoss
from medlib.train.scores import Scores, looked_at, put_together
from medlib.train.supervision import Comparison, over_levels
from medlib.transforms import Item
from medlib.types import Kind


class Learner:
    """Trains any network on datasets.

    What is learned, the data's blocks say: the loss and the scores are found by the kind of the
    targets (:func:`medlib.train.loss`), and the network's numbers are read by the block's output.
    A network that answers at coarser levels too, in training, is held to them (deep supervision).
    What else is to happen, callbacks say; when they are told what: :mod:`medlib.train.callbacks.base`.
    Several processes that ``torchrun`` or ``accelerate launch`` began train one network together: each
    looks at batches of its own and predicts its share of the validation cases, and the first one alone
    tells how it goes and writes files.

    Args:
        network: takes (batch, channel, slice, row, column); gives as many numbers, or maps of
            them, as the target's output asks for. Hugging Face models are called as they are.
        data: what is trained and validated on.
        window: size of patches, and of windows in validation.
        loss: left out, found by the targets' kind; ``functools.partial(medlib.train.loss,
            smoothing=0.1)`` is that loss with label smoothing. ``"own"``: the network's, as Hugging
            Face's models have one (:mod:`medlib.train.own_loss`). A torch module takes (answers,
            targets as plain tensors); any other function takes (answers, target, target, …), of
            kinds.
        batch_size: patches a batch; each of several processes sees as many.
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

    Raises:
        ValueError: when the network has no loss of its own and that is asked for.

    Example: see ``docs/layers.md``, where every layer does the same task.
    """

    def __init__(
        self,
        network: nn.Module,
        data: Datasets,
        *,
        window: tuple[int, int, int],
        loss: Callable[..., Tensor] | Literal["own"] | None = None,
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
        device = best_device()
        self.precision = chosen(precision, network, window, device, data.channels)
        self.accelerator = accelerator_on(device)
        self.processes = Processes.launched(self.accelerator)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        for parameter in network.parameters():
            if parameter.ndim == 5:  # networks may have 2-D parts, which know no such format
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
        self.network = network
        self.optimiser = optimiser_for(network, optimiser, rate=rate, spread=spread, decay=decay)
        self.model, self.optimiser = self.accelerator.prepare(self.network, self.optimiser)
        self.data = data
        self.window, self.overlap, self.looks = window, overlap, looks or Looks()
        self.loss: Callable[..., Tensor] | OwnLoss = (
            OwnLoss(network) if loss == "own" else loss or loss_by_kind
        )
        self.batch_size, self.accumulate, self.rate, self.clip = batch_size, accumulate, rate, clip
        self.validations, self.careful = validations, careful
        self.seed, self.workers = seed, workers
        if not self.processes.leads:  # or all of them would drop out the same
            torch.manual_seed(seed + self.processes.number)
        self.callbacks = [StopOnNaN(), BestWeights(), *callbacks]

        self.step = 0
        self.seen = 0
        self.progress = 0.0
        self.finished = False
        self.running = RunningLoss()
        self.seconds_a_step = 0.0
        self.scores = Scores()
        self.record: list[Point] = []
        self.due = 0.0
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
        seen = self.batch_size * self.accumulate * self.processes.count
        steps = None if epochs is None else -(-epochs * len(self.data.train) // seen)
        return Budget(minutes=minutes, steps=steps, started=started)

    def fit(self, budget: Budget, *, callbacks: Iterable[Callback] = ()) -> Scores:
        """Train until the budget is spent, validating now and then and at the end.

        Ctrl-C ends the training as :class:`CancelFit` does: what was learned is kept.

        Raises:
            ValueError: when the time is over before the first step, or a case cannot be used.
            FloatingPointError: when the loss is no longer a number.
        """
        told = [c for c in (*self.callbacks, *callbacks) if self.processes.leads or not c.once]
        self.active = sorted(told, key=lambda callback: callback.order)
        self.budget, self.step, self.due = budget, 0, 1.0 / self.validations
        self.running, self.finished = RunningLoss(), False
        Loop(self).run()
        return self.scores

    def batches(self) -> Iterator[Batch]:
        """Training batches without end, from the one that the next step sees."""
        return self.data.batches(
            batch_size=self.batch_size,
            seed=self.seed,
            start=self.step * self.accumulate,
            share=(self.processes.number, self.processes.count),
            workers=self.workers,
            pinned=self.accelerator.device.type == "cuda",
        )

    def one_step(self, batches: Iterator[Batch]) -> None:
        """Look at as many batches as a step takes, and change the weights once."""
        step(self, batches)

    def compare(self, targets: Sequence[Kind]) -> Tensor:
        """How far what the network gave for the batch is from these targets, one for each item.

        Coarser levels, if the network gave any, are compared with coarser targets.
        """
        if isinstance(self.loss, OwnLoss):
            return self.loss.taken(self.given, self.output, self.batch, targets)
        finest = Comparison(self.output, self.data.blocks[-1], self.loss)
        return over_levels(finest, self.given, targets, self.batch.grids)

    def tell(self, event: str) -> None:
        """Tell all callbacks of an event, then cancel, if one of them wants to."""
        tell(self.active, event, self)

    def note(self, scores: Scores | None = None) -> None:
        """Write a line of the training record."""
        self.record.append(Point(self.step, self.budget.spent, self.smooth_loss, scores))

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
        """How good the predictions of the validation cases are, each on its scan's own grid.

        Several processes do it together, or wait for each other.
        """
        names = [case.name for case in self.data.valid.cases]
        share = range(self.processes.number, len(names), self.processes.count)
        # Surfaces take longest of all figures; validation that is done often goes without.
        mine = [looked_at(*one, surfaces=self.careful) for one in self.predictions(share)]
        found = {one.name: one for one in self.processes.gathered(mine)}
        return put_together([found[name] for name in names])

    def predictions(self, which: Iterable[int] | None = None) -> Iterator[tuple[str, Kind, Kind]]:
        """(name, prediction, truth) of validation cases, predicted whole.

        Args:
            which: of them, by their places; left out, all.
        """
        predictor = self.predictor
        if not self.careful:
            predictor = replace(predictor, overlap=min(0.25, self.overlap), looks=Looks())
        for number in range(len(self.data.valid)) if which is None else which:
            case = self.data.valid.cases[number]
            item, truth = self.data.valid.prepared(number), self.data.valid.truth(number)
            seen = Item(item.values[:-1], item.trail, item.name)
            yield case.name, predictor.decode(seen, case.leading.grid), truth

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
