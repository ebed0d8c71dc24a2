"""The Review page: the right outline on the right scan, decided on by the right person."""

import dataclasses
import gzip
import os
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
import torch
from browsers import CHROMIUM, FLAGS
from oracles import oracle
from pressing import press
from small_scans import ORGANS, grid_of, painted
from tiny import write_series

from medlib.io import write_nifti
from medlib.resources import folder
from medlib.space import Grid
from medlib.types import CTVolume, Mask, MRVolume, Volume
from medlib.workspace import Content, Decision, NotThereError, Role, Seen, Status, Workspace

playwright = oracle("playwright.sync_api")
nibabel = oracle("nibabel")
oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages

from reviewing.compared import rows_of  # noqa: E402
from serving.depot import Depot  # noqa: E402
from serving.layers import Layer, layer_of  # noqa: E402
from serving.reduced import Blocks  # noqa: E402
from serving.routes import Scans  # noqa: E402
from serving.session import COOKIE  # noqa: E402
from serving.shelf import Case, Shelf  # noqa: E402
from serving.turning import Turn  # noqa: E402
from serving.wire import unpack  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

HOSTILE = "<img src=x onerror=alert(1)>"


def oblique() -> Grid:
    """A grid whose axes are flipped and turned against the patient's."""
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, np.sin(angle), np.cos(angle)], [0, -np.cos(angle), np.sin(angle)],
                               [-1, 0, 0]]) @ np.diag([3, 1, 1])  # fmt: skip
    affine[:3, 3] = (20, -30, 40)
    return Grid((20, 40, 44), affine)


@pytest.fixture
def workspace(tmp_path):
    """Three scans that a model has looked at; the second has a label, the third is odd."""
    with Workspace(tmp_path / "workspace") as it:
        draw = torch.Generator().manual_seed(0)
        for number in range(3):
            noise = torch.randn(1, 20, 40, 44, generator=draw)
            write_nifti(MRVolume(noise, oblique()), tmp_path / f"case_{number}.nii.gz")
            it.scans.add(tmp_path / f"case_{number}.nii.gz", by="ada", kind="mr", file_names=True)
        organs = it.label_sets.add(HOSTILE, ORGANS, by="ada").id
        (tmp_path / "net.medlib").write_bytes(b"weights")
        model = it.models.add("net", tmp_path / "net.medlib", organs, by="worker").id
        for scan in (1, 2, 3):
            grid = it.scans.grid(scan)
            unsure = torch.zeros(1, *grid.shape)
            unsure[0, 4, 5, 6] = 0.8
            flags = [{"kind": "empty", "structure": "x", "reason": f"{HOSTILE} is odd"}]
            it.models.keep_mask(
                model, scan, outline(grid, scan), by="worker", uncertainty=Volume(unsure, grid),
                figures={"doubt": 0.1 * (3 - scan), "flags": flags if scan == 3 else []},
            )  # fmt: skip
        label = outline(it.scans.grid(2), 0)
        it.versions.save_mask(2, organs, label, base=None, by="bob", seen=Seen(whole=True))
        yield it


def outline(grid: Grid, shift: int) -> Mask:
    data = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    data[0, 3:9, 5 : 15 + shift, 2:12] = 1
    data[0, 12:15, 20:30, 25 + shift : 40] = 2
    return Mask(data, grid, ORGANS)


@pytest.fixture
def run(open_page):
    """The page, as a person of a role sees it first."""

    def running(person="ada", role=Role.REVIEWER):
        return open_page("screens/review.py", person, role)

    return running


def test_the_odd_one_comes_first_then_the_doubtful(run):
    app = run()
    assert [app.selectbox[0].value, *app.selectbox[0].options] == [
        *("found 3", "case_2", "case_0", "case_1"),
        "case_1 (drawn by people)",
    ]
    assert any("is odd" in warning.value for warning in app.warning)
    assert not any(HOSTILE in warning.value for warning in app.warning), "never as markup"


def test_what_is_accepted_counts_and_the_next_one_follows(run, workspace):
    app = press(run(), "Accept")
    (review,) = workspace.reviews.of(3)
    assert (review.decision, review.reviewer) == (Decision.ACCEPT, "ada")
    head = workspace.versions.head(3, 1)
    assert torch.equal(
        workspace.versions.mask(head.id).data, outline(workspace.scans.grid(3), 3).data
    )
    assert app.selectbox[0].value == "found 1", "the next"


def test_a_rejection_needs_a_reason(run, workspace):
    app = press(press(run(), "Reject …"), "Reject")
    assert not workspace.reviews.of(3)
    assert any("Say why" in error.value for error in app.error)
    app.selectbox[1].select("outline wrong")
    press(app, "Reject")
    (review,) = workspace.reviews.of(3)
    assert (review.decision, review.reason) == (Decision.REJECT, "outline wrong")
    assert workspace.versions.head(3, 1) is None


def test_a_correction_was_begun_with_what_the_model_found_and_the_whole_scan_counts(run, workspace):
    found = workspace.models.mask(3)
    begun = workspace.versions.save_mask(3, 1, found, base=None, by="bob", origin="corrected")
    mask = outline(workspace.scans.grid(3), 1)
    assert not torch.equal(mask.data, found.data)
    workspace.versions.save_mask(3, 1, mask, base=begun.id, by="bob", seen=Seen.of([4]))
    assert "My outline is the correction" not in [b.label for b in run("ada").button]
    press(run("bob"), "My outline is the correction")
    (review,) = workspace.reviews.of(3)
    head = workspace.versions.head(3, 1)
    assert (review.decision, review.version_id, review.reviewer) == ("correct", head.id, "bob")
    assert Seen.from_dict(head.seen).whole
    assert torch.equal(workspace.versions.mask(head.id).data, mask.data)


def test_a_few_slices_drawn_from_nothing_are_no_correction_of_a_whole_scan(run, workspace):
    """Else background would be learned, and signed, wherever nobody has looked."""
    mask = outline(workspace.scans.grid(3), 1)
    drawn = workspace.versions.save_mask(3, 1, mask, base=None, by="bob", seen=Seen.of([4]))
    app = run("bob")
    assert "My outline is the correction" not in [b.label for b in app.button]
    assert any("slices of it from nothing" in c.value for c in app.caption)
    workspace.versions.save_mask(3, 1, mask, base=drawn.id, by="bob", seen=Seen(whole=True))
    press(run("bob"), "My outline is the correction")
    (review,) = workspace.reviews.of(3)
    assert review.decision == Decision.CORRECT


def test_a_second_reader_sees_nothing_of_the_first_and_a_third_decides(run, workspace):
    press(run("ada"), "Accept")
    app = run("bob")
    app.session_state["review turn"] = "Second reading"
    app.run()
    said = " ".join(m.value for m in [*app.markdown, *app.info, *app.caption])
    assert "Somebody has decided" in said
    assert "ada" not in said
    assert "accepted" not in said
    assert "Correct" not in [b.label for b in app.button]
    press(app, "Reject …")
    app.selectbox[1].select("structure missed")
    press(app, "Reject")
    assert learned(workspace) == {"case_1"}, "readers differ on the other"
    app = run("eve")
    app.session_state["review turn"] = "Readers differ"
    app.run()
    said = " ".join(m.value for m in app.markdown)
    assert "ada accepted it" in said
    assert "bob rejected it" in said
    press(app, "Accept")
    assert [review.reviewer for review in workspace.reviews.of(3)] == ["ada", "bob", "eve"]
    assert learned(workspace) == {"case_1", "case_2"}


def learned(workspace):
    """The scans that a training would learn from."""
    return {case.name for case in workspace.pairing(1, statuses=(*Status,)).cases}


def test_who_may_not_review_is_told(run, workspace):
    app = run("rob", Role.READER)
    assert not app.button
    assert "reviewers" in app.info[0].value


def test_a_key_pressed_on_what_is_shown_decides_on_nothing_else(run, workspace):
    """Meanwhile somebody else decided, or a model looked again: nobody has seen what is there now."""
    app = run("ada")
    assert app.selectbox[0].value == "found 3"
    workspace.reviews.decide(3, Decision.REJECT, by="bob", reason="outline wrong")
    press(app, "Accept")
    assert [review.reviewer for number in (1, 2, 3) for review in workspace.reviews.of(number)] == [
        "bob"
    ]
    assert any("meanwhile" in info.value for info in app.info)
    shown = int(app.selectbox[0].value.removeprefix("found "))
    newer = workspace.models.keep_mask(
        1, shown, outline(workspace.scans.grid(shown), 0), by="worker", figures={}
    )
    press(app, "Accept")
    assert not workspace.reviews.of(shown)
    assert not workspace.reviews.of(newer.id)


def test_a_dispute_stays_to_be_settled_when_a_model_has_looked_again(run, workspace):
    workspace.reviews.decide(3, Decision.ACCEPT, by="ada")
    workspace.reviews.decide(3, Decision.REJECT, by="bob", reason="outline wrong")
    workspace.models.keep_mask(1, 3, outline(workspace.scans.grid(3), 0), by="worker")
    app = run("eve")
    app.session_state["review turn"] = "Readers differ"
    app.run()
    press(app, "Accept")
    assert [review.reviewer for review in workspace.reviews.of(3)] == ["ada", "bob", "eve"]


def test_what_nobody_looked_at_is_not_called_a_difference(run, workspace):
    """Half of the label's slices are done, and one structure was not looked for."""
    grid = workspace.scans.grid(1)
    label = dataclasses.replace(outline(grid, 1), annotated=("liver",))
    workspace.versions.save_mask(1, 1, label, base=None, by="bob", seen=Seen.of(range(6)))
    shelf, case = Shelf(workspace), Case(1, 1)
    differs = layer_of(shelf, case, 1, Layer.DIFFERENCE, shelf.newest(case)).data
    assert not differs.any()
    rows = {row.name: row for row in rows_of.__wrapped__(shelf, case, 1, shelf.newest(case), None)}
    assert rows["liver"].cells()[2:] == ["0.99 ml", "the same", "100%"]
    assert rows["spleen"].cells()[2:] == ["not looked for", "–", "–"]


def test_a_patients_other_scan_is_shown_beside_when_it_is_finished(run, workspace, tmp_path):
    """It is not called the earlier one, since nobody knows."""
    for number in range(2):
        values = torch.full((1, 4, 6, 8), 100.0 * number)
        values[0, 0, 0, 0] = -900
        write_series(
            tmp_path / "ct" / str(number), CTVolume(values, grid_of()), modality="CT", patient="7"
        )
    one, two = (scan.id for scan in workspace.scans.add(tmp_path / "ct", by="ada").scans)
    workspace.models.keep_mask(
        1,
        one,
        painted(1, 2),
        by="worker",
        figures={"doubt": 9.0, "flags": [{"kind": "sides", "structure": "ball", "reason": "odd"}]},
    )
    part = workspace.versions.save_mask(two, 1, painted(1), base=None,
                                        by="bob", seen=Seen.of([0]))  # fmt: skip
    app = run("ada")
    beside = "Beside the patient's other scan"
    assert beside not in [b.label for b in app.button], "half of a label is nothing to compare with"
    workspace.versions.save_mask(two, 1, painted(1), base=part.id, by="bob", seen=Seen(whole=True))
    app.run()
    name = workspace.scans.get(two).name
    assert len(said_of(app, name)) == 1, "over the sizes"
    press(app, beside)
    assert not app.exception
    over_both = said_of(app, name)
    assert len(over_both) == 2, "over the picture, too"
    assert "the same day; which was made first is not known" in over_both[0]


def said_of(app, name):
    said = [one.value.replace("\\", "") for one in app.caption]
    return [one for one in said if one.startswith(name)]


def test_layers_are_of_their_own_scan_and_voxel_by_voxel_right(workspace):
    shelf = Shelf(workspace)
    case = Case(2, 1)
    found, label = (
        outline(workspace.scans.grid(2), 2).data,
        outline(workspace.scans.grid(2), 0).data,
    )
    newest = shelf.newest(case)
    assert torch.equal(layer_of(shelf, case, 2, Layer.FOUND, newest).data, found)
    assert torch.equal(layer_of(shelf, case, 2, Layer.LABEL, newest).data, label)
    differs = layer_of(shelf, case, 2, Layer.DIFFERENCE, newest).data
    assert torch.equal(differs == 1, (found > 0) & (label == 0))
    assert torch.equal(differs == 2, (found == 0) & (label > 0))
    doubt = layer_of(shelf, case, 2, Layer.DOUBT, newest).data
    assert doubt.nonzero().tolist() == [[0, 4, 5, 6]]
    for layer in (Layer.FOUND, Layer.DIFFERENCE, Layer.DOUBT):
        with pytest.raises(NotThereError):
            layer_of(shelf, Case(1, 1), 2, layer, 0)


@pytest.mark.parametrize("axes", ["LPS", "RSA", "ASL", "PIR"])
def test_a_browser_is_sent_the_prediction_where_nibabel_turns_it(tmp_path, axes):
    """Whichever way the voxels are stored, on an oblique grid."""
    grid = oblique().reoriented(axes)
    with Workspace(tmp_path / "w") as workspace:
        write_nifti(MRVolume(torch.randn(1, *grid.shape), grid), tmp_path / "one.nii.gz")
        workspace.scans.add(tmp_path / "one.nii.gz", by="ada", kind="mr", file_names=True)
        workspace.label_sets.add("organs", ORGANS, by="ada")
        (tmp_path / "net").write_bytes(b"weights")
        workspace.models.add("net", tmp_path / "net", 1, by="worker")
        on = workspace.scans.grid(1)
        spots = torch.rand(1, *on.shape)
        data = ((spots > 0.7).byte() + (spots > 0.9).byte()).contiguous()
        unsure = Volume(spots, on)
        workspace.models.keep_mask(1, 1, Mask(data, on, ORGANS), by="worker", uncertainty=unsure)
        label = Mask(data.flip(1).contiguous(), on, ORGANS)
        workspace.versions.save_mask(1, 1, label, base=None, by="ada", seen=Seen(whole=True))
        shelf = Shelf(workspace)
        client = client_of(shelf, tmp_path)
        link = {"Authorization": f"Bearer {shelf.sign(Case(1, 1), 'ada', 'view')}"}
        levels = sum((spots >= least).byte() for least in (0.25, 0.5, 0.75))
        differs = torch.where(data == label.data, 0, 3).byte()
        differs[(data > 0) & (label.data == 0)] = 1
        differs[(data == 0) & (label.data > 0)] = 2
        for layer, want in {
            "found": data, "label": label.data, "difference": differs, "doubt": levels,
            "nothing": data * 0,
        }.items():  # fmt: skip
            answer = client.get(f"/medlib/cases/1-1/{layer}/1/mask", headers=link)
            assert answer.status_code == 200, layer
            turned = nibabel.as_closest_canonical(
                nibabel.Nifti1Image(want[0].numpy().T, on.to_ras())
            )
            got = np.zeros(turned.shape[::-1], np.uint8)
            patch = unpack(gzip.compress(answer.content), got.shape)
            got[patch.window if patch.ids.size else ()] = patch.ids if patch.ids.size else 0
            np.testing.assert_array_equal(got.T, np.asarray(turned.dataobj), err_msg=layer)


def client_of(shelf, folder):
    return TestClient(Starlette(routes=Scans(shelf, Depot(folder / "depot")).routes()))


def test_a_layer_is_given_to_whom_its_scan_is_open_and_of_no_other_scan(workspace, tmp_path):
    shelf = Shelf(workspace)
    client = client_of(shelf, tmp_path)

    def status(path, case, action="view", person="ada", verb="get"):
        link = {"Authorization": f"Bearer {shelf.sign(case, person, action)}"}
        return getattr(client, verb)(f"/medlib/cases/{path}", headers=link).status_code

    own, other = Case(1, 1), Case(2, 1)
    assert status("1-1/found/1/mask", own) == 200
    assert status("1-1/found/1/volume", own) == 200
    assert client.get("/medlib/cases/1-1/found/1/mask").status_code == 401
    assert status("1-1/found/1/mask", other) == 401, "a link to another scan"
    for layer in Layer:
        assert status(f"1-1/{layer}/2/mask", own) == 404, "a prediction of another scan"
    assert status("1-1/found/99/mask", own) == 404
    assert status("1-1/elsewhere/1/mask", own) == 404
    assert status("1-1/found/1/mask", own, "label", verb="put") == 405, "nothing is written here"
    workspace.people.add("ann", Role.ADMINISTRATOR, by="ada", password="a long password")
    workspace.people.add("rob", Role.REVIEWER, by="ada", password="a long password")
    assert status("1-1/found/1/mask", own, person="rob") == 401, "nobody is logged in"
    client.cookies.set(COOKIE, workspace.people.log_in("rob", "a long password"))
    assert status("1-1/found/1/mask", own, person="rob") == 200
    workspace.people.change("rob", by="ada", active=False)
    assert status("1-1/found/1/mask", own, person="rob") == 401


def test_it_starts_without_what_only_training_needs():
    """A reviewer's machine loads neither MONAI nor the loop."""
    code = (
        f"import sys; sys.path.append({str(APPS)!r})\n"
        "import screens.review\n"
        "heavy = {'monai', 'accelerate', 'medlib.train', 'medlib.models'} & {*sys.modules}\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.system
@pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium")
def test_in_a_browser(workspace, tmp_path):
    """What the browser is sent is what the model found; keys decide; the layers are shown."""
    heart = workspace.label_sets.add("heart", by="ada", landmarks=["apex", "base"]).id
    model = workspace.models.add("points", tmp_path / "net.medlib", heart, by="worker").id
    places = {name: workspace.scans.grid(2).to_patient(at).tolist()
              for name, at in (("apex", (6, 10, 20)), ("base", (12, 22, 31)))}  # fmt: skip
    workspace.models.keep_entries(model, 2, Content.POINTS, places, by="worker")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = [sys.executable, "-m", "streamlit", "run", str(APPS / "app.py"), "--server.port",
            str(port), "--server.headless", "true", "--", str(workspace.folder)]  # fmt: skip
    server = subprocess.Popen(said, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        for _ in range(900):
            try:
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1).read()
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.1)
        with playwright.sync_playwright() as it:
            browser = it.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
            page = browser.new_page(viewport={"width": 1500, "height": 950})
            page.set_default_timeout(120_000)
            page.goto(f"http://localhost:{port}/")
            with page.expect_response(lambda r: "/found/3/mask" in r.url) as sent:
                page.get_by_role("link", name="Review", exact=True).click()
            blocks = Blocks(workspace.scans.grid(3))
            if "grid=reduced" in sent.value.url:
                blocks = Blocks.within(workspace.scans.grid(3))
            raw = sent.value.body()
            raw = raw if raw[:2] == b"\x1f\x8b" else gzip.compress(raw)
            patch = unpack(raw, Turn.of(blocks.coarse).turned)
            assert int((patch.ids > 0).sum()) == int((outline(oblique(), 3).data > 0).sum())
            page.locator(".viewer .state.saved").wait_for()
            page.screenshot(path=tmp_path / "review.png")
            page.locator(".viewer .surface").click()  # into the picture: the page's keys go on
            with page.expect_response(lambda r: "/doubt/3/mask" in r.url):
                page.keyboard.press("2")  # where it was unsure
            page.locator(".viewer .state.saved").wait_for()
            page.screenshot(path=tmp_path / "doubt.png")
            with page.expect_response(lambda r: "/found/1/mask" in r.url):
                page.get_by_role("button", name="Accept").click()
            with page.expect_response(lambda r: "/found/2/mask" in r.url):
                page.keyboard.press("n")
            page.keyboard.press("n")  # landmarks, and the picture is turned to the first of them
            root = page.locator(".viewer").element_handle()
            page.wait_for_function(
                "root => root.viewer.isReady && root.viewer.data.case === '2-2/found/4'", arg=root
            )
            seen = page.evaluate(
                "({viewer: v}) => [v.points.values, v.scene.millimetres(v.scene.voxel)]", root
            )
            assert seen[0] == places
            assert np.linalg.norm(np.subtract(seen[1], places["apex"])) < 2, "within a voxel"
            page.screenshot(path=tmp_path / "points.png")
            page.keyboard.press("x")
            page.get_by_text("In your words").wait_for()
            with page.expect_response(lambda r: "/drawn/1/mask" in r.url):
                page.keyboard.press("n")
            page.get_by_text("Drawn by people: bob").wait_for()
            page.locator(".viewer .state.saved").wait_for()
            page.screenshot(path=tmp_path / "drawn.png")
            page.keyboard.press("a")
            page.get_by_text("Drawn by people: bob").wait_for(state="detached")
            browser.close()
    finally:
        server.kill()
        server.wait()
    (review,) = workspace.reviews.of(3)
    assert review.decision == Decision.ACCEPT
    assert [one.version_id for one in workspace.reviews.approving([1])[1]] == [1]
