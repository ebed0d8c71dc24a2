"""What a callback is, when it is told what, and how it cancels.

A training is told as it goes, in this order::

    before_fit
        before_step                 # a step begins; learn.progress is known
            before_batch            # as often as learn.accumulate says: learn.batch is there
            after_loss              #   learn.given (the network's output) and learn.found (the loss)
        before_update               # the gradient is there, clipped; the weights are as they were
        after_step                  # the weights have changed, and learn.step is one more
        before_validation           # now and then between two steps, and at the end
        after_validation            # learn.scores are new
    after_fit                       # however it ended

``before_batch`` may put another ``learn.batch`` in place, ``after_loss`` another ``learn.found``.
Cancelling is raising: :class:`CancelStep`, :class:`CancelValidation` or :class:`CancelFit`. Whatever
one callback raises of these, the others hear of the event too; then the phase ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import torch

if TYPE_CHECKING:
    from medlib.train.learner import Learner


class Cancel(Exception):  # noqa: N818 (it is no error)
    """Ends a phase of the training; raise one of those below."""


class CancelStep(Cancel):
    """Leaves a step out, from ``before_step`` to ``before_update``: nothing is learned from it.

    Its batches are spent and it is counted, so that ``after_step`` follows.
    """


class CancelValidation(Cancel):
    """Raised in ``before_validation``, leaves the validation out: there are no new scores."""


class CancelFit(Cancel):
    """Raised anywhere, ends the training; what has been learned is kept, and validated."""


class Callback:
    """Something that happens at given moments of the training. Override what is needed.

    Callbacks of a lower ``order`` are told first; of the same order, as they are listed.

    Example:
        >>> class StopWhenGood(Callback):
        ...     def after_validation(self, learn):
        ...         if learn.scores.mean > 0.9:
        ...             raise CancelFit
        >>> class LeaveOutWhatIsBlank(Callback):
        ...     def before_batch(self, learn):
        ...         if learn.batch.x.std() == 0:
        ...             raise CancelStep
        >>> class ValidateLater(Callback):
        ...     def before_validation(self, learn):
        ...         if learn.progress < 0.5:
        ...             raise CancelValidation
    """

    order: ClassVar[int] = 0
    once: ClassVar[bool] = False
    """Whether only the first of several processes that train together is told: for what looks on, and
    writes files or speaks. What all are told of they must decide alike, or they wait for each other."""

    def made_with(self) -> dict[str, Any] | None:
        """What it was made with that decides what is learned, as plain JSON values.

        A training goes on from its checkpoint with the same callbacks of the same settings, or is
        refused. None: it only looks on, and may be there or not.
        """
        return {}

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """What must outlive the process for a training to go on: tensors, and plain JSON values."""
        return {}, {}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Take up what :meth:`state` gave; told after ``before_fit``, on going on."""

    def before_fit(self, learn: Learner) -> None:
        """Before the first step."""

    def before_step(self, learn: Learner) -> None:
        """Before each step: ``learn.progress`` is known, ``learn.batch`` is still the last one."""

    def before_batch(self, learn: Learner) -> None:
        """Before a batch is looked at: ``learn.batch``; ``learn.seen`` batches came before it."""

    def after_loss(self, learn: Learner) -> None:
        """The batch's loss is known, ``learn.found``, and not yet propagated back."""

    def before_update(self, learn: Learner) -> None:
        """The gradient of the whole step is there, and the weights have not changed yet."""

    def after_step(self, learn: Learner) -> None:
        """The weights have changed."""

    def before_validation(self, learn: Learner) -> None:
        """Validation begins, with the weights as they are now."""

    def after_validation(self, learn: Learner) -> None:
        """``learn.scores`` are new."""

    def after_fit(self, learn: Learner) -> None:
        """Training is over, however it ended."""


def tell(callbacks: Iterable[Callback], event: str, learn: Learner) -> None:
    """Tell all callbacks of an event, then cancel, if one of them wants to.

    Args:
        callbacks: in the order in which they are told.
        event: such as ``"before_step"``.
        learn: what it happens to.

    Raises:
        Cancel: what one of them raised; to end the training goes before all else.
    """
    wanted: Cancel | None = None
    for callback in callbacks:
        try:
            getattr(callback, event)(learn)
        except Cancel as cancel:
            wanted = cancel if wanted is None or isinstance(cancel, CancelFit) else wanted
    if wanted is not None:
        raise wanted
