"""When to stop before the time is over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from medlib.train.callbacks.base import Callback, CancelFit

if TYPE_CHECKING:
    from medlib.train.learner import Learner


class StopOnNaN(Callback):
    """Ends training when the loss is no longer a number, with the reason.

    To read a number from a graphics card, the processor must wait for it; so there several losses
    are looked at together, and before each validation, so that ruined weights are never scored.

    Args:
        every: batches to be looked at together; left out, each on a processor, 20 elsewhere.

    Example:
        >>> careful = StopOnNaN(every=1)  # learner = Learner(…, callbacks=[careful])
    """

    order: ClassVar[int] = 50  # after all that changes the loss

    def __init__(self, every: int | None = None) -> None:
        self.every = every
        self._unread: list[tuple[torch.Tensor, int, tuple[str, ...]]] = []

    def before_fit(self, learn: Learner) -> None:
        """Another training begins."""
        self._unread.clear()

    def after_loss(self, learn: Learner) -> None:
        """Look at the loss, when it is time."""
        self._unread.append((learn.found.detach(), learn.step, learn.batch.names))
        each = learn.found.device.type == "cpu"
        if len(self._unread) >= (self.every or (1 if each else 20)):
            self._read()

    def before_validation(self, learn: Learner) -> None:
        """Look at what has not been looked at."""
        self._read()

    def _read(self) -> None:
        """Raise, if a loss is none.

        Raises:
            FloatingPointError: naming the step and the batch.
        """
        unread, self._unread = self._unread, []
        if not unread:
            return
        for value, (_, step, names) in zip(
            torch.stack([loss for loss, _, _ in unread]).tolist(), unread, strict=True
        ):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss became {value} at step {step}; "
                    f"the batch was {', '.join(names)}. Try a lower learning rate."
                )


class EarlyStopping(Callback):
    """Ends training when validation has not become better for a while.

    What is best is told by :attr:`medlib.train.Scores.merit`. It is the best weights that are kept
    in any case (:class:`BestWeights`).

    Args:
        patience: validations without a gain after which training ends.
        gain: what a score must be above the best to be one.

    Raises:
        ValueError: without any patience.

    Example:
        >>> stop = EarlyStopping(patience=3, gain=0.001)  # learner.fit_one_cycle(…, callbacks=[stop])
    """

    def __init__(self, patience: int = 3, *, gain: float = 0.0) -> None:
        if patience < 1:
            raise ValueError(f"patience is at least one validation, not {patience}")
        self.patience, self.gain = patience, gain
        self.best, self.waited = -math.inf, 0

    def made_with(self) -> dict[str, Any]:
        """How long it waits, and for what."""
        return {"patience": self.patience, "gain": self.gain}

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The best so far, and how long ago it was."""
        known = {"best": self.best} if self.best > -math.inf else {}  # JSON has no infinity
        return {}, known | {"waited": self.waited}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Go on waiting."""
        self.best, self.waited = values.get("best", -math.inf), values["waited"]

    def before_fit(self, learn: Learner) -> None:
        """Another training begins."""
        self.best, self.waited = -math.inf, 0

    def after_validation(self, learn: Learner) -> None:
        """Count, and stop.

        Raises:
            CancelFit: when patience is at its end.
        """
        if learn.scores.merit > self.best + self.gain:
            self.best, self.waited = learn.scores.merit, 0
        else:
            self.waited += 1
        if self.waited >= self.patience:
            raise CancelFit
