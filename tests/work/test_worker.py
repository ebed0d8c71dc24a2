"""The worker: jobs in processes of their own, which may crash, be killed or be stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from medlib import load
from medlib.work import Asked, Looking, Predicting, Training, Worker, ask, folder_of
from medlib.work.telling import read_curve
from medlib.workspace import Progress, Status, Workspace

PATIENCE = 120  # on a machine that is busy with other things


@pytest.fixture
def workspace(tmp_path, address):
    with Workspace(tmp_path / "workspace", address) as found:
        yield found


@pytest.fixture
def local(tmp_path):
    """On SQLite only, for what does not differ."""
    with Workspace(tmp_path / "workspace") as found:
        yield found


def until(reached):
    """What ``reached()`` gives, once it is true."""
    for _ in range(10 * PATIENCE):
        if found := reached():
            return found
        time.sleep(0.1)
    raise AssertionError("it does not come to that")


def test_trained_predicted_and_ranked(workspace, address, filled):
    label_set = filled(workspace, 5, 3)
    first = ask(workspace, Training(label_set, rounds=1, then_predict=True), by="ada", device="cpu")
    worker = Worker(workspace.folder, address, device="cpu", beat=0.1)
    assert worker.work(workspace)
    done = workspace.jobs.get(first.id)
    assert (done.status, done.error) == (Progress.DONE, "")
    (model,) = workspace.models.list(label_set)
    assert model.job_id == first.id
    assert len(model.card["learned from"]) == 2
    assert model.card["measured on"] == [int(scan) for scan in model.card["cases"]]
    folder = folder_of(workspace, first.id)
    names = [entry.scan.name for entry in workspace.scans.list()]
    for path in folder.glob("*.json*"):
        assert not [name for name in names if name in path.read_text()], "scans are numbers there"
    assert (folder / "pictures" / "reference.png").stat().st_size
    assert {"loss", "score"} <= {key for line in read_curve(folder) for key in line}

    assert worker.work(workspace), "it was asked to outline the rest"
    assert not worker.work(workspace)
    rest = workspace.jobs.get(done.result["then"])
    assert rest.result["predicted"] == 2
    waiting = [e.scan for e in workspace.scans.list() if e.scan.status == Status.NEW]
    assert {row.scan_id for row in workspace.models.predictions()} == {s.id for s in waiting}
    for row in workspace.models.predictions(model=model.id):
        unsure = workspace.models.uncertainty(row.id)
        assert unsure.grid == workspace.models.mask(row.id).grid
        sums = unsure.data[0].sum((1, 2))
        assert torch.allclose(sums, torch.tensor(row.figures["slice doubts"]), atol=0.02)
        assert row.figures["volumes"].keys() == {"ball"}
    assert all(scan.usefulness and "the model is" in scan.usefulness_reason for scan in waiting)
    assert workspace.verify() == ()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_whatever_is_killed_the_training_goes_on_and_a_stop_keeps_a_model(local, filled):
    label_set = filled(local, 4, 3)
    request = Training(label_set, minutes=2)

    def begun(job):
        return until(lambda: local.jobs.get(job.id).progress.get("step"))

    def child(worker):
        path = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
        return until(lambda: [int(pid) for pid in path.read_text().split()])[0]

    command = [sys.executable, "-m", "medlib.work", str(local.folder), "--with-parent"]
    command += ["--device", "cpu"]
    first = ask(local, request, by="ada", device="cpu")
    with subprocess.Popen(command, stdin=subprocess.PIPE) as worker:
        begun(first)
        until(lambda: [*local.derived.glob("trainings/*.checkpoint")])
        os.kill(child(worker), signal.SIGKILL)
        lost = until(lambda: (j := local.jobs.get(first.id)).status == Progress.FAILED and j)
        assert "signal 9" in lost.error

        second = ask(local, request, by="ada", device="cpu")  # the same worker is alive
        begun(second)
        assert local.jobs.get(second.id).progress["resumed"]
        orphan = child(worker)
        worker.kill()
        worker.wait()
        until(lambda: not alive(orphan))  # or it might run beside the next job
    third = ask(local, request, by="ada", device="cpu")
    assert local.jobs.get(second.id).status == Progress.RUNNING
    with subprocess.Popen(command, stdin=subprocess.PIPE) as worker:
        with local._database.writing() as session:  # a minute has gone by
            from datetime import timedelta

            from medlib.workspace.schema import Job, now

            session.get(Job, second.id).heartbeat = now() - timedelta(seconds=61)
        until(lambda: local.jobs.get(second.id).status == Progress.FAILED)
        step = begun(third)
        assert step > 1
        local.jobs.cancel(third.id, by="ada")
        ended = until(lambda: (j := local.jobs.get(third.id)).status == Progress.DONE and j)
        assert ended.result["stopped"]
        worker.stdin.close()  # as when whoever started it has died
        worker.wait(30)
    assert load(local.models.package(ended.result["model"])).labels.names == ("ball",)
    assert not [*local.derived.glob("trainings/*")]


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_worker_that_is_ended_leaves_its_job_to_the_next(local, filled):
    label_set = filled(local, 3, 3)
    job = ask(local, Training(label_set, minutes=5), by="ada", device="cpu")
    worker = Worker(local.folder, device="cpu", beat=0.1)
    thread = threading.Thread(target=worker.work, args=(local,))
    thread.start()
    until(lambda: local.jobs.get(job.id).progress)
    worker.end()
    thread.join(PATIENCE)
    assert "goes on from where it stood" in local.jobs.get(job.id).error
    (waiting,) = local.jobs.list(ended=False)
    assert (waiting.request, waiting.asked_by) == (job.request, "ada")


def test_two_workers_on_one_device_take_turns(local, filled):
    label_set = filled(local, 3, 3)
    jobs = [
        ask(local, Looking(label_set, asked), by="ada", device="cpu")
        for asked in (Asked("question", "large"), Asked("landmarks"))
    ]

    def work():
        with Workspace(local.folder) as mine:
            worker = Worker(local.folder, device="cpu", beat=0.1)
            until(lambda: worker.work(mine) or not mine.jobs.list(ended=False))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    first, second = (local.jobs.get(job.id) for job in jobs)
    assert (first.status, second.status) == (Progress.DONE, Progress.DONE)
    assert first.ended <= second.started


def test_what_cannot_be_done_is_said_and_the_worker_goes_on(local, filled):
    label_set = filled(local, 1, 0)
    jobs = [
        ask(local, Training(label_set, minutes=1), by="ada", device="cpu"),
        ask(local, Predicting(7), by="ada", device="cpu"),
    ]
    worker = Worker(local.folder, device="cpu", beat=0.1)
    assert [worker.work(local) for _ in range(3)] == [True, True, False]
    errors = [local.jobs.get(job.id).error for job in jobs]
    assert "nothing is labelled" in errors[0]
    assert "no model 7" in errors[1]


def test_a_heart_too_slow_is_refused(tmp_path):
    with pytest.raises(ValueError, match="three times"):
        Worker(tmp_path, device="cpu", beat=30, patience=60)
