"""The apps on a server of their own, and what a test asks of the viewer in a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
from oracles import oracle

from medlib.resources import folder

nibabel = oracle("nibabel")

FLAGS = (
    *("--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
CHROMIUM = next(
    (p for p in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(p).exists()), ""
)


class Server:
    """The apps, which can be killed and started anew at the same address."""

    def __init__(self, there):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://localhost:{port}/"
        self._there, self._port = there, port
        self.start()

    def start(self):
        said = [sys.executable, "-m", "streamlit", "run", str(folder("apps") / "app.py")]
        said += ["--server.port", str(self._port), "--server.headless", "true"]
        said += ["--", str(self._there / "workspace")]
        self._process = subprocess.Popen(
            said, cwd=self._there, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        _wait_for(f"{self.address}_stcore/health", self._process)

    def kill(self):
        self._process.kill()
        self._process.wait()


def _wait_for(url, server):
    for _ in range(900):
        assert server.poll() is None, "the server ended"
        try:
            return urllib.request.urlopen(url, timeout=1).read()
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


def enter(page, server):
    """The Label page, with its first scan."""
    page.goto(server.address)
    page.get_by_role("link", name="Label", exact=True).click()
    page.locator(".viewer .state.saved").wait_for()


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
