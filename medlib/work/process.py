"""A job's own process: ``python -m medlib.work.process WORKSPACE JOB``, as the worker starts it."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medlib.work.asking import Looking, Predicting, Request, Training, folder_of, read_request
from medlib.work.telling import OUTCOME, Telling, write_json
from medlib.workspace import Workspace

_FORGOTTEN, _STOPPED = 3, 4  # exit codes


class Watch:
    """Listens to the worker.

    Args:
        silence: seconds without a word, after which the worker counts as dead, and this process
            ends at once: it may not run beside the next job.

    Attributes:
        may_leave: whether nothing would be lost if the process ended at once when asked to stop.
    """

    def __init__(self, silence: float) -> None:
        self.silence = silence
        self.may_leave = True
        self._heard = time.monotonic()
        self._stopping = threading.Event()
        for listen in (self._listen, self._mistrust):
            threading.Thread(target=listen, daemon=True).start()

    @property
    def is_stopping(self) -> bool:
        """Whether somebody has asked to stop."""
        return self._stopping.is_set()

    def _listen(self) -> None:
        for word in sys.stdin:
            self._heard = time.monotonic()
            if word.strip() == "stop":
                self._stopping.set()
            if self.is_stopping and self.may_leave:
                os._exit(_STOPPED)
        os._exit(_FORGOTTEN)

    def _mistrust(self) -> None:
        while time.monotonic() - self._heard < self.silence:
            time.sleep(min(1.0, self.silence / 4))
        os._exit(_FORGOTTEN)


def main() -> None:
    """Do the job, and write down how it ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path)
    parser.add_argument("job", type=int)
    parser.add_argument("--silence", type=float, required=True)
    said = parser.parse_args()
    watch = Watch(said.silence)
    with Workspace(said.workspace, os.environ.get("MEDLIB_DATABASE", "")) as workspace:
        telling = Telling(folder_of(workspace, said.job))
        outcome = telling.folder / OUTCOME
        try:
            write_json(outcome, {"result": _done(workspace, said.job, telling, watch)})
        except Exception as error:
            traceback.print_exc()
            write_json(outcome, {"error": _in_words(error)})


def _done(workspace: Workspace, number: int, telling: Telling, watch: Watch) -> dict[str, Any]:
    job = workspace.jobs.get(number)
    request: Request = read_request(job.kind, job.request)
    telling.progress(phase="beginning")
    work: Callable[..., dict[str, Any]]
    if isinstance(request, Training):
        from medlib.work.training import train as work
    elif isinstance(request, Predicting):
        from medlib.work.predicting import predict as work
    else:
        assert isinstance(request, Looking)
        from medlib.work.looking import look as work
    return work(workspace, job, request, telling, watch)


def _in_words(error: Exception) -> str:
    """A sentence for whoever asked for the job."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "There is not enough memory. Close other programs, or train on fewer scans."
    if isinstance(error, ValueError | OSError | FloatingPointError):
        return str(error) or type(error).__name__
    return f"Something unforeseen went wrong ({type(error).__name__}); log.txt in its folder says what."


if __name__ == "__main__":
    main()
