"""Who patients are: pseudonyms for everybody; names, dates and free text apart, to be hidden."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from medlib.workspace.database import Database
from medlib.workspace.events import record
from medlib.workspace.headers import Header
from medlib.workspace.schema import (
    Description,
    Identity,
    Patient,
    Scan,
    Setting,
    Study,
    StudyDate,
)
from medlib.workspace.timing import date_of, second_of

if TYPE_CHECKING:
    from medlib.io import Stack

_SALT = "pseudonyms"
_HIDDEN = "names hidden"
_DAYS = 40_000  # from which a patient's origin is drawn


@dataclass(frozen=True)
class Person:
    """What DICOM says of a patient; of other files, what their names say.

    Args:
        name: PatientName (0010,0010), its parts as a person would write them.
        number: PatientID (0010,0020).
        born: PatientBirthDate (0010,0030), YYYYMMDD.
    """

    name: str
    number: str
    born: str

    @classmethod
    def of(cls, stack: Stack) -> Person | None:
        """Whose a scan is; None where DICOM says nothing."""
        if stack.source != "dicom":
            from medlib.data.patients import patient_of

            return cls(patient_of(stack.name), "", "")
        keywords = ("PatientName", "PatientID", "PatientBirthDate")
        said = [*map(Header(stack.files[0], *keywords).text, keywords)]
        return cls(*said) if any(said) else None


@dataclass(frozen=True)
class Examination:
    """What DICOM says of a study, and of the patient then; empty where it says nothing.

    Args:
        sex: PatientSex (0010,0040): F, M or O.
        age: PatientAge (0010,1010), such as 067Y.
        made: StudyDate (0008,0020), YYYYMMDD.
        time: StudyTime (0008,0030), HHMMSS.
    """

    sex: str = ""
    age: str = ""
    made: str = ""
    time: str = ""

    KEYWORDS: ClassVar[tuple[str, ...]] = ("PatientSex", "PatientAge", "StudyDate", "StudyTime")

    @classmethod
    def of(cls, header: Header) -> Examination:
        """What a header says that was read for :attr:`KEYWORDS`, at least."""
        return cls(*map(header.text, cls.KEYWORDS))


class Identities:
    """Whose the scans of a workspace are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def hidden(self) -> bool:
        """Whether names are kept from everybody."""
        with self._database.reading() as session:
            return session.get(Setting, _HIDDEN) is not None

    def hide(self, hidden: bool, *, by: str) -> None:
        """Hide all names, or show them again."""
        with self._database.writing() as session:
            if hidden:
                session.merge(Setting(name=_HIDDEN, value="yes"))
            else:
                session.execute(delete(Setting).filter_by(name=_HIDDEN))
            record(session, by, "names hidden" if hidden else "names shown", "workspace")

    def who(self, patient: str) -> Person | None:
        """Who a patient is; None where that is hidden or was never kept.

        What files say is the sender's own text: escape it before it is shown in a page.

        Args:
            patient: the pseudonym.
        """
        if self.hidden:
            return None
        query = select(Identity).join(Patient, Identity.patient_id == Patient.id)
        with self._database.reading() as session:
            row = session.scalars(query.where(Patient.key == patient)).first()
            return None if row is None else Person(row.name, row.number, row.born)

    def made(self, study: str) -> str:
        """When a study was made (YYYYMMDD), by its pseudonym; empty as :meth:`who` is None."""
        if self.hidden:
            return ""
        query = select(StudyDate.made).join(Study, StudyDate.study_id == Study.id)
        with self._database.reading() as session:
            return session.scalar(query.where(Study.key == study)) or ""

    def dates(self) -> Mapping[str, str]:
        """When studies were made (YYYYMMDD), by their pseudonym; none while names are hidden."""
        if self.hidden:
            return {}
        query = select(Study.key, StudyDate.made).join(StudyDate, StudyDate.study_id == Study.id)
        with self._database.reading() as session:
            return {row.key: row.made for row in session.execute(query)}

    def descriptions(self) -> Mapping[int, str]:
        """What scans' series are called by who sent them; none while names are hidden.

        It is the sender's own text, and may name people: escape it before it is shown in a page.
        """
        if self.hidden:
            return {}
        with self._database.reading() as session:
            return {row.scan_id: row.text for row in session.scalars(select(Description))}

    def forget(self, *, by: str) -> None:
        """Remove all names from the workspace, the dates of studies, and what senders wrote.

        The days between a patient's studies stay; those to studies that come later are not known.
        """
        with self._database.writing() as session:
            for kind in (Identity, StudyDate, Description):
                session.execute(delete(kind))
            session.execute(update(Patient).values(origin=None))
            record(session, by, "names forgotten", "workspace")

    def keep(self, session: Session, patient_id: int, person: Person) -> None:
        """Write down who a patient is, in the transaction of the import."""
        session.merge(
            Identity(
                patient_id=patient_id, name=person.name, number=person.number, born=person.born
            )
        )

    def is_kept(self, session: Session, patient: Patient) -> bool:
        """Whether it was written down who a patient is."""
        return session.get(Identity, patient.id) is not None

    def keep_scan(self, session: Session, scan: Scan, text: str, then: Examination) -> None:
        """Write down what a series was called by who sent it, and on which date it was made."""
        if text:
            session.merge(Description(scan_id=scan.id, text=text))
        if date_of(then.made):
            session.merge(StudyDate(study_id=scan.study_id, made=then.made))

    def origin(self) -> int:
        """A day to count a new patient's days from; by chance, so that days tell no date."""
        return secrets.randbelow(_DAYS)

    def set_day(self, patient: Patient, study: Study, then: Examination) -> None:
        """Say of a study how long before or after the patient's others it was made.

        Nothing is said where the files give no date, or the patient's origin is forgotten.
        """
        made = date_of(then.made)
        if study.day is None and made is not None and patient.origin is not None:
            study.day, study.second = made.toordinal() - patient.origin, second_of(then.time)

    def pseudonym(self, session: Session, letter: str, key: str) -> str:
        """A name for what a key stands for: the same in this workspace, another in any other.

        Args:
            session: of a writer.
            letter: that it begins with.
            key: such as :attr:`medlib.io.Stack.patient`.
        """
        salt = session.get(Setting, _SALT)
        if salt is None:
            salt = Setting(name=_SALT, value=secrets.token_hex(32))
            session.add(salt)
            session.flush()
        found = hmac.digest(bytes.fromhex(salt.value), key.encode(), hashlib.sha256)
        return letter + base64.b32encode(found[:5]).decode()
