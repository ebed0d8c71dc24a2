"""A link opens nothing by itself: only in a session of the person that it was signed for."""

import gzip
import sys
import time

import pytest
from oracles import oracle
from sessions import pass_time
from small_scans import ORGANS, add_scan, grid_of, painted

from medlib.resources import folder
from medlib.workspace import NotAllowedError, Role, Wish, Workspace

oracle("streamlit")
sys.path.append(str(folder("apps")))  # as Streamlit does for the pages

from serving.entrance import LOGIN, Entrance, Login  # noqa: E402
from serving.reduced import Blocks  # noqa: E402
from serving.shelf import Case, Shelf  # noqa: E402
from serving.site import Site  # noqa: E402
from serving.wire import patch_of  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

PASSWORD = "seven calm herons"
CASE = Case(1, 1)
NOW = int(time.time())
SUBJECTS = {"ada": "https://id.example.org 1", "rob": "https://id.example.org 2"}


@pytest.fixture
def site(tmp_path):
    with Workspace(tmp_path / "workspace") as workspace:
        add_scan(workspace, tmp_path)
        organs = workspace.label_sets.add("organs", ORGANS, by="ada").id
        workspace.versions.save_answers(1, organs, {}, base=None, by="ada")
        yield Site(workspace, Shelf(workspace), "ada")


@pytest.fixture
def peopled(site):
    for who, role in (("ada", Role.ADMINISTRATOR), ("rob", Role.REVIEWER)):
        site.workspace.people.add(who, role, by="ada", password=PASSWORD, subject=SUBJECTS[who])
    return site


@pytest.fixture
def export(peopled):
    wish = Wish(1, ("csv",), reviewed_only=False)
    return peopled.exports.make(wish, "rob", lambda *_: None)


def client(site, name="", *, vouched=False):
    app = Starlette(
        routes=[*site.routes(), *Login(site).routes()],
        middleware=[Middleware(Entrance, site=site, vouched=vouched)],
    )
    asking = TestClient(
        app, base_url="http://localhost", follow_redirects=False, client=("127.0.0.1", 1)
    )
    if name:
        asking.post(LOGIN, data={"name": name, "password": PASSWORD})
    return asking


def by_provider(site, name, statement):
    """A browser whose page has checked what the provider said, as Streamlit keeps it."""
    token = f"{name} {statement}"
    site.workspace.people.log_in_by(SUBJECTS[name], token=token, issued=NOW + statement)
    asking = client(site, vouched=True)
    asking.cookies.set("_streamlit_user", token)
    return asking


def asked(site, asking, person, export=None):
    """The answers to all that a link of this person's opens, by what is asked."""
    shelf = site.shelf
    at, headers = (
        f"/medlib/cases/{CASE}",
        {"Authorization": f"Bearer {shelf.sign(CASE, person, 'label')}"},
    )
    seen = {"whole": False, "slices": []}
    mark = shelf.mark(CASE, Blocks(shelf.grid(CASE)))
    said = {"scan": mark, "seen": seen, "annotated": None}
    sent = gzip.compress(patch_of(painted(grid=grid_of()), said).pack())
    base = f"base={shelf.newest(CASE)}"
    answers = {
        "scan": asking.get(f"{at}/volume", headers=headers),
        "outline": asking.get(f"{at}/mask", headers=headers),
        "answers": asking.get(f"{at}/answers", headers=headers),
        "picture": asking.get(site.thumbnails.link(1, person)),
        "save": asking.put(f"{at}/mask?{base}", content=sent, headers=headers),
        "say": asking.put(f"{at}/points?base=0", json={"entries": {}}, headers=headers),
        "help": asking.post(f"{at}/assist?{base}", content=sent, headers=headers),
    }  # fmt: skip
    if export:
        answers["export"] = asking.get(site.exports.link(export, person))
    return {what: answer.status_code for what, answer in answers.items()}


def opens(site, asking, person, export=None):
    """Whether such a link opens everything, or nothing."""
    codes = asked(site, asking, person, export)
    got_in = {what for what, code in codes.items() if code not in {401, 403}}
    assert got_in in (set(), set(codes)), codes
    return bool(got_in)


def untouched(site, asking, person, export=None):
    """It opens nothing, and neither label nor log tells that anything was tried."""
    workspace = site.workspace
    before = workspace.events.head(), workspace.versions.history(1, 1)
    was_shut = not opens(site, asking, person, export)
    after = workspace.events.head(), workspace.versions.history(1, 1)
    assert [one.id for one in after[1]] == [one.id for one in before[1]]
    return was_shut and after[0] == before[0]


def test_a_link_that_a_colleague_took_saves_nothing_in_my_name(peopled, export):
    rob, ada = client(peopled, "rob"), client(peopled, "ada")
    assert untouched(peopled, ada, "rob", export), "not even to who may do everything"
    assert untouched(peopled, client(peopled), "rob", export), "nobody is logged in"
    assert opens(peopled, rob, "rob", export)
    assert peopled.workspace.versions.head(1, 1).author == "rob"


def test_a_link_is_dead_with_its_session(peopled, export):
    people = peopled.workspace.people
    rob = client(peopled, "rob")
    people.log_out(rob.cookies["medlib_session"])
    assert untouched(peopled, rob, "rob", export), "logged out"
    for how_long in ({"minutes": 61}, {"hours": 13}):
        rob = client(peopled, "rob")
        pass_time(peopled.workspace, **how_long)
        assert untouched(peopled, rob, "rob", export), how_long
    rob = client(peopled, "rob")
    people.change("rob", by="ada", role=Role.READER)
    assert untouched(peopled, rob, "rob", export), "ended by an administrator"
    assert opens(peopled, client(peopled, "rob"), "rob", export), "and opens it in the next one"


def test_alone_at_a_machine_no_session_is_needed(site):
    assert opens(site, client(site), "ada")
    assert site.workspace.versions.head(1, 1).author == "ada"


def test_with_a_provider_a_link_needs_a_session_too(peopled, export):
    workspace = peopled.workspace
    assert untouched(peopled, client(peopled, vouched=True), "rob", export)
    unchecked = client(peopled, vouched=True)
    unchecked.cookies.set("_streamlit_user", "rob 0")
    assert untouched(peopled, unchecked, "rob", export), "no page has checked what it says"
    rob, ada = by_provider(peopled, "rob", 0), by_provider(peopled, "ada", 0)
    assert untouched(peopled, ada, "rob", export)
    assert opens(peopled, rob, "rob", export)
    workspace.people.change("rob", by="ada", role=Role.REVIEWER)
    assert untouched(peopled, rob, "rob", export)
    with pytest.raises(NotAllowedError):
        by_provider(peopled, "rob", 0)  # the page is loaded again, Streamlit still knows him
    rob = by_provider(peopled, "rob", 1)
    assert opens(peopled, rob, "rob", export)
    workspace.people.log_out("rob 1")
    assert untouched(peopled, rob, "rob", export)


def test_nobody_makes_a_session_of_a_statement_in_pieces(peopled):
    """Streamlit splits long ones; whoever has but some of them, or others, is somebody else."""
    peopled.workspace.people.log_in_by(SUBJECTS["rob"], token="chunks-2ab", issued=NOW)
    asking = client(peopled, vouched=True)
    asking.cookies.set("_streamlit_user", "chunks-2")
    assert not opens(peopled, asking, "rob")
    asking.cookies.set("_streamlit_user_1", "a")
    assert not opens(peopled, asking, "rob")
    asking.cookies.set("_streamlit_user_2", "b")
    assert opens(peopled, asking, "rob")
