"""What a job's process leaves in its folder, for the worker and for pages to read.

``progress.json`` is replaced as a whole, ``curve.jsonl`` has a line more now and then,
``pictures/*.png`` are pictures, and ``outcome.json`` says how it ended. They name scans by number.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from medlib.io.files import written_whole

PROGRESS, OUTCOME, CURVE, PICTURES = "progress.json", "outcome.json", "curve.jsonl", "pictures"
_PAUSE = 0.5  # seconds between two writings


class Telling:
    """Writes what happens in a job.

    Args:
        folder: of the job.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: dict[str, Any] = {}
        self._written = 0.0

    def progress(self, **said: Any) -> None:
        """Say how far it has come: ``phase`` in words, ``done`` from 0 to 1, ``left`` in seconds.

        What is not said stays as it was; None takes it back.
        """
        fresh = said.get("phase", self.said.get("phase")) != self.said.get("phase")
        self.said = {k: v for k, v in (self.said | said).items() if v is not None}
        if fresh or time.monotonic() - self._written >= _PAUSE:
            write_json(self.folder / PROGRESS, self.said)
            self._written = time.monotonic()

    def line(self, **said: Any) -> None:
        """Add a line to the curve."""
        with (self.folder / CURVE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(said, allow_nan=False) + "\n")

    def picture(self, name: str) -> Path:
        """Where a picture is to be written."""
        there = self.folder / PICTURES
        there.mkdir(exist_ok=True)
        return there / f"{name}.png"


def write_json(path: Path, said: Any) -> None:
    """Replace a file as a whole."""
    with written_whole(path) as partial:
        partial.write_text(json.dumps(said, allow_nan=False), encoding="utf-8")


def read_json(path: Path) -> Any:
    """What a file says; None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """The lines of a job's curve so far; the last may be half written, and is left out then."""
    path = folder / CURVE
    if not path.exists():
        return []
    *whole, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole]
