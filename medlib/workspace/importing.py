"""Scans brought in: their files kept or noted, whose they are, and what they are called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database
from medlib.workspace.errors import WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.files import Files, digest_of
from medlib.workspace.headers import Header
from medlib.workspace.identities import Examination, Identities, Person
from medlib.workspace.schema import Patient, Scan, ScanFile, Study
from medlib.workspace.series import Series

if TYPE_CHECKING:
    from medlib.io import Refusal, Stack
    from medlib.io.files import File


@dataclass(frozen=True)
class Imported:
    """What became of an import.

    Args:
        scans: that are new in the workspace.
        known: that were there already, with the same files.
        refusals: images that cannot be used, with the reason and what to do.
    """

    scans: tuple[Scan, ...]
    known: tuple[Scan, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True)
class Importer:
    """Brings volumes in, one after another, each in a transaction of its own.

    Args:
        database: of the workspace.
        files: of the workspace.
        identities: of the workspace.
        by: who brings them in.
        kind: of the scans, where the files do not say; see :meth:`Scans.add` for this and the rest.
        copy: keep a copy of the files.
        named: keep patients' names too.
        file_names: call scans by their files' names.
    """

    database: Database
    files: Files
    identities: Identities
    by: str
    kind: str
    copy: bool
    named: bool
    file_names: bool

    def bring(self, stack: Stack) -> tuple[Scan, bool]:
        """The scan that a stack is in the workspace, and whether it is new there.

        Raises:
            OSError: when a file cannot be read.
            WorkspaceError: for a kind that there is not.
        """
        part = str(getattr(stack, "part", ""))
        held = [self._hold(file, copy=self.copy) for file in stack.files]
        said = "\n".join([part, *(file.digest for file in held)])
        digest = hashlib.sha256(said.encode()).hexdigest()
        person = Person.of(stack) if self.named else None
        series, text, then = said_of(stack.files[0], stack.source)
        with self.database.writing() as session:
            known = session.scalars(select(Scan).filter_by(digest=digest)).first()
            if known is not None:
                return known, False
            for file, row in zip(stack.files, held, strict=True):
                if row.content and not self.files.has(row.content):  # swept away meanwhile
                    self._hold(file, copy=True)
            patient, study = self._whose(session, stack)
            is_called_so = self.file_names and stack.source != "dicom"
            of_kind = _kind(stack, self.kind)
            scan = Scan(
                name=_free_name(session, stack.name)
                if is_called_so
                else _made_up_name(session, patient, stack.modality or _short(of_kind)),
                study_id=study.id,
                kind=of_kind,
                modality=stack.modality,
                source=stack.source,
                part=part,
                grid=stack.grid.to_dict(),
                digest=digest,
                warnings=[*stack.warnings, *stack.repairs],
                series=series.to_dict(),
            )
            session.add(scan)
            session.flush()
            for place, row in enumerate(held):
                row.scan_id, row.place = scan.id, place
                session.add(row)
            self.identities.set_day(patient, study, then)
            if person is not None:
                self.identities.keep(session, patient.id, person)
                self.identities.keep_scan(session, scan, text, then)
            record(
                session, self.by, "scan added", f"scan {scan.id}",
                digest=digest, files=len(held), copied=self.copy, patient=patient.key,
            )  # fmt: skip
        return scan, True

    def _hold(self, file: File, *, copy: bool) -> ScanFile:
        """A row for a file, not yet of any scan."""
        with file.open() as stream:
            if copy:
                name = self.files.copy(stream, _ending(file.name))
                return ScanFile(digest=name[:64], content=name)
            where = file.path if file.archive is None else file.archive.path
            member = None if file.archive is None else str(file.path)
            return ScanFile(digest=digest_of(stream), path=str(where), member=member)

    def _whose(self, session: Session, stack: Stack) -> tuple[Patient, Study]:
        from medlib.data.patients import patient_of

        dicom = stack.source == "dicom"
        whose = stack.patient if dicom else patient_of(stack.name)
        key = self.identities.pseudonym(session, "P", whose)
        patient = session.scalars(select(Patient).filter_by(key=key)).first()
        if patient is None:
            patient = Patient(key=key, origin=self.identities.origin())
            session.add(patient)
            session.flush()
        key = self.identities.pseudonym(session, "S", stack.study)
        study = session.scalars(select(Study).filter_by(key=key)).first()
        if study is None:
            study = Study(key=key, patient_id=patient.id)
            session.add(study)
            session.flush()
        return patient, study


def said_of(file: File, source: str) -> tuple[Series, str, Examination]:
    """Which series a scan is, what that was called by who sent it, and what is said of the study."""
    if source != "dicom":
        return Series(), "", Examination()
    header = Header(file, *Series.KEYWORDS, *Examination.KEYWORDS)
    return *Series.of(header), Examination.of(header)


def _made_up_name(session: Session, patient: Patient, modality: str) -> str:
    """Says which patient's scan it is, what made it, and how many came before; not who that is."""
    count = select(func.count()).select_from(Scan).join(Study, Scan.study_id == Study.id)
    before = session.scalar(count.where(Study.patient_id == patient.id)) or 0
    return _free_name(session, f"{patient.key}-{modality or 'scan'}-{before + 1}")


def _free_name(session: Session, wanted: str) -> str:
    count = select(func.count()).select_from(Scan)
    name, number = wanted, 1
    while session.scalar(count.where(func.lower(Scan.name) == name.lower())):
        number += 1
        name = f"{wanted}-{number}"
    return name


def _kind(stack: Stack, said: str) -> str:
    from medlib.types.gridded import SCAN_KINDS, Volume

    if stack.kind is not Volume or not said:
        return stack.kind.__name__
    if said not in SCAN_KINDS:
        raise WorkspaceError(f"a kind of scan is one of {', '.join(SCAN_KINDS)}, not {said!r}")
    return SCAN_KINDS[said].__name__


def without(folders: Collection[str], warnings: Sequence[str]) -> tuple[str, ...]:
    """Warnings that name no folder, which may be called by a patient."""
    names = "|".join(re.escape(name) for name in sorted(folders, key=len, reverse=True) if name)
    pattern = re.compile(rf"(?<!\w)(?:{names})(?!\w)") if names else None
    return tuple(pattern.sub("another folder", text) if pattern else text for text in warnings)


def _short(kind: str) -> str:
    """What files call scans of a kind; empty where nobody knows."""
    from medlib.types.gridded import SCAN_KINDS

    return next((short.upper() for short, of in SCAN_KINDS.items() if of.__name__ == kind), "")


def _ending(name: str) -> str:
    lower = name.lower()
    known = (".nii.gz", ".nii", ".png", ".jpeg", ".jpg")
    return next((ending for ending in known if lower.endswith(ending)), ".dcm")
