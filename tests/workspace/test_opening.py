"""Opening: tables as the models say, nothing of another's make, and killed at any moment."""

import json
import signal
import subprocess
import sys
import time

import pytest
import torch
from small_scans import ORGANS, add_scan, painted

from medlib.workspace import Workspace, WorkspaceError
from medlib.workspace.schema import Row


def test_the_tables_that_migrations_make_are_those_of_the_models(workspace):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with workspace._database.raw() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Row.metadata) == []


def test_the_newest_migration_is_the_one_that_is_asked_for():
    from pathlib import Path

    from alembic.script import ScriptDirectory

    import medlib.workspace
    from medlib.workspace.database import SCHEMA

    folder = Path(medlib.workspace.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == SCHEMA


def test_a_workspace_of_a_newer_medlib_is_left_alone(tmp_path):
    from sqlalchemy import text

    with Workspace(tmp_path) as workspace, workspace._database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WorkspaceError, match="update medlib"):
        Workspace(tmp_path)


def test_a_folder_and_a_database_that_do_not_belong_together(tmp_path, server):
    address = server()
    Workspace(tmp_path / "a", address).close()
    Workspace(tmp_path / "b", server()).close()
    with pytest.raises(WorkspaceError, match="different workspaces"):
        Workspace(tmp_path / "b", address)
    with pytest.raises(WorkspaceError, match="on a server"):
        Workspace(tmp_path / "a")


def test_a_folder_whose_tables_were_deleted_is_not_begun_anew(tmp_path):
    with Workspace(tmp_path / "w") as workspace:
        add_scan(workspace, tmp_path)
    for file in (tmp_path / "w").glob("medlib.db*"):
        file.unlink()
    with pytest.raises(WorkspaceError, match="different workspaces"):
        Workspace(tmp_path / "w")


def test_a_file_that_no_row_speaks_of_is_swept_and_no_other(local, tmp_path):
    scan = add_scan(local, tmp_path)
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    version = local.versions.save_mask(scan, organs, painted(), base=None, by="ada")
    orphan = local._files.copy_bytes(b"half saved", ".nii.gz")
    (local.folder / "files" / "coming" / "begun.nii.gz").write_bytes(b"half")
    assert local.sweep() == []  # too young: its row may be about to be written
    assert set(local.sweep(older_than=0)) == {orphan, "begun.nii.gz"}
    assert local.file(version.file).exists()
    assert local.verify() == ()


def test_a_file_that_is_swept_before_its_row_is_written_is_kept_again(local, tmp_path):
    """The sweep comes between the two halves of a save."""
    scan = add_scan(local, tmp_path)
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    keep = local._files.keep
    swept = []

    def kept_and_swept(write, ending):
        name = keep(write, ending)
        if not swept:
            swept.extend(local.sweep(older_than=0))
        return name

    local._files.keep = kept_and_swept
    version = local.versions.save_mask(scan, organs, painted(), base=None, by="ada")
    assert swept == [version.file]
    assert torch.equal(local.versions.mask(version.id).data, painted().data)


SAVING = """
import sys
sys.path.insert(0, sys.argv[3])
from small_scans import painted
from medlib.workspace import Workspace

with Workspace(sys.argv[1]) as workspace:
    scan, organs = 1, int(sys.argv[2])
    base = workspace.versions.head(scan, organs)
    for number in range(10_000):
        base = workspace.versions.save_mask(
            scan, organs, painted(1 + number % 2, number), base=base and base.id, by="ada"
        )
        print(base.id, number, flush=True)
"""


def test_killed_at_any_moment_nothing_saved_is_lost_and_nothing_is_half_saved(tmp_path):
    from pathlib import Path

    import small_scans

    with Workspace(tmp_path / "w") as workspace:
        scan = add_scan(workspace, tmp_path)
        organs = workspace.label_sets.add("organs", ORGANS, by="ada").id
    told = {}
    for pause in (0.03, 0.113):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVING, str(tmp_path / "w"), str(organs),
             str(Path(small_scans.__file__).parent)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        first = process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        for line in (first, *rest.splitlines()):
            if len(line.split()) == 2:
                version, number = map(int, line.split())
                told[version] = number
    assert len(told) > 3
    with Workspace(tmp_path / "w") as workspace:
        assert workspace.verify() == ()
        for version, number in told.items():
            mask = workspace.versions.mask(version)
            assert torch.equal(mask.data, painted(1 + number % 2, number).data)
        for version in workspace.versions.history(scan, organs):
            workspace.versions.mask(version.id)
        workspace.sweep(older_than=0)
        assert workspace.verify() == ()
    assert json.loads((tmp_path / "w" / "workspace.json").read_text())["local"]
