"""A whole workspace in one file, and back."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, cast

from sqlalchemy import Connection, func, insert, select, text

from medlib.workspace.database import Database
from medlib.workspace.errors import WorkspaceError
from medlib.workspace.files import Files
from medlib.workspace.schema import Model, Prediction, Row, ScanFile, Setting, Version

_TABLES, _ABOUT = "medlib.db", "workspace.json"
_FILE = re.compile(r"files/[0-9a-f]{2}/([0-9a-f]{64}[.a-z0-9]*)")
_FORM = 1


def write_backup(database: Database, files: Files, target: Path) -> None:
    """Write the tables, as they are at one moment, and all files that they speak of.

    Tables are always SQLite's, whatever the workspace runs on; so a backup of one server may be
    restored to another, or to a laptop.
    """
    from medlib.io.files import written_whole

    with tempfile.TemporaryDirectory() as folder, written_whole(target) as partial:
        tables = Path(folder) / _TABLES
        _snapshot(database, tables)
        # Files are never changed, and none that a row speaks of is removed: they may come later.
        copy = Database(f"sqlite:///{tables}")
        names = sorted(referenced(copy))
        copy.close()
        with closing(sqlite3.connect(tables)) as connection:  # one file, without its log
            connection.execute("PRAGMA journal_mode = DELETE")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_ABOUT, json.dumps({"medlib workspace": _FORM, "files": len(names)}))
            archive.write(tables, _TABLES, zipfile.ZIP_DEFLATED)
            for name in names:
                archive.write(files.path(name), f"files/{name[:2]}/{name}")


def read_backup(source: Path, folder: Path, url: str) -> str:
    """Put a backup back, into an empty folder and an empty database.

    Returns:
        Which workspace it is of.

    Raises:
        WorkspaceError: when the folder or the database is not empty, or the backup is damaged;
            then nothing is left of what was begun.
    """
    if folder.exists() and any(folder.iterdir()):
        raise WorkspaceError(f"{folder} is not empty: restore to a new folder")
    existed = folder.exists()
    try:
        return _restore(source, folder, url)
    except BaseException:
        if existed:
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _restore(source: Path, folder: Path, url: str) -> str:
    files = Files(folder / "files")
    try:
        with zipfile.ZipFile(source) as archive:
            said = json.loads(archive.read(_ABOUT))
            if said.get("medlib workspace") != _FORM:
                raise WorkspaceError(f"{source.name} was made by a newer medlib: update medlib")
            kept = 0
            for member in archive.namelist():
                if not (match := _FILE.fullmatch(member)):
                    continue
                name = match[1]
                with archive.open(member) as stream:
                    if files.copy(cast(BinaryIO, stream), name[64:]) != name:
                        raise WorkspaceError(f"{source.name} is damaged: {member}")
                kept += 1
            with tempfile.TemporaryDirectory() as temporary:
                tables = Path(archive.extract(_TABLES, temporary))
                if kept != said["files"]:
                    raise WorkspaceError(f"{source.name} is damaged: it lacks files")
                return _fill(tables, url)
    except (zipfile.BadZipFile, KeyError, sqlite3.DatabaseError, OSError) as error:
        raise WorkspaceError(f"{source.name} is no backup of a workspace: {error}") from error


def _snapshot(database: Database, target: Path) -> None:
    if database.is_sqlite:
        with (
            closing(sqlite3.connect(str(database.url.database))) as ours,
            closing(sqlite3.connect(target)) as theirs,
        ):
            ours.backup(theirs)
        return
    copy = Database(f"sqlite:///{target}")
    with database.raw() as ours_too, copy.raw() as into:
        ours_too.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        _copy_rows(ours_too, into)
    copy.close()


def _fill(tables: Path, url: str) -> str:
    source, target = Database(f"sqlite:///{tables}"), Database(url)
    try:
        with source.raw() as rows, target.raw() as into:
            _copy_rows(rows, into)
            said = select(Setting.value).where(Setting.name == "workspace")
            return str(into.scalar(said))
    finally:
        source.close()
        target.close()


def _copy_rows(source: Connection, target: Connection) -> None:
    """All rows, in an order in which none speaks of one that is not there yet."""
    for table in Row.metadata.sorted_tables:
        if target.execute(select(table).limit(1)).first() is not None:
            raise WorkspaceError("the database is not empty: restore to a new one")
        key = [*table.primary_key.columns]
        rows = source.execute(select(table).order_by(*key)).mappings()
        for part in rows.partitions(1000):
            target.execute(insert(table), [dict(row) for row in part])
        if target.dialect.name == "postgresql" and table.autoincrement_column is not None:
            column = table.autoincrement_column
            last = target.scalar(select(func.max(column)))
            if last is not None:
                sequence = func.pg_get_serial_sequence(table.name, column.name)
                target.execute(select(func.setval(sequence, last)))


def referenced(database: Database) -> set[str]:
    """The names of all files that rows speak of."""
    columns = (ScanFile.content, Version.file, Model.file, Prediction.file, Prediction.uncertainty)
    with database.reading() as session:
        return {
            name
            for column in columns
            for name in session.scalars(select(column).where(column.is_not(None)))
            if name is not None
        }
