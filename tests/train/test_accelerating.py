"""A training runs in one process, on the device that everything else runs on."""

import os
import subprocess
import sys

import pytest
import torch

from medlib.models import best_device
from medlib.train.accelerating import accelerator_on

SCRIPT = """
import torch
from medlib.train.accelerating import accelerator_on
try:
    accelerator_on(torch.device("cpu"))
except ValueError as error:
    print(error)
"""


def test_the_device_is_that_of_everything_else(learner):
    assert learner().accelerator.device.type == best_device().type
    if best_device().type == "cpu":
        with pytest.raises(ValueError, match="accelerate was told to use cpu"):
            accelerator_on(torch.device("cuda"))


def test_several_processes_are_refused_by_name(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         tmp_path / "script.py"],
        capture_output=True, text=True, check=False, timeout=300, env=os.environ,
    )  # fmt: skip
    assert done.stdout.count("2 processes were launched, and a training runs in one") == 2, (
        done.stdout + done.stderr
    )
