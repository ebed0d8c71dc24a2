"""Work that is asked for, done in the test's own process."""

from dataclasses import dataclass

from medlib.work import ask, folder_of
from medlib.work.telling import Telling


@dataclass
class Patient:
    """Nobody asks to stop."""

    is_stopping: bool = False
    may_leave: bool = True


def done(workspace, request, work):
    """What came of a request."""
    job = ask(workspace, request, by="ada", device="cpu")
    there = folder_of(workspace, job.id)
    there.mkdir(parents=True)
    return work(workspace, job, request, Telling(there), Patient())
