"""The viewer in a real browser on a real server: what is painted lands where it was painted."""

import math
import re

import numpy as np
import pytest
import torch
from browsers import CHROMIUM, FLAGS, Server, ask, enter, saved, scales, settled, show
from oracles import oracle
from phantoms import DOT, phantom

from medlib.types import Mask, Volume
from medlib.workspace import Content, Question, Status, Workspace

nibabel = oracle("nibabel")
playwright = oracle("playwright.sync_api")
oracle("streamlit")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium"),
]
HOSTILE = "<img src=x onerror=window.hacked=1>"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A workspace of three scans; the files of the third are gone."""
    there = tmp_path_factory.mktemp("desk")
    for number, name in enumerate(("case_1", "case_2", "lost", "scan_4", "scan_5")):
        nibabel.save(phantom(number), there / f"{name}.nii.gz")
    with Workspace(there / "workspace") as workspace:
        workspace.scans.add(there, by="ada", kind="ct", file_names=True, copy=False)
        workspace.label_sets.add("organs", ["liver", HOSTILE], by="ada")
        asked = [
            Question("Fluid?", "yes/no"),
            Question("Grade", "choice", ("low", "high")),
            Question("Largest lesion", "number", unit="mm"),
        ]
        workspace.label_sets.add(
            "study", by="ada", questions=asked, landmarks=["top of the spine", HOSTILE]
        )
        _predict(workspace, 4)
    (there / "lost.nii.gz").unlink()
    return there


def _predict(workspace, scan):
    """A model found the bright ball, and is unsure about one slice above it."""
    volume = workspace.scans.volume(scan)
    model = workspace.models.add("net", __file__, 1, by="worker")
    mask = Mask((volume.data == 140).to(torch.uint8), volume.grid, workspace.versions.labels(1))
    unsure = torch.zeros(volume.data.shape)
    unsure[:, 40] = 0.5
    workspace.models.keep_mask(
        model.id, scan, mask, by="worker", uncertainty=Volume(unsure, volume.grid)
    )


@pytest.fixture(scope="module")
def server(desk):
    server = Server(desk)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as it:
        chromium = it.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield chromium
        chromium.close()


def is_ours(message):
    """An error that the browser complains of; Streamlit asks for itself beside each page first."""
    if message.type != "error" or "/_stcore/" in message.location["url"]:
        return False
    return not any(status in message.text for status in ("409", "422"))  # refusals, in words


@pytest.fixture
def page(browser, server):
    page = browser.new_page(viewport={"width": 1500, "height": 950})
    page.set_default_timeout(90_000)  # on a machine that is busy with other things
    page.said = []  # what the browser complained of
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("console", lambda m: page.said.append(m.text) if is_ours(m) else None)
    enter(page, server)
    yield page
    assert page.said == []
    page.close()


def open_case(page, name, number, label_set=1):
    _choose(page, name)
    page.wait_for_function(
        "([root, name]) => root.viewer.isReady && root.viewer.data.case === name",
        arg=[page.locator(".viewer").element_handle(), f"{number}-{label_set}"],
    )


def proposed(page):
    """Until the machine proposes something."""
    page.locator(".viewer button.main:enabled").wait_for()
    settled(page)


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


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
    ask(page, "(v.brush.setRadius(14), v.brush.setLimits(100, 200))")
    for key in ("b", "s", "t"):
        page.locator(".viewer").press(key)
    page.mouse.click(x, y)
    version = saved(page, 0)
    bright = (np.asarray(scan.dataobj) == 140).T
    with Workspace(desk / "workspace") as workspace:
        np.testing.assert_array_equal(workspace.versions.mask(version).data[0].numpy(), bright)

    # the other structure, without limits, over the locked one: a slice of it filled about it
    ask(page, "(v.structures.flip('locked', 1), v.structures.choose(1))")
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


def test_two_people_who_touch_nothing_of_each_other_keep_both(page, desk, tmp_path):
    open_case(page, "scan_5", 5)
    scan = nibabel.load(desk / "scan_5.nii.gz")
    viewer = page.locator(".viewer")
    viewer.press("b")
    x, y = show(page, (5.0, 12.0, 14.0), scan)[0]
    begun = ask(page, "v.keeper.version")
    page.mouse.click(x, y)
    base = saved(page, begun)
    with Workspace(desk / "workspace") as workspace:
        theirs = workspace.versions.mask(base)
        theirs.data[0, 5, 5, 5] = 2
        their_version = workspace.versions.save_mask(5, 1, theirs, base=base, by="grace").id
    x, y = show(page, (-20.0, 0.0, 10.0), scan)[0]
    page.mouse.click(x, y)
    page.get_by_role("button", name="Keep both").wait_for()
    page.screenshot(path=tmp_path / "both.png")
    x, y = show(page, (-20.0, 20.0, 10.0), scan)[0]
    page.mouse.click(x, y)  # one draws on before one decides
    mine = ask(page, "v.outline.counts[1]")
    page.get_by_role("button", name="Keep both").click()
    merged = saved(page, their_version)
    page.wait_for_function(
        "root => root.viewer.isReady && root.viewer.outline.counts[2] === 1",
        arg=viewer.element_handle(),
    )
    with Workspace(desk / "workspace") as workspace:
        found = workspace.versions.mask(merged).data[0]
        assert (workspace.versions.head(5, 1).id, found[5, 5, 5]) == (merged, 2)
        assert int((found == 1).sum()) == mine == ask(page, "v.outline.counts[1]")
        assert workspace.versions.aside(5, 1) == []
    # What was there before is on the screen, can be looked at, and not drawn in.
    page.get_by_text("Older versions", exact=True).click()
    page.get_by_text("kept aside").first.wait_for()
    page.screenshot(path=tmp_path / "history.png")
    page.get_by_role("button", name="Look", exact=True).last.click()
    page.locator(".viewer .notice", has_text="An older outline").wait_for()
    assert ask(page, "v.outline.counts[2]") == 0
    viewer.press("b")
    assert ask(page, "v.tool") != "brush"
    page.screenshot(path=tmp_path / "older.png")
    page.get_by_role("button", name="Back", exact=True).click()
    page.wait_for_function(
        "root => root.viewer.isReady && root.viewer.data.case === '5-1'",
        arg=viewer.element_handle(),
    )
    assert ask(page, "v.outline.counts[2]") == 1


def test_measures_stay_the_strip_has_keys_and_what_is_set_aside_is_passed_over(page, desk):
    scan = nibabel.load(desk / "case_1.nii.gz")
    viewer = page.locator(".viewer")
    viewer.press("d")
    x, y = show(page, DOT, scan)[0]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=3)
    page.mouse.up()
    (drawn,) = ask(page, "v.measures.all.map(m => v.measures.words(m))")
    strip = page.locator(".viewer .strip")
    strip.press("End")
    size, at = ask(page, "[v.scene.dims[v.look.plane], v.scene.voxel[v.look.plane]]")
    assert at == size - 1
    strip.press("PageDown")
    assert ask(page, "v.scene.voxel[v.look.plane]") == size - 11
    page.wait_for_function(  # it is drawn with the next picture
        "([strip, said]) => strip.getAttribute('aria-valuetext') === said",
        arg=[strip.element_handle(), f"{size - 10} of {size}"],
    )
    with Workspace(desk / "workspace") as workspace:
        for aside in (2, 3):
            workspace.scans.set_status(aside, Status.SET_ASIDE, by="ada", reason="not today")
    viewer.press("h")
    viewer.press("Control+Enter")
    page.wait_for_function(
        "root => root.viewer.isReady && root.viewer.data.case === '4-1'",
        arg=viewer.element_handle(),
    )
    with Workspace(desk / "workspace") as workspace:
        for aside in (2, 3):
            workspace.scans.set_status(aside, Status.NEW, by="ada")
    assert ask(page, "v.measures.all.length") == 0, "they are the other scan's"
    shown = "[v.look.areShown, v.scene.niivue.drawOpacity > 0]"
    assert ask(page, shown) == [True, True], "what was hidden is of the scan before"
    page.reload()
    page.locator(".viewer .state.saved").wait_for()
    open_case(page, "case_1", 1)
    assert ask(page, "v.measures.all.map(m => v.measures.words(m))") == [drawn]
    viewer.press("Delete")
    page.get_by_role("button", name="Keep", exact=True).click()
    assert ask(page, "v.measures.all.length") == 1
    viewer.press("Delete")
    page.get_by_role("button", name="Remove", exact=True).click()
    assert ask(page, "v.measures.all.length") == 0


def test_the_machine_outlines_what_is_clicked_and_it_can_be_undone(page, desk, tmp_path):
    open_case(page, "scan_4", 4)
    scan = nibabel.load(desk / "scan_4.nii.gz")
    ball = (np.asarray(scan.dataobj) == 140).T
    x, y = show(page, DOT, scan)[0]
    viewer = page.locator(".viewer")
    viewer.press("c")
    across, _ = scales(page, page.locator(".viewer .surface").bounding_box())
    wide = 14 / 1.5 * ask(page, "v.scene.tiles.find(t => t.plane === 0).pixels(v.scene.dims)[0]")
    wide /= across
    page.mouse.click(x, y)  # without a box
    proposed(page)
    page.keyboard.down("Shift")
    page.mouse.click(x - 2 * wide, y)
    page.keyboard.up("Shift")
    page.wait_for_function(
        "root => root.viewer.assist.clicks.length === 2 && root.viewer.panel.busy === 0",
        arg=viewer.element_handle(),
    )
    viewer.press("Control+z")  # the last click
    assert ask(page, "v.assist.clicks.length") == 1
    proposed(page)
    viewer.press("Escape")
    assert ask(page, "v.assist.isOpen") is False
    page.mouse.move(x - wide, y - wide)
    page.mouse.down()
    page.mouse.move(x + wide, y + wide, steps=3)
    page.mouse.up()
    proposed(page)
    guessed = ask(page, "v.assist.box")
    x, y = show(page, DOT, scan)[1]  # a box in the coronal plane says how deep it is
    page.mouse.move(x - wide, y - wide)
    page.mouse.down()
    page.mouse.move(x + wide, y + wide, steps=3)
    page.mouse.up()
    page.wait_for_function(
        "root => root.viewer.assist.guessed === null && root.viewer.panel.busy === 0",
        arg=viewer.element_handle(),
    )
    proposed(page)
    low, high = np.sort(ask(page, "v.assist.box"), axis=0)
    first_low, first_high = np.sort(guessed, axis=0)
    assert (low[1], high[1]) == (first_low[1], first_high[1]), "what was drawn first stays"
    assert 0.5 < (high - low)[2] / (first_high - first_low)[2] < 0.8  # guessed half as deep again
    page.locator(
        ".viewer", has_text="if the box's middle is not on it: that was guessed"
    ).wait_for()
    assert ask(page, "v.assist.middle") == [math.floor(n + 0.5) for n in (low + high) / 2]
    page.screenshot(path=tmp_path / "proposal.png")
    assert ask(page, "v.keeper.isIdle && v.outline.counts[1] === 0"), "a proposal is no outline yet"
    viewer.press("Control+Shift+Enter")
    page.locator(".viewer .notice", has_text="Take what the machine proposes first").wait_for()
    assert ask(page, "v.done.whole") is False, "nothing is done while something is open"
    viewer.press("Enter")
    version = saved(page, 0)
    with Workspace(desk / "workspace") as workspace:
        found = workspace.versions.mask(version).data[0].numpy() == 1
    assert dice(found, ball) > 0.87  # the box in hand is a voxel off here and there
    page.locator(".viewer .notice", has_text=f"Now: {HOSTILE}. To go on with liver").wait_for()
    assert ask(page, "v.structures.active") == 2, "what has nothing yet comes next"
    viewer.press("1")
    ask(page, "v.look.goToSlice(2, v.scene.voxel[2])")  # back in the axial plane
    viewer.press("l")
    page.locator(".viewer .ml", has_text="⌀ 2").wait_for()  # 20 mm, in voxels of 1.5
    page.screenshot(path=tmp_path / "line.png")
    viewer.press("Control+z")
    assert ask(page, "v.outline.counts[1]") == 0
    version = saved(page, version)

    viewer.press("u")  # what the model found
    proposed(page)
    viewer.press("Enter")
    version = saved(page, version)
    with Workspace(desk / "workspace") as workspace:
        np.testing.assert_array_equal(workspace.versions.mask(version).data[0].numpy() == 1, ball)

    # two slices of it are left, and those between them are filled again
    levels = np.flatnonzero(ball.any((1, 2)))
    kept = [int(levels[2]), int(levels[-3])]
    others = [z for z in range(64) if z not in kept]
    wipe = "v.outline.brush([0, 32, z], [63, 32, z], 99, 2, 0)"
    ask(page, f"(v.outline.begin(), a.forEach(z => v.touch({wipe})), v.ended())", *others)
    version = saved(page, version)
    viewer.press("i")
    proposed(page)
    viewer.press("Enter")
    version = saved(page, version)
    with Workspace(desk / "workspace") as workspace:
        found = workspace.versions.mask(version).data[0].numpy() == 1
    assert np.flatnonzero(found.any((1, 2))).tolist() == [*range(kept[0], kept[1] + 1)]
    np.testing.assert_array_equal(found[kept], ball[kept])
    # Straight between two discs: narrower than a ball, wider than either of them
    middle = sum(kept) // 2
    assert ball[kept[0]].sum() <= found[middle].sum() <= ball[middle].sum()


def test_slices_are_marked_done_and_the_doubtful_one_is_offered(page, desk, tmp_path):
    open_case(page, "scan_4", 4)
    viewer = page.locator(".viewer")
    begun = ask(page, "v.keeper.version")
    show(page, DOT, nibabel.load(desk / "scan_4.nii.gz"))
    level = ask(page, "v.scene.voxel[2]")
    viewer.press("m")
    version = saved(page, begun)
    viewer.press("j")
    page.locator(".viewer .notice", has_text="the most doubtful slice").wait_for()
    assert ask(page, "v.scene.voxel[2]") == 40  # the phantom's slices run to the head
    page.screenshot(path=tmp_path / "done.png")
    with Workspace(desk / "workspace") as workspace:
        assert workspace.versions.get(version).seen == {"whole": False, "slices": [[0, level]]}
        assert str(workspace.scans.get(4).status) == "in progress"
    page.get_by_role("button", name="Looked for").click()
    viewer.press("w")
    version = saved(page, version)
    with Workspace(desk / "workspace") as workspace:
        assert workspace.versions.get(version).seen["whole"]
        assert workspace.versions.get(version).annotated == [HOSTILE]
        assert str(workspace.scans.get(4).status) == "labelled"
    viewer.press("w")  # not yet, after all
    version = saved(page, version)
    page.get_by_role("button", name="Done, next scan").click()
    page.wait_for_function(
        "root => root.viewer.isReady && root.viewer.data.case === '5-1'",
        arg=viewer.element_handle(),
    )
    with Workspace(desk / "workspace") as workspace:
        head = workspace.versions.head(4, 1)
        assert head.id > version
        assert head.seen["whole"]


def test_questions_are_answered_and_landmarks_placed(page, desk, tmp_path):
    page.locator('[data-testid="stSelectbox"]', has_text="Outlined").locator("input").click()
    page.get_by_role("option", name="study").click()
    open_case(page, "scan_5", 5, 2)
    assert not page.get_by_role("button", name="Brush").is_visible()
    page.get_by_role("button", name="Yes").click()
    page.get_by_role("button", name="high").click()
    page.get_by_label("Largest lesion, mm").fill("12.5")
    page.get_by_label("Largest lesion, mm").press("Enter")
    viewer = page.locator(".viewer")
    viewer.press("k")
    x, y = show(page, DOT, nibabel.load(desk / "scan_5.nii.gz"))[0]
    page.mouse.click(x, y)
    page.locator(".landmark", has_text="✓").first.wait_for()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y, steps=3)
    page.mouse.up()
    page.mouse.click(x, y)  # the second, where the first was
    page.wait_for_function(
        "root => !root.viewer.isUnsaved && Object.keys(root.viewer.points.values).length === 2",
        arg=viewer.element_handle(),
    )
    settled(page)
    page.screenshot(path=tmp_path / "study.png")
    assert page.evaluate("() => window.hacked") is None
    with Workspace(desk / "workspace") as workspace:
        head = workspace.versions.head(5, 2, Content.ANSWERS)
        assert head.entries == {"Fluid?": True, "Grade": "high", "Largest lesion": 12.5}
        points = workspace.versions.head(5, 2, Content.POINTS).entries
        assert str(workspace.scans.get(5).status) == "labelled"
    assert [*points] == ["top of the spine", HOSTILE]
    np.testing.assert_allclose(points[HOSTILE], DOT, atol=1.5)
    moved, (x_mm, y_mm, z_mm) = points["top of the spine"], points[HOSTILE]
    assert moved[0] > x_mm + 5, "to the right of the page is the patient's left"
    np.testing.assert_allclose(moved[1:], [y_mm, z_mm], atol=0.5)
    open_case(page, "scan_4", 4, 2)
    assert page.get_by_role("button", name="Yes", pressed=True).count() == 0
    open_case(page, "scan_5", 5, 2)
    page.get_by_role("button", name="Yes", pressed=True).wait_for()


def test_what_comes_late_is_not_put_on_another_scan(page):
    """The reader has gone on to another patient before the server answers."""
    open_case(page, "scan_4", 4)
    stroke = "v.outline.brush([20, 32, 32], [40, 32, 32], 2, 2, 1)"
    begun = ask(page, "v.keeper.version")
    ask(page, f"(v.structures.choose(0), v.outline.begin(), v.touch({stroke}), v.ended())")
    saved(page, begun)
    held = []

    def hold(route):
        if "/cases/4-1/" in route.request.url:
            held.append(route)
        else:
            route.continue_()

    page.route(re.compile(r"/(assist|mask)\b"), hold)
    for key in ("l", "j"):  # a line is measured, a slice is asked for ...
        page.locator(".viewer").press(key)
    ask(page, "(v.takeOver('mask'), 0)")  # ... and somebody else's newest outline
    for _ in range(600):  # half a minute
        if len(held) == 3:
            break
        page.wait_for_timeout(50)
    assert len(held) == 3
    open_case(page, "scan_5", 5)
    seen = "[v.measures.all.length, v.scene.voxel, v.keeper.version, Array.from(v.outline.counts)]"
    before = ask(page, seen)
    for each in held:
        each.continue_()
    page.wait_for_function(
        "root => root.viewer.panel.busy === 0", arg=page.locator(".viewer").element_handle()
    )
    page.wait_for_load_state("networkidle")
    assert ask(page, seen) == before
    assert ask(page, "[v.done.offered, v.structures.diameters.size]") == [None, 0]


def test_nothing_is_lost_when_the_server_dies_and_the_page_is_closed(
    browser, server, desk, tmp_path
):
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    page = context.new_page()
    page.set_default_timeout(90_000)
    enter(page, server)
    open_case(page, "case_2", 2)
    begun = ask(page, "v.keeper.version")
    x, y = show(page, (0.0, -20.0, 20.0), nibabel.load(desk / "case_2.nii.gz"))[0]
    page.locator(".viewer").press("b")
    server.kill()
    page.mouse.click(x, y)
    page.get_by_text("Not saved").first.wait_for()
    page.screenshot(path=tmp_path / "away.png")
    drawn = ask(page, "Array.from(v.outline.ids)")
    page.wait_for_function(
        "async () => (await indexedDB.databases()).length && !!await new Promise(done => {"
        " indexedDB.open('medlib', 1).onsuccess = e => { e.target.result.transaction('unsaved')"
        ".objectStore('unsaved').count().onsuccess = c => done(c.target.result); } })"
    )
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.close(run_before_unload=True)
    page.wait_for_event("close") if not page.is_closed() else None
    assert asked == ["beforeunload"]
    with Workspace(desk / "workspace") as workspace:
        assert (head.id if (head := workspace.versions.head(2, 1)) else 0) == begun
    server.start()

    page = context.new_page()
    page.set_default_timeout(90_000)
    enter(page, server)
    open_case(page, "case_2", 2)
    page.get_by_text("was never saved").wait_for()
    page.screenshot(path=tmp_path / "offered.png")
    page.get_by_role("button", name="Bring it back").click()
    version = saved(page, begun)
    assert ask(page, "Array.from(v.outline.ids)") == drawn
    with Workspace(desk / "workspace") as workspace:
        assert workspace.versions.head(2, 1).id == version

    # a link that has expired is renewed by the page, and the stroke that met it is saved
    ask(page, "v.data.link = 'stale'")
    x, y = show(page, (0.0, -20.0, 20.0), nibabel.load(desk / "case_2.nii.gz"))[0]
    page.locator(".viewer").press("e")
    page.mouse.click(x, y)
    version = saved(page, version)
    with Workspace(desk / "workspace") as workspace:
        assert not workspace.versions.mask(version).data[0].numpy()[37].any()
    context.close()


def test_a_browser_that_cannot_draw_is_told_so(browser, server, tmp_path):
    page = browser.new_page()
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        " return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"
    )
    page.goto(f"{server.address}label")
    page.get_by_text("Switch on graphics acceleration").wait_for(timeout=90_000)
    page.screenshot(path=tmp_path / "no_webgl.png")
    page.close()
