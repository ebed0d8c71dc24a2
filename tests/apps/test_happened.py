"""What happened: an administrator reads who did what, and is told when the log was tampered with."""

import json
import sqlite3
import sys
from contextlib import closing

import pytest
from oracles import oracle
from small_scans import add_scan
from typer.testing import CliRunner

from medlib.cli import app
from medlib.resources import folder
from medlib.workspace import Role, Workspace

oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages


HOSTILE = "<img src=x onerror=alert(1)>**eve**"


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "workspace") as it:
        for name in ("one", "two"):
            add_scan(it, tmp_path / "in", name)
        it.events.note("viewed", "scan 2", by=HOSTILE)
        it.events.note("viewed", "scan 1", by="rob")
        yield it


@pytest.fixture
def run(open_page):
    """The People page with the log open."""

    def running(role=Role.ADMINISTRATOR):
        return open_page("screens/people.py", role=role, state={"people tabs": "What happened"})

    return running


def tampered(workspace):
    with closing(sqlite3.connect(workspace.folder / "medlib.db")) as link:
        link.execute("DROP TRIGGER events_no_update")
        link.execute("UPDATE events SET who = 'bob' WHERE who = 'rob'")
        link.commit()


def typed(*words):
    return CliRunner().invoke(app, ["workspace", *map(str, words)])


def lines(page):
    (table,) = page.dataframe
    return [*zip(table.value["Who"], table.value["What"], table.value["Of"], strict=True)]


# --- on the page -----------------------------------------------------------------------------


def test_the_newest_comes_first_and_what_is_asked_for_stays(run, workspace):
    page = run()
    names = {entry.scan.id: entry.scan.name for entry in workspace.scans.list()}
    assert lines(page)[:2] == [("rob", "viewed", names[1]), (HOSTILE, "viewed", names[2])]
    assert len(lines(page)) == len(workspace.events.newest())
    assert "whole" in page.success[0].value
    page.selectbox(key="happened scan").set_value(2).run()
    assert {of for _, _, of in lines(page)} == {names[2]}
    page.selectbox(key="happened who").set_value("rob").run()
    assert not page.dataframe
    page.selectbox(key="happened scan").set_value(0).run()
    assert lines(page) == [("rob", "viewed", names[1])]


def test_a_long_log_is_read_to_its_end(run, workspace):
    for number in range(120):
        workspace.events.note("viewed", "scan 1", by=f"reader {number}")
    page = run()
    assert len(lines(page)) == 100
    page.button(key="happened more").click().run()
    assert len(lines(page)) == len(workspace.events.newest()) > 120


def test_whoever_changed_the_log_is_found_out_on_the_page(run, workspace):
    tampered(workspace)
    page = run()
    assert not page.success
    assert "not as it was written" in page.error[0].value
    (number,) = [event.number for event in workspace.events.newest() if event.who == "bob"]
    assert any(f"event {number}" in one.value.replace("\\", "") for one in page.markdown)


@pytest.mark.parametrize("role", [Role.READER, Role.REVIEWER])
def test_nobody_else_reads_what_others_did(run, role):
    page = run(role)
    assert not page.tabs
    assert not page.dataframe


# --- on the command line ---------------------------------------------------------------------


def test_the_log_is_read_from_a_terminal(workspace):
    name = workspace.scans.get(2).name
    done = typed("log", workspace.folder, "--scan", name)
    assert done.exit_code == 0, done.output
    first, *_ = done.stdout.splitlines()
    assert first.endswith(f"{HOSTILE}: viewed, scan 2 ({name})")
    assert "rob" not in done.stdout
    told = json.loads(typed("log", workspace.folder, "--by", "rob", "--json").stdout)
    assert [(e["what"], e["subject"], e["details"]) for e in told["events"]] == [
        ("viewed", "scan 1", {})
    ]
    assert len(typed("log", workspace.folder, "--limit", 2).stdout.splitlines()) == 2
    assert "no scan 'three'" in typed("log", workspace.folder, "--scan", "three").stderr
    assert "nothing of that" in typed("log", workspace.folder, "--by", "nobody").stdout


def test_a_terminal_says_what_was_changed_and_fails(workspace):
    done = typed("verify", workspace.folder)
    assert (done.exit_code, done.stdout) == (0, "everything is as it was written\n")
    assert workspace.events.head() in done.stderr
    tampered(workspace)
    done = typed("verify", workspace.folder)
    assert done.exit_code == 1
    assert "was changed" in done.stdout
    told = json.loads(typed("verify", workspace.folder, "--json").stdout)
    assert "was changed" in told["faults"][0]["reason"]


def test_a_backup_from_a_terminal_comes_back_and_nothing_is_overwritten(workspace, tmp_path):
    add_scan(workspace, tmp_path / "in", "three", copy=False)
    file, back = tmp_path / "monday.zip", tmp_path / "back"
    done = typed("backup", workspace.folder, file)
    assert done.exit_code == 0, done.output
    assert "1 scan was not copied" in done.stderr
    before = file.read_bytes()
    again = typed("backup", workspace.folder, file)
    assert again.exit_code == 1
    assert "already there" in again.stderr
    assert file.read_bytes() == before
    done = typed("restore", file, back)
    assert done.stdout == f"{back}: 3 scans\n"
    assert done.exit_code == 0, done.stderr
    with Workspace(back) as restored:
        assert restored.verify() == ()
        assert restored.events.newest(limit=2)[1].what == "backed up"
    assert "not empty" in typed("restore", file, back).stderr
    assert "no backup" in typed("restore", tmp_path / "tuesday.zip", tmp_path / "x").stderr
    file.write_bytes(before[: len(before) // 2])
    assert typed("restore", file, tmp_path / "half").exit_code == 1
    assert not (tmp_path / "half").exists()
