"""Kills writers of a store at random moments, and looks whether anything half-written is left.

``python tests/torture/store.py [kills]`` does it often; the suite does it a few times.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import safe_open

from medlib.data.store import Store
from medlib.space import Grid
from medlib.transforms import Item
from medlib.types import MRVolume

SIDE = 24
GRID = Grid.from_axes((SIDE, SIDE, SIDE))


class Forked:
    """A child process, which need not import everything anew."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> int:
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()


def forked(work: Callable[[], int]) -> Forked:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Forked(pid)
    try:
        code = work()
    except BaseException as error:
        os.write(2, repr(error).encode())
        code = 2
    os._exit(code)


def item(n: int) -> Item:
    # Each voxel says which item it is of and where it lies: a hole or a mixture would show.
    data = torch.arange(SIDE**3, dtype=torch.int64).reshape(1, SIDE, SIDE, SIDE) + n * SIDE**3
    return Item((MRVolume(data, GRID),), name=str(n))


def write(folder: Path, seed: int) -> int:
    warnings.simplefilter("ignore")
    draw = random.Random(seed)
    store = Store(folder, limit_bytes=1_200_000, in_use_seconds=0.05)
    while True:
        n = draw.randrange(20)
        found = store.item(str(n), lambda n=n: item(n))
        if not torch.equal(found.values[0].data, item(n).values[0].data):
            return 1
        store.text(f"note {n}", lambda n=n: "x" * n)


def torment(folder: Path, *, kills: int, seed: int = 0) -> tuple[int, int]:
    """Two writers at a time, killed and replaced; the number killed, and of whole entries left."""
    draw = random.Random(seed)
    killed = 0
    writers = [forked(lambda: write(folder, seed)) for _ in range(2)]
    try:
        for n in range(kills):
            time.sleep(draw.uniform(0.005, 0.15))
            code = writers.pop(0).kill()
            assert code == -signal.SIGKILL, f"a writer met something wrong and stopped: {code}"
            killed += 1
            for leftover in folder.glob("*.part"):  # or they would soon take all the room
                with suppress(FileNotFoundError):
                    if leftover.stat().st_mtime < time.time() - 1:
                        os.utime(leftover, (0, time.time() - 3600))
            writers.append(forked(lambda n=n: write(folder, seed + n + 1)))
    finally:
        for writer in writers:
            writer.kill()
    whole = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:  # refuses what is cut short
            data = file.get_tensor("0")
        assert torch.equal(data - data.min(), item(0).values[0].data), path
        assert int(data.min()) % SIDE**3 == 0, path
        whole += 1
    store = Store(folder, limit_bytes=1 << 30)
    for n in range(20):
        assert torch.equal(
            store.item(str(n), lambda n=n: item(n)).values[0].data, item(n).values[0].data
        )
        assert store.text(f"note {n}", lambda n=n: "x" * n) == "x" * n
    for leftover in folder.glob("*.part"):
        os.utime(leftover, (0, time.time() - 3600))
    Store(folder)
    assert not list(folder.glob("*.part"))
    return killed, whole


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as name:
        print(torment(Path(name), kills=count))
