"""The Label page run as Streamlit runs it: what comes next, what was before, and what is said of it."""

import sys

import pytest
import torch
from oracles import oracle
from small_scans import ORGANS, add_scan, painted

from medlib.resources import folder
from medlib.workspace import Conflict, Content, Question, Role, Seen, Status, Workspace

oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages

from desk import Desk  # noqa: E402
from history import amount, restore, sittings  # noqa: E402
from serving.shelf import Case, Shelf  # noqa: E402
from serving.site import Site, site  # noqa: E402
from sifting import Sieve, complaints_of, following  # noqa: E402
from streamlit.testing.v1 import AppTest  # noqa: E402

HOSTILE = "<img src=x onerror=alert(1)>**b**"
CASE = Case(1, 1)


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "workspace") as found:
        for name in ("case_1", "case_2", "case_3", "case_4", "case_5"):
            add_scan(found, tmp_path, name)
        found.label_sets.add("organs", ORGANS, by="ada")
        yield found


@pytest.fixture
def run(workspace, monkeypatch):
    """Runs the page on the workspace."""

    def running(name="screens/label.py"):
        monkeypatch.setattr(sys, "argv", ["app.py", str(workspace.folder)])
        site.cache_clear()
        app = AppTest.from_file(str(APPS / name), default_timeout=120).run()
        assert not app.exception, app.exception
        return app

    yield running
    site.cache_clear()


def desk_of(workspace, person="ada", role=Role.ADMINISTRATOR):
    return Desk(Site(workspace, Shelf(workspace), person), person, role)


def save(workspace, mask=None, scan=1, base=None, by="ada", seen=None):
    return workspace.versions.save_mask(
        scan, 1, mask or painted(), base=base, by=by, seen=seen or Seen()
    )


def said(app):
    return "\n".join(part.value for part in [*app.markdown, *app.caption])


# --- what comes next --------------------------------------------------------------------------


def after(workspace, scan, sieve=Sieve(), person="ada"):  # noqa: B008 - frozen
    return following(
        workspace.scans.list(order=sieve.order), scan, sieve, complaints_of(workspace),
        finished=workspace.versions.finished(1), person=person,
    )  # fmt: skip


def test_what_is_set_aside_finished_or_somebody_elses_is_passed_over(workspace):
    assert after(workspace, 1) == 2
    workspace.scans.set_status(2, Status.SET_ASIDE, by="ada", reason="moved")
    save(workspace, scan=3, seen=Seen(whole=True))
    workspace.scans.assign(4, "bob", by="ada")
    assert after(workspace, 1) == 5
    assert after(workspace, 5) == 1, "from the end it begins anew"
    assert after(workspace, 1, person="bob") == 4
    assert after(workspace, 1, Sieve(reader="bob")) == 4, "whose scans were asked for"
    save(workspace, scan=5, seen=Seen.of([0]))
    assert after(workspace, 1) == 5, "one slice is not all of it"
    save(workspace, scan=1, seen=Seen(whole=True))
    head = workspace.versions.head(5, 1)
    save(workspace, scan=5, base=head.id, seen=Seen(whole=True))
    assert after(workspace, 1) is None


def test_finished_is_what_this_label_set_asks_for_all_of_it(workspace):
    more = workspace.label_sets.add(
        "more", ORGANS, by="ada", questions=[Question("motion", "yes/no")]
    )
    save(workspace, scan=2, seen=Seen(whole=True))
    assert workspace.versions.finished(1) == {2}
    assert workspace.versions.finished(more.id) == set()
    workspace.versions.save_mask(2, more.id, painted(), base=None, by="ada", seen=Seen(whole=True))
    assert workspace.versions.finished(more.id) == set(), "the question is open"
    workspace.versions.save_answers(2, more.id, {"motion": False}, base=None, by="ada")
    assert workspace.versions.finished(more.id) == {2}


def test_the_most_useful_comes_next_where_that_order_was_chosen(workspace):
    workspace.scans.rank({4: (0.9, "x"), 1: (0.8, "x"), 2: (0.2, "x"), 3: (0.5, "x")}, by="ada")
    useful = Sieve(order="usefulness")
    assert [after(workspace, scan, useful) for scan in (4, 1, 3, 2)] == [1, 3, 2, 5]
    workspace.scans.tag(2, "hard", by="ada")
    assert after(workspace, 4, Sieve(order="usefulness", tags=("hard",))) == 2


def test_the_page_lists_what_the_worklist_shows_and_the_scan_in_hand(workspace, run):
    workspace.scans.rank({4: (0.9, "x"), 1: (0.8, "x")}, by="ada")
    for scan in (1, 3, 4):
        workspace.scans.tag(scan, "hard", by="ada")
    app = run()
    app.session_state["worklist chosen"] = Sieve(order="usefulness", tags=("hard",))
    app.run()
    (scans,) = [box for box in app.selectbox if box.label == "Scan"]
    assert scans.options == ["case_4", "case_1", "case_3"]
    assert scans.value == 1, "it was in hand already"
    app.session_state["label next"] = 5  # as on coming from elsewhere
    app.run()
    (scans,) = [box for box in app.selectbox if box.label == "Scan"]
    assert scans.options == ["case_4", "case_1", "case_3", "case_5"]
    assert "4 of 4 that the worklist shows; 5 in all" in said(app)


def test_the_worklist_keeps_its_filters_when_another_page_was_shown(workspace, run):
    workspace.scans.tag(3, "hard", by="ada")
    app = run("screens/worklist.py")
    app.multiselect(key="worklist tags").set_value(["hard"])
    app.selectbox(key="worklist order").set_value("added").run()
    chosen = app.session_state["worklist chosen"]
    assert chosen == Sieve(tags=("hard",), order="added")
    again = AppTest.from_file(str(APPS / "screens/worklist.py"), default_timeout=120)
    again.session_state["worklist chosen"] = chosen  # all that Streamlit leaves of it
    again.run()
    assert again.multiselect(key="worklist tags").value == ["hard"]
    assert again.selectbox(key="worklist order").value == "added"


# --- what was before --------------------------------------------------------------------------


def test_saves_of_one_sitting_are_one_line_and_each_is_still_there(workspace):
    version = None
    for at in range(4):
        version = save(workspace, painted(1, at), base=version and version.id, seen=Seen.of([0, 1]))
    with pytest.raises(Conflict):
        save(workspace, painted(2), base=None, by="bob")
    version = save(workspace, painted(2, 1), base=version.id, by="grace", seen=Seen(whole=True))
    found = sittings(workspace.versions.history(1, 1))
    assert [(one.last.author, one.last.aside, len(one.versions)) for one in found] == [
        ("grace", False, 1), ("bob", True, 1), ("ada", False, 4),
    ]  # fmt: skip
    assert [amount(one.last) for one in found] == [
        "the whole scan is done", "no slices done", "2 slices done",
    ]  # fmt: skip


def test_what_was_counts_again_as_a_new_version_and_nothing_is_overwritten(workspace):
    first = save(workspace, painted(1, 0), seen=Seen.of([0]))
    second = save(workspace, painted(2, 5), base=first.id, by="bob", seen=Seen(whole=True))
    restored = restore(desk_of(workspace, "grace"), CASE, first)
    assert (restored.parent_id, restored.author, restored.origin) == (
        second.id,
        "grace",
        "restored",
    )
    assert torch.equal(workspace.versions.mask(restored.id).data, painted(1, 0).data)
    assert restored.seen == first.seen
    assert workspace.versions.head(1, 1).id == restored.id
    assert [v.id for v in workspace.versions.history(1, 1)] == [first.id, second.id, restored.id]
    assert torch.equal(workspace.versions.mask(second.id).data, painted(2, 5).data)
    assert workspace.verify() == ()


def test_what_was_kept_aside_in_a_conflict_is_on_the_screen_and_can_count(workspace, run):
    base = save(workspace, painted(1, 0))
    save(workspace, painted(1, 1), base=base.id)
    with pytest.raises(Conflict) as conflict:
        save(workspace, painted(2, 2), base=base.id, by=HOSTILE)
    aside = conflict.value.mine
    app = run()
    app.toggle(key="label history").set_value(True).run()
    text = said(app)
    assert "kept aside" in text
    assert "<img" not in text.replace("\\<img", ""), "names are only text"
    app.button(key=f"look {aside.id}").click().run()
    assert "You look at an older outline" in said(app)
    app.button(key=f"restore {aside.id}").click().run()
    assert not app.exception
    head = workspace.versions.head(1, 1)
    assert (head.origin, head.merges_id) == ("restored", aside.id)
    assert torch.equal(workspace.versions.mask(head.id).data, painted(2, 2).data)
    assert workspace.versions.aside(1, 1) == []
    assert "You look at an older outline" not in said(app)


def test_answers_can_be_taken_back_too(workspace):
    workspace.label_sets.add("study", by="ada", questions=[Question("motion", "yes/no")])
    answers = workspace.versions.save_answers
    first = answers(1, 2, {"motion": True}, base=None, by="ada")
    answers(1, 2, {"motion": False}, base=first.id, by="bob")
    assert amount(first) == "motion: yes"
    restore(desk_of(workspace), Case(1, 2), first)
    assert workspace.versions.head(1, 2, Content.ANSWERS).entries == {"motion": True}


def test_who_may_only_look_restores_nothing(workspace, run, monkeypatch):
    first = save(workspace, painted(1, 0))
    save(workspace, painted(1, 1), base=first.id, by="bob")
    import desk

    monkeypatch.setattr(desk, "may", lambda role, action: action == "view")
    app = run()
    app.toggle(key="label history").set_value(True).run()
    app.button(key=f"look {first.id}").click().run()
    assert "You look at an older outline" in said(app)
    assert not [one for one in app.button if str(one.key).startswith("restore")]


# --- remarks ----------------------------------------------------------------------------------


def test_a_reader_says_something_about_a_scan(workspace, monkeypatch):
    import desk

    monkeypatch.setattr(desk, "desk", desk.desk)  # the page below puts another in its place
    workspace.reviews.comment(1, HOSTILE, by="bob")
    app = AppTest.from_function(_remarks, default_timeout=60)
    app.session_state["folder"] = str(workspace.folder)
    app.run()
    assert "<img" not in said(app).replace("\\<img", "")
    app.text_input[0].set_value("moved, I think")
    app.button[0].click().run()
    assert not app.exception, app.exception
    assert [one.text for one in workspace.reviews.comments(1)] == [HOSTILE, "moved, I think"]
    assert "moved, I think" in said(app).replace("\\", "")


def _remarks():
    import desk
    import streamlit as st
    from desk import Desk
    from remarks import remarks
    from serving.shelf import Shelf
    from serving.site import Site

    from medlib.workspace import Role, Workspace

    workspace = Workspace(st.session_state["folder"])
    here = Desk(Site(workspace, Shelf(workspace), "ada"), "ada", Role.READER)
    desk.desk = lambda: here
    remarks(here, 1)


def test_a_second_reader_does_not_hear_the_first_beforehand(workspace, tmp_path):
    from remarks import is_blind

    from medlib.workspace import Decision

    package = tmp_path / "net.medlib"
    package.write_bytes(b"net")
    model = workspace.models.add("net", package, 1, by="worker")
    found = workspace.models.keep_mask(model.id, 1, painted(), by="worker")
    workspace.reviews.decide(found.id, Decision.REJECT, by="bob", reason="missed")
    assert is_blind(desk_of(workspace, "grace", Role.REVIEWER), 1)
    assert not is_blind(desk_of(workspace, "bob", Role.REVIEWER), 1)
    assert not is_blind(desk_of(workspace, "grace", Role.READER), 1), "readers decide on nothing"
    assert not is_blind(desk_of(workspace, "grace", Role.REVIEWER), 2)
