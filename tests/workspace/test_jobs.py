"""Jobs: one at a time on a device, whoever asks; a dead worker holds up nobody."""

import threading

import pytest

from medlib.workspace import JobLostError, Progress, WorkspaceError


def test_of_many_workers_one_gets_each_job(workspace):
    jobs = [workspace.jobs.queue("train", {"minutes": 1}, by="ada", device="cuda:0") for _ in "ab"]
    got = []

    def ask(number):
        job = workspace.jobs.claim("cuda:0", f"worker {number}")
        if job is not None:
            got.append((job.id, job.worker))

    for expected in jobs:
        got.clear()
        workers = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        ((number, worker),) = got
        assert number == expected.id
        assert workspace.jobs.beat(number, worker, {"step": 3})
        assert workspace.jobs.get(number).progress == {"step": 3}
        workspace.jobs.finish(number, worker, {"dice": 0.9})
    assert [job.status for job in workspace.jobs.list()] == [Progress.DONE] * 2


def test_devices_do_not_wait_for_one_another(workspace):
    for device in ("cpu", "cuda:0"):
        workspace.jobs.queue("train", {}, by="ada", device=device)
    assert workspace.jobs.claim("cpu", "a")
    assert workspace.jobs.claim("cuda:0", "b")


def test_a_dead_workers_job_fails_and_the_next_begins(workspace):
    first, second = (workspace.jobs.queue("train", {}, by="ada") for _ in range(2))
    workspace.jobs.claim("cpu", "dead")
    assert workspace.jobs.claim("cpu", "alive") is None
    assert workspace.jobs.claim("cpu", "alive", patience=0).id == second.id
    lost = workspace.jobs.get(first.id)
    assert lost.status == Progress.FAILED
    assert "dead has not been heard of" in lost.error
    for call in (workspace.jobs.beat, lambda *a: workspace.jobs.finish(*a, {})):
        with pytest.raises(JobLostError, match="stop"):  # it was only slow: it must not go on
            call(first.id, "dead")


def test_cancelling(workspace):
    running, waiting = (workspace.jobs.queue("train", {}, by="ada") for _ in range(2))
    workspace.jobs.claim("cpu", "w")
    assert workspace.jobs.cancel(waiting.id, by="ada").status == Progress.CANCELLED
    workspace.jobs.cancel(running.id, by="ada")
    assert workspace.jobs.beat(running.id, "w") is False
    assert workspace.jobs.stop(running.id, "w").status == Progress.CANCELLED
    with pytest.raises(WorkspaceError, match="cancelled already"):
        workspace.jobs.cancel(running.id, by="ada")
    assert workspace.jobs.list(ended=False) == []
    assert workspace.verify() == ()
