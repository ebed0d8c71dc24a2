"""How good a prediction is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan, nan
from statistics import fmean
from typing import Any

from medlib.types import Mask


def dice(prediction: Mask, truth: Mask) -> dict[str, float]:
    """Dice's coefficient of each label, on the grid that both share (Dice 1945).

    A label that neither mask has says nothing and is NaN; one that only one of them has is 0.

    Raises:
        ValueError: when the masks are on different grids.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> grid, labels = Grid.from_axes((1, 1, 4)), Labels.of(["liver"])
        >>> a = Mask(torch.tensor([[[[0, 1, 1, 1]]]]), grid, labels)
        >>> b = Mask(torch.tensor([[[[0, 0, 1, 1]]]]), grid, labels)
        >>> dice(a, b)
        {'liver': 0.8}
    """
    if not prediction.grid.close_to(truth.grid):
        raise ValueError(
            "prediction and truth are on different grids: " + prediction.grid.difference(truth.grid)
        )
    scores = {}
    for name in truth.labels.names:
        here, there = prediction.structure(name), truth.structure(name)
        total = int(here.sum()) + int(there.sum())
        scores[name] = 2 * int((here & there).sum()) / total if total else nan
    return scores


@dataclass(frozen=True)
class Scores:
    """Dice by case and label.

    Args:
        cases: for each case, Dice of each label; NaN where it says nothing.
    """

    cases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, float]:
        """Mean Dice of each label over the cases that say something about it."""
        names = list(dict.fromkeys(name for row in self.cases.values() for name in row))
        return {name: _mean([row[name] for row in self.cases.values()]) for name in names}

    @property
    def mean(self) -> float:
        """Mean over labels of :attr:`labels`; NaN when there is nothing to say."""
        return _mean(list(self.labels.values()))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where there is nothing to say."""
        return {
            "mean": _json(self.mean),
            "labels": {name: _json(value) for name, value in self.labels.items()},
            "cases": {
                case: {name: _json(value) for name, value in row.items()}
                for case, row in self.cases.items()
            },
        }


def _mean(values: list[float]) -> float:
    known = [v for v in values if not isnan(v)]
    return fmean(known) if known else nan


def _json(value: float) -> float | None:
    return None if isnan(value) else round(value, 5)
