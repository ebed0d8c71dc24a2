"""Nobody gets in who may not: other machines, other sites' pages, people without a session."""

import shutil
import sys

import numpy as np
import pytest
import torch
from oracles import oracle
from sessions import pass_time
from small_scans import add_scan

from medlib.resources import folder
from medlib.space import Grid
from medlib.types import CTVolume
from medlib.workspace import NotAllowedError, Role, Workspace

oracle("streamlit")
sys.path.append(str(folder("apps")))  # as Streamlit does for the pages

from serving.entrance import LOGIN, Entrance, Login  # noqa: E402
from serving.headers import SecurityHeaders  # noqa: E402
from serving.openid import subject_of  # noqa: E402
from serving.session import COOKIE  # noqa: E402
from serving.shelf import Shelf  # noqa: E402
from serving.site import Site  # noqa: E402
from serving.thumbnails import thumbnail  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.middleware.trustedhost import TrustedHostMiddleware  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402
from starlette.routing import Route, WebSocketRoute  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402
from starlette.websockets import WebSocketDisconnect  # noqa: E402

PASSWORD = "seven calm herons"
HERE = "http://localhost:8501"
BROWSER = {"accept": "text/html,*/*"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of two workspaces, alone and peopled; sealing passwords takes its time."""
    there = tmp_path_factory.mktemp("made")
    for name in ("alone", "peopled"):
        with Workspace(there / name) as workspace:
            add_scan(workspace, there, "case_1")
            add_scan(workspace, there, "case_2")
            if name == "peopled":
                for who, role in (("ada", Role.ADMINISTRATOR), ("rob", Role.READER)):
                    workspace.people.add(who, role, by="ada", password=PASSWORD)
    return there


@pytest.fixture
def site(made, tmp_path):
    shutil.copytree(made / "alone", tmp_path / "workspace")
    with Workspace(tmp_path / "workspace") as workspace:
        yield Site(workspace, Shelf(workspace), "ada")


@pytest.fixture
def peopled(made, tmp_path):
    shutil.copytree(made / "peopled", tmp_path / "workspace")
    with Workspace(tmp_path / "workspace") as workspace:
        yield Site(workspace, Shelf(workspace), "ada")


def client(site, *, of="127.0.0.1", vouched=False):
    async def page(request):
        return PlainTextResponse("inside")

    async def stream(socket):
        await socket.accept()
        await socket.close()

    app = Starlette(
        routes=[
            Route("/", page, methods=["GET", "POST"]),
            Route("/static/streamlit.js", page),
            WebSocketRoute("/_stcore/stream", stream),
            *Login(site).routes(),
            *site.thumbnails.routes(),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[*site.names]),
            Middleware(SecurityHeaders),
            Middleware(Entrance, site=site, vouched=vouched),
        ],
    )
    return TestClient(app, base_url=HERE, follow_redirects=False, client=(of, 4711))


def gets_in(asking, **headers):
    return asking.get("/", headers=BROWSER | headers).text == "inside"


def streams(asking, **headers):
    url = f"ws{HERE.removeprefix('http')}/_stcore/stream"
    try:
        with asking.websocket_connect(url, headers=headers):
            return True
    except WebSocketDisconnect:
        return False


def logged_in(site, name="rob"):
    asking = client(site)
    answer = asking.post(LOGIN, data={"name": name, "password": PASSWORD})
    assert answer.status_code == 303
    return asking


def test_without_accounts_this_machine_gets_in_and_no_other(site):
    near, far = client(site), client(site, of="192.0.2.7")
    assert gets_in(near)
    assert streams(near)
    assert not gets_in(far)
    assert not streams(far)
    assert far.get("/").status_code == 403


def test_a_name_of_somebody_elses_gets_in_nowhere(site):
    """DNS rebinding: evil.example has come to mean this machine."""
    asking = client(site)
    answer = asking.get("/", headers={"host": "evil.example:8501"})
    assert answer.status_code == 400
    assert "inside" not in answer.text
    assert not streams(asking, host="evil.example:8501")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3000", "http://localhost:8501.evil.example"]
)
def test_a_page_of_another_site_changes_and_hears_nothing(site, origin):
    asking = client(site)
    assert asking.post("/", headers={"origin": origin}).status_code == 403
    assert not streams(asking, origin=origin)
    assert streams(asking, origin=HERE)


def test_a_form_that_does_not_say_whose_it_is_must_be_ours(peopled):
    asking = client(peopled)
    said = {"name": "rob", "password": PASSWORD}
    for theirs in ({"origin": "null"}, {"origin": "null", "sec-fetch-site": "cross-site"},
                   {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):  # fmt: skip
        assert asking.post(LOGIN, data=said, headers=theirs).status_code == 403
    ours = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert asking.post(LOGIN, data=said, headers=ours).status_code == 303


def test_with_accounts_all_is_shut_but_the_way_in(peopled):
    asking = client(peopled)
    answer = asking.get("/", headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, LOGIN)
    assert asking.get("/").status_code == 401
    assert asking.get("/medlib/thumbnails/1").status_code == 401
    assert not streams(asking)
    assert asking.get(LOGIN).status_code == 200
    assert asking.get("/static/streamlit.js").status_code == 200
    assert asking.get("/static/../medlib/thumbnails/1").status_code == 401


def test_logging_in_opens_it_by_a_cookie_that_no_script_reads(peopled):
    asking = client(peopled)
    answer = asking.post(LOGIN, data={"name": "rob", "password": PASSWORD})
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert "path=/" in said
    assert gets_in(asking)
    assert streams(asking)


def test_a_cookie_crosses_no_network_in_the_clear(peopled):
    named = Site(peopled.workspace, peopled.shelf, "ada", (*peopled.names, "scans.example.org"))
    asking = client(named, of="192.0.2.7")
    answer = asking.post(
        LOGIN, data={"name": "rob", "password": PASSWORD}, headers={"host": "scans.example.org"}
    )
    assert "secure" in answer.headers["set-cookie"].lower()


def test_wrong_passwords_say_nothing_and_come_to_rest(peopled):
    asking = client(peopled)
    wrong = asking.post(LOGIN, data={"name": "rob", "password": "<b>guess"})
    nobody = asking.post(LOGIN, data={"name": "<b>eve", "password": "guess"})
    assert wrong.status_code == nobody.status_code == 401
    assert wrong.text == nobody.text
    assert "<b>" not in nobody.text
    assert "set-cookie" not in wrong.headers
    for _ in range(4):
        asking.post(LOGIN, data={"name": "rob", "password": "guess"})
    right = asking.post(LOGIN, data={"name": "rob", "password": PASSWORD})
    assert right.status_code == 401, "a machine that guesses is not let go on"


@pytest.mark.parametrize("sent", [b"\xff\xfe", b"name=" + b"a" * 5000, b"&" * 50, b"password=x"])
def test_what_is_no_name_and_password_is_refused(peopled, sent):
    answer = client(peopled).post(LOGIN, content=sent)
    assert answer.status_code in {401, 413}


def test_a_session_ends_when_it_is_over(peopled):
    people = peopled.workspace.people

    def with_token(token):
        asking = client(peopled)
        asking.cookies.set(COOKIE, token)
        return gets_in(asking) or streams(asking)

    assert not with_token("guessed")
    token = people.log_in("rob", PASSWORD)
    pass_time(peopled.workspace, minutes=61)
    assert not with_token(token), "nobody has touched it for an hour"
    token = people.log_in("rob", PASSWORD)
    assert with_token(token)
    people.log_out(token)
    assert not with_token(token), "stolen, and used after logging out"
    token = people.log_in("rob", PASSWORD)
    people.change("rob", by="ada", active=False)
    assert not with_token(token), "let in no more"


def test_with_a_provider_the_pages_that_ask_it_are_open_and_nothing_else(peopled):
    asking = client(peopled, vouched=True)
    assert gets_in(asking)
    assert streams(asking)
    for shut in (peopled.thumbnails.link(1, "rob"), "/medlib/cases/1-1/volume", "/media/1.png",
                 "/_stcore/upload_file/1/2", "/component/viewer/x.js"):  # fmt: skip
        assert asking.get(shut, headers=BROWSER).status_code != 200, shut
        assert "inside" not in asking.get(shut).text


def test_who_vouches_is_part_of_who_is_vouched_for():
    claims = {"iss": "https://id.example.org", "sub": "7", "email": "ada@example.org"}
    assert subject_of(claims) != subject_of(claims | {"iss": "https://evil.example"})
    assert subject_of({"email": "ada@example.org"}) == ""


def test_a_link_opens_one_picture_for_one_person(peopled):
    link = peopled.thumbnails.link(1, "rob")
    asking = logged_in(peopled)
    answer = asking.get(link)
    assert answer.headers["content-type"] == "image/png"
    assert asking.get(link.replace("/1?", "/2?")).status_code == 401
    assert asking.get("/medlib/thumbnails/1?leave=forged").status_code == 401
    assert asking.get(peopled.thumbnails.link(99, "rob")).status_code == 404
    ada = client(peopled)
    ada.cookies.set(COOKIE, peopled.workspace.people.log_in("ada", PASSWORD))
    assert ada.get(link).status_code == 401, "another person's"
    assert ada.get(peopled.thumbnails.link(1, "ada")).status_code == 200
    peopled.workspace.people.change("rob", by="ada", active=False)
    assert asking.get(link).status_code == 401
    with pytest.raises(NotAllowedError):
        peopled.workspace.links.read(link.partition("=")[2], "scan 1")


@pytest.mark.parametrize("axes", ["SPL", "IAR", "LSA", "PRI"])
def test_a_thumbnail_has_the_patients_right_on_its_left_and_the_front_above(axes):
    grid = Grid.from_axes((9, 40, 20), spacing=(5.0, 1.0, 2.0))  # square in millimetres
    data = torch.full((1, 9, 40, 20), -1000.0)
    data[0, 4, :12, :6] = 200.0  # towards the patient's right (-x) and front (-y)
    stored = upright_to(CTVolume(data, grid), axes)
    seen = np.asarray(thumbnail(stored))
    assert seen.shape == (160, 160)
    assert seen[10, 10] in {229, 230}
    assert seen[10, 150] == seen[150, 10] == seen[150, 150] == 0
    assert 0.28 < (seen > 115).mean() / (12 / 40 * 6 / 20) * 0.3 < 0.32


def upright_to(scan, axes):
    from medlib.transforms import Move, resample

    return resample(scan, Move(scan.grid, scan.grid.reoriented(axes)))
