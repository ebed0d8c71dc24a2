"""What a model said of a case, and which cases it said it worst of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
import torch

from medlib.planes import focus
from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.train.metrics import Metrics, metrics
from medlib.train.scores import row
from medlib.types import Kind, Mask, MultiVolume, Volume

if TYPE_CHECKING:
    from medlib.data import Dataset


@dataclass(frozen=True)
class Result:
    """A prediction beside the truth.

    Args:
        number: of the case in its data set.
        name: of the case.
        prediction: on the scan's own grid.
        truth: likewise.
        scores: the measure of each part (label, landmark, answer).
        measure: what it is, such as ``"Dice"``.
        errors: whether less is better.
    """

    number: int
    name: str
    prediction: Kind
    truth: Kind
    scores: Mapping[str, float]
    measure: str
    errors: bool

    @classmethod
    def of(
        cls,
        number: int,
        name: str,
        prediction: Kind,
        truth: Kind,
        found: Metrics | None = None,
    ) -> Result:
        """Compare both.

        Args:
            number: of the case in its data set.
            name: of the case.
            prediction: on the scan's own grid.
            truth: likewise.
            found: what :func:`medlib.train.metrics` says of them, where that is known already.
        """
        known = metrics(prediction, truth) if found is None else found
        return cls(number, name, prediction, truth, *row(prediction, truth, known))

    @property
    def mean(self) -> float:
        """Of the parts of which something can be said; NaN when nothing can."""
        known = [value for value in self.scores.values() if not isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    def __str__(self) -> str:
        return self.name if isnan(self.mean) else f"{self.name}: {self.measure} {self.mean:.3g}"


class Ends:
    """The worst and the best of many cases; what lies between is forgotten, for masks are large.

    Args:
        worst: how many of the worst to keep.
        best: how many of the best.

    Example:
        >>> from medlib.types import Measurement
        >>> ends = Ends(worst=1, best=1)
        >>> for number, found in enumerate((31.0, 38.0, 30.0)):
        ...     said, truth = (Measurement(ml, "ml", "spleen") for ml in (found, 30))
        ...     ends.add(Result.of(number, f"case {number}", said, truth))
        >>> [str(result) for result in ends.worst], [str(result) for result in ends.best]
        (['case 1: error in ml 8'], ['case 2: error in ml 0'])
    """

    def __init__(self, worst: int, best: int) -> None:
        self._sizes = worst, best
        self._found: list[Result] = []

    def add(self, result: Result) -> None:
        """Look at one more case; one of which nothing can be said is neither good nor bad."""
        if isnan(result.mean):
            return
        worst, best = self._sizes
        self._found = sorted([*self._found, result], key=_merit)
        del self._found[worst : len(self._found) - best]

    @property
    def worst(self) -> list[Result]:
        """The worst first."""
        return self._found[: self._sizes[0]]

    @property
    def best(self) -> list[Result]:
        """The best first; of few cases, those that are not among the worst."""
        return self._found[self._sizes[0] :][::-1]


def _merit(result: Result) -> float:
    return -result.mean if result.errors else result.mean


def scan_of(data: Dataset, number: int) -> Volume:
    """The scan of a case, to be drawn on: of several series the first."""
    scan = data.raw(number).values[0]
    if isinstance(scan, MultiVolume):
        scan = scan.parts[0]
    assert isinstance(scan, Volume)
    return scan


def where_to_look(result: Result, grid: Grid) -> FloatArray:
    """LPS millimetres of what the masks disagree on most, or of what else there is to see.

    Args:
        result: with masks on the grid, shapes anywhere, or answers.
        grid: of the scan.
    """
    truth, prediction = result.truth, result.prediction
    if not (isinstance(truth, Mask) and isinstance(prediction, Mask)):
        return focus(grid, truth, prediction)
    unlike, looked_at = torch.zeros_like(truth.data[:1]), ~truth.unseen()
    for label in truth.known:
        both = (mask.structure(label.name).cpu() for mask in (truth, prediction))
        unlike[0, next(both).logical_xor(next(both)) & looked_at] = label.id
    return focus(grid, replace(truth, data=unlike) if unlike.any() else truth)
