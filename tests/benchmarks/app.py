"""How long a reader waits for the apps, on a CT of 512 × 512 × 200 voxels.

    python tests/benchmarks/app.py [--json FILE] [--repeats N]

A real server on this machine serves a workspace of one made-up CT. Scan and pages are fetched by
a real browser (Chromium, where there is one, drawing without a graphics card), what is saved and
asked for goes over HTTP as the browser sends it, packing included. Medians, in seconds; beside
them what is aimed at.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medlib.io import write_nifti
from medlib.resources import folder
from medlib.space import Grid
from medlib.types import CTVolume, Mask
from medlib.workspace import Workspace

sys.path.append(str(folder("apps")))  # as Streamlit does for the pages

from serving.reduced import Blocks
from serving.shelf import Case, Shelf
from serving.wire import Patch, unpack

SHAPE = (200, 512, 512)
CENTRE, RADII = np.array([100, 250, 200]), np.array([55, 90, 85])  # voxels of the organ
CASE = Case(1, 1)
_CHROMIUM = next(
    (p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), ""
)


@dataclass(frozen=True)
class Figure:
    """Something that was measured: seconds, and how many at most are aimed at."""

    what: str
    seconds: float
    aim: float


def made(there: Path) -> Workspace:
    """A workspace of one CT: a body with an organ, and noise as scanners have."""
    grid = Grid.from_axes(SHAPE, spacing=(1.5, 0.8, 0.8))
    _, i, j = np.ogrid[tuple(slice(n) for n in SHAPE)]
    body = ((i - 256) / 190) ** 2 + ((j - 256) / 235) ** 2 < 1
    voxels = np.where(body, 40, -1000).astype(np.int16) * np.ones((SHAPE[0], 1, 1), np.int16)
    voxels[organ()] = 130
    draw = np.random.default_rng(0)
    voxels += draw.normal(0, 12, SHAPE).astype(np.int16)
    write_nifti(CTVolume(torch.from_numpy(voxels)[None], grid), there / "ct.nii.gz")
    workspace = Workspace(there / "workspace")
    workspace.scans.add(there / "ct.nii.gz", by="ada", kind="ct", file_names=True, copy=False)
    workspace.label_sets.add("organs", ["organ", "other"], by="ada")
    mask = Mask(
        torch.from_numpy(organ().astype(np.uint8))[None], workspace.scans.grid(1),
        workspace.versions.labels(1),
    )  # fmt: skip
    workspace.versions.save_mask(1, 1, mask, base=None, by="ada")
    return workspace


def organ() -> np.ndarray[Any, np.dtype[np.bool_]]:
    axes = np.ogrid[tuple(slice(n) for n in SHAPE)]
    away = sum(((x - c) / r) ** 2 for x, c, r in zip(axes, CENTRE, RADII, strict=True))
    return np.asarray(away < 1)


@contextmanager
def serving(there: Path) -> Iterator[int]:
    """The apps; gives the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = [sys.executable, "-m", "streamlit", "run", str(folder("apps") / "app.py")]
    said += [
        "--server.port",
        str(port),
        "--server.headless",
        "true",
        "--",
        str(there / "workspace"),
    ]
    with subprocess.Popen(said, cwd=there, stdout=subprocess.DEVNULL) as server:
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=1)
                    break
                except OSError:
                    time.sleep(0.1)
            yield port
        finally:
            server.terminate()


class Reader:
    """Asks as the browser does."""

    def __init__(self, port: int, shelf: Shelf) -> None:
        self._link = http.client.HTTPConnection("localhost", port)
        self._leave = {"Authorization": f"Bearer {shelf.sign(CASE, 'ada', 'label')}"}
        self._mark = shelf.mark(CASE, Blocks(shelf.grid(CASE)))

    def ask(self, method: str, what: str, body: bytes | None = None) -> bytes:
        self._link.request(method, f"/medlib/cases/{CASE}/{what}", body, self._leave)
        answer = self._link.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {what}: {answer.status} {content[:300]!r}")
        return content

    def save(self, base: int, size: tuple[int, int, int]) -> int:
        """Saves a box about the organ's middle; the new version's number."""
        start = [max(0, int(c) - n // 2) for c, n in zip(CENTRE, size, strict=True)]
        ids = (
            organ()[tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))]
        ) * np.uint8(1)
        ids.flat[base] = 2  # that no two are alike
        said = {"scan": self._mark, "seen": {"whole": False, "slices": []}, "annotated": None}
        patch = Patch(ids, (start[0], start[1], start[2]), said)
        self.begun = time.perf_counter()
        body = gzip.compress(patch.pack(), 6, mtime=0)
        version: int = json.loads(self.ask("PUT", f"mask?base={base}", body))["version"]
        return version

    def help(self, base: int, **wanted: Any) -> Patch:
        body = gzip.compress(Patch(said={"scan": self._mark, "structure": 1, **wanted}).pack())
        answer = self.ask("POST", f"assist?base={base}", body)
        return unpack(answer, SHAPE)


def timed(act: Callable[[], object], repeats: int) -> float:
    """The median, after one that counts for nothing."""
    act()
    found = []
    for _ in range(repeats):
        begun = time.perf_counter()
        act()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def over_http(reader: Reader, repeats: int) -> Iterator[Figure]:
    base = 1
    for words, size in (
        ("mask saved: a stroke on a slice", (1, 64, 64)),
        ("mask saved: an organ", (110, 180, 170)),
        ("mask saved: all voxels", SHAPE),
    ):
        found = []
        for _ in range(repeats + 1):
            base = reader.save(base, size)
            found.append(time.perf_counter() - reader.begun)
        yield Figure(words, statistics.median(found[1:]), 1.5)
    # A box of 96³ voxels across the organ's upper rim; the viewer counts rows from the back.
    middle = [int(CENTRE[2]) - 40, SHAPE[1] - 1 - int(CENTRE[1]), int(CENTRE[0])]
    middle[0] = SHAPE[2] - 1 - middle[0]
    box = [[n - 48 for n in middle], [n + 47 for n in middle]]
    clicks: dict[str, Any] = {"action": "click", "inside": [middle], "outside": [], "box": box}
    yield Figure("click in a box of 96³ voxels", timed(lambda: reader.help(base, **clicks), 9), 0.3)
    clicks["inside"] = [middle, [n + 20 for n in middle]]
    clicks["outside"] = [box[0], box[1]]
    yield Figure("the fourth click there", timed(lambda: reader.help(base, **clicks), 9), 0.3)

    def between() -> None:
        reader.help(sparse, action="between", axis=0)

    sparse = _sparse(reader, base)
    yield Figure("fill between slices, one in ten drawn", timed(between, repeats), 1.0)
    yield Figure("smooth", timed(lambda: reader.help(base, action="smooth"), repeats), 1.0)


def _sparse(reader: Reader, base: int) -> int:
    """The organ on every tenth slice only."""
    ids = organ().astype(np.uint8)
    ids[[k for k in range(SHAPE[0]) if k % 10]] = 0
    said = {"scan": reader._mark, "seen": {"whole": False, "slices": []}, "annotated": None}
    body = gzip.compress(Patch(ids, (0, 0, 0), said).pack(), 1)
    version: int = json.loads(reader.ask("PUT", f"mask?base={base}", body))["version"]
    return version


_FILTERS = (
    '[data-testid="stMainBlockContainer"] [data-testid="stTextInput"]:visible'  # of the worklist
)
_FETCH = """async ([url, leave]) => {
  const begun = performance.now();
  const answer = await fetch(url, {headers: leave, cache: "no-store"});
  const bytes = (await answer.arrayBuffer()).byteLength;
  return [bytes, (performance.now() - begun) / 1000];
}"""


def in_browser(port: int, reader: Reader, repeats: int) -> Iterator[Figure]:
    from playwright.sync_api import sync_playwright

    flags = ("--headless=new", "--no-sandbox", "--use-angle=swiftshader")
    with sync_playwright() as it:
        browser = it.chromium.launch(
            executable_path=_CHROMIUM, args=[*flags, "--enable-unsafe-swiftshader"]
        )
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(180_000)
        page.goto(f"http://localhost:{port}/")
        page.get_by_role("link", name="Label", exact=True).wait_for()
        for what, aim in (("volume", 1.5), ("mask", 1.5)):
            asked = [f"/medlib/cases/{CASE}/{what}", reader._leave]
            found = [page.evaluate(_FETCH, asked)[1] for _ in range(repeats + 1)]
            yield Figure(f"{what} at the browser, from warm", statistics.median(found[1:]), aim)
        changes: dict[str, list[float]] = {"Label": [], "Worklist": []}
        for _ in range(repeats + 1):
            for name, there in (("Label", ".viewer .state.saved"), ("Worklist", _FILTERS)):
                begun = time.perf_counter()
                page.get_by_role("link", name=name, exact=True).click()
                if name == "Worklist":
                    page.locator(".viewer").wait_for(state="detached")
                page.locator(there).first.wait_for()
                changes[name].append(time.perf_counter() - begun)
        for name, found in changes.items():
            yield Figure(f"page change to {name}", statistics.median(found[1:]), 1.0)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="How long a reader waits for the apps.")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with (
        tempfile.TemporaryDirectory() as name,
        made(Path(name)) as workspace,
        serving(Path(name)) as port,
    ):
        reader = Reader(port, Shelf(workspace))
        print("| what | seconds | aim |\n|---|---|---|")
        measured = [over_http(reader, args.repeats)]
        measured += [in_browser(port, reader, args.repeats)] if _CHROMIUM else []
        figures = []
        for figure in chain(*measured):
            figures.append(figure)
            print(f"| {figure.what} | {figure.seconds:.2f} | {figure.aim:g} |", flush=True)
    if args.json:
        args.json.write_text(json.dumps([vars(figure) for figure in figures], indent=2))


if __name__ == "__main__":
    main()
