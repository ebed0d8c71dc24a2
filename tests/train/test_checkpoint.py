"""A training that is killed goes on, and ends where it would have ended."""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from medlib.train import Callback, Checkpoints

SCRIPT = """
import os, signal, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import torch
torch.set_num_threads(1)
from pathlib import Path
from train.conftest import WINDOW
from tiny import SIDES
from safetensors.torch import save_file
from medlib.data import DataBlock, MaskBlock, VolumeBlock, held_out, pair
from medlib.models import Architecture
from medlib.train import Callback, Checkpoints, Learner
from medlib.transforms import Noise, Normalise, Pipeline, RandomAffine, RandomPatch
from medlib.types import MRVolume

folder, kill_at = Path(sys.argv[3]), int(sys.argv[4])

class Die(Callback):
    def after_step(self, learn):
        if learn.step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

data = DataBlock(
    blocks=(VolumeBlock(MRVolume), MaskBlock(SIDES)),
    get_items=lambda f: pair(f / "images", f / "labels").cases,
    splitter=held_out(["case_2", "case_5"]),
    preprocess=Pipeline((Normalise(),)),
    augment=Pipeline((RandomAffine(), RandomPatch(WINDOW), Noise(0.1))),
).datasets(folder / "task")
torch.manual_seed(0)
network = Architecture.residual_unet(channels=(4, 8, 16)).build(1, 3)
learn = Learner(network, data, window=WINDOW, precision="fp32", rate=1e-2, validations=3,
                callbacks=[Checkpoints(folder / "c.checkpoint", seconds=0.0), Die()])
learn.fit_one_cycle(epochs=5)
save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "weights.safetensors")
print(len(learn.record), learn.step)
"""


def run(folder: Path, task: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    if not (folder / "task").exists():
        (folder / "task").symlink_to(task)
    tests = Path(__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tests), str(tests.parent), str(folder), str(kill_at)],
        check=False,
        capture_output=True,
        text=True,
    )


def test_killed_twice_it_ends_with_the_same_weights(tmp_path):
    from safetensors.torch import load_file
    from tiny import write_task

    task = write_task(tmp_path / "made", 6)
    whole = run(tmp_path / "whole", task, -1)
    assert whole.returncode == 0, whole.stderr
    for kill_at in (4, 8):
        killed = run(tmp_path / "torn", task, kill_at)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert (tmp_path / "torn" / "c.checkpoint").exists()
    done = run(tmp_path / "torn", task, -1)
    assert done.returncode == 0, done.stderr
    assert done.stdout == whole.stdout
    here, there = (load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "torn"))
    assert all(torch.equal(here[name], there[name]) for name in here)
    assert not (tmp_path / "torn" / "c.checkpoint").exists()
    assert not list((tmp_path / "torn").glob(".part-*.tmp"))


class Stop(Callback):
    def after_step(self, learn):
        if learn.step == 3:
            raise KeyboardInterrupt


def test_another_training_does_not_go_on_from_it(learner, tmp_path):
    path = tmp_path / "c.checkpoint"
    keep = [Checkpoints(path, seconds=0.0), Stop()]
    learner(callbacks=keep).fit_one_cycle(epochs=10)
    assert path.exists()
    other = [Checkpoints(path, seconds=0.0), Stop()]
    with pytest.raises(ValueError, match=r"of another training: seed, rate differ"):
        learner(callbacks=other, seed=1, rate=1e-3).fit_one_cycle(epochs=10)
    with pytest.raises(ValueError, match=r"another training: length differ"):
        learner(callbacks=other).fit_one_cycle(epochs=11)


def test_what_is_no_checkpoint_is_refused(learner, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "c.checkpoint"
    path.write_bytes(b"PK something else")
    with pytest.raises(ValueError, match="is no checkpoint, or was damaged"):
        learner(callbacks=[Checkpoints(path)]).fit_one_cycle(epochs=1)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="no checkpoint of this version"):
        learner(callbacks=[Checkpoints(path)]).fit_one_cycle(epochs=1)


def test_it_holds_nothing_that_could_be_run(learner, tmp_path):
    path = tmp_path / "c.checkpoint"
    learner(callbacks=[Checkpoints(path, seconds=0.0), Stop()]).fit_one_cycle(epochs=10)
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    values = json.loads(header["__metadata__"]["values"])
    assert values["step"] == 2  # the third was interrupted before it was written
    assert math.isfinite(values["smooth_loss"])
