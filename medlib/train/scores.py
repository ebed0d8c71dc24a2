"""How good the predictions of many cases are: Dice by case and label, and its means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan, nan
from statistics import fmean
from typing import Any


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
