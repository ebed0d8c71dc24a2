"""Several processes that train one network: what each of them has, and what is written, and once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from in_processes import plain_training
from safetensors.torch import load_file
from tiny import write_task

import medlib
from medlib.data.dataset import Rounds

pytestmark = pytest.mark.xdist_group("processes")  # or each worker would train for itself
HERE = Path(__file__).parents[1]


def launched(*what):
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *what],
        capture_output=True, text=True, check=False, timeout=300,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = write_task(tmp_path_factory.mktemp("task"), 6)
    launched(HERE / "in_processes.py", folder)
    return folder, [json.loads((folder / f"said_{n}.json").read_text()) for n in (0, 1)]


def test_two_processes_learn_what_one_learns_of_both_their_batches(trained):
    folder, said = trained
    first, second = (load_file(folder / f"plain_{n}.safetensors") for n in (0, 1))
    alone = plain_training(folder, batch_size=2)
    for name, weights in alone.network.state_dict().items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], weights, rtol=1e-4, atol=1e-5)
    first_said, second_said = ({**one, "saved": None} for one in said)
    assert first_said == second_said
    assert said[0]["loss"] == pytest.approx(alone.smooth_loss, rel=1e-4)
    scores = alone.scores.to_dict()
    assert list(said[0]["scores"]["cases"]) == list(scores["cases"]) == ["case_2", "case_5"]
    assert said[0]["scores"]["mean"] == pytest.approx(scores["mean"], abs=0.02)


def test_they_end_together_and_the_first_one_writes(trained):
    folder, said = trained
    assert said[0]["steps"] == said[1]["steps"] > 0
    assert said[0]["progress"] == said[1]["progress"]
    assert [p.suffix for p in sorted((folder / "best").iterdir())] == [".json", ".safetensors"]


def test_a_training_that_was_dropped_goes_on_to_the_same_weights(trained):
    folder, said = trained
    assert said[0]["left"]
    assert said[0]["same"]
    assert said[1]["same"]
    assert not (folder / "checkpoint").exists()


def test_each_process_gets_batches_of_its_own():
    def batches(start=0, share=(0, 1)):
        found = iter(Rounds(7, 2, seed=3, start=start, share=share))
        return [next(found) for _ in range(12)]

    whole = batches()
    shares = [batches(share=(n, 2)) for n in (0, 1)]
    assert [one for both in zip(*shares, strict=True) for one in both][:12] == whole
    assert batches(start=2, share=(1, 2))[:4] == shares[1][2:6]


def test_a_task_is_saved_by_the_first_one(trained):
    folder, said = trained
    assert [one["saved"] for one in said] == [True, False]
    assert medlib.load(folder / "kidneys.0.medlib")
