"""The whole way through the apps in a real browser, from nothing to a DICOM segmentation.

    PYTHONPATH=tests python tests/torture/walk.py FOLDER [--minutes 2]

First start, sample scans, one scan outlined by painting and one with the machine's help, a training,
a signature, a review with one correction, a second training, an export for the archive. The reader knows the true
outlines, so that it is known where to click. Arrays are compared on the way: what was painted with what
is stored, what was accepted with what the model found, what is exported with what was accepted.
Clicks and keys beside painting, and minutes, are counted up to the first reviewed prediction, and
printed. FOLDER gets a picture of every page.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from browsers import CHROMIUM, FLAGS
from playwright.sync_api import Page, sync_playwright
from scipy.ndimage import distance_transform_edt

from medlib import io
from medlib.datasets import samples
from medlib.space import Grid
from medlib.types import Labels, Mask
from medlib.workspace import Workspace

_PATIENCE = 90_000  # ms
_LENGTHS = (1, 2, 5, 10, 20, 30, 60, 120, 240, 480)  # minutes, on the dial
_STROKES = 40  # at most, for a structure


class Walker:
    """Somebody at a browser, whose clicks and keys are counted.

    Args:
        page: the browser's.
        pictures: where pictures of pages go.
    """

    def __init__(self, page: Page, pictures: Path) -> None:
        self.page, self.pictures = page, pictures
        self.count = self.painting = 0

    def click(self, name: str, role: Any = "button", nth: int = 0) -> None:
        """A button, a link, …"""
        self.count += 1
        # A button may say its key.
        said = re.compile(rf"^{re.escape(name)}(\s?(Shortcut )?[A-Z])?$")
        self.page.get_by_role(role, name=said).nth(nth).click()

    def key(self, key: str) -> None:
        """Of the viewer."""
        self.count += 1
        self.page.locator(".viewer").press(key)

    def take_up(self, place: int, structure: int) -> None:
        """Have a structure in hand; the viewer may have turned to it by itself."""
        if self.ask("v.structures.active") != structure:
            self.key(str(place))

    def picture(self, name: str) -> None:
        time.sleep(2)  # fonts and pictures come after what was waited for
        self.page.screenshot(path=self.pictures / f"{name}.png")

    def ask(self, what: str, *more: Any) -> Any:
        """The value of an expression of the viewer ``v``, and of ``a``."""
        call = f"([root, a]) => {{ const v = root.viewer; return {what}; }}"
        return self.page.evaluate(call, [self.page.locator(".viewer").element_handle(), list(more)])

    def until(self, what: str, *more: Any) -> None:
        """Until an expression of the viewer ``v`` (and of ``a``) holds."""
        for _ in range(900):
            if self.page.locator(".viewer").count() and self.ask(what, *more):
                return
            time.sleep(0.1)
        raise TimeoutError(what)

    def opened(self, case: str) -> None:
        """Until a case is on the screen."""
        self.until("v.isReady && v.data.case === a[0] && v.keeper.isIdle", case)

    def saved(self, after: int = 0) -> int:
        """Until all is saved; the version."""
        self.until("v.keeper.version > a[0] && !v.isUnsaved", after)
        return int(self.ask("v.keeper.version"))

    def at(self, grid: Grid, place: np.ndarray, plane: int = 0) -> tuple[float, float]:
        """Where a place (LPS millimetres) is on the page, in a plane; the cross goes there."""
        letters = grid.orientation
        fraction = {}
        for letter, value in zip(letters, (grid.to_index(place) + 0.5) / grid.shape, strict=True):
            positive = {"R": ("x", 1), "L": ("x", -1), "A": ("y", 1), "P": ("y", -1),
                        "S": ("z", 1), "I": ("z", -1)}[letter]  # fmt: skip
            fraction[positive[0]] = value if positive[1] > 0 else 1 - value
        share = [fraction["x"], fraction["y"], fraction["z"]]
        self.ask("v.scene.goTo(a)", *share)
        self.page.evaluate(
            "() => new Promise(d => requestAnimationFrame(() => requestAnimationFrame(d)))"
        )
        box = self.page.locator(".viewer .surface").bounding_box()
        assert box is not None
        wide, high = self.ask("[v.scene.canvas.width, v.scene.canvas.height]")
        left, top = self.ask(
            "v.scene.tiles.find(t => t.plane === a[3]).position(a.slice(0, 3))", *share, plane
        )
        return box["x"] + left * box["width"] / wide, box["y"] + top * box["height"] / high


def paint(walker: Walker, truth: Mask) -> None:
    """Balls that fill each structure, the largest first: what a patient reader's strokes give."""
    walker.key("b")
    for place, label in enumerate(truth.labels, 1):
        left = np.pad(truth.structure(label.name).numpy(), 1)
        if not left.any():
            continue
        walker.take_up(place, label.id)
        enough, inside = 0.1 * left.sum(), left.copy()
        for _ in range(_STROKES):
            away = distance_transform_edt(inside, sampling=truth.grid.spacing)
            away = np.where(left, away, 0)
            middle = np.array(np.unravel_index(away.argmax(), away.shape))
            radius = min(float(away.max()), 40.0)
            walker.ask(f"(v.brush.isBall = true, v.brush.radius = {radius:.1f})")
            x, y = walker.at(truth.grid, truth.grid.to_patient(middle - 1))
            walker.painting += 1
            walker.page.mouse.click(x, y)
            index = np.moveaxis(np.indices(left.shape), 0, -1)
            left &= np.linalg.norm((index - middle) * truth.grid.spacing, axis=-1) > radius
            if left.sum() < enough:
                break


def assist(walker: Walker, truth: Mask) -> None:
    """A box on each structure in two planes, and what is proposed taken."""
    walker.key("c")
    for place, label in enumerate(truth.labels, 1):
        inside = truth.structure(label.name).numpy()
        if not inside.any():
            continue
        walker.take_up(place, label.id)
        for plane, letters in ((0, "SI"), (1, "AP")):
            axis = next(k for k, said in enumerate(truth.grid.orientation) if said in letters)
            fullest = int(np.argmax(inside.sum(tuple(k for k in range(3) if k != axis))))
            here = np.argwhere(np.take(inside, [fullest], axis))
            low, high = here.min(0) - 2, here.max(0) + 2
            low[axis] = high[axis] = fullest
            last = np.array(truth.grid.shape) - 1
            corners = [
                walker.at(truth.grid, truth.grid.to_patient(np.clip(corner, 0, last)), plane)
                for corner in (low, high)
            ]
            walker.painting += 1
            walker.page.mouse.move(*corners[0])
            walker.page.mouse.down()
            walker.page.mouse.move(*corners[1], steps=4)
            walker.page.mouse.up()
            walker.until("v.panel.busy === 0 && v.assist.isOpen")
            walker.page.locator(".viewer button.main:enabled").wait_for()
        # The middle of a box need not lie in what bends around it: where it is thickest, it does.
        depth = distance_transform_edt(np.pad(inside, 1), truth.grid.spacing)
        thickest = np.array(np.unravel_index(int(depth.argmax()), depth.shape)) - 1
        walker.painting += 1
        walker.page.mouse.click(*walker.at(truth.grid, truth.grid.to_patient(thickest)))
        walker.until("v.panel.busy === 0 && v.assist.isOpen")
        walker.page.locator(".viewer button.main:enabled").wait_for()
        walker.key("Enter")


def trained(walker: Walker, workspace: Path, models: int) -> None:
    """Start, and wait until the worker has trained and looked at the rest."""
    walker.click("Start")
    while True:
        with Workspace(workspace) as it:
            jobs = it.jobs.list(limit=10)
            open_jobs = [j for j in jobs if j.status in {"queued", "running"}]
            if len(it.models.list()) >= models and it.models.predictions() and not open_jobs:
                return
            assert not any(j.status == "failed" for j in jobs), jobs[0].error
        time.sleep(2)


def walk(walker: Walker, there: Path, address: str, minutes: float) -> dict[str, Any]:
    page = walker.page
    drawn = samples(there / "known")
    workspace = there / "medlib-workspace"
    began = time.monotonic()
    page.goto(address)
    page.get_by_role("button", name="Use sample scans").wait_for()
    walker.picture("start")
    walker.click("Use sample scans")
    page.get_by_text("new scans").first.wait_for()
    page.locator(".scan").first.wait_for()
    page.wait_for_function("() => document.querySelector('.scan img')?.naturalWidth > 50")
    walker.picture("worklist")
    with Workspace(workspace) as it:
        entries = it.scans.list()
        grids = {entry.scan.id: it.scans.grid(entry.scan.id) for entry in entries}
        labels = it.versions.labels(1)
        series = {it.scans.stack(scan).series_uid: scan for scan in grids}
    known = {}
    table = drawn.card.table
    for stack in io.survey(drawn.images).stacks:
        scan = series[stack.series_uid]
        path = drawn.labels / f"{stack.name}.dcm"
        known[scan] = only(io.read_mask(path, labels=table, on=grids[scan]), labels)
    first, second = entries[0].scan.id, entries[1].scan.id
    walker.click("Label the first")
    walker.opened(f"{first}-1")
    paint(walker, known[first])
    version = walker.saved()
    walker.picture("label")
    shown = walker.ask("Array.from(v.outline.counts).slice(0, 12)")
    walker.key("Control+Shift+Enter")
    walker.opened(f"{second}-1")
    assist(walker, known[second])
    walker.saved()
    walker.picture("assist")
    walker.key("w")
    walker.saved()
    with Workspace(workspace) as it:
        stored = it.versions.mask(version)
        counts = [int((stored.data == k).sum()) for k in range(len(shown))]
        assert counts[1:] == shown[1:], (counts, shown)
        quality = {
            scan: dice(it.versions.mask(it.versions.head(scan, 1).id), known[scan])
            for scan in (first, second)
        }
    page.wait_for_timeout(3000)
    walker.click("Train", "link")
    page.get_by_role("button", name="Start", exact=True).wait_for()
    slider = page.get_by_role("slider").first
    dial, thumb = page.get_by_test_id("stSlider").bounding_box(), slider.bounding_box()
    assert dial is not None
    assert thumb is not None
    share = _LENGTHS.index(minutes) / (len(_LENGTHS) - 1)
    across = dial["x"] + thumb["width"] / 2 + share * (dial["width"] - thumb["width"])
    page.mouse.click(across, thumb["y"] + thumb["height"] / 2)
    walker.count += 1
    page.wait_for_timeout(1500)
    wanted = {f"{minutes:g} min", f"{60 * minutes:g} s"}
    for _ in range(12):  # a click beside it is set right by keys
        said = slider.get_attribute("aria-valuetext") or ""
        if said in wanted:
            break
        now = next(k for k, m in enumerate(_LENGTHS) if said in {f"{m} min", f"{60 * m} s"})
        slider.press("ArrowLeft" if _LENGTHS[now] > minutes else "ArrowRight")
        walker.count += 1
        page.wait_for_timeout(500)
    assert slider.get_attribute("aria-valuetext") in wanted, "the dial"
    page.wait_for_timeout(1500)
    trained(walker, workspace, 1)
    page.wait_for_timeout(4000)
    walker.picture("train")
    walker.click("Review", "link")
    page.get_by_text("Drawn by people").wait_for()  # the scan that was worked on last
    page.locator(".viewer .state.saved").wait_for()
    walker.picture("sign")
    with page.expect_response(lambda r: "/found/" in r.url):
        walker.click("Sign")
    page.locator(".viewer .state.saved").wait_for()
    walker.picture("review")
    with page.expect_response(lambda r: "/found/" in r.url):
        walker.click("Accept")
    counted, lasted = walker.count, (time.monotonic() - began) / 60
    with Workspace(workspace) as it:
        accepted = next(r for p in it.models.predictions() for r in it.reviews.of(p.id))
        found = it.models.mask(accepted.prediction_id).data
        assert (it.versions.mask(accepted.version_id).data == found).all()
        drawn = it.versions.head(second, 1).id
        assert len(it.reviews.approving([drawn])[drawn]) == 1
    walker.click("Correct")
    page.locator(".viewer .state.saved").wait_for()
    walker.until("v.isReady && /^\\d+-\\d+$/.test(v.data.case) && v.keeper.version > 0")
    corrected = int(walker.ask("v.data.case").split("-")[0])
    before = int(walker.ask("v.keeper.version"))
    paint(walker, known[corrected])
    walker.saved(before)
    walker.click("Review", "link")
    walker.click("My outline is the correction")
    page.wait_for_timeout(4000)
    walker.click("Train", "link")
    page.get_by_role("button", name="Start", exact=True).wait_for()
    page.wait_for_timeout(2000)
    assert f"{minutes:g} min" in (slider.get_attribute("aria-valuetext") or ""), "as chosen before"
    trained(walker, workspace, 2)
    walker.click("Export", "link")
    page.get_by_text("For the archive").first.click()
    page.wait_for_timeout(2000)
    walker.picture("export")
    page.get_by_role("button", name="Export 3 scans").click()
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download").click()
    archive = there / "export.zip"
    fetched.value.save_as(archive)
    complaints = checked(archive, there / "exported")
    walker.click("Label sets", "link")
    page.get_by_role("button").first.wait_for()
    walker.picture("label_sets")
    walker.click("People", "link")
    page.get_by_role("textbox", name="Name", exact=True).wait_for()
    walker.picture("people")
    return {
        "clicks and keys to the first review": counted,
        "strokes, boxes and clicks": walker.painting,
        "minutes to the first review": round(lasted, 1),
        "minutes in all": round((time.monotonic() - began) / 60, 1),
        "Dice of what was painted, and of what was outlined with help": quality,
        "complaints of dciodvfy": complaints,
    }


def only(mask: Mask, labels: Labels) -> Mask:
    """Of a mask, the structures of a table, by name."""
    data = torch.zeros_like(mask.data)
    for label in labels:
        data[0][mask.structure(label.name)] = label.id
    return Mask(data, mask.grid, labels)


def dice(found: Mask, truth: Mask) -> float:
    """The mean over the structures that there are."""
    rows = []
    for label in truth.labels:
        a, b = found.structure(label.name), truth.structure(label.name)
        if b.any():
            rows.append(2 * int((a & b).sum()) / int(a.sum() + b.sum()))
    return round(float(np.mean(rows)), 3)


def checked(archive: Path, to: Path) -> list[str]:
    """What dciodvfy calls an error in the exported files."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(to)
    tool = shutil.which("dciodvfy")
    assert tool is not None, "install dicom3tools"
    files = list(to.rglob("*.dcm"))
    assert files
    said: list[str] = []
    for path in files:
        ran = subprocess.run([tool, path], capture_output=True, text=True, check=False)
        said += [line for line in ran.stderr.splitlines() if line.startswith("Error")]
    return said


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = [sys.executable, "-m", "medlib.cli", "app", "--no-browser", "--port", str(port)]
    with tempfile.TemporaryDirectory() as work, sync_playwright() as it:
        server = subprocess.Popen(said, cwd=work, env={**os.environ}, stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            server.stdout.readline()
            browser = it.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
            page = browser.new_page(viewport={"width": 1500, "height": 950})
            page.set_default_timeout(_PATIENCE)
            walker = Walker(page, given.folder)
            try:
                found = walk(walker, Path(work), f"http://localhost:{port}/", given.minutes)
            except BaseException:
                page.screenshot(path=given.folder / "where_it_ended.png")
                raise
            for what, value in found.items():
                print(f"{what}: {value}")
            browser.close()
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
