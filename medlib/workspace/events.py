"""The event log: who did what when, each row sealed by the digest of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database
from medlib.workspace.schema import Event, Setting, now

_HEAD = "last event"
_START = "0" * 64


@dataclass(frozen=True)
class Fault:
    """Something in the workspace that is not as it was written.

    Args:
        where: which row or file, such as ``"event 17"``.
        reason: what is wrong with it.
    """

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


def canonical(values: Any) -> str:
    """JSON text that is the same for equal values, in the manner of RFC 8785.

    Example:
        >>> canonical({"b": [1, 0.5], "a": "é"})
        '{"a":"é","b":[1,0.5]}'
    """
    return json.dumps(
        values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def record(session: Session, who: str, what: str, subject: str, **details: Any) -> Event:
    """Write an event in the transaction of what it tells of.

    Args:
        session: of a writer.
        who: the person's name, or the program's.
        what: was done, such as ``"label saved"``.
        subject: to what, such as ``"scan 3"``.
        details: plain JSON values; nothing that names a patient.
    """
    last = session.scalars(select(Event).order_by(Event.number.desc()).limit(1)).first()
    event = Event(
        number=last.number + 1 if last else 1,
        made=now(),
        who=who,
        what=what,
        subject=subject,
        details=canonical(details),
        previous=last.digest if last else _START,
    )
    event.digest = _digest(event)
    session.add(event)
    session.merge(Setting(name=_HEAD, value=f"{event.number} {event.digest}"))
    session.flush()
    return event


class Events:
    """The event log of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, what: str, subject: str, *, by: str, **details: Any) -> Event:
        """Write down what changes nothing else, such as that somebody looked at a scan.

        Args:
            what: was done, such as ``"viewed"``.
            subject: to what, such as ``"scan 3"``.
            by: who.
            details: plain JSON values; nothing that names a patient.
        """
        with self._database.writing() as session:
            return record(session, by, what, subject, **details)

    def newest(
        self, subject: str | None = None, *, by: str | None = None, limit: int = 200
    ) -> list[Event]:
        """The newest events, the latest first.

        Args:
            subject: only of this, such as ``"scan 3"``.
            by: only what this person or program did.
            limit: how many at most.
        """
        query = select(Event).order_by(Event.number.desc()).limit(limit)
        if subject is not None:
            query = query.where(Event.subject == subject)
        if by is not None:
            query = query.where(Event.who == by)
        with self._database.reading() as session:
            return [*session.scalars(query)]

    def who(self) -> list[str]:
        """Everybody who did something, people and programs, in alphabetical order."""
        with self._database.reading() as session:
            return [*session.scalars(select(Event.who).distinct().order_by(Event.who))]

    def head(self) -> str:
        """Number and digest of the last event: noted elsewhere, it vouches for all before it."""
        with self._database.reading() as session:
            found = session.get(Setting, _HEAD)
        return found.value if found else f"0 {_START}"

    def verify(self) -> tuple[Fault, ...]:
        """What was changed, removed or put in another order; nothing if the log is whole.

        Whoever may write to the database and changes all that follows as well, digests included,
        is not found out, unless :meth:`head` was noted elsewhere.
        """
        with self._database.reading() as session:
            rows = session.scalars(
                select(Event).order_by(Event.number).execution_options(yield_per=1000)
            )
            return tuple(_faults(rows, session.get(Setting, _HEAD)))


def _faults(rows: Any, head: Setting | None) -> Iterator[Fault]:
    number, digest = 0, _START
    for row in rows:
        for missing in range(number + 1, row.number):
            yield Fault(f"event {missing}", "is missing")
        if _digest(row) != row.digest:
            yield Fault(f"event {row.number}", "was changed: its digest is another")
        if row.number == number + 1 and row.previous != digest:
            yield Fault(f"event {row.number}", f"does not follow event {number}")
        number, digest = row.number, row.digest
    said = head.value.split() if head else ["0", _START]
    for missing in range(number + 1, int(said[0]) + 1):
        yield Fault(f"event {missing}", "is missing")
    if number > int(said[0]) or (number == int(said[0]) and digest != said[1]):
        yield Fault(f"event {number}", "is not the one that was written last")


def _digest(event: Event) -> str:
    said = event.said()
    said.pop("digest")
    return hashlib.sha256(canonical(said).encode()).hexdigest()
