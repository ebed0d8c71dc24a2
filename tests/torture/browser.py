"""Kills a browser at random moments while somebody paints in it, and looks whether anything is lost.

    PYTHONPATH=tests python tests/torture/browser.py [kills] [seed]

does it twenty times, and prints what was seen; the suite does it a few times. Each time somebody
paints, the viewer says that it is saved, he paints on, and the whole browser is killed (SIGKILL).
What counts on the server must be one of the outlines that were on the screen, no older than the one
that was said to be saved, and never a part of a stroke. The next browser, in the same profile, shows
just that; what the dead one had put into its own store is offered, and is whole when it is brought
back.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from browsers import CHROMIUM, FLAGS, Server, ask, enter, saved, show
from phantoms import phantom
from playwright.sync_api import Error, Page, Playwright, sync_playwright

from medlib.workspace import Workspace

PLACES = [(x, y) for y in (-18.0, -6.0, 6.0) for x in (-24.0, -12.0, 0.0, 12.0, 24.0)]  # LPS mm
LEVELS = tuple(range(-20, 40, 3))  # likewise; each kill has a slice of its own to paint in
LONGEST = 6.0  # s of painting before a kill
BETWEEN = 300  # ms between strokes
_IDS = "[...v.outline.ids.keys()].filter(n => v.outline.ids[n])"
_LEFT = """() => new Promise(done => {
  indexedDB.open("medlib", 1).onsuccess = ({ target: { result } }) => {
    if (!result.objectStoreNames.contains("unsaved")) { result.close(); done(0); return; }
    result.transaction("unsaved").objectStore("unsaved").count().onsuccess =
      ({ target }) => { result.close(); done(target.result); };
  };
})"""

Outline = frozenset[int]


@dataclass(frozen=True)
class Row:
    """What was seen after a kill.

    Args:
        strokes: painted since the viewer said that it was saved.
        kept: of these, on the server.
        offered: whether the next browser offered what the dead one had not saved.
        back: of the strokes, on the server once that was brought back.
    """

    strokes: int
    kept: int
    offered: bool
    back: int


class Painter:
    """Somebody at a browser whose profile outlives it."""

    def __init__(self, playwright: Playwright, there: Path, server: Server) -> None:
        self._playwright, self._there, self._server = playwright, there, server
        self._scan = nibabel.load(there / "case_1.nii.gz")
        self.page: Page
        self._context: Any = None

    def open(self) -> None:
        """A new browser, with the scan on the Label page."""
        self._context = self._playwright.chromium.launch_persistent_context(
            self._profile, executable_path=CHROMIUM, args=[*FLAGS],
            viewport={"width": 1500, "height": 950},
        )  # fmt: skip
        self.page = self._context.pages[0]
        self.page.set_default_timeout(90_000)
        enter(self.page, self._server)
        self.page.wait_for_function(
            "root => root.viewer.isReady", arg=self.page.locator(".viewer").element_handle()
        )

    @property
    def _profile(self) -> Path:
        return self._there / "profile"

    def seen(self) -> Outline:
        """The voxels that are outlined on the screen."""
        return frozenset(ask(self.page, _IDS))

    def paint(self, place: tuple[float, float], level: float) -> Outline:
        """One stroke; what is on the screen then."""
        x, y = show(self.page, (*place, level), self._scan)[0]
        self.page.mouse.click(x, y)
        return self.seen()

    def kill(self) -> None:
        """End the browser with all its processes, as a power cut would."""
        for group in self._groups():
            os.killpg(group, signal.SIGKILL)

    def bury(self) -> None:
        """Wait until nothing of it is left, and let go of it."""
        for _ in range(600):
            if not self._groups():
                break
            time.sleep(0.1)
        with suppress(Error):  # it is closed
            self._context.close()

    def _groups(self) -> set[int]:
        """The process groups of browsers in this profile, which are their own."""
        wanted = f"--user-data-dir={self._profile}".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and wanted in (entry / "cmdline").read_bytes():
                    found.add(os.getpgid(int(entry.name)))
            except OSError:  # it has just ended
                continue
        return found - {os.getpgrp()}


def on_server(there: Path) -> Outline:
    """The voxels of the version that counts, in the order of the viewer's."""
    with Workspace(there / "workspace") as workspace:
        head = workspace.versions.head(1, 1)
        if head is None:
            return frozenset()
        mask = workspace.versions.mask(head.id).data[0].numpy()
    # The phantom is stored towards left and back, the viewer's is towards right and front.
    return frozenset(np.flatnonzero(mask[:, ::-1, ::-1]).tolist())


def which(found: Outline, seen: Sequence[Outline], disc: int) -> int:
    """How many strokes of those after the first of ``seen`` an outline has.

    The last stroke may have been sent before anybody could look at the screen: then it is one more
    disc, and a whole one.
    """
    for number, outline in enumerate(seen):
        if found == outline:
            return number
    more = len(found - seen[-1])
    assert seen[-1] <= found, "what counts was never on the screen"
    assert 0.8 * disc <= more <= 1.25 * disc, f"{more} voxels of a stroke of about {disc}"
    return len(seen)


def torment(there: Path, *, kills: int, seed: int = 0) -> list[Row]:
    """Kill a browser so often, the last time when it has put away what is not saved; a row a kill."""
    assert kills <= len(LEVELS), f"no more than {len(LEVELS)} slices can be painted in"
    draw = random.Random(seed)
    nibabel.save(phantom(), there / "case_1.nii.gz")
    with Workspace(there / "workspace") as workspace:
        workspace.scans.add(there / "case_1.nii.gz", by="ada", kind="ct", file_names=True)
        workspace.label_sets.add("organs", ["liver"], by="ada")
    server = Server(there)
    try:
        with sync_playwright() as playwright:
            painter = Painter(playwright, there, server)
            painter.open()
            rows = []
            for number in range(kills):
                delay = draw.uniform(0, LONGEST) if number < kills - 1 else None
                rows.append(once(painter, there, LEVELS[number], delay))
            painter.kill()
            painter.bury()
    finally:
        server.kill()
    with Workspace(there / "workspace") as workspace:
        assert workspace.verify() == ()
    return rows


def _until(holds: Callable[[], bool]) -> None:
    """Playwright itself takes a promise, which the browser's store answers by, for true."""
    for _ in range(900):
        if holds():
            return
        time.sleep(0.1)
    raise TimeoutError("it does not come about")


def once(painter: Painter, there: Path, level: float, delay: float | None) -> Row:
    """Paint, be told that it is saved, paint on, die, and look; again as it was before, afterwards.

    Args:
        painter: at an open browser.
        there: the folder of the workspace.
        level: of the strokes.
        delay: seconds after which it dies; None for as soon as a stroke lies in its store.
    """
    page, before = painter.page, painter.seen()
    version = ask(page, "v.keeper.version")
    page.locator(".viewer").press("b")
    seen = [painter.paint(PLACES[0], level)]
    saved(page, version)
    _until(lambda: not page.evaluate(_LEFT))  # the store lets go of it a moment later
    disc = len(seen[0] - before)
    assert disc > 5
    assert on_server(there) == seen[0], "it was said to be saved"
    if delay is None:
        seen.append(painter.paint(PLACES[1], level))
        _until(lambda: page.evaluate(_LEFT) > 0)
        painter.kill()
    else:
        timer = threading.Timer(delay, painter.kill)
        timer.start()
        try:
            for place in PLACES[1:]:
                seen.append(painter.paint(place, level))
                page.wait_for_timeout(BETWEEN)
            page.wait_for_timeout(2_000 * LONGEST)
        except Error:  # it is dead
            timer.join()
    painter.bury()
    return looked(painter, there, seen, disc)


def looked(painter: Painter, there: Path, seen: Sequence[Outline], disc: int) -> Row:
    """What a new browser and the server have, and have again once what was left is brought back."""
    painter.open()  # what was on its way to the server has come meanwhile
    page, found = painter.page, on_server(there)
    kept = which(found, seen, disc)
    assert painter.seen() == found, "the next browser shows what counts"
    is_left = page.evaluate(_LEFT) > 0
    offer = page.get_by_role("button", name="Bring it back")
    if not is_left:
        assert not offer.is_visible()
        return Row(len(seen) - 1, kept, False, kept)
    offer.wait_for()
    offer.click()
    both = page.get_by_role("button", name="Keep both")
    mine = page.get_by_role("button", name="Keep mine as the newest")
    _until(lambda: not page.evaluate(_LEFT) or mine.is_visible())
    if mine.is_visible():  # some had come to the server, and nobody was left to be told so
        (both if both.is_visible() else mine).click()
        _until(lambda: not page.evaluate(_LEFT))
    page.locator(".viewer .state.saved").wait_for()
    back = which(on_server(there), seen, disc)
    assert back >= kept, "bringing it back lost a stroke"
    page.wait_for_function(
        f"([root, count]) => {{ const v = root.viewer; return v.isReady && {_IDS}.length === count; }}",
        arg=[page.locator(".viewer").element_handle(), len(on_server(there))],
    )
    assert painter.seen() == on_server(there)
    return Row(len(seen) - 1, kept, True, back)


if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{'strokes':>8} {'on the server':>14} {'offered':>8} {'brought back':>13}")
    with tempfile.TemporaryDirectory() as place:
        chance = int(sys.argv[2]) if len(sys.argv) > 2 else 0
        for row in torment(Path(place), kills=many, seed=chance):
            print(
                f"{row.strokes:8} {row.kept:14} {'yes' if row.offered else 'no':>8} {row.back:13}"
            )
    print(f"{many} kills: no stroke in halves, nothing that was said to be saved was lost")
