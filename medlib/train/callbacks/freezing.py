"""Thawing a pretrained network from its head backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medlib.models import freeze_to, layer_groups, train_thawed
from medlib.train.callbacks.base import Callback

if TYPE_CHECKING:
    from medlib.train.learner import Learner


class Unfreeze(Callback):
    """Trains the head alone to begin with, then group after group (Howard and Ruder 2018).

    Args:
        begin: share of the training in which the head learns alone.
        end: share after which everything learns; in between, the other layer groups are thawed
            evenly, from the head backwards. Left out, all of them at once at ``begin``.

    Raises:
        ValueError: unless begin ≤ end, both from 0 to 1.

    Example:
        >>> thaw = Unfreeze(0.1, 0.5)
        >>> [thaw.thawed(progress, groups=4) for progress in (0, 0.09, 0.1, 0.3, 0.5, 1)]
        [1, 1, 2, 3, 4, 4]
    """

    def __init__(self, begin: float = 0.1, end: float | None = None) -> None:
        self.begin, self.end = begin, begin if end is None else end
        if not 0 <= self.begin <= self.end <= 1:
            raise ValueError(f"layers thaw between two shares from 0 to 1, not {begin} and {end}")
        self._now = self._groups = 0

    def thawed(self, progress: float, groups: int) -> int:
        """How many layer groups learn when this share of the training is done."""
        if progress < self.begin:
            return 1
        if progress >= self.end:
            return groups
        way = (progress - self.begin) / (self.end - self.begin)
        return min(groups, 2 + int(way * (groups - 2) + 1e-9))

    def made_with(self) -> dict[str, Any]:
        """When layers thaw."""
        return {"begin": self.begin, "end": self.end}

    def before_fit(self, learn: Learner) -> None:
        """Another training begins."""
        self._now, self._groups = 0, len(layer_groups(learn.network))

    def before_step(self, learn: Learner) -> None:
        """Thaw what is due."""
        count = self.thawed(learn.progress, self._groups)
        if count != self._now:
            freeze_to(learn.network, -count)
            train_thawed(learn.network)
            self._now = count

    def after_fit(self, learn: Learner) -> None:
        """Leave nothing frozen."""
        freeze_to(learn.network, 0)
