"""A workspace: a project on disk, for one person or many."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from sqlalchemy import select

from medlib.workspace.backup import read_backup, referenced, write_backup
from medlib.workspace.database import Database
from medlib.workspace.errors import WorkspaceError
from medlib.workspace.events import Events, Fault, canonical, record
from medlib.workspace.files import Files
from medlib.workspace.identities import Identities
from medlib.workspace.jobs import Jobs
from medlib.workspace.label_sets import LabelSets
from medlib.workspace.links import Links
from medlib.workspace.models import Models
from medlib.workspace.people import People
from medlib.workspace.reviews import Reviews
from medlib.workspace.scans import Scans
from medlib.workspace.schema import Event, ScanFile, Setting, Status, Version
from medlib.workspace.second_reading import SecondReading
from medlib.workspace.signing import Signing
from medlib.workspace.source import Source
from medlib.workspace.versions import Versions

if TYPE_CHECKING:
    from medlib.data import Pairing
    from medlib.workspace.export import Exported, Wish

_DAY = 86400.0
_ABOUT = "workspace.json"
_IDENTITY = "workspace"


class Workspace:
    """A clinician's project on disk: scans, what was said of them, models, and who did what when.

    In the folder lie ``medlib.db`` (unless the tables are on a server), ``files``, each named by
    its digest, and ``derived``, which may be deleted at any time. Several processes may have one
    open at once.

    Args:
        folder: made if need be.
        database: SQLAlchemy's URL of a PostgreSQL database; left out, the tables are in the folder.

    Attributes:
        scans: import, worklist, reading.
        identities: whose the scans are.
        label_sets: what is asked of scans.
        versions: what was said of them.
        models: that were trained, and what they found.
        reviews: decisions on what models found, and comments.
        signing: decisions on what people drew.
        second_reading: who may not know yet what the first reader made of a prediction.
        jobs: for workers.
        people: accounts, sessions.
        links: signed, for what a browser fetches by itself.
        events: who did what when.
        derived: a folder for what can be made again, such as thumbnails.

    Raises:
        WorkspaceError: when the folder and the database do not belong together, or the workspace
            is of a newer medlib's make.

    Example:
        >>> import tempfile
        >>> with Workspace(tempfile.mkdtemp()) as workspace:
        ...     organs = workspace.label_sets.add("organs", ["liver", "spleen"], by="ada")
        ...     workspace.label_sets.get("organs").revision
        1
    """

    def __init__(self, folder: str | Path, database: str = "") -> None:
        self.folder = Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._database = Database(_address(self.folder, database))
        self._files = Files(self.folder / "files")
        self._check_belongs()
        self.derived = self.folder / "derived"
        self.derived.mkdir(exist_ok=True)
        self.events = Events(self._database)
        self.identities = Identities(self._database)
        self.scans = Scans(self._database, self._files, self.identities)
        self.label_sets = LabelSets(self._database)
        self.versions = Versions(self._database, self._files)
        self.models = Models(self._database, self._files)
        self.reviews = Reviews(self._database)
        self.signing = Signing(self._database)
        self.second_reading = SecondReading(self._database)
        self.jobs = Jobs(self._database)
        self.people = People(self._database)
        self.links = Links(self.folder / "links.key")
        self.scans.catch_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def file(self, name: str) -> Path:
        """Where a file lies that a row speaks of, such as a version's mask.

        Raises:
            WorkspaceError: for what is no name of a file in a workspace.
        """
        return self._files.path(name)

    def pairing(
        self,
        label_set: int | str,
        statuses: Collection[Status] = (Status.IN_PROGRESS, Status.LABELLED, Status.REVIEWED),
    ) -> Pairing:
        """The labelled scans as cases, for :func:`medlib.segmenter` and the others, or a data block.

        Slices that nobody has finished are ignored in training, and so are structures that were
        not looked for. A scan of which no slice is done has no label. Scans that bear the tag
        ``test`` are kept apart. Files that were moved or changed are set aside, with the reason.

        Args:
            label_set: number or name.
            statuses: how far a scan must have come.

        Raises:
            WorkspaceError: when nothing is labelled yet.
        """
        source = Source(self.scans, self.versions, self.reviews, self.derived)
        return source.pairing(self.label_sets.get(label_set), statuses)

    # --- in and out ----------------------------------------------------------------------------

    def export(
        self,
        wish: Wish,
        folder: str | Path,
        *,
        by: str,
        progress: Callable[[int, int, str], None] = lambda done, of, what: None,
    ) -> Exported:
        """Write scans and labels for others: all of what is wished for, or nothing.

        Args:
            wish: which scans, in which forms, under which names.
            folder: new or empty.
            by: who does so.
            progress: called with how many scans are done, of how many, and as what. What it raises
                ends the export, and nothing of it is left.

        Raises:
            WorkspaceError: when the folder is not empty, or there is nothing to export.
        """
        from medlib.workspace.export import write_export

        return write_export(self, wish, Path(folder), by=by, progress=progress)

    def backup(self, path: str | Path, *, by: str) -> Path:
        """Write everything to one zip file. Scans that were not copied are not in it.

        It holds patients' scans, and their names where these were kept: keep it as safe.
        """
        self.events.note("backed up", "workspace", by=by)
        write_backup(self._database, self._files, Path(path))
        return Path(path)

    @classmethod
    def restore(cls, backup: str | Path, folder: str | Path, database: str = "") -> Workspace:
        """The workspace in a backup, in a new folder, and a new database where one is named.

        Raises:
            WorkspaceError: when there is something already, or the backup is damaged.
        """
        target = Path(folder).resolve()
        url = database or _local(target)
        identity = read_backup(Path(backup), target, url)
        _mark(target, identity, is_local=url.startswith("sqlite"))
        return cls(target, database)

    # --- keeping it whole ----------------------------------------------------------------------

    def verify(self) -> tuple[Fault, ...]:
        """Everything that is not as it was written: events, versions, files."""
        return (*self.events.verify(), *self._changed_versions(), *self._lost_files())

    def sweep(self, *, older_than: float = _DAY) -> list[str]:
        """Remove files that no row speaks of: what killed processes have left behind.

        Whoever serves a workspace calls it when he begins.

        Args:
            older_than: seconds; younger files may be about to be spoken of.
        """
        with self._database.writing():  # nobody can begin to speak of a file meanwhile
            return self._files.sweep(referenced(self._database), older_than=older_than)

    def _changed_versions(self) -> list[Fault]:
        told = (Event.what == "label saved") | (Event.what == "label kept aside")
        with self._database.reading() as session:
            events = session.scalars(select(Event).where(told))
            said = {row["id"]: row for row in (json.loads(e.details)["version"] for e in events)}
            rows = {row.id: row.said() for row in session.scalars(select(Version))}
        return [
            Fault(f"version {number}", "was changed" if number in rows else "is missing")
            for number in sorted(said.keys() | rows.keys())
            if number not in rows or canonical(rows[number]) != canonical(said.get(number))
        ]

    def _lost_files(self) -> list[Fault]:
        from medlib.workspace.files import digest_of

        names = sorted(referenced(self._database))
        reason = "is missing, or holds something else"
        lost = [Fault(f"file {name}", reason) for name in names if not self._files.is_sound(name)]
        with self._database.reading() as session:
            outside = [*session.scalars(select(ScanFile).where(ScanFile.path.is_not(None)))]
        for row in outside:
            try:
                with self.scans.file(row).open() as stream:
                    sound = digest_of(stream) == row.digest
            except (OSError, ValueError, KeyError):
                sound = False
            if not sound:
                lost.append(Fault(f"file {row.place + 1} of scan {row.scan_id}", reason))
        return lost

    def _check_belongs(self) -> None:
        """Tell a workspace's own database from another's."""
        about = self.folder / _ABOUT
        with self._database.writing() as session:
            held = session.get(Setting, _IDENTITY)
            mine = json.loads(about.read_text())["id"] if about.exists() else None
            if held is None and next(self._files.names(), None) is None:
                mine = mine or uuid4().hex
                session.add(Setting(name=_IDENTITY, value=mine))
                record(session, "medlib", "workspace made", "workspace", id=mine)
                _mark(self.folder, mine, is_local=self._database.is_sqlite)
            elif held is None or held.value != mine:
                raise WorkspaceError(
                    f"{self.folder} and this database are of different workspaces: give the folder "
                    "and the database that belong together, or restore a backup"
                )


def _address(folder: Path, database: str) -> str:
    """The database's URL."""
    about = folder / _ABOUT
    if database:
        return database
    if about.exists() and not json.loads(about.read_text())["local"]:
        raise WorkspaceError(f"the tables of {folder} are on a server: say the database's address")
    return _local(folder)


def _local(folder: Path) -> str:
    return f"sqlite:///{folder / 'medlib.db'}"


def _mark(folder: Path, identity: str, *, is_local: bool) -> None:
    """Write down which database belongs to a folder; no address, which may hold a password."""
    partial = folder / f".{identity}"
    partial.write_text(json.dumps({"id": identity, "local": is_local}))
    partial.replace(folder / _ABOUT)
