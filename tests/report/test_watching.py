"""Watching a training: every line once, in files that others can read; and nobody is named."""

import csv
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from medlib.report import Log, Pictures, Tracker
from medlib.train import Callback


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_line_of_the_record_is_logged_once(make_outliner, tmp_path):
    logs = [Log(tmp_path / "deep" / "log.jsonl"), Log(tmp_path / "log.csv")]
    learn = make_outliner(callbacks=logs, validations=2)
    learn.fit_one_cycle(epochs=8)
    lines = lines_of(tmp_path / "deep" / "log.jsonl")
    assert [line["step"] for line in lines] == [point.step for point in learn.record]
    assert [line["loss"] for line in lines] == pytest.approx(
        [p.loss for p in learn.record], abs=1e-6
    )
    assert lines[-1]["scores"] == learn.record[-1].scores.to_dict()
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [line["step"] for line in lines]
    assert float(rows[-1]["score"]) == pytest.approx(learn.scores.mean, abs=1e-4)
    learn.fit_one_cycle(epochs=1)  # another training goes on below, with the head written once
    with (tmp_path / "log.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(learn.record)


def test_a_log_is_written_line_by_line(make_outliner, tmp_path):
    """So that a training that was killed has left one."""
    path = tmp_path / "log.jsonl"

    class Killed(Exception):
        pass

    class Kill(Log):
        def after_step(self, learn):
            super().after_step(learn)
            if learn.step == 10:
                raise Killed

    with pytest.raises(Killed):
        make_outliner(callbacks=[Kill(path)], validations=1).fit_one_cycle(epochs=20)
    assert [line["step"] for line in lines_of(path)] == [10]


def test_a_log_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"one of \.csv, \.jsonl"):
        Log(tmp_path / "log.xlsx")


def test_pictures_are_few_however_often_is_validated(make_outliner, tmp_path):
    watch = Pictures(tmp_path / "seen", cases=1, most=3)
    learn = make_outliner(callbacks=[watch], validations=12)
    learn.fit_one_cycle(epochs=12)
    drawn = sorted(path.name for path in (tmp_path / "seen").iterdir())
    assert 2 <= len(drawn) <= 3
    assert drawn[-1] == f"step_{learn.step:06d}.png"
    assert all((tmp_path / "seen" / name).read_bytes().startswith(b"\x89PNG") for name in drawn)


def test_a_tracker_that_is_not_installed_says_what_to_do():
    absent = [name for name in ("tensorboard", "wandb", "mlflow") if find_spec(name) is None]
    for name in absent:
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'medlib\[track\]'"):
            Tracker(name)
    with pytest.raises(ValueError, match="there are: tensorboard, wandb, mlflow"):
        Tracker("abacus")


@pytest.mark.system
@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_tracker_writes_here_and_names_no_case(name, make_outliner, tmp_path):
    pytest.importorskip(name)
    learn = make_outliner(name="Jane_Doe", callbacks=[Tracker(name, folder=tmp_path / "runs")])
    learn.fit_one_cycle(epochs=8)
    ends = time.monotonic() + 60
    while b"Dice/mean" not in (written := everything_in(tmp_path / "runs")):
        assert time.monotonic() < ends, "the scores were not written"
        time.sleep(0.1)  # W&B writes in a process of its own, which is a little behind
    assert b"Jane" not in written


@pytest.mark.system
def test_mlflow_tells_its_maker_nothing(tmp_path):
    """In a process of its own: under a test's name its telemetry is off in any case."""
    pytest.importorskip("mlflow")
    script = (
        "import pathlib, sys; from medlib.report.watching import _TRACKERS\n"
        "_TRACKERS['mlflow']('p', pathlib.Path(sys.argv[1]), {})\n"
        "from mlflow.telemetry.client import get_telemetry_client\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "assert is_telemetry_disabled() and get_telemetry_client() is None"
    )
    own = ("MLFLOW", "DO_NOT_TRACK", "CI", "PYTEST")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], env=clean, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_pictures_are_inside_the_minutes(make_outliner):
    """A validation that is looked at for long leaves as much less time for learning."""

    class Slow(Callback):
        def after_validation(self, learn):
            if learn.step and (learn.progress < 0.5 or learn.progress >= 1):
                time.sleep(1.5)

    minutes, begun = 0.15, time.monotonic()
    make_outliner(callbacks=[Slow()], validations=3).fit_one_cycle(minutes=minutes)
    assert time.monotonic() - begun < 60 * minutes + 1.0


def everything_in(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
