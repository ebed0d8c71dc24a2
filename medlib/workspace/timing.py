"""When studies were made, by the days between them: a date would tell who somebody is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

_LAST = 86_400


@dataclass(frozen=True)
class When:
    """When a study was made, among those of its patient.

    Args:
        day: days after the patient's first study in the workspace; None where nobody knows.
        second: of that day; None where nobody knows.
        studies: of how many of the patient's studies the day is known.

    Example:
        >>> first, second = When(0, 3600, 2), When(183, None, 2)
        >>> first.is_before(second), first.days_until(second)
        (True, 183)
    """

    day: int | None = None
    second: int | None = None
    studies: int = 0

    @property
    def key(self) -> tuple[bool, int, bool, int]:
        """To sort by: the oldest first, what nobody knows last."""
        return self.day is None, self.day or 0, self.second is None, self.second or 0

    def days_until(self, other: When) -> int | None:
        """Days from this study to another one of the patient; None where nobody knows."""
        return None if self.day is None or other.day is None else other.day - self.day

    def is_before(self, other: When) -> bool | None:
        """Whether this study was made before another one of the patient; None where nobody knows.

        Of two on one day the time decides, where both have one.
        """
        days = self.days_until(other)
        if days:
            return days > 0
        times = (self.second, other.second)
        if days is None or None in times or times[0] == times[1]:
            return None
        return self.key < other.key


def among(days: Iterable[tuple[str, int | None, int | None]]) -> dict[str, When]:
    """When each study of one patient was made, counted from the first.

    Args:
        days: study, day counted from anywhere, second of the day.

    Example:
        >>> among([("a", 720_100, None), ("b", 720_000, 60)])["a"]
        When(day=100, second=None, studies=2)
    """
    there = list(days)
    known = [day for _, day, _ in there if day is not None]
    first = min(known, default=0)
    return {
        study: When(None if day is None else day - first, second, len(known))
        for study, day, second in there
    }


def date_of(text: str) -> date | None:
    """A date as DICOM has it (YYYYMMDD); None for what is none.

    Example:
        >>> date_of("20230228"), date_of("2023")
        (datetime.date(2023, 2, 28), None)
    """
    try:
        return date.fromisoformat(text) if len(text) == 8 and text.isdecimal() else None
    except ValueError:
        return None


def date_said(text: str) -> str:
    """A date as DICOM has it, as it is read; what is none stays as it is.

    Example:
        >>> date_said("19500301"), date_said("1950")
        ('1950-03-01', '1950')
    """
    known = date_of(text)
    return known.isoformat() if known else text


def second_of(text: str) -> int | None:
    """The second of the day of a time as DICOM has it (HHMMSS.FFFFFF); None for what is none.

    Example:
        >>> second_of("101112.5"), second_of("10"), second_of("noon")
        (36672, None, None)
    """
    if not (len(text) >= 6 and text[:6].isdecimal()):
        return None
    second = 3600 * int(text[:2]) + 60 * int(text[2:4]) + int(text[4:6])
    return second if second < _LAST else None
