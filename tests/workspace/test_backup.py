"""Backup: all of it comes back, from one sort of database to the other, or nothing does."""

import zipfile

import pytest
import torch
from small_scans import ORGANS, add_scan, painted

from medlib.workspace import Role, Workspace, WorkspaceError

WORD = "correct horse battery"


@pytest.fixture
def full(workspace, tmp_path):
    scan = add_scan(workspace, tmp_path)
    organs = workspace.label_sets.add("organs", ORGANS, by="ada").id
    base = None
    for number in range(3):
        version = workspace.versions.save_mask(
            scan, organs, painted(1, number), base=base, by="ada"
        )
        base = version.id
    workspace.people.add("ada", Role.ADMINISTRATOR, by="ada", password=WORD)
    workspace.jobs.queue("train", {"minutes": 3}, by="ada")
    return workspace


def test_everything_comes_back_on_either_sort_of_database(full, tmp_path, server):
    path = full.backup(tmp_path / "backup.zip", by="ada")
    for number, address in enumerate(("", server())):
        with Workspace.restore(path, tmp_path / f"back_{number}", address) as back:
            assert back.verify() == ()
            assert back.events.head() == full.events.head()
            (scan,) = [entry.scan for entry in back.scans.list()]
            assert torch.equal(back.scans.volume(scan.id).data, full.scans.volume(scan.id).data)
            organs = back.label_sets.get("organs").id
            mine = [version.said() for version in full.versions.history(scan.id, organs)]
            assert [version.said() for version in back.versions.history(scan.id, organs)] == mine
            assert back.people.user(back.people.log_in("ada", WORD)).role == Role.ADMINISTRATOR
            # New rows take new numbers, and the chain goes on.
            head = back.versions.head(scan.id, organs).id
            newer = back.versions.save_mask(scan.id, organs, painted(2), base=head, by="bob")
            assert newer.id > head
            assert back.verify() == ()
        with Workspace(tmp_path / f"back_{number}", address) as again:
            assert again.versions.get(newer.id).author == "bob"


def test_a_damaged_backup_leaves_nothing_behind(full, tmp_path):
    path = full.backup(tmp_path / "backup.zip", by="ada")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    first = next(name for name in members if name.startswith("files/"))
    changes = {
        "changed": members | {first: b"other"},
        "lacking": {name: held for name, held in members.items() if name != first},
        "no tables": {name: held for name, held in members.items() if name != "medlib.db"},
        "bad tables": members | {"medlib.db": b"no database"},
        "escaping": {name: held for name, held in members.items() if name != first}
        | {"files/../../evil": b"x"},
    }
    for what, held in changes.items():
        with zipfile.ZipFile(tmp_path / f"{what}.zip", "w") as archive:
            for name, content in held.items():
                archive.writestr(name, content)
        with pytest.raises(WorkspaceError):
            Workspace.restore(tmp_path / f"{what}.zip", tmp_path / what)
        assert not (tmp_path / what).exists()
    assert not list(tmp_path.glob("**/evil"))
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(WorkspaceError, match="no backup"):
        Workspace.restore(tmp_path / "text.zip", tmp_path / "text")


def test_nothing_is_restored_over_anything(full, tmp_path):
    path = full.backup(tmp_path / "backup.zip", by="ada")
    with pytest.raises(WorkspaceError, match="not empty"):
        Workspace.restore(path, full.folder)
    assert full.verify() == ()
