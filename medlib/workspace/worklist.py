"""The worklist: which scans there are, how far each has come, and in which order they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from medlib.workspace.schema import Patient, Scan, Status, Study, Tag
from medlib.workspace.series import Series
from medlib.workspace.timing import When, among

Order = Literal["usefulness", "name", "added", "made"]


@dataclass(frozen=True)
class Entry:
    """A line of the worklist.

    Args:
        scan: the scan.
        patient: whose it is: a pseudonym.
        study: of which examination: a pseudonym.
        tags: in alphabetical order.
        when: the study was made, among those of the patient.
    """

    scan: Scan
    patient: str
    study: str
    tags: tuple[str, ...]
    when: When

    @property
    def series(self) -> Series:
        """Which series of the study it is."""
        return Series.from_dict(self.scan.series or {})


def entries(
    session: Session, *, status: Status | None, reader: str | None, tag: str | None, order: Order
) -> Sequence[Entry]:
    """The lines of the worklist; see :meth:`medlib.workspace.scans.Scans.list`."""
    query = select(Scan, Patient.key, Study.key).join(Study, Scan.study_id == Study.id)
    query = query.join(Patient, Study.patient_id == Patient.id)
    if status is not None:
        query = query.where(Scan.status == status)
    if reader is not None:
        query = query.where(Scan.reader == reader)
    if tag is not None:
        query = query.join(Tag, Tag.scan_id == Scan.id).where(Tag.tag == tag)
    tags: dict[int, list[str]] = {}
    for row in session.scalars(select(Tag).order_by(Tag.tag)):
        tags.setdefault(row.scan_id, []).append(row.tag)
    when = _times(session)
    lines = [
        Entry(scan, patient, study, tuple(tags.get(scan.id, ())), when[study])
        for scan, patient, study in session.execute(_ordered(query, order))
    ]
    return sorted(lines, key=_by_time) if order == "made" else lines


def _ordered(query: Select[Scan, str, str], order: Order) -> Select[Scan, str, str]:
    if order == "usefulness":
        # Databases do not agree on where the unknown goes.
        return query.order_by(Scan.usefulness.is_(None), Scan.usefulness.desc(), Scan.name)
    return query.order_by(*((Scan.added.desc(), Scan.name) if order == "added" else (Scan.name,)))


def _by_time(entry: Entry) -> tuple[object, ...]:
    number = entry.series.number
    return entry.patient, entry.when.key, entry.study, number is None, number or 0, entry.scan.name


def _times(session: Session) -> dict[str, When]:
    """When each study was made."""
    of_patient: dict[int, list[tuple[str, int | None, int | None]]] = {}
    query = select(Study.patient_id, Study.key, Study.day, Study.second)
    for patient, study, day, second in session.execute(query):
        of_patient.setdefault(patient, []).append((study, day, second))
    return {k: when for days in of_patient.values() for k, when in among(days).items()}
