"""The scans of a workspace: brought in, found again, and how far each has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database, found
from medlib.workspace.errors import WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.files import Files
from medlib.workspace.headers import Header
from medlib.workspace.identities import Examination, Identities
from medlib.workspace.importing import Imported, Importer, said_of, without
from medlib.workspace.schema import Patient, Scan, ScanFile, Status, Study, Tag
from medlib.workspace.series import Series
from medlib.workspace.worklist import Entry, Order, entries

if TYPE_CHECKING:
    from medlib.io import Stack, Survey
    from medlib.io.files import File
    from medlib.space import Grid
    from medlib.types import Volume


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
        importer = Importer(
            self._database, self._files, self._identities, by, kind, copy, named, file_names
        )
        new: list[Scan] = []
        known: list[Scan] = []
        refusals = list(there.refusals)
        folders = {file.folder.name for stack in there.stacks for file in stack.files}
        for number, lying in enumerate(there.stacks):
            progress(number, len(there.stacks))
            try:
                stack = replace(lying, warnings=without(folders, lying.warnings))
                scan, is_new = importer.bring(stack)
                (new if is_new else known).append(scan)
            except OSError as error:
                refusals.append(io.Refusal(lying.files, f"cannot be read: {error}"))
        progress(len(there.stacks), len(there.stacks))
        return Imported(tuple(new), tuple(known), tuple(refusals))

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
        with self._database.reading() as session:
            return entries(session, status=status, reader=reader, tag=tag, order=order)

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
                described[row.scan_id] = said_of(self.file(row), "dicom")
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
