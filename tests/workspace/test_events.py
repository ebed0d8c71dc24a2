"""The event log: whatever is changed, removed or put in another order is found, and named."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_scans import ORGANS, add_scan, painted

from medlib.workspace import Workspace

COLUMNS = ("made", "who", "what", "subject", "details", "previous", "digest")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A workspace with twelve events, whose guards somebody with the file took away."""
    folder = tmp_path_factory.mktemp("log") / "workspace"
    with Workspace(folder) as workspace:
        for number in range(11):
            workspace.events.note("viewed", f"scan {number % 3}", by="ada", seconds=number / 7)
        assert workspace.verify() == ()
    with closing(sqlite3.connect(folder / "medlib.db")) as link:
        link.executescript("DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete;")
    return folder


def faults(folder, *statements):
    """What is found after a change, which is undone again."""
    with closing(sqlite3.connect(folder / "medlib.db")) as link:
        rows = link.execute("SELECT * FROM events").fetchall()
        link.execute("BEGIN")
        for statement, values in statements:
            link.execute(statement, values)
        link.commit()
        with Workspace(folder) as workspace:
            found = [str(fault) for fault in workspace.events.verify()]
        link.execute("DELETE FROM events")
        marks = ", ".join("?" * len(rows[0]))
        link.executemany(f"INSERT INTO events VALUES ({marks})", rows)
        link.commit()
    return found


@given(number=st.integers(1, 12), column=st.sampled_from(COLUMNS))
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_any_changed_cell_is_found(written, number, column):
    other = "2020-01-01 00:00:00.000000" if column == "made" else "other"
    found = faults(written, (f"UPDATE events SET {column} = ? WHERE number = ?", (other, number)))
    assert found[0] == f"event {number}: was changed: its digest is another"


@given(number=st.integers(1, 12))
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
def test_a_removed_event_is_found_the_last_one_too(written, number):
    found = faults(written, ("DELETE FROM events WHERE number = ?", (number,)))
    assert found[0] == f"event {number}: is missing"


def test_events_in_another_order_are_found(written):
    swap = "UPDATE events SET number = ? WHERE number = ?"
    found = faults(written, (swap, (99, 4)), (swap, (4, 5)), (swap, (5, 99)))
    assert found[0].startswith("event 4: was changed")
    assert any(fault.startswith("event 5: was changed") for fault in found)


def test_a_change_with_its_digest_made_anew_is_found_at_the_next(written):
    from medlib.workspace.events import _digest
    from medlib.workspace.schema import Event

    with Workspace(written) as workspace, workspace._database.reading() as session:
        event = session.get(Event, 6)
        event.who = "bob"
        digest = _digest(event)
    found = faults(
        written, ("UPDATE events SET who = 'bob', digest = ? WHERE number = 6", (digest,))
    )
    assert found == ["event 7: does not follow event 6"]


def test_a_changed_version_and_a_changed_file_are_found(local, tmp_path):
    scan = add_scan(local, tmp_path)
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    one = local.versions.save_mask(scan, organs, painted(), base=None, by="ada")
    two = local.versions.save_mask(scan, organs, painted(2), base=one.id, by="ada")
    with closing(sqlite3.connect(local.folder / "medlib.db")) as link:
        link.execute("DROP TRIGGER versions_no_update")
        link.execute("UPDATE versions SET author = 'bob' WHERE id = ?", (one.id,))
        link.commit()
    path = local.file(two.file)
    path.write_bytes(path.read_bytes()[:-1])
    assert [str(fault) for fault in local.verify()] == [
        f"version {one.id}: was changed",
        f"file {two.file}: is missing, or holds something else",
    ]


NOTING = """
import sys
from medlib.workspace import Workspace

folder, address, worker = sys.argv[1:]
with Workspace(folder, address) as workspace:
    for number in range(10):
        workspace.events.note("viewed", "scan 1", by=f"worker {worker}", number=number)
assert "torch" not in sys.modules  # whoever only looks and notes waits for no training package
"""


def test_processes_that_write_at_once_do_not_fork_the_chain(tmp_path, address):
    """Each opens the workspace itself; the first of them makes the tables."""
    command = [sys.executable, "-c", NOTING, str(tmp_path / "w"), address]
    workers = [
        subprocess.Popen([*command, str(worker)], stderr=subprocess.PIPE, text=True)
        for worker in range(3)
    ]
    for worker in workers:
        _, said = worker.communicate(timeout=60)
        assert worker.returncode == 0, said
    with Workspace(tmp_path / "w", address) as workspace:
        assert workspace.verify() == ()
        assert workspace.events.head().startswith("31 ")
        for worker in range(3):
            events = [e for e in workspace.events.newest(limit=99) if e.who == f"worker {worker}"]
            assert [f'{{"number":{n}}}' for n in range(10)] == [e.details for e in events[::-1]]


def test_what_was_noted_elsewhere_vouches_for_the_log(local):
    """The head, written on paper, is what no change to the database can follow."""
    local.events.note("viewed", "scan 1", by="ada")
    number, digest = local.events.head().split()
    (event,) = local.events.newest(limit=1)
    assert (event.number, event.digest) == (int(number), digest)
