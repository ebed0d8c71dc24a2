"""Corrections of landmarks and answers: whole, looked at by somebody, and on the right place."""

import sys

import pytest
from oracles import oracle
from pressing import press, told
from small_scans import add_scan, grid_of

from medlib.resources import folder
from medlib.workspace import (
    Content,
    Decision,
    Question,
    Role,
    Status,
    Workspace,
    WorkspaceError,
)

oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages

from serving.depot import Depot  # noqa: E402
from serving.routes import Scans  # noqa: E402
from serving.session import COOKIE  # noqa: E402
from serving.shelf import Case, Shelf  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

WORD = "correct horse battery"
ROLES = {"ada": Role.ADMINISTRATOR, "bob": Role.REVIEWER, "rob": Role.READER}
POINTS, ANSWERS = Content.POINTS, Content.ANSWERS
HOSTILE = "<img src=x onerror=alert(1)>"


def place(*index):
    return grid_of().to_patient(index).tolist()


TIP, BASE = place(1, 2, 3), place(2, 4, 5)


@pytest.fixture
def workspace(tmp_path):
    """A scan in which a model has placed two landmarks, and answered one question of two."""
    with Workspace(tmp_path / "workspace") as it:
        for name, role in ROLES.items():
            it.people.add(name, role, by="ada", password=WORD)
        for name in ("case_1", "case_2"):
            add_scan(it, tmp_path, name)
        asked = it.label_sets.add(
            "heart", by="ada", landmarks=["tip", HOSTILE],
            questions=[Question("size", "number", unit="mm"), Question("moved", "yes/no")],
        ).id  # fmt: skip
        (tmp_path / "net").write_bytes(b"weights")
        model = it.models.add("net", tmp_path / "net", asked, by="worker").id
        keep = it.models.keep_entries
        keep(model, 1, POINTS, {"tip": TIP, HOSTILE: BASE}, by="worker", figures={"doubt": 2.0})
        keep(model, 1, ANSWERS, {"size": 12.0}, by="worker", figures={"doubt": 1.0})
        yield it


@pytest.fixture
def run(open_page):
    """The Review page, at the landmarks or the answers, as a person sees it first."""

    def running(item, person="ada", page="screens/review.py"):
        return open_page(page, person, ROLES[person], {"review item": f"found {item}"})

    return running


def labels(app):
    return [button.label for button in app.button]


def tables(app):
    return "".join(element.proto.body for element in app.main if element.type == "html")


def learned(workspace):
    """The landmarks that a training would learn of the scan."""
    from medlib import io

    (case,) = workspace.pairing(1, statuses=(*Status,)).cases
    return {} if case.points is None else io.read_points(case.points).names


def behind(workspace, version):
    return [review.reviewer for review in workspace.reviews.approving([version])[version]]


# --- landmarks ------------------------------------------------------------------------------------


def test_landmarks_are_laid_over_the_scan_and_listed_beside_the_label(run, workspace):
    app = run(1)
    assert {"Model 1", "Model", "Nothing"} & {*labels(app)}, "layers, by a button and a key each"
    assert "tip" in tables(app)
    assert HOSTILE not in tables(app), "never as markup"
    workspace.versions.save_points(1, 1, {"tip": place(1, 2, 5)}, base=None, by="rob")
    app = run(1)
    assert "Label" in labels(app)
    assert "2.0 mm" in tables(app), "how far apart"
    assert "not placed" in tables(app)


def test_what_a_correction_begins_with_is_nobodys_word_before_he_has_said_so(run, workspace):
    """Else a model would learn from itself, and others sign what nobody has looked at."""
    app = press(run(1), "Correct")
    assert not app.error, app.error
    begun = workspace.versions.head(1, 1, POINTS)
    assert begun.entries == {"tip": TIP, HOSTILE: BASE}
    assert (begun.author, begun.origin, begun.seen["whole"]) == ("ada", "corrected", False)
    assert learned(workspace) == {}
    assert workspace.signing.waiting() == []
    assert "My landmarks are the correction" not in labels(run(1)), "it is as the model has it"
    assert f"Just where a model put them: {HOSTILE}, tip" in told(run(1, page="screens/label.py"))
    moved = {"tip": place(1, 2, 4), HOSTILE: BASE}
    Shelf(workspace).save_entries(Case(1, 1), POINTS, moved, base=begun.id, by="ada")
    assert learned(workspace) == ("tip",), "the other lies where the model put it"
    assert workspace.signing.waiting() == []
    press(run(1), "My landmarks are the correction")
    (review,) = workspace.reviews.of(1)
    head = workspace.versions.head(1, 1, POINTS)
    assert (review.decision, review.version_id) == (Decision.CORRECT, head.id)
    assert head.entries == moved
    assert head.seen["whole"]
    assert learned(workspace) == ("tip", HOSTILE)
    assert behind(workspace, head.id) == ["ada"]
    assert workspace.verify() == ()


def test_a_correction_with_a_landmark_missing_is_none(run, workspace):
    less = workspace.versions.save_points(1, 1, {"tip": place(1, 1, 1)}, base=None, by="ada")
    app = run(1)
    assert "My landmarks are the correction" not in labels(app)
    assert "missing in what you placed" in told(app)
    with pytest.raises(WorkspaceError, match="says all that the model said"):
        workspace.reviews.decide(1, Decision.CORRECT, by="ada", version=less.id)


def test_a_landmark_beside_the_scan_is_left_to_be_placed(run, workspace):
    away = {"tip": TIP, HOSTILE: place(99, 0, 0)}
    number = workspace.models.keep_entries(1, 2, POINTS, away, by="worker").id
    press(run(number), "Correct")
    assert [*workspace.versions.head(2, 1, POINTS).entries] == ["tip"]


def test_what_people_placed_is_not_taken_for_a_models(workspace):
    """Also where a model found the very same place afterwards, or somebody went on from it."""
    save = workspace.versions.save_points
    mine = save(1, 1, {"tip": place(1, 1, 1)}, base=None, by="rob")
    workspace.models.keep_entries(1, 1, POINTS, {"tip": place(1, 1, 1)}, by="worker")
    more = save(1, 1, {"tip": place(1, 1, 1), HOSTILE: place(0, 0, 0)}, base=mine.id, by="bob")
    assert more.seen["whole"]
    assert more.annotated is None
    accepted = workspace.reviews.decide(1, Decision.REJECT, by="ada", reason="no").version_id
    assert accepted is None


def test_landmarks_come_to_the_browser_as_they_were_found_and_to_nobody_else(workspace, tmp_path):
    shelf = Shelf(workspace)
    client = TestClient(Starlette(routes=Scans(shelf, Depot(tmp_path / "depot")).routes()))
    client.cookies.set(COOKIE, workspace.people.log_in("rob", WORD))

    def get(path, case="1-1", verb="get"):
        link = {"Authorization": f"Bearer {shelf.sign(Case.named(case), 'rob', 'label')}"}
        return getattr(client, verb)(f"/medlib/cases/{path}", headers=link)

    assert get("1-1/found/1/points").json()["entries"] == {"tip": TIP, HOSTILE: BASE}
    saved = workspace.versions.save_points(1, 1, {"tip": place(0, 0, 0)}, base=None, by="rob")
    assert get("1-1/label/1/points").json() == {
        "entries": {"tip": place(0, 0, 0)}, "version": saved.id,
    }  # fmt: skip
    assert get("1-1/nothing/1/points").json()["entries"] == {}
    for layer in ("found", "label", "nothing"):
        assert get(f"1-1/{layer}/1/mask").status_code == 200, "the bare scan"
        assert get(f"2-1/{layer}/1/points", "2-1").status_code == 404, "another scan's"
    assert get("1-1/nothing/2/mask").status_code == 200, "answers lie on the bare scan too"
    assert get("1-1/found/2/points").status_code == 404, "they are no landmarks"
    assert get("1-1/difference/1/mask").status_code == 404
    assert get("1-1/found/1/points", "2-1").status_code == 401
    assert get("1-1/found/1/points", verb="put").status_code == 405


# --- answers --------------------------------------------------------------------------------------


def test_an_answer_is_corrected_right_there_and_learned_from(run, workspace):
    app = press(run(2), "Correct …")
    press(app, "This is right")
    assert "accept it" in told(app)
    assert workspace.versions.head(1, 1, ANSWERS) is None
    app.number_input[0].set_value(15.0)
    press(app, "This is right")
    (review,) = workspace.reviews.of(2)
    head = workspace.versions.head(1, 1, ANSWERS)
    assert (review.decision, review.version_id) == (Decision.CORRECT, head.id)
    assert (head.entries, head.author) == ({"size": 15.0}, "ada")
    assert workspace.pairing(1).cases[0].answers == {"size": 15.0}
    assert behind(workspace, head.id) == ["ada"]


def test_another_answer_stays_and_is_signed_by_somebody_who_looked_at_it(run, workspace):
    workspace.versions.save_answers(1, 1, {"moved": True}, base=None, by="rob")
    app = run(2)
    assert "What rob said of the rest stays" in told(app)
    assert "moved" in tables(app)
    press(app, "Accept")
    head = workspace.versions.head(1, 1, ANSWERS)
    assert head.entries == {"moved": True, "size": 12.0}
    assert behind(workspace, head.id) == [], "nobody has looked at whether it moved"
    (waits,) = workspace.signing.waiting()
    assert [version.id for version in waits.signable("ada")] == [head.id]
    workspace.signing.sign([head.id], Decision.ACCEPT, by="ada")
    assert {*behind(workspace, head.id)} == {"ada"}


def test_what_somebody_answered_otherwise_is_not_pushed_aside(run, workspace):
    mine = workspace.versions.save_answers(1, 1, {"size": 9.0, "moved": True}, base=None, by="rob")
    app = press(run(2), "Accept")
    assert not app.exception
    assert workspace.versions.head(1, 1, ANSWERS).id == mine.id


def test_answers_that_were_accepted_one_by_one_are_stood_behind_together(workspace):
    other = workspace.models.keep_entries(1, 1, ANSWERS, {"moved": False}, by="worker").id
    first = workspace.reviews.decide(2, Decision.ACCEPT, by="ada").version_id
    assert not workspace.versions.get(first).seen["whole"], "the other question is open"
    second = workspace.reviews.decide(other, Decision.ACCEPT, by="bob").version_id
    head = workspace.versions.head(1, 1, ANSWERS)
    assert head.id == second
    assert head.entries == {"size": 12.0, "moved": False}
    assert head.seen["whole"]
    assert behind(workspace, second) == ["ada", "bob"]
    workspace.reviews.decide(2, Decision.REJECT, by="bob", reason="too large")
    assert behind(workspace, second) == [], "on one of them readers differ"
    workspace.reviews.decide(2, Decision.REJECT, by="rob", reason="too large")
    assert workspace.versions.head(1, 1, ANSWERS).entries == {"moved": False}, "the other stays"


def test_models_of_two_questions_wait_both(run, workspace):
    workspace.models.keep_entries(1, 1, ANSWERS, {"moved": False}, by="worker")
    assert len(run(2).selectbox[0].options) == 3
