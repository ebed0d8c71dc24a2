"""From an empty folder to a scan on the screen, and from one person to several, in a real browser."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
import zipfile

import pytest
from browsers import CHROMIUM, FLAGS
from oracles import oracle

from medlib.datasets import samples
from medlib.workspace import Workspace

pydicom = oracle("pydicom")
playwright = oracle("playwright.sync_api")
oracle("streamlit")

pytestmark = [
    pytest.mark.xdist_group("way in"),  # one after the other, on one server
    pytest.mark.system,
    pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium"),
]
HOSTILE = "<img src=x onerror=window.hacked=1>"
NAME = "<i>Doe</i><script>window.hacked()</script>"
PASSWORD = "seven calm herons"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A folder with scans of a patient of a hostile name, and an archive that reaches out."""
    there = tmp_path_factory.mktemp("there")
    drawn = samples(there / "drawn", studies=1)
    (there / "scans").mkdir()
    for path in (drawn.images / "PHANTOM-001").iterdir():
        file = pydicom.dcmread(path)
        file.PatientName = NAME
        file.StudyDescription = file.SeriesDescription = file.ProtocolName = HOSTILE
        file.save_as(there / "scans" / path.name)
    with zipfile.ZipFile(there / "out.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("../../out.dcm"), path.read_bytes())
    return there


@pytest.fixture(scope="module")
def server(there):
    """``medlib app``, as somebody types it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = [sys.executable, "-m", "medlib.cli", "app", "--no-browser", "--port", str(port)]
    with subprocess.Popen(
        said,
        cwd=there,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        assert f"http://localhost:{port}" in line
        assert "medlib-workspace" in line
        yield process, f"http://localhost:{port}/"
        process.terminate()


@pytest.fixture(scope="module")
def page(server):
    with playwright.sync_playwright() as it:
        browser = it.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(240_000)  # on a machine that is busy with other things
        yield page
        browser.close()


def button(page, name, **how):
    return page.get_by_role("button", name=name, exact=True, **how)


def test_whatever_page_is_opened_first_stands_among_the_others(page, server):
    page.goto(f"{server[1]}train")
    page.get_by_text("There is nothing to learn yet").wait_for()
    page.get_by_role("link", name="Worklist").wait_for()
    assert page.get_by_role("link", name="main", exact=True).count() == 0, "as files, not as pages"


def test_from_nothing_to_a_scan_on_the_screen(page, server, there, tmp_path):
    page.goto(server[1])
    page.get_by_text("Welcome").wait_for()
    page.locator('input[type="file"]').set_input_files(there / "out.zip")
    page.get_by_text("out.zip").wait_for()
    button(page, "Bring in").nth(1).click()
    page.get_by_text("points outside the archive").wait_for()
    page.screenshot(path=tmp_path / "refused.png")
    assert not [*there.rglob("out.dcm")]
    button(page, "Good").click()

    page.get_by_role("textbox", name="Folder, file or zip").fill(str(there / "scans"))
    page.get_by_text("Keep patients' names").first.click()
    button(page, "Bring in").first.click()
    page.get_by_text("1 new scan").wait_for()
    page.wait_for_function("() => document.querySelector('.scan img')?.naturalWidth > 50")
    assert page.locator(".scan", has_text=NAME).count() == 1, "his name, as text"
    assert page.locator(".scan i, .scan script").count() == 0
    assert page.evaluate("() => window.hacked") is None
    button(page, "Good").click()

    button(page, "Name it").click()
    page.get_by_role("textbox", name="Structures to outline").fill("liver\nleft/right kidney")
    button(page, "Begin").click()
    page.locator(".scan").wait_for()
    page.screenshot(path=tmp_path / "worklist.png")
    button(page, "Label").click()
    page.locator(".viewer .state.saved").wait_for()
    assert page.evaluate("() => window.hacked") is None
    with Workspace(there / "medlib-workspace") as workspace:
        assert [row.name for row in workspace.label_sets.list()] == ["structures"]
        assert [event.what for event in workspace.events.newest("scan 1", limit=1)] == ["viewed"]
        assert not [*(workspace.derived).glob("dropped-*")]


def test_with_an_account_everybody_logs_in_and_sees_what_is_his(page, server, there, tmp_path):
    page.get_by_role("link", name="People").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("ada")
    page.get_by_role("textbox", name="Password, at least 12").fill(PASSWORD)
    button(page, "Add").click()
    page.get_by_role("link", name="Log in by name").click()
    with Workspace(there / "medlib-workspace") as workspace:
        workspace.people.add("rob", "reader", by="ada", password=PASSWORD)

    def log_in(name, password):
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(password)
        button(page, "Log in").click()

    log_in("rob", "guessed")
    page.get_by_text("wrong, or there were too many").wait_for()
    page.screenshot(path=tmp_path / "login.png")
    log_in("rob", PASSWORD)
    page.locator(".scan").wait_for()
    assert page.get_by_text("Doe").count() == 0, "readers see no names"
    assert page.get_by_role("link", name="Label sets").count() == 0
    assert page.get_by_text("Bring more scans in").count() == 0
    page.goto(f"{server[1]}label_sets")
    page.get_by_text("Page not found").wait_for()
    page.goto(f"{server[1]}people")
    page.get_by_text("You are a reader").wait_for()
    assert page.get_by_text("A new account").count() == 0
    page.screenshot(path=tmp_path / "reader.png")
    button(page, "Log out").click()
    page.get_by_role("link", name="Log in by name").wait_for()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{server[1]}medlib/thumbnails/1", timeout=30)


def test_it_ends_cleanly(server):
    process, address = server
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=5)
