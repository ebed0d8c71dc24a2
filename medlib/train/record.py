"""The training record: what was seen on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medlib.train.scores import Scores


@dataclass(frozen=True)
class Point:
    """One line of the training record."""

    step: int
    seconds: float
    loss: float
    scores: Scores | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        line = {"step": self.step, "seconds": round(self.seconds, 1), "loss": round(self.loss, 4)}
        return line | ({"score": self.scores.to_dict()["mean"]} if self.scores else {})


@dataclass(frozen=True)
class RunningLoss:
    """The loss of the last step, and smoothed over the last fifty or so.

    Both stay where they were computed: to read a number from a graphics card is to wait for it.

    Args:
        last: of the last step; None before the first.
        smooth: the moving average.

    Example:
        >>> RunningLoss().then(torch.tensor(1.0)).then(torch.tensor(2.0)).smooth
        tensor(1.0200)
    """

    last: Tensor | None = None
    smooth: Tensor | None = None

    def then(self, loss: Tensor) -> RunningLoss:
        """After another step."""
        if self.smooth is None:
            return RunningLoss(loss, loss)
        return RunningLoss(loss, torch.lerp(self.smooth.to(loss), loss, 0.02))


def partial(path: Path) -> Path:
    """What ``path`` is called while it is being written; see :func:`replaced`."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name beside ``path`` that becomes ``path`` if all goes well.

    It is the same name each time, for one writer at a time: what one that was killed has left is
    overwritten by the next, and does not fill the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial(path)
        partial(path).replace(path)
    finally:
        partial(path).unlink(missing_ok=True)
