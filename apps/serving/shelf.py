"""Where scans and their outlines lie, as far as the pages know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from medlib.types import Labels, Mask, Volume


class NotThereError(LookupError):
    """There is no such scan."""


class StaleError(ValueError):
    """Somebody saved a newer outline meanwhile.

    Args:
        newest: the revision that is there.
    """

    def __init__(self, newest: int) -> None:
        super().__init__(
            f"revision {newest} of this outline has been saved meanwhile; load it, or save yours "
            "on top of it"
        )
        self.newest = newest


@dataclass(frozen=True)
class Case:
    """A scan that can be labelled.

    Args:
        id: letters, digits, ``-`` and ``_`` only; goes into addresses.
        name: for people. It may come from a file's tags: show it as text only.
    """

    id: str
    name: str


@dataclass(frozen=True)
class Drawing:
    """The newest outline of a scan.

    Args:
        mask: on the scan's grid, one layer.
        revision: 0 where nothing has been saved yet.
    """

    mask: Mask
    revision: int


class Shelf(Protocol):
    """Scans, and outlines of which no revision is ever overwritten."""

    def cases(self) -> Sequence[Case]:
        """The scans, in order."""

    def labels(self, case: str) -> Labels:
        """The structures to be outlined in a scan."""

    def volume(self, case: str) -> Volume:
        """A scan.

        Raises:
            NotThereError: when there is none of this id.
        """

    def drawing(self, case: str) -> Drawing:
        """The newest outline of a scan.

        Raises:
            NotThereError: when there is no scan of this id.
        """

    def save(self, case: str, mask: Mask, base: int) -> int:
        """Keep a mask as the next revision, and give its number.

        Args:
            case: the scan's id.
            mask: on its grid.
            base: the revision that was drawn on.

        Raises:
            StaleError: when ``base`` is not the newest.
        """
