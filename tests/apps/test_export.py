"""The Export page: what is offered to whom, that it can be stopped and fetched, and by nobody else."""

import io as bytes_io
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile

import pytest
import torch
from browsers import CHROMIUM
from oracles import oracle
from small_scans import ORGANS, add_scan, painted
from tiny import write_series

from medlib.datasets import samples
from medlib.io import read_mask
from medlib.resources import folder
from medlib.space import Grid
from medlib.types import CTVolume
from medlib.workspace import Decision, NotAllowedError, Role, Seen, Wish, Workspace

pydicom = oracle("pydicom")
oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages

from desk import Desk  # noqa: E402
from serving import entrance  # noqa: E402
from serving.errands import Errand  # noqa: E402
from serving.shelf import Shelf  # noqa: E402
from serving.site import Site, site  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402
from streamlit.testing.v1 import AppTest  # noqa: E402

HOSTILE = "<img src=x onerror=alert(1)>**b**"
PASSWORD = "seven calm herons"


@pytest.fixture
def workspace(tmp_path):
    """A CT whose prediction was accepted, and a NIfTI scan that was outlined in part."""
    grid = Grid.from_axes((4, 6, 8), spacing=(3, 1, 1))
    write_series(tmp_path / "in", CTVolume(torch.randn(1, 4, 6, 8) * 50, grid), modality="CT")
    with Workspace(tmp_path / "workspace") as it:
        (scan,) = it.scans.add(tmp_path / "in", by="ada").scans
        organs = it.label_sets.add(HOSTILE, ORGANS, by="ada").id
        (tmp_path / "net.medlib").write_bytes(b"weights")
        model = it.models.add("net", tmp_path / "net.medlib", organs, by="worker").id
        found = it.models.keep_mask(model, scan.id, painted(1, grid=grid), by="worker")
        it.reviews.decide(found.id, Decision.ACCEPT, by="ada")
        other = add_scan(it, tmp_path / "more", "case_2")
        mask = painted(2)
        it.versions.save_mask(other, organs, mask, base=None, by="bob", seen=Seen.of([0]))
        yield it


@pytest.fixture
def here(workspace):
    return Site(workspace, Shelf(workspace), "ada")


@pytest.fixture
def run(workspace, monkeypatch):
    """The page, as it is after the first look."""
    monkeypatch.setattr(sys, "argv", ["app.py", str(workspace.folder)])
    site.cache_clear()

    def running():
        app = AppTest.from_file(str(APPS / "screens" / "export.py"), default_timeout=60).run()
        assert not app.exception
        return app

    yield running
    site.cache_clear()


def said(app):
    parts = [*app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.subheader]
    return "\n".join(part.value for part in parts)


def quiet(done, of, what):
    pass


def test_reviewed_scans_are_the_default_and_gaps_are_said(run):
    app = run()
    assert app.radio(key="export which").options[:2] == [
        "Reviewed (1)",
        "All that are labelled, reviewed or not (2)",
    ]
    assert app.button(key="export").label == "Export 1 scan"
    assert app.button(key="export").disabled, "nothing is chosen yet"
    app.radio(key="export which").set_value("all").run()
    assert app.button(key="export").label == "Export 2 scans"
    assert "1 of them is outlined in part" in said(app)
    assert "1 of them was no DICOM" in said(app)
    assert "<img" not in said(app).replace("\\<img", "")


def test_an_export_is_made_told_and_removed_once_it_was_fetched(run, workspace):
    app = run()
    app.checkbox(key="export seg").check()
    app.checkbox(key="export csv").check().run()
    app.button(key="export").click().run()
    errand = site().errands.get("export by " + site().person)
    errand.wait()
    assert errand.error == ""
    app = run()
    (packed,) = (workspace.derived / "exports").iterdir()
    with zipfile.ZipFile(packed) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
        assert archive.testzip() is None
    scan = workspace.scans.get(1).name
    assert {f"seg/{scan}_seg.dcm", f"seg/{scan}_report.dcm", "csv/scans.csv"} <= {*names}
    assert "csv/dictionary.csv" in names
    app.button(key="export told").click().run()
    assert [*(workspace.derived / "exports").iterdir()] == []
    assert app.button(key="export").label == "Export 1 scan"


def test_made_up_names_can_be_the_same_again_and_dicom_is_refused_under_them(run, workspace):
    app = run()
    app.checkbox(key="export csv").check()
    app.checkbox(key="export names").check().run()
    app.button(key="export").click().run()
    site().errands.get("export by " + site().person).wait()
    (key,) = (workspace.folder / "export-keys").iterdir()
    app = run()
    app.button(key="export told").click().run()
    app.checkbox(key="export names").check().run()
    assert app.selectbox(key="export key").options == [
        "new ones",
        f"the same as on {key.stem}".replace("-", "\\-").replace(".", "\\."),
    ]
    app.checkbox(key="export seg").check().run()
    app.button(key="export").click().run()
    assert "bears the patient" in said(app)
    assert site().errands.get("export by " + site().person) is None


def test_a_reader_and_whom_names_are_hidden_from_get_no_dicom(workspace, here, run, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("desk.desk", lambda: Desk(here, "rob", Role.READER))
        app = run()
    assert app.checkbox(key="export seg").disabled
    assert "which a reader does not see" in said(app)
    workspace.identities.hide(True, by="ada")
    app = run()
    assert app.checkbox(key="export seg").disabled
    assert "Names are hidden" in said(app)


def test_who_may_not_cannot_begin_either(here, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["app.py"])
    site.cache_clear()
    import screens.export as page

    reader = Desk(here, "rob", Role.READER)
    with pytest.raises(NotAllowedError, match="session has ended"):
        page.begin(reader, Wish(1, ("csv",)))
    monkeypatch.setattr("desk.desk", lambda: reader)
    with pytest.raises(NotAllowedError, match="which a reader does not see"):
        page.begin(reader, Wish(1, ("seg",)))
    assert here.errands.get("export by rob") is None


def test_a_stopped_export_says_so_and_leaves_nothing(here):
    going, halted = threading.Event(), threading.Event()

    def work(report):
        def slow(done, of, what):
            going.set()
            assert halted.wait(30)
            report(done, of, what)

        return here.exports.make(Wish(1, ("csv",)), "ada", slow)

    errand = Errand(work)
    assert going.wait(30)
    errand.stop()
    halted.set()
    errand.wait()
    assert errand.error == "Stopped. Nothing was exported."
    assert [*(here.workspace.derived / "exports").iterdir()] == []


# --- fetching it -----------------------------------------------------------------------------


def client(site, name=""):
    routes = [*site.exports.routes(), *entrance.Login(site).routes()]
    app = Starlette(routes=routes, middleware=[Middleware(entrance.Entrance, site=site)])
    asking = TestClient(
        app, base_url="http://localhost", follow_redirects=False, client=("127.0.0.1", 1)
    )
    if name:
        asking.post(entrance.LOGIN, data={"name": name, "password": PASSWORD})
    return asking


def test_a_link_opens_one_export_for_one_person_for_a_while(here):
    ready = here.exports.make(Wish(1, ("csv",)), "ada", quiet)
    link, asking = here.exports.link(ready, "ada"), client(here)
    answer = asking.get(link)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="{ready.called}"'
    assert answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(bytes_io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
    assert asking.get(link, headers={"Range": "bytes=0-9"}).content == answer.content[:10]
    other = here.exports.make(Wish(1, ("csv",)), "ada", quiet)
    token = link.partition("?leave=")[2]
    old = here.workspace.links.sign(f"export {ready.name} {ready.called}", "ada", at=0.0)
    at, near = link.partition("?")[0], "0" * 16
    for wrong in (
        at,
        f"{at}?leave={old}",
        f"{at}?leave={token[:-2]}AA",
        f"/medlib/exports/{other.name}/{other.called}?leave={token}",
        f"/medlib/exports/{near}/{ready.called}?leave={token}",
        f"/medlib/exports/..%2F..%2Fmedlib.db/x?leave={token}",
    ):
        assert asking.get(wrong).status_code in {401, 404}, wrong
    here.exports.remove(ready)
    assert asking.get(link).status_code == 401
    events = [event for event in here.workspace.events.newest() if "downloaded" in event.what]
    assert [(event.who, event.subject) for event in events] == [("ada", f"export {ready.name}")]


def test_a_stolen_link_and_a_role_that_was_taken_open_nothing(here):
    people = here.workspace.people
    for who, role in (("ada", Role.ADMINISTRATOR), ("rob", Role.REVIEWER), ("eve", Role.READER)):
        people.add(who, role, by="ada", password=PASSWORD)
    ready = here.exports.make(Wish(1, ("seg",)), "rob", quiet)
    link = here.exports.link(ready, "rob")
    rob = client(here, "rob")
    assert rob.get(link).status_code == 200
    assert client(here, "eve").get(link).status_code == 401, "another person's session"
    assert client(here).get(link).status_code == 401, "no session"
    people.change("rob", by="ada", role=Role.READER)
    assert client(here, "rob").get(link).status_code == 401, "readers see no names"


# --- in a browser ----------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path):
    """A server, and its workspace: two made-up CT scans, the first one reviewed."""
    drawn = samples(tmp_path / "drawn", studies=2)
    with Workspace(tmp_path / "workspace") as workspace:
        scans = workspace.scans.add(drawn.images, by="ada").scans
        table = drawn.card.table
        organs = workspace.label_sets.add("abdominal organs", table, by="ada").id
        (tmp_path / "net").write_bytes(b"weights")
        model = workspace.models.add("net", tmp_path / "net", organs, by="worker").id
        for scan in scans:
            grid = workspace.scans.grid(scan.id)
            volume = workspace.scans.volume(scan.id)
            data = (volume.data > 60).to(torch.uint8) * table.ids[0]
            mask = painted(table.ids[0], grid=grid, labels=table)
            mask = type(mask)(data, grid, table)
            found = workspace.models.keep_mask(model, scan.id, mask, by="worker")
            if scan is scans[0]:
                workspace.reviews.decide(found.id, Decision.ACCEPT, by="ada")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(APPS / "app.py")]
    command += ["--server.port", str(port), "--server.headless", "true"]
    command += ["--", str(tmp_path / "workspace")]
    with subprocess.Popen(
        command, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as server:
        for _ in range(900):
            assert server.poll() is None
            try:
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://localhost:{port}/"
        server.kill()


@pytest.mark.system
@pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium")
def test_a_browser_exports_for_the_archive_and_fetches_it(served, tmp_path):
    playwright = oracle("playwright.sync_api")
    with playwright.sync_playwright() as it:
        browser = it.chromium.launch(
            executable_path=CHROMIUM, args=["--headless=new", "--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 950})
        page.set_default_timeout(90_000)
        page.goto(served)
        page.get_by_role("link", name="Export", exact=True).click()
        for name in ("For the archive (DICOM SEG)", "A report to read or print"):
            box = page.get_by_role("checkbox", name=name)
            page.get_by_text(name, exact=True).click()
            playwright.expect(box).to_be_checked()
        go = page.get_by_role("button", name="Export 1 scan")
        playwright.expect(go).to_be_enabled()
        _picture(page, "export")
        go.click()
        fetch = page.get_by_role("link", name="Download")
        fetch.wait_for()
        _picture(page, "export-ready")
        with page.expect_download() as coming:
            fetch.click()
        coming.value.save_as(tmp_path / "got.zip")
        with zipfile.ZipFile(tmp_path / "got.zip") as archive:
            archive.extractall(tmp_path / "got")
        (report,) = (tmp_path / "got").rglob("report.html")
        page.goto(report.as_uri())
        page.get_by_text("Reviewed by ada").wait_for()
        _picture(page, "export-report", whole=True)
        assert page.pdf().startswith(b"%PDF"), "for whoever prints it"
        browser.close()
    (segmentation,) = (tmp_path / "got").rglob("*_seg.dcm")
    with Workspace(tmp_path / "workspace") as workspace:
        head = next(iter(workspace.versions.heads(1)))
        truth = workspace.versions.mask(head.id)
        found = read_mask(segmentation, labels=truth.labels, on=truth.grid)
        assert torch.equal(found.data, truth.data)
    (vouched,) = (tmp_path / "got").rglob("*_report.dcm")
    assert pydicom.dcmread(vouched).VerificationFlag == "VERIFIED"


def _picture(page, name, *, whole=False):
    """For whoever wants to look at the pages: ``MEDLIB_PICTURES=FOLDER``."""
    if there := os.environ.get("MEDLIB_PICTURES"):
        page.screenshot(path=f"{there}/{name}.png", full_page=whole)
