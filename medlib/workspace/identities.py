"""Who patients are: pseudonyms for everybody, names in one table, which can be hidden."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database
from medlib.workspace.events import record
from medlib.workspace.schema import Identity, Patient, Setting

if TYPE_CHECKING:
    from medlib.io import Stack
    from medlib.io.files import File

_SALT = "pseudonyms"
_HIDDEN = "names hidden"


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
        said = _said(stack.files[0], "PatientName", "PatientID", "PatientBirthDate")
        return cls(*said) if any(said) else None


@dataclass(frozen=True)
class Examination:
    """What DICOM says of a study, and of the patient then; empty where it says nothing.

    Args:
        sex: PatientSex (0010,0040): F, M or O.
        age: PatientAge (0010,1010), such as 067Y.
        made: StudyDate (0008,0020), YYYYMMDD.
    """

    sex: str = ""
    age: str = ""
    made: str = ""

    @classmethod
    def of(cls, file: File) -> Examination:
        """What a DICOM file says."""
        return cls(*_said(file, "PatientSex", "PatientAge", "StudyDate"))


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

    def forget(self, *, by: str) -> None:
        """Remove all names from the workspace."""
        with self._database.writing() as session:
            session.execute(delete(Identity))
            record(session, by, "names forgotten", "workspace")

    def keep(self, session: Session, patient_id: int, person: Person) -> None:
        """Write down who a patient is, in the transaction of the import."""
        session.merge(
            Identity(
                patient_id=patient_id, name=person.name, number=person.number, born=person.born
            )
        )

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


def _plain(text: str) -> str:
    return "".join(c for c in text.replace("^", " ") if c.isprintable()).strip()[:330]


def _said(file: File, *tags: str) -> list[str]:
    """What a DICOM file says under these keywords."""
    import pydicom

    with file.open() as stream:
        read = pydicom.dcmread(stream, force=True, stop_before_pixels=True, specific_tags=[*tags])
    return [_plain(str(read.get(tag) or "")) for tag in tags]
