"""All that was measured of many cases, each figure with its interval: to read, and to write down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import nan
from typing import Any

from medlib.train.intervals import Interval, overall_intervals, part_intervals
from medlib.train.scores import Scores, plain
from medlib.train.totals import Total, totals

_ABSOLUTE = "absolute error"  # which is the measure of numbers by another name


@dataclass(frozen=True)
class Measured:
    """The scores of many cases, and how sure they are.

    Args:
        scores: of the cases.
        patients: of each case, whose it is.

    Example:
        >>> from medlib.train import scored
        >>> from medlib.types import Measurement
        >>> found = {"a": 31.0, "b": 27.0}
        >>> pairs = [(n, Measurement(v, "ml", "spleen"), Measurement(30, "ml", "spleen"))
        ...          for n, v in found.items()]
        >>> print(Measured(scored(pairs), {"a": "Ann", "b": "Bob"}).table("kept back"))
        Measured on 2 scans of 2 patients, kept back (error in ml: 0 is perfect; in brackets, 95% of
        draws of other patients):
          spleen: error in ml       2 (1 to 3)
          spleen: error, ml (mean)  -1 (-3 to 1)
    """

    scores: Scores
    patients: Mapping[str, str]

    @cached_property
    def overall(self) -> dict[str, Interval]:
        """The figures of all cases together, without ends where the scores were read from a file."""
        count = len(self._whose)
        bare = {n: Interval(v, nan, nan, count) for n, v in self.scores.overall.items()}
        return bare | overall_intervals(self.scores, self.patients)

    @cached_property
    def parts(self) -> dict[str, Interval]:
        """The mean of each part (label, landmark, answer)."""
        return part_intervals(self.scores, self.patients)

    @cached_property
    def totals(self) -> tuple[Total, ...]:
        """Every figure of every part: of masks, NSD and so on too."""
        return totals(self.scores.metrics, self.patients)

    @property
    def _whose(self) -> set[str]:
        return {self.patients[case] for case in self.scores.cases}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None where there is nothing to say."""
        sure = self.parts | self.overall
        return self.scores.to_dict() | {
            "intervals": {name: [plain(i.low), plain(i.high)] for name, i in sure.items()},
            "figures": [one.to_dict() for one in self.totals],
            "patients": len(self._whose),
        }

    def table(self, how: str) -> str:
        """A line a figure, those of all cases together first.

        Args:
            how: the cases came to be measured, such as ``"kept back from the training"``.
        """
        rows = list(self._rows())
        width = max((len(name) for name, _ in rows), default=0)
        scans, patients = len(self.scores.cases), len(self._whose)
        return "\n".join(
            [
                f"Measured on {scans} scan{'' if scans == 1 else 's'} of {patients} "
                f"patient{'' if patients == 1 else 's'}, {how} ({self.scores.measure}: "
                f"{0 if self.scores.errors else 1} is perfect; in brackets, 95% of draws of other "
                "patients):",
                *(f"  {name:{width}}  {figure}" for name, figure in rows),
            ]
        )

    def _rows(self) -> Iterator[tuple[str, str]]:
        for name, interval in self.overall.items():
            yield name, _said(interval)
        for part, interval in self.parts.items():
            yield f"{part}: {self.scores.measure}", _said(interval)
        for one in self.totals:
            if one.name not in (self.scores.measure, _ABSOLUTE):
                yield ": ".join(filter(None, (one.of, one.heading))), _said(one.interval)


def _said(found: Interval) -> str:
    return str(found).replace("inf", "∞")
