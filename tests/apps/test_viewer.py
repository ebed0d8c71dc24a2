"""The viewer in a real browser on a real server: what is painted lands where it was painted."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from oracles import oracle
from phantoms import DOT, phantom

from medlib.resources import folder
from medlib.workspace import Workspace

nibabel = oracle("nibabel")
playwright = oracle("playwright.sync_api")
oracle("streamlit")

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
_CHROMIUM = next(
    (p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), ""
)
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not _CHROMIUM, reason="needs Debian's chromium"),
]
HOSTILE = "<img src=x onerror=window.hacked=1>"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A workspace of three scans; the files of the third are gone."""
    there = tmp_path_factory.mktemp("desk")
    for number, name in enumerate(("case_1", "case_2", "lost")):
        nibabel.save(phantom(number), there / f"{name}.nii.gz")
    with Workspace(there / "workspace") as workspace:
        workspace.scans.add(there, by="ada", kind="ct", copy=False)
        workspace.label_sets.add("organs", ["liver", HOSTILE], by="ada")
    (there / "lost.nii.gz").unlink()
    return there


@pytest.fixture(scope="module")
def address(desk):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = [sys.executable, "-m", "streamlit", "run", str(folder("apps") / "app.py")]
    said += ["--server.port", str(port), "--server.headless", "true", "--", str(desk / "workspace")]
    with subprocess.Popen(said, cwd=desk, env=os.environ | {"OMP_NUM_THREADS": "1"}) as server:
        try:
            _wait_for(f"http://localhost:{port}/_stcore/health", server)
            yield f"http://localhost:{port}/"
        finally:
            server.terminate()


def _wait_for(url, server):
    for _ in range(900):
        assert server.poll() is None, "the server ended"
        try:
            return urllib.request.urlopen(url, timeout=1).read()
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as it:
        chromium = it.chromium.launch(executable_path=_CHROMIUM, args=[*_FLAGS])
        yield chromium
        chromium.close()


def is_ours(message):
    """An error that the browser complains of; Streamlit asks for itself beside each page first."""
    return message.type == "error" and "/_stcore/" not in message.location["url"]


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1500, "height": 950})
    page.set_default_timeout(90_000)  # on a machine that is busy with other things
    page.said = []  # what the browser complained of
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("console", lambda m: page.said.append(m.text) if is_ours(m) else None)
    page.goto(f"{address}label")
    page.locator(".viewer .state.saved").wait_for()
    yield page
    # a refusal to save a stale outline is an error to the browser, too
    assert [line for line in page.said if "409" not in line] == []
    page.close()


def ask(page, what, *more):
    """The value of an expression of the viewer ``v``, and of ``a``."""
    call = f"([root, a]) => {{ const v = root.viewer; return {what}; }}"
    handle = page.locator(".viewer").element_handle()
    return page.evaluate(call, [handle, list(more)])


def settled(page):
    """Two frames later, what was asked for is drawn."""
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def show(page, point, scan):
    """Have the cross at a point, LPS millimetres; where on the page it is in each plane."""
    canonical = nibabel.as_closest_canonical(scan)
    ras = np.array([-point[0], -point[1], point[2], 1.0])
    voxel = (np.linalg.inv(canonical.affine) @ ras)[:3]
    place = ((voxel + 0.5) / canonical.shape).tolist()
    ask(page, "v.scene.goTo(a)", *place)
    settled(page)
    box = page.locator(".viewer .surface").bounding_box()
    found = ask(
        page, "v.scene.tiles.filter(t => !t.isRender).map(t => [t.plane, ...t.position(a)])", *place
    )
    across, along = scales(page, box)
    return {
        plane: (round(box["x"] + x / across), round(box["y"] + y / along)) for plane, x, y in found
    }


def scales(page, box):
    """Pixels of the canvas in one of the page, which need not be whole."""
    width, height = ask(page, "[v.scene.canvas.width, v.scene.canvas.height]")
    return width / box["width"], height / box["height"]


def saved(page, after):
    """Until a newer version than ``after`` is kept; its number."""
    page.wait_for_function(
        "([root, after]) => root.viewer.keeper.version > after && !root.viewer.isUnsaved",
        arg=[page.locator(".viewer").element_handle(), after],
    )
    return ask(page, "v.keeper.version")


def test_what_is_painted_is_kept_in_its_place(page, desk, tmp_path):
    scan = nibabel.load(desk / "case_1.nii.gz")
    positions = show(page, DOT, scan)
    tile = ask(page, "(t => [t.left, t.width])(v.scene.tiles.find(t => t.plane === 0))")
    x, y = positions[0]
    left_on_page = page.locator(".viewer .surface").bounding_box()["x"] + tile[0] + tile[1] / 2
    assert x > left_on_page, "the patient's left is on the reader's right"

    page.locator(".viewer").press("b")
    page.mouse.click(x, y)
    version = saved(page, 0)
    page.screenshot(path=tmp_path / "painted.png")

    # where the browser says that the pointer was, and from there on nothing of ours
    box = page.locator(".viewer .surface").bounding_box()
    at = ask(
        page,
        "v.scene.tiles.find(t => t.plane === 0).place(...a)",
        (x - box["x"]) * scales(page, box)[0],
        (y - box["y"]) * scales(page, box)[1],
    )
    canonical = nibabel.as_closest_canonical(scan)
    centre = np.array(at) * canonical.shape - 0.5
    centre_mm = nibabel.affines.apply_affine(canonical.affine, [*centre[:2], round(centre[2])])
    index = np.indices(scan.shape).reshape(3, -1).T
    away = nibabel.affines.apply_affine(scan.affine, index) - centre_mm
    from_middle, on_slice = np.hypot(away[:, 0], away[:, 1]), abs(away[:, 2]) < 1e-3
    disc = (from_middle <= 4) & on_slice
    with Workspace(desk / "workspace") as workspace:
        mask = workspace.versions.mask(version)
        assert workspace.versions.get(version).author
    painted = mask.data[0].numpy().T.ravel()
    assert 10 < painted.sum() < 40
    np.testing.assert_array_equal(painted, disc)
    middle = mask.grid.to_patient(np.argwhere(mask.data[0].numpy()).mean(0))
    np.testing.assert_allclose(middle, DOT, atol=1.5)
    assert middle[0] > 10, "the patient's left is +x in LPS"

    # another scan, whose files are gone, takes the viewer off the page; back again, all is there
    before = ask(page, "Array.from(v.outline.ids)")
    page.evaluate("root => { window.kept = root; }", page.locator(".viewer").element_handle())
    _choose(page, "lost")
    page.locator('[data-testid="stAlert"]', has_text="were moved or changed").wait_for()
    page.locator(".viewer").wait_for(state="detached")  # what is stale goes when the run has ended
    _choose(page, "case_1")
    page.locator(".viewer").wait_for()
    assert page.evaluate("root => window.kept === root", page.locator(".viewer").element_handle())
    assert ask(page, "Array.from(v.outline.ids)") == before

    page.locator(".viewer").press("Control+z")
    version = saved(page, version)
    with Workspace(desk / "workspace") as workspace:
        assert not workspace.versions.mask(version).data.any()
    page.locator(".viewer").press("Control+Shift+z")
    saved(page, version)
    assert ask(page, "Array.from(v.outline.ids)") == before


def _choose(page, name):
    page.locator('[data-testid="stSelectbox"]', has_text="Scan").locator("input").click()
    page.get_by_role("option", name=name).click()


def test_names_are_text_and_keys_stay_in_the_viewer(page, tmp_path):
    assert page.locator(".viewer .structure .name", has_text=HOSTILE).count() == 1
    assert page.evaluate("() => window.hacked") is None
    page.locator(".viewer").press("?")
    assert page.locator(".viewer .legend").is_visible()
    page.screenshot(path=tmp_path / "keys.png")
    runs = page.locator('[data-testid="stStatusWidget"]')
    page.locator(".viewer").press("r")  # Streamlit's key for running the page again
    page.locator(".viewer").press("c")
    assert runs.count() == 0
    assert page.locator('[data-testid="stDialog"]').count() == 0


def test_paint_keeps_to_its_limits_and_off_what_is_locked(page, desk):
    """A ball larger than the bright one, between limits that only that one is within."""
    _choose(page, "case_2")
    page.wait_for_function(
        "root => root.viewer.isReady && root.viewer.keeper.version === 0 && root.viewer.data.case === '2-1'",
        arg=page.locator(".viewer").element_handle(),
    )
    scan = nibabel.load(desk / "case_2.nii.gz")
    x, y = show(page, DOT, scan)[0]
    ask(page, "(v.setRadius(14), v.setLimits(100, 200))")
    for key in ("b", "s", "t"):
        page.locator(".viewer").press(key)
    page.mouse.click(x, y)
    version = saved(page, 0)
    bright = (np.asarray(scan.dataobj) == 140).T
    with Workspace(desk / "workspace") as workspace:
        np.testing.assert_array_equal(workspace.versions.mask(version).data[0].numpy(), bright)

    # the other structure, without limits, over the locked one: a slice of it filled about it
    ask(page, "(v.flip('locked', 1), v.choose(1))")
    for key in ("t", "s", "f"):
        page.locator(".viewer").press(key)
    x, y = show(page, (-20.0, 0.0, DOT[2]), scan)[0]
    page.mouse.click(x, y)
    version = saved(page, version)
    with Workspace(desk / "workspace") as workspace:
        found = workspace.versions.mask(version).data[0].numpy()
    np.testing.assert_array_equal(found == 1, bright)
    (level,) = np.unique(np.argwhere(found == 2)[:, 0])
    # what hangs together with the voxel is all of the slice that was not outlined: fill knows no edge
    np.testing.assert_array_equal(found[level] == 2, ~bright[level])


def test_two_people_on_one_scan_lose_no_stroke(page, desk, tmp_path):
    scan = nibabel.load(desk / "case_1.nii.gz")
    x, y = show(page, (5.0, 12.0, 14.0), scan)[0]
    page.locator(".viewer").press("b")
    begun = ask(page, "v.keeper.version")
    page.mouse.click(x, y)
    before = saved(page, begun)
    with Workspace(desk / "workspace") as workspace:
        theirs = workspace.versions.mask(before)
        theirs.data[0, 5, 5, 5] = 2
        their_version = workspace.versions.save_mask(1, 1, theirs, base=before, by="grace").id
    x, y = show(page, (-20.0, 0.0, 10.0), scan)[0]
    page.locator(".viewer").press("b")
    page.mouse.click(x, y)
    page.get_by_text("Somebody saved another outline").wait_for()
    page.screenshot(path=tmp_path / "conflict.png")
    with Workspace(desk / "workspace") as workspace:
        assert workspace.versions.head(1, 1).id == their_version
        (aside,) = workspace.versions.aside(1, 1)
    page.get_by_role("button", name="Keep mine as the newest").click()
    mine = saved(page, their_version)
    with Workspace(desk / "workspace") as workspace:
        assert workspace.versions.head(1, 1).id == mine
        assert workspace.versions.mask(mine).data[0, 5, 5, 5] == 0
        assert workspace.versions.mask(their_version).data[0, 5, 5, 5] == 2
        np.testing.assert_array_equal(
            workspace.versions.mask(mine).data, workspace.versions.mask(aside.id).data
        )
