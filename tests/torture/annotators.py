"""Twenty annotators save at once while the server is killed, and nothing of theirs may be lost.

    PYTHONPATH=tests python tests/torture/annotators.py [seconds] [sqlite|postgresql …]

does it for ten minutes on each database, and prints what was seen; the suite does it for seconds.
They label the same few scans, over the routes that the browser uses. Each reads the outline, draws
what nobody else draws, and saves it; is somebody else quicker, he saves again on top of that. The
server is killed at random moments and started anew. What was acknowledged must be there, as it was
sent; what was not must be there whole or not at all; and at the end the workspace must verify.
"""

from __future__ import annotations

import gzip
import http.client
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from postgres import serving

from medlib.io import write_nifti
from medlib.resources import folder
from medlib.space import Grid
from medlib.types import Labels, MRVolume
from medlib.workspace import Workspace

sys.path.append(str(folder("apps")))  # as Streamlit does for the pages

from serving.shelf import Case, Shelf
from serving.turning import Turn
from serving.wire import Patch, unpack

ANNOTATORS, SCANS = 20, 5
GRID = Grid.from_axes((24, 32, 32), spacing=(3.0, 1.0, 1.0))
TABLE = Labels.of([f"annotator {n}" for n in range(1, ANNOTATORS + 1)])

_SERVER = """
import sys
from pathlib import Path
from medlib.workspace import Workspace
sys.path.append(sys.argv[1])
import uvicorn
from serving.depot import Depot
from serving.routes import Scans
from serving.shelf import Shelf
from starlette.applications import Starlette
workspace = Workspace(Path(sys.argv[2]), sys.argv[3])
routes = Scans(Shelf(workspace), Depot(workspace.derived / "browser")).routes()
uvicorn.run(Starlette(routes=routes), port=int(sys.argv[4]), log_level="error")
"""


@dataclass
class Seen:
    """What the annotators saw.

    Args:
        statuses: answers, by HTTP status; 0 where there was none.
        kept: the voxels of each version that was acknowledged, set-aside ones too.
        sent: digests of whatever was sent, acknowledged or not.
        complaints: what must not happen.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    kept: dict[int, bytes] = field(default_factory=dict)
    sent: set[bytes] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


class Server:
    """The routes in a process of their own, which may be killed."""

    def __init__(self, there: Path, database: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._said = [str(folder("apps")), str(there), database, str(self.port)]
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", _SERVER, *self._said])
        while True:
            assert self._process.poll() is None, "the server ended"
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)

    def kill(self) -> None:
        """And start anew."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """At once, as if the power had failed."""
        self._process.kill()
        self._process.wait()


class Annotator(threading.Thread):
    """Somebody who labels, on and on.

    Args:
        number: 1, 2, …; the structure that he paints.
        port: of the server.
        links: leave for each case.
        seen: to be told what is seen.
        until: ``time.monotonic()`` of the end.
        least: how many versions there are to be by then.
    """

    def __init__(
        self,
        number: int,
        port: int,
        links: dict[Case, str],
        seen: Seen,
        until: float,
        least: int,
    ) -> None:
        super().__init__()
        self._number, self._port, self._links = number, port, links
        self._seen, self._until, self._least = seen, until, least
        self._draw = random.Random(number)

    def run(self) -> None:
        # On a busy machine the time may be over before anything was tried.
        while (now := time.monotonic()) < self._until or (
            len(self._seen.kept) < self._least and now < self._until + 120
        ):
            try:
                self._label(self._draw.choice(list(self._links)))
            except (OSError, http.client.HTTPException):  # the server was killed
                self._seen.statuses[0] += 1
                time.sleep(0.2)
            except Exception as error:
                self._seen.complaints.append(repr(error))
                raise

    def _label(self, case: Case) -> None:
        begun, version = self._read(case)
        merges = None
        for _ in range(4):  # somebody is quicker again and again: another scan, then
            drawn = begun.copy()
            place = tuple(self._draw.randrange(n) for n in GRID.shape)
            drawn[place] = self._number
            status, said = self._save(case, drawn, version, merges)
            if status == 200:
                self._seen.kept[said["version"]] = drawn.tobytes()
                return
            if status != 409:
                return
            self._seen.kept[said["aside"]] = drawn.tobytes()
            merges = said["aside"]
            begun, version = self._read(case)
            if version != said["newest"]:
                merges = None  # it moved on once more: mine stays aside, and I begin afresh

    def _read(self, case: Case) -> tuple[np.ndarray, int]:
        answer, body = self._ask("GET", case, "mask")
        if answer.status != 200:
            raise http.client.HTTPException(f"no mask: {answer.status}")
        turn = Turn.of(GRID)
        patch, drawn = unpack(body, turn.turned), np.zeros(GRID.shape, np.uint8)
        if patch.ids.size:
            turn.view(drawn)[patch.window] = patch.ids
        self._said = patch.said
        return drawn, int(answer.headers["X-Version"])

    def _save(
        self, case: Case, drawn: np.ndarray, base: int, merges: int | None
    ) -> tuple[int, dict[str, Any]]:
        self._seen.sent.add(drawn.tobytes())
        query = f"mask?base={base}" + ("" if merges is None else f"&merges={merges}")
        patch = Patch(Turn.of(GRID).view(drawn), (0, 0, 0), self._said)
        answer, body = self._ask("PUT", case, query, gzip.compress(patch.pack(), 1))
        return answer.status, json.loads(body)

    def _ask(
        self, method: str, case: Case, what: str, body: bytes | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {self._links[case]}"}
            link.request(method, f"/medlib/cases/{case}/{what}", body, headers)
            answer = link.getresponse()
            content = answer.read()
        finally:
            link.close()
        self._seen.statuses[answer.status] += 1
        if answer.status not in {200, 409}:
            self._seen.complaints.append(
                f"{method} was answered {answer.status}: {content[:200]!r}"
            )
        return answer, content


@contextmanager
def labelled(there: Path, database: str) -> Iterator[tuple[Workspace, dict[Case, str]]]:
    """A workspace of a few scans, and leave to label each."""
    with Workspace(there / "workspace", database) as workspace:
        for number in range(SCANS):
            draw = torch.Generator().manual_seed(number)
            scan = MRVolume(torch.randn(1, *GRID.shape, generator=draw), GRID)
            write_nifti(scan, there / f"case_{number}.nii.gz")
        workspace.scans.add(there, by="ada", kind="mr", file_names=True)
        asked = workspace.label_sets.add("all", TABLE, by="ada")
        shelf = Shelf(workspace)
        cases = [Case(entry.scan.id, asked.id) for entry in workspace.scans.list()]
        yield workspace, {case: shelf.sign(case, "ada", "label") for case in cases}


def torment(
    there: Path, database: str, *, seconds: float, kills: int, least: int = 0, seed: int = 0
) -> Seen:
    """Let them label, until at least so many versions are there, and look at what is left.

    Raises:
        AssertionError: saying what was lost, mixed, half-written or answered wrongly.
    """
    seen = Seen()
    draw = random.Random(seed)
    with labelled(there, database) as (workspace, links):
        server = Server(workspace.folder, database)
        until = time.monotonic() + seconds
        annotators = [
            Annotator(n, server.port, links, seen, until, least) for n in range(1, ANNOTATORS + 1)
        ]
        try:
            for one in annotators:
                one.start()
            for moment in sorted(draw.uniform(0.1, 0.9) * seconds for _ in range(kills)):
                time.sleep(max(0.0, until - seconds + moment - time.monotonic()))
                server.kill()
            for one in annotators:
                one.join()
        finally:
            server.stop()
        assert not seen.complaints, seen.complaints[:5]
        check(workspace, links, seen)
    return seen


def check(workspace: Workspace, links: dict[Case, str], seen: Seen) -> None:
    """Nothing acknowledged is lost, nothing is mixed or half-written, and the line is unbroken."""
    there = set()
    for case in links:
        line = workspace.versions.history(case.scan, case.label_set)
        numbers = {version.id for version in line}
        there |= numbers
        for version in line:
            voxels = workspace.versions.mask(version.id).data[0].numpy().tobytes()
            assert voxels in seen.sent, f"version {version.id} was never sent like that"
            assert seen.kept.get(version.id, voxels) == voxels, f"version {version.id} is mixed up"
            assert version.parent_id is None or version.parent_id in numbers
        kept = [version for version in line if not version.aside]
        before = [None, *[version.id for version in kept]]
        assert [version.parent_id for version in kept] == before[:-1], "a save went over another"
        head = workspace.versions.head(case.scan, case.label_set)
        assert (head.id if head else None) == before[-1]
    assert not (lost := sorted(set(seen.kept) - there)), f"versions {lost[:5]} were acknowledged"
    assert workspace.verify() == ()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    for name in sys.argv[2:] or ["sqlite", "postgresql"]:
        place = serving(_program) if name == "postgresql" else nullcontext(lambda: "")
        there = Path(tempfile.mkdtemp(prefix="annotators"))
        with place as address:
            began = time.monotonic()
            seen = torment(there, address(), seconds=seconds, kills=max(1, int(seconds / 30)))
        shutil.rmtree(there)
        statuses = dict(sorted(seen.statuses.items()))
        print(
            f"{name}: {ANNOTATORS} annotators, {time.monotonic() - began:.0f} s, "
            f"{max(1, int(seconds / 30))} kills; answers by status {statuses} (0: none); "
            f"{len(seen.kept)} versions acknowledged, all there as they were sent",
            flush=True,
        )


def _program(name: str) -> Path:
    if (found := shutil.which(name)) is None:
        raise FileNotFoundError(f"there is no {name} on this machine")
    return Path(found)


if __name__ == "__main__":
    main()
