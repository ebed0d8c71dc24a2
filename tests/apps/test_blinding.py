"""A second reader gets nothing of what the first one made of it, by no page and by no address."""

import gzip
import sys

import pytest
from oracles import oracle
from pressing import press, told
from small_scans import ORGANS, add_scan, painted

from medlib.resources import folder
from medlib.workspace import Decision, NotAllowedError, Role, Seen, Status, Workspace

oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages

from serving.depot import Depot  # noqa: E402
from serving.reduced import Blocks  # noqa: E402
from serving.routes import Scans  # noqa: E402
from serving.session import COOKIE  # noqa: E402
from serving.shelf import Case, Shelf  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

WORD = "correct horse battery"
WHOLE = Seen(whole=True)
ROLES = {"ada": Role.REVIEWER, "bob": Role.REVIEWER, "eve": Role.ADMINISTRATOR, "rob": Role.READER}


@pytest.fixture
def workspace(tmp_path):
    """A scan that a model has outlined, and two label sets."""
    with Workspace(tmp_path / "workspace") as it:
        for name in ("eve", "ada", "bob", "rob"):
            it.people.add(name, ROLES[name], by="eve", password=WORD)
        add_scan(it, tmp_path)
        for name in ("organs", "others"):
            it.label_sets.add(name, ORGANS, by="eve")
        (tmp_path / "net").write_bytes(b"weights")
        model = it.models.add("net", tmp_path / "net", 1, by="worker").id
        it.models.keep_mask(model, 1, painted(1), by="worker")
        yield it


@pytest.fixture
def ask(workspace, tmp_path):
    """A request by a person, in his own session."""
    shelf = Shelf(workspace)
    app = Starlette(routes=Scans(shelf, Depot(tmp_path / "depot")).routes())
    clients = {}

    def asking(person, path, verb="get", case="1-1", **more):
        if person not in clients:
            clients[person] = TestClient(app)
            if workspace.people.list():
                clients[person].cookies.set(COOKIE, workspace.people.log_in(person, WORD))
        link = {"Authorization": f"Bearer {shelf.sign(Case.named(case), person, 'label')}"}
        return getattr(clients[person], verb)(f"/medlib/cases/{path}", headers=link, **more)

    return asking


@pytest.fixture
def run(open_page):
    """A page, as a person sees it first."""

    def running(person, page="screens/label.py", label_set=1):
        return open_page(page, person, ROLES[person], {"label set": label_set})

    return running


LABEL = ("1-1/mask", "1-1/label/1/mask", "1-1/difference/1/mask", "1-1/drawn/1/mask",
         "1-1/both?mine=1")  # fmt: skip


def accept(workspace):
    """The first reader's decision, and the label that came of it."""
    return workspace.reviews.decide(1, Decision.ACCEPT, by="ada").version_id


@pytest.mark.parametrize("decision", [Decision.ACCEPT, Decision.REJECT])
def test_no_address_tells_a_second_reader_what_the_first_decided(workspace, ask, decision):
    """Nor is it told apart by what is refused: there may be a label, or none."""
    assert ask("bob", "1-1/mask").status_code == 200, "before anybody has decided"
    workspace.reviews.decide(1, decision, by="ada", reason="missed")
    answers = [ask(who, path) for who in ("bob", "eve") for path in LABEL[:4]]
    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.text for answer in answers}) == 1
    for path in ("1-1/found/1/mask", "1-1/nothing/1/mask", "1-1/volume"):
        assert ask("bob", path).status_code == 200, "he is to judge that"
    for who in ("ada", "rob"):  # the first reader; and readers, who decide on nothing
        assert ask(who, "1-1/mask").status_code == 200
    workspace.reviews.decide(1, decision, by="bob", reason="missed")
    assert ask("bob", "1-1/mask").status_code == 200, "he has decided"


def test_older_versions_and_what_is_drawn_on_them_tell_nothing_either(workspace, ask):
    version = accept(workspace)
    assert ask("bob", f"1-1/versions/{version}/mask").status_code == 422
    assert ask("bob", f"1-1/both?mine={version}").status_code == 422
    shelf = Shelf(workspace)
    case, grid = Case(1, 1), workspace.scans.grid(1)
    nothing = shelf.begun(case, 0).shown(Blocks(grid), {"scan": shelf.mark(case, Blocks(grid))})
    body = gzip.compress(nothing.pack())
    for verb, path in (("put", f"1-1/mask?base={version}"), ("post", f"1-1/assist?base={version}")):
        assert ask("bob", path, verb, content=body).status_code == 422
    assert workspace.versions.head(1, 1).id == version


def test_who_was_drawing_already_goes_on_and_loses_nothing(workspace, ask):
    """His own label is no secret to him; what he began before may be saved."""
    theirs = workspace.versions.save_mask(1, 1, painted(2), base=None, by="rob")
    accept(workspace)
    shelf = Shelf(workspace)
    case, blocks = Case(1, 1), Blocks(workspace.scans.grid(1))
    said = {"scan": shelf.mark(case, blocks)}
    body = gzip.compress(shelf.begun(case, theirs.id).shown(blocks, said).pack())
    answer = ask("bob", f"1-1/mask?base={theirs.id}", "put", content=body)
    assert answer.status_code == 200, answer.text
    assert workspace.versions.head(1, 1).author == "bob"
    assert ask("bob", "1-1/mask").status_code == 200
    assert ask("eve", "1-1/mask").status_code == 422


def test_the_label_page_says_so_and_other_label_sets_are_open(workspace, run, ask):
    accept(workspace)
    app = run("bob")
    assert "not shown to you before you have decided too" in told(app)
    assert "ada" not in told(app)
    assert "To the review" in [button.label for button in app.button]
    assert not app.toggle, "nor the older versions"
    assert "not shown to you" not in told(run("bob", label_set=2))
    assert ask("bob", "1-2/mask", case="1-2").status_code == 200
    for who in ("ada", "rob"):
        assert "not shown to you" not in told(run(who))
    workspace.reviews.decide(1, Decision.REJECT, by="bob", reason="missed")
    assert "not shown to you" not in told(run("bob"))


def test_who_wants_to_see_it_gives_the_second_reading_up_for_good(workspace, run, ask):
    accept(workspace)
    app = run("eve", "screens/review.py")
    assert "ada" not in told(app)
    press(app, "I do not read it second")
    assert ask("eve", "1-1/mask").status_code == 200
    assert "ada accepted it" in told(run("eve", "screens/review.py"))
    with pytest.raises(NotAllowedError, match="another reads it second"):
        workspace.reviews.decide(1, Decision.REJECT, by="eve", reason="missed")
    assert ask("bob", "1-1/mask").status_code == 422, "bob has not"
    assert workspace.events.newest(by="eve")[0].what != "reviewed"
    assert "second reading given up" in [e.what for e in workspace.events.newest("scan 1")]
    workspace.reviews.decide(1, Decision.REJECT, by="bob", reason="missed")
    workspace.reviews.decide(1, Decision.ACCEPT, by="eve")
    assert len(workspace.reviews.of(1)) == 3, "who knows both may decide between them"


def test_nothing_of_a_line_is_signed_by_who_is_still_to_judge_it(workspace, run):
    """Else he would see that somebody's label stayed, and what it is."""
    workspace.versions.save_mask(1, 1, painted(2), base=None, by="rob", seen=WHOLE)
    accept(workspace)
    assert run("bob", "screens/review.py").selectbox[0].options == ["case_1"]
    assert "case_1 (drawn by people)" in run("ada", "screens/review.py").selectbox[0].options


def test_a_newer_prediction_and_a_scan_set_aside_end_it(workspace, ask):
    accept(workspace)
    workspace.scans.set_status(1, Status.SET_ASIDE, by="eve", reason="moved")
    assert ask("bob", "1-1/mask").status_code == 200
    workspace.scans.set_status(1, Status.NEW, by="eve")
    assert ask("bob", "1-1/mask").status_code == 422
    workspace.models.keep_mask(1, 1, painted(2), by="worker")
    assert ask("bob", "1-1/mask").status_code == 200, "that is what waits now"


def test_alone_nobody_is_a_second_reader(tmp_path):
    with Workspace(tmp_path / "own") as own:
        add_scan(own, tmp_path)
        own.label_sets.add("organs", ORGANS, by="ada")
        (tmp_path / "net").write_bytes(b"weights")
        own.models.add("net", tmp_path / "net", 1, by="worker")
        own.models.keep_mask(1, 1, painted(1), by="worker")
        own.reviews.decide(1, Decision.ACCEPT, by="ada")
        shelf = Shelf(own)
        client = TestClient(Starlette(routes=Scans(shelf, Depot(tmp_path / "depot")).routes()))
        for person in ("ada", "bob"):  # the machine may have been called otherwise before
            link = {"Authorization": f"Bearer {shelf.sign(Case(1, 1), person, 'label')}"}
            answer = client.get("/medlib/cases/1-1/mask", headers=link)
            assert answer.status_code == 200
