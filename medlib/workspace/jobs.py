"""Jobs: queued, claimed by one worker a device, alive as long as their heart beats."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database, found
from medlib.workspace.errors import WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.schema import Job, Progress, now

_OPEN = (Progress.QUEUED, Progress.RUNNING)


class JobLostError(WorkspaceError):
    """A worker's job is no longer its own: it was taken for dead, or cancelled by force."""


class Jobs:
    """The jobs of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queue(self, kind: str, request: dict[str, Any], *, by: str, device: str = "cpu") -> Job:
        """Ask for work to be done.

        Args:
            kind: what sort of work, such as ``"train"``.
            request: what the worker needs to know; plain JSON values.
            by: who asks.
            device: on which it is to run; one job runs on a device at a time.
        """
        with self._database.writing() as session:
            job = Job(kind=kind, request=request, device=device, asked_by=by)
            session.add(job)
            session.flush()
            record(session, by, "job queued", f"job {job.id}", kind=kind, device=device)
        return job

    def claim(self, device: str, worker: str, *, patience: float = 60) -> Job | None:
        """The next job for a device, now running by this worker; None where there is none to do.

        Args:
            device: that is free.
            worker: a name for the process, such as host and process number.
            patience: seconds without a heartbeat after which a running job counts as dead.
        """
        with self._database.writing() as session:
            running = select(Job).filter_by(device=device, status=Progress.RUNNING)
            for job in session.scalars(running):
                if job.heartbeat and now() - job.heartbeat < timedelta(seconds=patience):
                    return None
                reason = f"its worker {job.worker} has not been heard of for {patience:g} s"
                _end(session, job, Progress.FAILED, by=worker, error=reason)
            waiting = select(Job).filter_by(device=device, status=Progress.QUEUED)
            chosen = session.scalars(waiting.order_by(Job.id).limit(1)).first()
            if chosen is None:
                return None
            chosen.status, chosen.worker = Progress.RUNNING, worker
            chosen.started = chosen.heartbeat = now()
            record(session, worker, "job started", f"job {chosen.id}", device=device)
        return chosen

    def beat(self, job: int, worker: str, progress: dict[str, Any] | None = None) -> bool:
        """Say that a job is alive, and how far it has come.

        Returns:
            Whether to go on; False once somebody has asked to stop.

        Raises:
            JobLostError: when it is no longer this worker's.
        """
        with self._database.writing() as session:
            row = _own(session, job, worker)
            row.heartbeat = now()
            row.progress = row.progress if progress is None else progress
            return not row.cancelling

    def finish(self, job: int, worker: str, result: dict[str, Any]) -> Job:
        """Say that a job is done.

        Raises:
            JobLostError: as :meth:`beat`.
        """
        with self._database.writing() as session:
            row = _own(session, job, worker)
            row.result = result
            _end(session, row, Progress.DONE, by=worker)
        return row

    def stop(self, job: int, worker: str, error: str = "") -> Job:
        """Say that a job has come to nothing: it failed, or was cancelled as was asked.

        Args:
            job: which.
            worker: whose it is.
            error: why it failed; left out where it was cancelled.

        Raises:
            JobLostError: as :meth:`beat`.
        """
        with self._database.writing() as session:
            row = _own(session, job, worker)
            status = Progress.FAILED if error else Progress.CANCELLED
            _end(session, row, status, by=worker, error=error)
        return row

    def cancel(self, job: int, *, by: str) -> Job:
        """Ask a job to stop: at once if it has not begun, else at its next heartbeat.

        Raises:
            WorkspaceError: when it has come to an end already.
        """
        with self._database.writing() as session:
            row = found(session, Job, job)
            if row.status not in _OPEN:
                raise WorkspaceError(f"job {job} is {row.status} already")
            row.cancelling = True
            record(session, by, "job cancelling", f"job {job}")
            if row.status == Progress.QUEUED:
                _end(session, row, Progress.CANCELLED, by=by)
        return row

    def get(self, job: int) -> Job:
        """The job of this number.

        Raises:
            NotThereError: when there is none.
        """
        with self._database.reading() as session:
            return found(session, Job, job)

    def list(self, *, ended: bool = True, limit: int = 100) -> Sequence[Job]:
        """Jobs, the newest first; only those still to be done if asked."""
        query = select(Job).order_by(Job.id.desc()).limit(limit)
        query = query if ended else query.where(Job.status.in_(_OPEN))
        with self._database.reading() as session:
            return [*session.scalars(query)]


def _own(session: Session, job: int, worker: str) -> Job:
    row = found(session, Job, job)
    if row.status != Progress.RUNNING or row.worker != worker:
        raise JobLostError(f"job {job} is {row.status}, and no longer {worker}'s: stop")
    return row


def _end(session: Session, job: Job, status: Progress, *, by: str, error: str = "") -> None:
    job.status, job.error, job.ended = status, error, now()
    session.flush()  # before another takes the device
    record(session, by, f"job {status}", f"job {job.id}", error=error)
