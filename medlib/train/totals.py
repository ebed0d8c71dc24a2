"""What the figures of many cases come to: a mean, a median or a count of lesions, with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medlib.train import lesions
from medlib.train.intervals import Interval, bootstrap, interval, mean, median
from medlib.train.metrics import Metrics
from medlib.train.scores import told


@dataclass(frozen=True)
class Total:
    """A figure of many cases.

    Args:
        of: the structure, landmark, box or answer it is about; empty for the whole.
        name: what it is called, such as ``"Dice"``.
        unit: a UCUM code; ``"1"`` for a plain number.
        over: ``"mean"`` or ``"median"`` of the cases, or ``"all"`` for what is of all lesions
            together.
        interval: the figure, and where it would lie with other patients.
    """

    of: str
    name: str
    unit: str
    over: str
    interval: Interval

    @property
    def heading(self) -> str:
        """What it is, its unit, and what of the cases: ``"HD95, mm (median)"``."""
        named = self.name if self.unit == "1" else f"{self.name}, {self.unit}"
        return named if self.over == "all" else f"{named} ({self.over})"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; infinite ones are ``"inf"``, and None says nothing."""
        ends = [told(self.interval.low), told(self.interval.high)]
        return {
            "of": self.of,
            "name": self.heading,
            "value": told(self.interval.value),
            "interval": ends,
            "patients": self.interval.patients,
        }


def totals(
    rows: Mapping[str, Metrics], patients: Mapping[str, str] | None = None
) -> tuple[Total, ...]:
    """Every figure of every part, of all cases: means, but medians of distances.

    A structure that was missed is infinitely far, and of that there is no mean. Structures that
    come in pieces have lesion by lesion figures besides; which those are:
    :func:`medlib.train.lesions.in_pieces`.

    Args:
        rows: what :func:`medlib.train.metrics` says of each case, by its name.
        patients: whose each case is; left out, each is another's.

    Example:
        >>> from medlib.train import Metric
        >>> rows = {"a": (Metric("liver", "Dice", 0.9),), "b": (Metric("liver", "Dice", 0.8),)}
        >>> for one in totals(rows):
        ...     print(one.of, one.heading, one.interval)
        liver Dice (mean) 0.85 (0.8 to 0.9)
    """
    return tuple(_totals(rows, patients))


def _totals(rows: Mapping[str, Metrics], patients: Mapping[str, str] | None) -> Iterator[Total]:
    kinds = {(one.of, one.name): one.unit for row in rows.values() for one in row}
    values: dict[tuple[str, str], dict[str, float]] = {kind: {} for kind in kinds}
    for case, row in rows.items():
        for one in row:
            values[one.of, one.name][case] = one.value
    for (of, name), unit in kinds.items():
        if name not in lesions.COUNTS:
            over = "median" if unit == "mm" else "mean"
            found = interval(values[of, name], patients, of=median if unit == "mm" else mean)
            yield Total(of, name, unit, over, found)
    for of, scans in of_lesions(rows).items():
        whose = [case if patients is None else patients[case] for case in scans]
        for name, figure in lesions.figures([*scans.values()]).items():
            yield Total(of, name, "1", "all", bootstrap(figure, whose))


def of_lesions(rows: Mapping[str, Metrics]) -> dict[str, dict[str, lesions.Lesions]]:
    """What became of the lesions, by structure and case, of structures that come in pieces.

    Args:
        rows: what was measured of each case.
    """
    found: dict[str, dict[str, lesions.Lesions]] = {}
    for case, row in rows.items():
        counts: dict[str, dict[str, float]] = {}
        for one in row:
            if one.name in lesions.COUNTS:
                counts.setdefault(one.of, {})[one.name] = one.value
        for of, each in counts.items():
            found.setdefault(of, {})[case] = lesions.of_counts(each)
    return {of: scans for of, scans in found.items() if lesions.in_pieces(of, [*scans.values()])}
