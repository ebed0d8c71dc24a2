"""Scans: brought in, found again, and where each stands on the worklist."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database, found
from medlib.workspace.errors import WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.files import Files, digest_of
from medlib.workspace.headers import Header
from medlib.workspace.identities import Examination, Identities, Person
from medlib.workspace.schema import Patient, Scan, ScanFile, Status, Study, Tag
from medlib.workspace.series import Series
from medlib.workspace.timing import When, among

if TYPE_CHECKING:
    from medlib.io import Refusal, Stack, Survey
    from medlib.io.files import File
    from medlib.space import Grid
    from medlib.types import Volume

Order = Literal["usefulness", "name", "added", "made"]


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


class Scans:
    """The scans of a workspace."""

    def __init__(self, database: Database, files: Files, identities: Identities) -> None:
        self._database = database
        self._files = files
        self._identities = identities

    def add(
        self,
        path: str | Path | Survey,
        *,
        by: str,
        kind: str = "",
        copy: bool = True,
        named: bool = False,
        file_names: bool = False,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> Imported:
        """Bring in every volume of a file, a folder or a zip archive.

        Scans are called by their patient's pseudonym, since files and folders are often called by
        the patient's name, and everybody who may look sees what a scan is called.

        Args:
            path: what :func:`medlib.io.survey` takes, or what it has found.
            by: who does so.
            kind: of the scans, such as ``"ct"``, where the files do not say (NIfTI).
            copy: keep a copy of the files; else they are read where they lie, and must stay there.
            named: keep patients' names and numbers too, for :attr:`Workspace.identities`, dates of
                studies, and series' descriptions as they were sent: what DICOM says, and the part
                of other files' names that says whose they are.
            file_names: call scans that are no DICOM by their files' names instead: only where these
                name nobody, as in a data set that was published.
            progress: called with how many volumes are done, and of how many. What it raises ends
                the import; scans that are in by then stay.

        Raises:
            FileNotFoundError: when there is nothing at ``path``.
            UnreadableError: when an archive is damaged or unsafe.
            WorkspaceError: for a kind that there is not.
        """
        from medlib import io

        there = path if isinstance(path, io.Survey) else io.survey(path)
        new: list[Scan] = []
        known: list[Scan] = []
        refusals = list(there.refusals)
        folders = {file.folder.name for stack in there.stacks for file in stack.files}
        for number, stack in enumerate(there.stacks):
            progress(number, len(there.stacks))
            try:
                scan, is_new = self._add(
                    replace(stack, warnings=_without(folders, stack.warnings)),
                    by=by, kind=kind, copy=copy, named=named, file_names=file_names,
                )  # fmt: skip
                (new if is_new else known).append(scan)
            except OSError as error:
                refusals.append(io.Refusal(stack.files, f"cannot be read: {error}"))
        progress(len(there.stacks), len(there.stacks))
        return Imported(tuple(new), tuple(known), tuple(refusals))

    def _add(
        self, stack: Stack, *, by: str, kind: str, copy: bool, named: bool, file_names: bool
    ) -> tuple[Scan, bool]:
        part = str(getattr(stack, "part", ""))
        held = [self._hold(file, copy=copy) for file in stack.files]
        said = "\n".join([part, *(file.digest for file in held)])
        digest = hashlib.sha256(said.encode()).hexdigest()
        person = Person.of(stack) if named else None
        series, text, then = _described(stack.files[0], stack.source)
        with self._database.writing() as session:
            known = session.scalars(select(Scan).filter_by(digest=digest)).first()
            if known is not None:
                return known, False
            for file, row in zip(stack.files, held, strict=True):
                if row.content and not self._files.has(row.content):  # swept away meanwhile
                    self._hold(file, copy=True)
            patient, study = self._whose(session, stack)
            is_called_so = file_names and stack.source != "dicom"
            of_kind = _kind(stack, kind)
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
            self._identities.set_day(patient, study, then)
            if person is not None:
                self._identities.keep(session, patient.id, person)
                self._identities.keep_scan(session, scan, text, then)
            record(
                session, by, "scan added", f"scan {scan.id}",
                digest=digest, files=len(held), copied=copy, patient=patient.key,
            )  # fmt: skip
        return scan, True

    def _hold(self, file: File, *, copy: bool) -> ScanFile:
        """A row for a file, not yet of any scan."""
        with file.open() as stream:
            if copy:
                name = self._files.copy(stream, _ending(file.name))
                return ScanFile(digest=name[:64], content=name)
            where = file.path if file.archive is None else file.archive.path
            member = None if file.archive is None else str(file.path)
            return ScanFile(digest=digest_of(stream), path=str(where), member=member)

    def _whose(self, session: Session, stack: Stack) -> tuple[Patient, Study]:
        from medlib.data.patients import patient_of

        dicom = stack.source == "dicom"
        whose = stack.patient if dicom else patient_of(stack.name)
        key = self._identities.pseudonym(session, "P", whose)
        patient = session.scalars(select(Patient).filter_by(key=key)).first()
        if patient is None:
            patient = Patient(key=key, origin=self._identities.origin())
            session.add(patient)
            session.flush()
        key = self._identities.pseudonym(session, "S", stack.study)
        study = session.scalars(select(Study).filter_by(key=key)).first()
        if study is None:
            study = Study(key=key, patient_id=patient.id)
            session.add(study)
            session.flush()
        return patient, study

    # --- finding -------------------------------------------------------------------------

    def get(self, scan: int) -> Scan:
        """The scan of this number.

        Raises:
            NotThereError: when there is none.
        """
        with self._database.reading() as session:
            return found(session, Scan, scan)

    def list(
        self,
        *,
        status: Status | None = None,
        reader: str | None = None,
        tag: str | None = None,
        order: Order = "name",
    ) -> Sequence[Entry]:
        """The worklist.

        Args:
            status: only scans that have come so far.
            reader: only this person's.
            tag: only those that bear it.
            order: by name, what was brought in last first, the most useful to label next first, or
                a patient's oldest study first.
        """
        query = select(Scan, Patient.key, Study.key).join(Study, Scan.study_id == Study.id)
        query = query.join(Patient, Study.patient_id == Patient.id)
        if status is not None:
            query = query.where(Scan.status == status)
        if reader is not None:
            query = query.where(Scan.reader == reader)
        if tag is not None:
            query = query.join(Tag, Tag.scan_id == Scan.id).where(Tag.tag == tag)
        with self._database.reading() as session:
            tags: dict[int, list[str]] = {}
            for row in session.scalars(select(Tag).order_by(Tag.tag)):
                tags.setdefault(row.scan_id, []).append(row.tag)
            when = _times(session)
            entries = [
                Entry(scan, patient, study, tuple(tags.get(scan.id, ())), when[study])
                for scan, patient, study in session.execute(_ordered(query, order))
            ]
        return sorted(entries, key=_by_time) if order == "made" else entries

    def grid(self, scan: int) -> Grid:
        """Where the scan's voxels are."""
        from medlib.space import Grid

        return Grid.from_dict(self.get(scan).grid)

    def stack(self, scan: int) -> Stack:
        """The scan's files, looked at again, under the names that the workspace uses.

        Raises:
            WorkspaceError: when a file is missing or was changed, so that they are no longer
                the scan that was brought in.
        """
        from medlib import io
        from medlib.space import Grid

        with self._database.reading() as session:
            row = found(session, Scan, scan)
            study = found(session, Study, row.study_id)
            patient = found(session, Patient, study.patient_id)
            query = select(ScanFile).filter_by(scan_id=scan).order_by(ScanFile.place)
            files = [self.file(file) for file in session.scalars(query)]
        there = io.survey_files(files)
        stacks = [s for s in there.stacks if len(there.stacks) == 1 or s.part == row.part]  # type: ignore[attr-defined]
        lost = [refusal.reason for refusal in there.refusals if not refusal.aside]
        if lost or len(stacks) != 1 or stacks[0].grid != Grid.from_dict(row.grid):
            why = lost[0] if lost else "they do not hold the volume that was brought in"
            raise WorkspaceError(
                f"the files of {row.name} were moved or changed: {why}. Bring the scan in again."
            )
        return replace(stacks[0], name=row.name, patient=patient.key, study=study.key)

    def volume(self, scan: int) -> Volume:
        """The scan itself, as the kind that it was brought in as.

        Raises:
            WorkspaceError: as :meth:`stack`.
            UnreadableError: when its voxels cannot be read.
        """
        import medlib.types

        stack = self.stack(scan)
        return stack.read(getattr(medlib.types, self.get(scan).kind))

    def examination(self, scan: int) -> Examination:
        """What DICOM says of its study; for those alone who may know whose it is.

        Raises:
            OSError: when its first file is not there.
        """
        query = select(ScanFile).filter_by(scan_id=scan, place=0)
        with self._database.reading() as session:
            is_dicom = found(session, Scan, scan).source == "dicom"
            first = session.scalars(query).first()
        if not is_dicom or first is None:
            return Examination()
        return Examination.of(Header(self.file(first), *Examination.KEYWORDS))

    def is_copied(self, scan: int) -> bool:
        """Whether its files are in the workspace; else they are read where they lie."""
        query = select(ScanFile).filter_by(scan_id=scan).where(ScanFile.content.is_(None))
        with self._database.reading() as session:
            return session.scalars(query.limit(1)).first() is None

    def file(self, row: ScanFile) -> File:
        """Where a file of a scan is to be read."""
        from medlib.io.files import Archive, File

        if row.content is not None:
            return File(self._files.path(row.content))
        where = Path(row.path or "")
        if row.member is None:
            return File(where)
        return File(PurePosixPath(row.member), Archive(where))

    def unnamed(self, scan: int, text: str) -> str:
        """A message without the names of the scan's files and folders, which may be a patient's.

        Args:
            scan: whose files are spoken of.
            text: what is said of them.
        """
        with self._database.reading() as session:
            rows = [*session.scalars(select(ScanFile).filter_by(scan_id=scan))]
        said = [PurePosixPath(name) for row in rows for name in (row.path, row.member) if name]
        names = {str(path) for path in said} | {path.name for path in said if len(path.name) > 3}
        for name in sorted(names, key=len, reverse=True):
            text = text.replace(name, "a file")
        return text

    def catch_up(self) -> None:
        """Look at the files of scans that an older medlib brought in: which series they are, and when.

        What cannot be read now is left for the next time.
        """
        query = select(ScanFile).join(Scan, ScanFile.scan_id == Scan.id)
        with self._database.reading() as session:
            rows = [*session.scalars(query.where(Scan.series.is_(None), ScanFile.place == 0))]
        if not rows:
            return
        from medlib.io.files import FILE_ERRORS  # brings torch along

        described: dict[int, tuple[Series, str, Examination]] = {}
        for row in rows:
            with suppress(*FILE_ERRORS, ValueError):
                described[row.scan_id] = _described(self.file(row), "dicom")
        if not described:
            return
        with self._database.writing() as session:
            for number, (series, text, then) in described.items():
                scan = found(session, Scan, number)
                study = found(session, Study, scan.study_id)
                patient = found(session, Patient, study.patient_id)
                scan.series = series.to_dict()
                self._identities.set_day(patient, study, then)
                if self._identities.is_kept(session, patient):
                    self._identities.keep_scan(session, scan, text, then)
            record(session, "medlib", "series looked at", "workspace", scans=len(described))

    # --- the worklist ----------------------------------------------------------------------

    def tag(self, scan: int, *tags: str, by: str) -> None:
        """Put words on a scan."""
        with self._database.writing() as session:
            found(session, Scan, scan)
            for tag in tags:
                session.merge(Tag(scan_id=scan, tag=tag))
            record(session, by, "tagged", f"scan {scan}", tags=list(tags))

    def untag(self, scan: int, *tags: str, by: str) -> None:
        """Take words off a scan."""
        with self._database.writing() as session:
            for tag in tags:
                session.delete(found(session, Tag, (scan, tag)))
            record(session, by, "untagged", f"scan {scan}", tags=list(tags))

    def assign(self, scan: int, reader: str | None, *, by: str) -> None:
        """Give a scan to a reader, or to nobody."""
        with self._database.writing() as session:
            found(session, Scan, scan).reader = reader
            record(session, by, "assigned", f"scan {scan}", reader=reader)

    def set_status(self, scan: int, status: Status, *, by: str, reason: str = "") -> None:
        """Say how far a scan has come.

        Raises:
            WorkspaceError: when it is set aside without a reason.
        """
        if status == Status.SET_ASIDE and not reason.strip():
            raise WorkspaceError("say why the scan is set aside")
        with self._database.writing() as session:
            move(session, found(session, Scan, scan), status, by=by, reason=reason)

    def rank(self, usefulness: Mapping[int, tuple[float, str]], *, by: str) -> None:
        """Say how useful it would be to label each scan next.

        Args:
            usefulness: a number, the more the sooner, and the reason to be shown, by scan.
            by: who or what says so.
        """
        with self._database.writing() as session:
            for scan, (value, reason) in usefulness.items():
                row = found(session, Scan, scan)
                row.usefulness, row.usefulness_reason = value, reason
            record(session, by, "ranked", "worklist", scans=len(usefulness))


def move(session: Session, scan: Scan, status: Status, *, by: str, reason: str = "") -> None:
    """Change a scan's status in a transaction of something larger."""
    if scan.status != status:
        record(
            session, by, "status", f"scan {scan.id}",
            before=scan.status, after=status, reason=reason,
        )  # fmt: skip
        scan.status = status


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


def _described(file: File, source: str) -> tuple[Series, str, Examination]:
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


def _without(folders: Collection[str], warnings: Sequence[str]) -> tuple[str, ...]:
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
