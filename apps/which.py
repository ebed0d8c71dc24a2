"""Which of a patient's scans one is, in words: its series, and when its study was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from desk import Desk

from medlib.figures import three_figures
from medlib.space import Grid
from medlib.workspace import Entry
from medlib.workspace.series import plane_of
from medlib.workspace.timing import date_said


@dataclass(frozen=True)
class Which:
    """Tells scans apart, for one person.

    What files say is the sender's own text: escape it before it is shown.

    Args:
        descriptions: of series as they were sent, by scan; none for who may not see names, who gets
            those words alone that are known to name nobody.
        dates: of studies, likewise; others get the days between them.
    """

    descriptions: Mapping[int, str]
    dates: Mapping[str, str]

    @classmethod
    def seen_by(cls, here: Desk) -> Which:
        """What the person at this desk may know."""
        if not here.may("see names"):
            return cls({}, {})
        identities = here.workspace.identities
        return cls(identities.descriptions(), identities.dates())

    def series(self, entry: Entry) -> str:
        """What the files say of the series: description, number, plane, slices, contrast, MR's times."""
        series, grid = entry.series, Grid.from_dict(entry.scan.grid)
        slices, thick = grid.shape[0], three_figures(grid.spacing[0])
        return ", ".join(
            filter(
                None,
                [
                    self._described(entry),
                    f"{plane_of(grid)}, {slices} slices of {thick} mm" if slices > 1 else "",
                    _agent(series.contrast),
                    _time("TR", series.repetition),
                    _time("TE", series.echo),
                    _time("TI", series.inversion),
                ],
            )
        )

    def when(self, entry: Entry) -> str:
        """When the study was made: the date for who may see it, and the days since the first study."""
        return ", ".join(filter(None, [self.date(entry), since_first(entry)]))

    def date(self, entry: Entry) -> str:
        """The date of the study, for who may see it; else empty."""
        return date_said(self.dates.get(entry.study, ""))

    def name(self, entry: Entry) -> str:
        """For lists to choose from: what the scan is called, and what tells it from others."""
        thick = three_figures(Grid.from_dict(entry.scan.grid).spacing[0])
        is_told = bool(entry.series.to_dict())
        said = [self._described(entry), f"{thick} mm" if is_told else ""]
        said += [_agent(entry.series.contrast), self.when(entry)]
        return " · ".join(filter(None, [entry.scan.name, ", ".join(filter(None, said))]))

    def _described(self, entry: Entry) -> str:
        words = self.descriptions.get(entry.scan.id, entry.series.words)
        number = "" if entry.series.number is None else f"series {entry.series.number}"
        return ", ".join(filter(None, [words, number, entry.scan.part]))


def since_first(entry: Entry) -> str:
    """When the study was made, among those of its patient, for everybody; empty if alone."""
    when = entry.when
    if when.day is None:
        return "when is not known" if when.studies else ""
    if when.studies < 2:
        return ""
    return f"+{when.day} day{'' if when.day == 1 else 's'}" if when.day else "first study"


def apart(days: int) -> str:
    """A time between two studies.

    Example:
        >>> apart(0), apart(1), apart(45), apart(183), apart(1500)
        ('the same day', '1 day', '45 days', '6 months (183 days)', '4.1 years (1500 days)')
    """
    if days == 0:
        return "the same day"
    if days < 60:
        return f"{days} day{'' if days == 1 else 's'}"
    if days < 730:
        return f"{days / 30.44:.0f} months ({days} days)"
    return f"{days / 365.25:.1f} years ({days} days)"


def _agent(contrast: bool | None) -> str:
    return {True: "contrast agent", False: "no contrast agent", None: ""}[contrast]


def _time(name: str, milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{name} {three_figures(milliseconds)} ms"
