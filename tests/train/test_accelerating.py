"""A training runs on the kind of device that everything else runs on."""

import pytest
import torch

from medlib.models import best_device
from medlib.train.accelerating import accelerator_on


def test_the_device_is_that_of_everything_else(learner):
    assert learner().accelerator.device.type == best_device().type
    if best_device().type == "cpu":
        with pytest.raises(ValueError, match="accelerate was told to use cpu"):
            accelerator_on(torch.device("cuda"))
