"""Callbacks: what else happens while a network is trained."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import torch

from medlib.train.scores import Scores

if TYPE_CHECKING:
    from medlib.train.learner import Learner


class CancelFit(Exception):  # noqa: N818 (it is no error)
    """Raise it in a callback to end training now; what has been learned is kept."""


class Callback:
    """Something that happens at given moments of the training. Override what is needed.

    Example:
        >>> class StopWhenGood(Callback):
        ...     def after_validation(self, learn):
        ...         if learn.scores.mean > 0.9:
        ...             raise CancelFit
    """

    def before_fit(self, learn: Learner) -> None:
        """Before the first step."""

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """What must outlive the process for a training to go on: tensors, and plain JSON values."""
        return {}, {}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Take up what :meth:`state` gave."""

    def before_step(self, learn: Learner) -> None:
        """Before each step: ``learn.progress`` and ``learn.batch`` are known."""

    def after_loss(self, learn: Learner) -> None:
        """The loss is known, ``learn.loss_value``, and not yet propagated back."""

    def after_step(self, learn: Learner) -> None:
        """The weights have changed."""

    def after_validation(self, learn: Learner) -> None:
        """``learn.scores`` are new."""

    def after_fit(self, learn: Learner) -> None:
        """Training is over, however it ended."""


class OneCycle(Callback):
    """Learning rate up, then down to nothing, along half cosines (Smith 2018).

    Args:
        peak: the highest rate.
        rise: share of the training during which the rate goes up.
        start: first rate, as a share of the peak.
    """

    def __init__(self, peak: float, *, rise: float = 0.15, start: float = 0.04) -> None:
        self.peak, self.rise, self.start = peak, rise, start

    def rate(self, progress: float) -> float:
        """The rate when this share of the training is done."""
        if progress < self.rise:
            way = (1 - math.cos(math.pi * progress / self.rise)) / 2
            return self.peak * (self.start + (1 - self.start) * way)
        down = (progress - self.rise) / (1 - self.rise)
        return self.peak * (1 + math.cos(math.pi * min(1.0, down))) / 2

    def before_step(self, learn: Learner) -> None:
        """Set the rate for this step."""
        for group in learn.optimiser.param_groups:
            group["lr"] = self.rate(learn.progress) * group["pace"]


class BestWeights(Callback):
    """Keeps the weights that scored best in validation, and puts them back at the end.

    Those in use at the end are kept if they were never beaten.
    """

    def __init__(self) -> None:
        self.best = -math.inf
        self._weights: dict[str, torch.Tensor] | None = None
        self._scores = Scores()

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The best weights so far, and their scores."""
        if self._weights is None:
            return {}, {}
        return self._weights, {"best": self.best, "scores": self._scores.to_dict()}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Go on from them."""
        if values:
            self._weights, self.best = tensors, values["best"]
            self._scores = Scores.from_dict(values["scores"])

    def after_validation(self, learn: Learner) -> None:
        """Keep a copy if this is the best so far."""
        if learn.scores.merit >= self.best:
            self.best = learn.scores.merit
            self._weights = copy.deepcopy(learn.network.state_dict())
            self._scores = learn.scores

    def after_fit(self, learn: Learner) -> None:
        """Put the best weights back, and the scores that belong to them."""
        if self._weights is not None:
            learn.network.load_state_dict(self._weights)
            learn.scores = self._scores


class StopOnNaN(Callback):
    """Ends training when the loss is no longer a number, with the reason."""

    def after_loss(self, learn: Learner) -> None:
        """Look at the loss."""
        if not math.isfinite(learn.loss_value):
            raise FloatingPointError(
                f"the loss became {learn.loss_value} at step {learn.step}; "
                f"the batch was {', '.join(learn.batch.names)}. Try a lower learning rate."
            )


class Progress(Callback):
    """A progress bar in the terminal: time left, loss, Dice."""

    def before_fit(self, learn: Learner) -> None:
        """Draw the bar."""
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[left]} left  {task.fields[note]}"),
        )
        self._bar.start()
        self._task = self._bar.add_task("train", total=1.0, left="…", note="")

    def after_step(self, learn: Learner) -> None:
        """Move it."""
        left = round(learn.budget.seconds_left(learn.step, learn.seconds_a_step))
        note = f"loss {learn.smooth_loss:.3f}"
        if learn.scores.cases:
            note += f"  {learn.scores.measure} {learn.scores.mean:.3f}"
        self._bar.update(
            self._task, completed=learn.progress, left=f"{left // 60}:{left % 60:02d}", note=note
        )

    def after_fit(self, learn: Learner) -> None:
        """Leave it as it stands."""
        self._bar.stop()
