"""The worker: claims jobs, has each done by a process of its own, and keeps the workspace told.

Worker and process speak through two things that outlive neither: files in the job's folder, and the
pipe to the process's standard input. Down the pipe goes a word at each heartbeat. A process that
hears none for a while, or whose pipe is closed, is nobody's any longer, and ends: or it might run
beside the next job on the same device.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sqlalchemy.exc import DBAPIError

from medlib.work.asking import folder_of, usual_device
from medlib.work.telling import OUTCOME, PROGRESS, read_json
from medlib.workspace import JobLostError, Workspace
from medlib.workspace.schema import Job

_LOG = logging.getLogger("medlib.work")
GO, STOP = "go\n", "stop\n"
_KILLED = (
    "its process was ended from outside (signal {signal}). Often the machine's memory was full: "
    "close other programs, or train on fewer scans. Starting it again goes on from where it stood"
)
_DIED = "its process ended without a word (code {code}); log.txt in its folder may say why"
_ENDED = "the worker was ended. The job was queued again, and goes on from where it stood"


class Worker:
    """Does the jobs of one device, one after another.

    Args:
        folder: of the workspace.
        database: as for :class:`medlib.workspace.Workspace`.
        device: ``"cpu"``, ``"cuda:0"``; left out, :func:`medlib.work.usual_device`.
        beat: seconds between two heartbeats.
        patience: seconds without one, after which a job counts as lost.

    Raises:
        ValueError: for a heart that beats too slowly to be waited for.
    """

    def __init__(
        self,
        folder: str | Path,
        database: str = "",
        *,
        device: str = "",
        beat: float = 1.0,
        patience: float = 60.0,
    ) -> None:
        if not 0 < 3 * beat <= patience:
            raise ValueError("a heart beats three times at least before anybody loses patience")
        self.name = f"{socket.gethostname()[:80]} {os.getpid()}"
        self.folder, self.database = Path(folder), database
        self.device = device or usual_device()
        self.beat, self.patience = beat, patience
        self._ending = threading.Event()

    def end(self) -> None:
        """Ask it to end: what it is at is queued again. May be called from anywhere."""
        self._ending.set()

    def run(self) -> None:
        """Do jobs until :meth:`end`."""
        with Workspace(self.folder, self.database) as workspace:
            _LOG.info("%s works on %s, on %s", self.name, self.folder, self.device)
            while not self._ending.is_set():
                if not self.work(workspace):
                    self._ending.wait(self.beat)

    def work(self, workspace: Workspace) -> bool:
        """Do one job, if there is one to do; say whether there was."""
        try:
            job = workspace.jobs.claim(self.device, self.name, patience=self.patience)
        except DBAPIError as error:
            _LOG.warning("the database cannot be reached: %s", type(error.orig).__name__)
            return False
        if job is None:
            return False
        _LOG.info("job %s: %s", job.id, job.kind)
        try:
            self._do(workspace, job)
        except JobLostError as lost:
            _LOG.warning("%s", lost)
        return True

    def _do(self, workspace: Workspace, job: Job) -> None:
        there = folder_of(workspace, job.id)
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir(parents=True)
        with (there / "log.txt").open("wb") as log:
            process = self._begun(job, log)
            try:
                self._accompany(workspace, job, process, there)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
                _close(process)
        unwanted = workspace.jobs.get(job.id).cancelling
        if process.returncode and self._ending.is_set() and not unwanted:
            workspace.jobs.stop(job.id, self.name, _ENDED)
            workspace.jobs.queue(job.kind, job.request, by=job.asked_by, device=job.device)
            return
        self._conclude(workspace, job, process.returncode, there)

    def _begun(self, job: Job, log: IO[bytes]) -> subprocess.Popen[bytes]:
        card = self.device.removeprefix("cuda").removeprefix(":")
        environment = os.environ | {
            "MEDLIB_DATABASE": self.database,
            "CUDA_VISIBLE_DEVICES": "" if self.device == "cpu" else card or "0",
        }
        return subprocess.Popen(  # noqa: S603 - our own
            [
                *(sys.executable, "-m", "medlib.work.process", str(self.folder), str(job.id)),
                *("--silence", str(0.6 * self.patience)),
            ],
            env=environment, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for us: we end it, when its turn comes
        )  # fmt: skip

    def _accompany(
        self, workspace: Workspace, job: Job, process: subprocess.Popen[bytes], there: Path
    ) -> None:
        """Beat until the process has ended, or we are to end.

        Raises:
            JobLostError: when somebody else has taken us for dead.
        """
        while not self._ending.is_set():
            try:
                progress = read_json(there / PROGRESS)
                on = workspace.jobs.beat(job.id, self.name, progress)
                _say(process, GO if on else STOP)
            except DBAPIError:  # back in time, or the process ends, hearing nothing
                _LOG.warning("the database cannot be reached")
            try:
                process.wait(self.beat)
            except subprocess.TimeoutExpired:
                continue
            return

    def _conclude(self, workspace: Workspace, job: Job, code: int, there: Path) -> None:
        """Write down how it ended."""
        workspace.jobs.beat(job.id, self.name, read_json(there / PROGRESS))
        outcome: dict[str, Any] = read_json(there / OUTCOME) or {}
        if "result" in outcome:
            workspace.jobs.finish(job.id, self.name, outcome["result"])
        elif workspace.jobs.get(job.id).cancelling:
            workspace.jobs.stop(job.id, self.name)
        elif "error" in outcome:
            workspace.jobs.stop(job.id, self.name, outcome["error"])
        else:
            said = _KILLED.format(signal=-code) if code < 0 else _DIED.format(code=code)
            workspace.jobs.stop(job.id, self.name, said)
        _LOG.info("job %s: %s", job.id, workspace.jobs.get(job.id).status)


def _say(process: subprocess.Popen[bytes], word: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended; how, is seen next
        process.stdin.write(word.encode())
        process.stdin.flush()


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
