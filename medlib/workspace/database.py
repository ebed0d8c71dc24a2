"""The database: readers side by side, one writer at a time, tables brought up to date on opening."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from medlib.workspace.errors import NotThereError, WorkspaceError
from medlib.workspace.schema import Row

T = TypeVar("T", bound=Row)

SCHEMA = "0003"  # the newest of medlib.workspace.migrations
_PATIENCE = 60.0  # seconds that a writer waits for the others
_TURN = 7_201_516_391  # of PostgreSQL's advisory locks, the one that our writers take


class Database:
    """A database of SQLite or PostgreSQL, open.

    Readers see what was there when they began. Writers come one after the other, also those of
    other processes: by ``BEGIN IMMEDIATE`` in SQLite, by an advisory lock in PostgreSQL. So a
    writer may read, decide and write, and the chain of events cannot fork.

    Args:
        url: SQLAlchemy's.

    Raises:
        WorkspaceError: when the database is of a newer medlib's make, or cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if not self.is_sqlite and self.url.get_backend_name() != "postgresql":
            raise WorkspaceError(
                f"a workspace is kept in SQLite or PostgreSQL, not {self.url.get_backend_name()}"
            )
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self._engine = _engine(url=self.url, is_sqlite=self.is_sqlite)
        self._writing = self._engine.execution_options(writes=True)
        # SQLite's waiting is a lottery: in one process, threads queue up here instead.
        self._turn = threading.Lock()
        self._bring_up_to_date()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that changes nothing."""
        with Session(self._engine, expire_on_commit=False, autoflush=False) as session:
            yield session
            session.expunge_all()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session alone in writing; all of it is kept, or nothing.

        Raises:
            WorkspaceError: when other writers do not come to an end.
        """
        with self._alone(), Session(self._writing, expire_on_commit=False) as session:
            with session.begin():
                try:
                    session.connection()  # the turn is taken before anything is looked at
                except OperationalError as error:
                    raise WorkspaceError(
                        f"the workspace is busy: others have been writing for {_PATIENCE:g} s. "
                        "Try again."
                    ) from error
                yield session
            session.expunge_all()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        with self._turn:
            yield

    @contextmanager
    def raw(self) -> Iterator[Connection]:
        """A connection, for copying the whole."""
        with self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def _bring_up_to_date(self) -> None:
        found = self._revision()
        if found == SCHEMA:
            return
        if found > SCHEMA:
            raise WorkspaceError(
                f"this workspace is of a newer medlib (its tables are of revision {found}, known "
                f"are those up to {SCHEMA}): update medlib"
            )
        from alembic import command
        from alembic.config import Config

        with self.writing() as session:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = session.connection()
            command.upgrade(config, "head")

    def _revision(self) -> str:
        try:
            with self._engine.connect() as connection:
                if not inspect(connection).has_table("alembic_version"):
                    return ""
                return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""
        except DatabaseError as error:
            where = self.url.render_as_string(hide_password=True)
            raise WorkspaceError(f"the database at {where} cannot be read: {error.orig}") from error


def found(session: Session, kind: type[T], key: object, *, what: str = "") -> T:
    """The row with this key.

    Raises:
        NotThereError: when there is none.
    """
    row = session.get(kind, key)
    if row is None:
        called = what or kind.__name__.lower()
        raise NotThereError(f"the workspace has no {called} {key!r}")
    return row


def _engine(url: Any, *, is_sqlite: bool) -> Engine:
    if is_sqlite:
        engine = create_engine(
            url,
            connect_args={"timeout": _PATIENCE, "check_same_thread": False},
            max_overflow=64,
            pool_timeout=2 * _PATIENCE,
        )
        event.listen(engine, "connect", _configured)
    else:
        engine = create_engine(url, max_overflow=24, pool_timeout=2 * _PATIENCE, pool_pre_ping=True)
    event.listen(engine, "begin", _begin_sqlite if is_sqlite else _begin_postgres)
    return engine


def _configured(connection: Any, _: object) -> None:
    connection.isolation_level = None  # so that BEGIN is ours to say
    cursor = connection.cursor()
    for attempt in range(100):  # changing the mode does not wait for others, so we do
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            break
        except connection.OperationalError:
            if attempt == 99:
                raise
            time.sleep(0.05)
    cursor.execute("PRAGMA synchronous = FULL")  # what was answered "saved" outlives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgres(connection: Connection) -> None:
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
