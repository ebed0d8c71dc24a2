"""People: a stolen, forged or expired key opens nothing; nobody does more than he may."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions import pass_time
from small_scans import add_scan

from medlib.workspace import NotAllowedError, Role, WorkspaceError, may
from medlib.workspace.links import Links
from medlib.workspace.people import ACTIONS

WORD = "correct horse battery"


def test_roles_are_a_ladder_and_unknown_actions_are_an_error():
    assert ACTIONS[Role.READER] < ACTIONS[Role.REVIEWER] < ACTIONS[Role.ADMINISTRATOR]
    assert not may(Role.READER, "review")
    assert not may(Role.REVIEWER, "manage people")
    with pytest.raises(WorkspaceError, match="no action 'reveiw'"):
        may(Role.ADMINISTRATOR, "reveiw")


def test_logging_in_and_out(workspace):
    people = workspace.people
    people.add("ada", Role.READER, by="root", password=WORD)
    token = people.log_in("ada", WORD)
    assert people.user(token).name == "ada"
    assert people.require(token, "label").name == "ada"
    with pytest.raises(NotAllowedError, match="who may not review"):
        people.require(token, "review")
    people.log_out(token)
    with pytest.raises(NotAllowedError, match="has ended"):
        people.user(token)


def test_refusals_say_nothing_and_too_many_tries_have_to_wait(local):
    local.people.add("ada", Role.READER, by="root", password=WORD)
    local.people.add("bob", Role.READER, by="root", subject="https://id|7")
    said = set()
    for name, password in (("ada", "wrong"), ("nobody", WORD), ("bob", ""), ("bob", WORD)):
        with pytest.raises(NotAllowedError) as caught:
            local.people.log_in(name, password)
        said.add(str(caught.value))
    assert len(said) == 1
    for _ in range(4):
        with pytest.raises(NotAllowedError):
            local.people.log_in("ada", "wrong")
    with pytest.raises(NotAllowedError):
        local.people.log_in("ada", WORD)  # the right one, too soon
    said = int(time.time())
    local.people.log_in_by("https://id|7", token="statement", issued=said)
    assert local.people.user("statement").name == "bob"
    for subject in ("https://id|8", ""):
        with pytest.raises(NotAllowedError):
            local.people.log_in_by(subject, token="other", issued=said + 1)
    with pytest.raises(NotAllowedError):
        local.people.user("other")


def test_sessions_end_by_themselves_and_when_a_person_is_changed(local):
    people = local.people
    people.add("root", Role.ADMINISTRATOR, by="root", password=WORD)
    people.add("ada", Role.REVIEWER, by="root", password=WORD)
    token = people.log_in("ada", WORD)
    people.change("ada", by="root", role=Role.READER)
    with pytest.raises(NotAllowedError):
        people.user(token)
    people.change("ada", by="root", active=False)
    with pytest.raises(NotAllowedError):
        people.log_in("ada", WORD)
    with pytest.raises(WorkspaceError, match="keep one active administrator"):
        people.change("root", by="root", role=Role.READER)
    assert people.user(people.log_in("root", WORD)).role == Role.ADMINISTRATOR


def test_a_session_that_is_used_goes_on_and_ends_for_all_that_after_a_working_day(local):
    local.people.add("ada", Role.READER, by="root", password=WORD)
    idle = local.people.log_in("ada", WORD)
    pass_time(local, minutes=59)
    busy = local.people.log_in("ada", WORD)
    for _ in range(13):  # twelve hours all but a few minutes
        assert local.people.user(busy).name == "ada"
        pass_time(local, minutes=55)
    with pytest.raises(NotAllowedError, match="has ended"):
        local.people.user(idle)
    assert local.people.user(busy).name == "ada"
    pass_time(local, minutes=6)
    with pytest.raises(NotAllowedError, match="has ended"):
        local.people.user(busy)


def test_a_session_that_was_ended_is_not_brought_back_by_its_own_request(local):
    """It was looked up, then ended by an administrator, then noted that it goes on."""
    local.people.add("root", Role.ADMINISTRATOR, by="root", password=WORD)
    local.people.add("ada", Role.READER, by="root", password=WORD)
    token = local.people.log_in("ada", WORD)
    pass_time(local, minutes=30)
    with local._database.writing():  # whoever notes that it goes on has to wait for this one
        asking = threading.Thread(target=lambda: local.people.user(token))
        asking.start()
        time.sleep(0.2)
    asking.join()
    local.people.change("ada", by="root", role=Role.REVIEWER)
    with pytest.raises(NotAllowedError):
        local.people.user(token)


def test_what_a_provider_said_once_begins_one_session(workspace):
    people = workspace.people
    people.add("root", Role.ADMINISTRATOR, by="root", password=WORD)
    people.add("bob", Role.READER, by="root", subject="https://id|7")
    said = int(time.time()) - 60

    def enters(token, issued):
        people.log_in_by("https://id|7", token=token, issued=issued)
        return people.user(token).name == "bob"

    assert enters("first", said)
    assert enters("first", said), "another page of the same browser"
    people.change("bob", by="root", role=Role.REVIEWER)
    with pytest.raises(NotAllowedError, match="log in again"):
        enters("first", said)
    with pytest.raises(NotAllowedError, match="log in again"):
        enters("first, and a letter", said)
    assert enters("second", said + 10)
    pass_time(workspace, minutes=61)
    with pytest.raises(NotAllowedError, match="log in again"):
        enters("second", said + 10)
    assert enters("third", said + 20)
    people.log_out("third")
    with pytest.raises(NotAllowedError, match="log in again"):
        enters("third", said + 20)
    people.add("eve", Role.READER, by="root", subject="https://id|8")
    for old in (0, said - 12 * 3600):
        with pytest.raises(NotAllowedError, match="log in again"):
            people.log_in_by("https://id|8", token="kept for a month", issued=old)
    assert workspace.verify() == ()


def test_neither_passwords_nor_tokens_are_kept(local):
    local.people.add("ada", Role.READER, by="root", password=WORD)
    token = local.people.log_in("ada", WORD)
    local.close()
    kept = b"".join(path.read_bytes() for path in local.folder.rglob("*") if path.is_file())
    assert WORD.encode() not in kept
    assert token.encode() not in kept
    with pytest.raises(WorkspaceError, match="at least 12"):
        local.people.add("bob", Role.READER, by="root", password="short")


def test_a_link_is_good_for_its_case_and_an_hour_or_two(tmp_path):
    links = Links(tmp_path / "key")
    start = 3600.0 * 1000
    token = links.sign("scan 3", "ada", at=start)
    assert token == links.sign("scan 3", "ada", at=start + 3599)
    assert token != links.sign("scan 3", "ada", at=start + 3600)
    for at in (start, start + 3599, start + 7199):
        assert Links(tmp_path / "key").read(token, "scan 3", at=at) == "ada"
    with pytest.raises(NotAllowedError, match="expired"):
        links.read(token, "scan 3", at=start + 7200)
    with pytest.raises(NotAllowedError, match="not for scan 4"):
        links.read(token, "scan 4", at=start)
    with pytest.raises(NotAllowedError, match="no link"):
        Links(tmp_path / "other").read(token, "scan 3", at=start)
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


@given(st.data())
def test_no_changed_link_opens_anything(tmp_path_factory, data):
    links = Links(tmp_path_factory.getbasetemp() / "links.key")
    token = links.sign("scan 3", "ada")
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters())
    forged = token[:place] + letter + token[place + 1 :]
    try:
        assert links.read(forged, "scan 3") == "ada"
        # Only the last letter's bits beyond the last byte say nothing.
        assert forged == token or place in (token.index(".") - 1, len(token) - 1)
    except NotAllowedError:
        assert forged != token


def test_a_view_is_written_down(local, tmp_path):
    scan = add_scan(local, tmp_path)
    before = time.time()
    local.events.note("viewed", f"scan {scan}", by="ada")
    newest = local.events.newest(f"scan {scan}")[0]
    assert (newest.who, newest.what) == ("ada", "viewed")
    assert abs(newest.made.timestamp() - before) < 60
