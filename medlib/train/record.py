"""The training record: what was seen on the way."""

from __future__ import annotations

from dataclasses import dataclass

from medlib.train.scores import Scores


@dataclass(frozen=True)
class Point:
    """One line of the training record."""

    step: int
    seconds: float
    loss: float
    scores: Scores | None = None
