"""A training in a program of its own, and how what it outlines is measured: alike for all benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from real_sets import Agreement, RealSet, agreement

Run = dict[str, Any]


def outlined(
    program: Path, job: Mapping[str, Any], data: RealSet, threads: int | None = None
) -> tuple[Run, list[Agreement]]:
    """Train, outline, and measure.

    Args:
        program: of ``peers/``; it is called with the job and the folder for what it finds.
        job: plain JSON values; ``test`` names the scans to outline, and their label maps.
        data: that they are of.
        threads: that it may run on; left out, as many as there are cores.

    Returns:
        What the program told of itself, and how each of the scans was outlined.
    """
    limited = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as work:
        said, found = Path(work) / "job.json", Path(work) / "found"
        said.write_text(json.dumps(job), encoding="utf-8")
        subprocess.run(
            [sys.executable, program, said, found],
            check=True,
            stdout=sys.stderr,
            env=os.environ | limited,
        )
        told: Run = json.loads((found / "told.json").read_text(encoding="utf-8"))
        return told, [
            agreement(found / scan, data.labels / label, data) for scan, label in job["test"]
        ]


def journal_of(path: Path | None) -> list[Run]:
    """The runs that were written down."""
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write_down(path: Path | None, runs: Iterable[Run]) -> None:
    """Add runs to a journal, if there is one."""
    if path is not None:
        with path.open("a", encoding="utf-8") as journal:
            journal.writelines(json.dumps(run) + "\n" for run in runs)
