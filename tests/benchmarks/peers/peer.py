"""A library in a process of its own, in an environment of its own where it needs one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_WORKER = Path(__file__).with_name("worker.py")
_THREADS = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    ),
    "2",
)


@dataclass(frozen=True)
class Work:
    """A piece of work that each library is asked for.

    Args:
        name: what it is called, here and on each side.
        changes: which of scan and labels it should change.
        input: the scan it is done to.
    """

    name: str
    changes: frozenset[str]
    input: str = "phantom"


class Peer:
    """A library that answers requests for work; to be entered and left, as files are.

    Args:
        name: of the library, with its version.
        module: its side, in this folder.
        inputs: the folder of the scans.
        python: the interpreter that has the library.
    """

    def __init__(
        self, name: str, module: str, inputs: Path, python: Path | str = sys.executable
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [str(python), str(_WORKER), module, str(inputs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | _THREADS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def look(self, work: Work) -> dict[str, Any] | None:
        """What the work does, or None where the library does not offer it.

        Raises:
            RuntimeError: when the work fails, leaves as it is what it should change, or changes
                what it should leave.
        """
        found = self._ask(work, 0)
        if "missing" in found:
            return None
        changed = {part for part in ("scan", "labels") if found[f"{part}_changed"]}
        if changed != work.changes or not found["finite"]:
            raise RuntimeError(f"{self.name}, {work.name}: not what it should do: {found}")
        return found

    def time(self, work: Work, times: int) -> list[float]:
        """Seconds of each time.

        Raises:
            RuntimeError: when the work fails.
        """
        seconds: list[float] = self._ask(work, times)["seconds"]
        return seconds

    def _ask(self, work: Work, times: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"work": work.name, "input": work.input, "times": times}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its process has ended"}
        if "error" in answer:
            raise RuntimeError(f"{self.name}, {work.name}: {answer['error']}")
        return answer


def environment(home: Path, requirement: str) -> Path:
    """The interpreter of an environment in ``home`` with one package more, made if need be.

    What the package needs and this environment has is shared, torch before all: pip sees it, and
    leaves it alone.
    """
    python = home / "bin" / "python"
    ready = home / "ready"
    if not ready.exists():
        venv.create(home, clear=True)
        own = subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        )
        Path(own.strip(), "shared.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        # Without the second requirement pip may put the newest torch for CUDA beside the shared one.
        subprocess.check_call([*pip, requirement, f"torch=={version('torch')}"])
        ready.touch()
    return python
