"""Signing in the apps: what people drew is looked at by others, and the reader is told why it came back."""

import gzip
import sys

import pytest
import torch
from oracles import oracle
from pressing import press, told
from small_scans import ORGANS, add_scan, grid_of, painted

from medlib.resources import folder
from medlib.workspace import Decision, Question, Role, Seen, Status, Workspace

oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages

from desk import Desk  # noqa: E402
from reviewing.oddities import Oddities  # noqa: E402
from serving.depot import Depot  # noqa: E402
from serving.reduced import Blocks  # noqa: E402
from serving.routes import Scans  # noqa: E402
from serving.session import COOKIE  # noqa: E402
from serving.shelf import Case, Shelf  # noqa: E402
from serving.site import site  # noqa: E402
from serving.turning import Turn  # noqa: E402
from serving.wire import unpack  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

WORD = "correct horse battery"
HOSTILE = "<img src=x onerror=alert(1)>"
WHOLE = Seen(whole=True)


@pytest.fixture
def workspace(tmp_path):
    """Two scans, outlined by bob, the second in many pieces; answers and a landmark of the first."""
    with Workspace(tmp_path / "workspace") as it:
        for name, role in (("ada", Role.ADMINISTRATOR), ("bob", Role.REVIEWER),
                           ("rob", Role.READER)):  # fmt: skip
            it.people.add(name, role, by="ada", password=WORD)
        asked = it.label_sets.add(
            "organs", ORGANS, by="ada", questions=[Question("motion", "yes/no")], landmarks=["tip"]
        ).id
        for name in ("smooth", "pieces"):
            add_scan(it, tmp_path, name)
        it.versions.save_mask(1, asked, painted(1), base=None, by="bob", seen=WHOLE)
        scattered = painted(1)
        scattered.data[0, 1:, ::2, ::3] = 1
        it.versions.save_mask(2, asked, scattered, base=None, by="bob", seen=WHOLE)
        it.versions.save_answers(1, asked, {"motion": True}, base=None, by="bob")
        place = grid_of().to_patient([1, 2, 3]).tolist()
        it.versions.save_points(1, asked, {"tip": place}, base=None, by="bob")
        Oddities(it).look(it.versions.heads(asked)[:2])
        yield it


@pytest.fixture
def run(open_page):
    """A page, as a person of a role sees it first."""

    def running(person="ada", role=Role.REVIEWER, page="screens/review.py"):
        return open_page(page, person, role, {"label scan": 1})

    return running


def tables(app):
    return "".join(element.proto.body for element in app.main if element.type == "html")


def signers(workspace, version):
    return [review.reviewer for review in workspace.reviews.approving([version])[version]]


def send_back(workspace, reason="that is the stomach"):
    workspace.signing.sign([1], Decision.REJECT, by="ada", reason=reason)


def test_the_odd_one_comes_first_and_it_is_said_that_people_drew_it(run):
    app = run()
    assert app.selectbox[0].options == ["pieces (drawn by people)", "smooth (drawn by people)"]
    assert "Drawn by people: bob" in told(app)
    assert "pieces" in app.warning[0].value
    assert "Accept" not in [button.label for button in app.button]


def test_what_is_signed_is_stood_behind_and_the_next_one_follows(run, workspace):
    app = press(run(), "Sign")
    assert signers(workspace, 2) == ["ada"]
    assert app.selectbox[0].options == ["smooth (drawn by people)"]


def test_answers_and_landmarks_are_said_and_signed_with_the_outline(run, workspace):
    app = press(run(), "Next")
    assert "outline, answers, landmarks" in told(app)
    assert all(word in tables(app) for word in ("motion", "yes", "tip", "mm (LPS)", "liver"))
    press(app, "Sign")
    assert [signers(workspace, version) for version in (1, 3, 4)] == [["ada"]] * 3
    assert workspace.scans.get(1).status == Status.REVIEWED
    assert signers(workspace, 2) == []


def test_sending_back_needs_a_reason_and_the_reader_is_told(run, workspace):
    app = press(run(), "Next")
    press(press(app, "Send back …"), "Send back")
    assert "Say why" in told(app)
    assert signers(workspace, 1) == []
    assert not workspace.signing.to_mend()
    app.selectbox[1].select("other")
    press(app, "Send back")
    assert "Say why" in told(app), "in words"
    (words,) = [field for field in app.text_input if field.label == "In your words"]
    words.set_value(HOSTILE)
    press(app, "Send back")
    assert {version.id for version, _ in workspace.signing.to_mend()} == {1, 3, 4}
    app = run("rob", Role.READER, "screens/label.py")
    assert "ada sent the outline back on" in told(app)
    assert HOSTILE in told(app)
    assert HOSTILE not in "".join(warning.value for warning in app.warning), "never as markup"
    assert "press W" in told(app)
    app = run("rob", Role.READER, "screens/worklist.py")
    assert "The label of 1 scan was sent back" in told(app)
    assert "sent back by ada: other: &lt;img src=x" in tables(app)
    (search,) = [field for field in app.text_input if field.label == "Search"]
    search.set_value("sent back").run()
    assert "<b>smooth</b>" in tables(app)
    assert "<b>pieces</b>" not in tables(app)


def test_who_drew_it_alone_is_not_asked_to_sign_it(run, workspace):
    app = run("bob")
    assert not app.button
    assert "2 scans wait for another reviewer" in told(app)
    head = workspace.versions.head(2, 1)
    fixed = workspace.versions.save_mask(2, 1, painted(2), base=head.id, by="ada", seen=WHOLE)
    assert run("bob").selectbox[0].options == ["pieces (drawn by people)"]
    app = press(run("ada"), "Next")
    assert "Drawn by people: ada, bob" in told(app), "who mends it may sign it"
    press(app, "Sign")
    assert signers(workspace, fixed.id) == ["ada"]


def test_readers_sign_nothing_also_who_was_a_reviewer_a_moment_ago(run, workspace, monkeypatch):
    app = run("rob", Role.READER)
    assert not app.button
    assert "reviewers" in told(app)
    app = run("ada")
    monkeypatch.setattr("desk.desk", lambda: Desk(site(), "ada", Role.READER))
    press(app, "Sign")
    assert signers(workspace, 2) == []
    app = run("rob", Role.READER, "screens/worklist.py")
    assert "Review" not in [button.label for button in app.button]
    app = run("ada", Role.REVIEWER, "screens/worklist.py")
    assert [button.label for button in app.button].count("Review") == 2


def test_a_key_pressed_on_an_outline_signs_no_newer_one(run, workspace):
    app = run()
    newer = workspace.versions.save_mask(2, 1, painted(2), base=2, by="bob", seen=WHOLE)
    press(app, "Sign")
    assert signers(workspace, 2) == signers(workspace, newer.id) == signers(workspace, 1) == []
    assert "What you pressed decided nothing" in told(app)


def test_of_two_reviewers_the_second_is_told(run, workspace):
    app = run("ada")
    workspace.signing.sign([2], Decision.REJECT, by="eve", reason="outline wrong")
    press(app, "Sign")
    assert signers(workspace, 2) == signers(workspace, 1) == []
    assert "decided on pieces" in told(app)


def test_what_was_mended_waits_again_with_what_was_said_of_it(run, workspace):
    send_back(workspace)
    assert "smooth (drawn by people)" in run().selectbox[0].options, "its answers still wait"
    begun = workspace.versions.save_mask(1, 1, painted(2), base=1, by="bob")
    assert "that is the stomach" in told(run("bob", Role.READER, "screens/label.py"))
    workspace.versions.save_mask(1, 1, painted(2), base=begun.id, by="bob", seen=WHOLE)
    assert "stomach" not in told(run("bob", Role.READER, "screens/label.py"))
    app = press(run(), "Next")
    assert "ada sent an earlier one back: that is the stomach" in told(app)


# --- what a browser is sent ------------------------------------------------------------------


@pytest.fixture
def get(workspace, tmp_path):
    shelf = Shelf(workspace)
    client = TestClient(Starlette(routes=Scans(shelf, Depot(tmp_path / "depot")).routes()))

    def asking(path, person="ada", case="1-1", verb="get", **more):
        link = {"Authorization": f"Bearer {shelf.sign(Case.named(case), person, 'label')}"}
        client.cookies.set(COOKIE, workspace.people.log_in(person, WORD))
        return getattr(client, verb)(f"/medlib/cases/{path}", headers=link, **more)

    return asking


def patch_in(answer, workspace):
    raw = answer.content if answer.content[:2] == b"\x1f\x8b" else gzip.compress(answer.content)
    return unpack(raw, Turn.of(Blocks(workspace.scans.grid(1)).coarse).turned)


def test_what_was_sent_back_is_not_done_on_the_label_page_until_that_is_said_anew(get, workspace):
    assert patch_in(get("1-1/mask"), workspace).said["seen"]["whole"] is True
    send_back(workspace)
    answer = get("1-1/mask")
    assert answer.headers["X-Version"] == "1"
    found = patch_in(answer, workspace)
    assert found.said["seen"] == {"whole": False, "slices": []}
    assert int((found.ids > 0).sum()) == int((painted(1).data > 0).sum()), "the outline is there"
    assert Shelf(workspace).drawing(Case(1, 1), 1).seen.whole, "what was said then stays said"


def test_a_reviewers_browser_gets_the_outline_answers_and_landmarks_and_changes_none(get):
    assert get("1-1/drawn/4/mask").headers["X-Version"] == "1"
    assert get("1-1/drawn/4/volume").status_code == 200
    assert get("1-1/drawn/4/answers").json()["entries"] == {"motion": True}
    assert [*get("1-1/drawn/4/points").json()["entries"]] == ["tip"]
    assert get("1-1/drawn/4/mask", case="2-1").status_code == 401, "a link to another scan"
    for what in ("mask", "answers", "points"):
        assert get(f"1-1/drawn/4/{what}?base=1", verb="put").status_code == 405


def test_an_outline_is_odd_beside_the_others(workspace, tmp_path):
    """The spleen is in three others, and somebody forgot it here; what was sent back is no measure."""
    workspace.signing.sign([2], Decision.REJECT, by="ada", reason="structure missed")
    both = painted(1)
    both.data[0, 2, 3] = 2
    for number in range(3):
        scan = add_scan(workspace, tmp_path, f"more_{number}")
        workspace.versions.save_mask(scan, 1, both, base=None, by="bob", seen=WHOLE)
    oddities = Oddities(workspace)
    outline = workspace.versions.head(1, 1)
    assert oddities.of([outline]) == {1: ()}, "nothing else has been looked at"
    oddities.look(oddities.unseen([1]))
    assert oddities.unseen([1]) == []
    (reason,) = oddities.of([outline])[1]
    assert reason.startswith("spleen was not found")
    assert torch.equal(workspace.versions.mask(outline.id).data, painted(1).data)


@pytest.mark.parametrize("usual", [True, False])
def test_what_others_have_in_pieces_too_is_not_odd(workspace, tmp_path, usual):
    """Vertebrae are several; a spleen in five pieces is looked at."""
    whole, apart = painted(1), painted(1)
    whole.data[0, 2, 3] = 2
    apart.data[0, 2, ::4, ::2] = 2
    for number in range(3):
        scan = add_scan(workspace, tmp_path, f"more_{number}")
        mask = apart if usual else whole
        workspace.versions.save_mask(scan, 1, mask, base=None, by="bob", seen=WHOLE)
    scan = add_scan(workspace, tmp_path, "mine")
    mine = workspace.versions.save_mask(scan, 1, apart, base=None, by="ada", seen=WHOLE)
    oddities = Oddities(workspace)
    oddities.look(oddities.unseen([1]))
    said = [reason for reason in oddities.of([mine])[mine.id] if "pieces" in reason]
    assert bool(said) != usual
