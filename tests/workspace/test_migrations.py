"""Migrations: a workspace of an older medlib opens with everything in it, sealed as it was."""

import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from small_scans import ORGANS, add_scan, painted
from sqlalchemy import Column, MetaData, Table, create_engine, func, inspect, make_url, select
from sqlalchemy.exc import IntegrityError

import medlib.workspace
from medlib.workspace import Decision, Role, Seen, Standing, Workspace
from medlib.workspace.schema import Review, Row

FIRST = "0001"


@pytest.fixture
def reviewed(workspace, tmp_path):
    """A prediction that was accepted, one that is disputed, and a label that somebody drew."""
    one, two, three = (add_scan(workspace, tmp_path, f"case_{n}") for n in range(3))
    organs = workspace.label_sets.add("organs", ORGANS, by="ada").id
    (tmp_path / "net.medlib").write_bytes(b"weights")
    model = workspace.models.add("net", tmp_path / "net.medlib", organs, by="worker").id
    accepted, disputed = (
        workspace.models.keep_mask(model, scan, painted(1, at=1), by="worker").id
        for scan in (one, two)
    )
    workspace.reviews.decide(accepted, Decision.ACCEPT, by="ada")
    workspace.reviews.decide(disputed, Decision.ACCEPT, by="ada")
    workspace.reviews.decide(disputed, Decision.REJECT, by="bob", reason="too small")
    workspace.versions.save_mask(
        three, organs, painted(1, at=2), base=None, by="bob", seen=Seen(whole=True)
    )
    workspace.people.add("ada", Role.ADMINISTRATOR, by="ada", password="correct horse battery")
    return workspace


def aged(workspace, url):
    """The workspace's rows in tables as the first medlib had them, in a new database."""
    there = make_url(url)
    if there.get_backend_name() == "postgresql":
        there = there.set(drivername="postgresql+psycopg")
    engine = create_engine(there)
    config = Config()
    folder = Path(medlib.workspace.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, FIRST)
    with engine.begin() as old, workspace._database.raw() as rows:
        copy_rows(rows, old)
    with engine.connect() as connection:
        columns = {one["name"]: one for one in inspect(connection).get_columns("reviews")}
        assert not columns["prediction_id"]["nullable"], "these are the older tables"
    engine.dispose()


def copy_rows(rows, old):
    """What the older tables have room for."""
    there = inspect(old)
    for table in Row.metadata.sorted_tables:
        if not there.has_table(table.name):
            continue
        names = {column["name"] for column in there.get_columns(table.name)}
        shared = [column for column in table.columns if column.name in names]
        found = [dict(row) for row in rows.execute(select(*shared)).mappings()]
        bare = Table(table.name, MetaData(), *(Column(c.name, c.type) for c in shared))
        if found:
            old.execute(bare.insert(), found)
        column = table.autoincrement_column
        if found and column is not None and old.dialect.name == "postgresql":
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            old.execute(select(func.setval(sequence, max(row[column.name] for row in found))))


def said(workspace):
    """All rows of all tables, but for what is drawn by chance."""
    with workspace._database.raw() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(*there).order_by(*key))]
            for table in Row.metadata.sorted_tables
            if (key := [*table.primary_key.columns])
            and (there := [column for column in table.columns if column.name != "origin"])
        }


def check(opened, before):
    """Nothing is lost, nothing is unsealed, and the new tables do what new ones do."""
    assert said(opened) == before
    assert opened.verify() == ()
    with opened._database.raw() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Row.metadata) == []
        found = inspect(connection)
        (unique,) = found.get_unique_constraints("reviews")
        assert unique["column_names"] == ["prediction_id", "round"]
        keys = {one["referred_table"] for one in found.get_foreign_keys("reviews")}
        assert keys == {"scans", "predictions", "versions"}
    first, second = (row.id for row in reversed(opened.models.predictions()))
    assert opened.reviews.standing(first) == Standing.ACCEPTED
    assert opened.reviews.standing(second) == Standing.DISPUTED
    with pytest.raises(IntegrityError):
        add(opened, scan_id=1, prediction_id=first)
    ((drawn,),) = (one.versions for one in opened.signing.waiting())
    opened.signing.sign([drawn.id], Decision.ACCEPT, by="ada")
    with pytest.raises(IntegrityError):
        add(opened, scan_id=drawn.scan_id, version_id=drawn.id)
    assert opened.verify() == ()


def add(opened, **said):
    """A first decision, past all that would refuse it."""
    with opened._database.writing() as session:
        session.add(Review(round=1, decision=Decision.REJECT, reason="no", reviewer="eve", **said))


def test_an_older_workspace_opens_with_all_that_was_in_it(reviewed, tmp_path, server):
    """On SQLite and on PostgreSQL, whichever it was on."""
    before = said(reviewed)
    for number, kind in enumerate(("sqlite", "postgresql")):
        folder = tmp_path / f"old_{number}"
        shutil.copytree(reviewed.folder, folder, ignore=shutil.ignore_patterns("medlib.db*"))
        is_local = kind == "sqlite"
        address = "" if is_local else server()
        aged(reviewed, address or f"sqlite:///{folder / 'medlib.db'}")
        about = folder / "workspace.json"
        about.write_text(about.read_text().replace("false" if is_local else "true",
                                                   "true" if is_local else "false"))  # fmt: skip
        with Workspace(folder, address) as opened:
            check(opened, before)


def test_an_older_backup_is_restored_as_a_workspace_of_now(reviewed, tmp_path, server):
    backup = reviewed.backup(tmp_path / "new.zip", by="ada")
    before = said(reviewed)
    tables = tmp_path / "old.db"
    aged(reviewed, f"sqlite:///{tables}")
    with closing(sqlite3.connect(tables)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with zipfile.ZipFile(backup) as new, zipfile.ZipFile(tmp_path / "old.zip", "w") as old:
        for name in new.namelist():
            old.writestr(name, tables.read_bytes() if name == "medlib.db" else new.read(name))
    for number, address in enumerate(("", server())):
        restored = Workspace.restore(tmp_path / "old.zip", tmp_path / f"back_{number}", address)
        with restored as opened:
            check(opened, before)
