"""The one device that a training runs on, handed to accelerate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator


def accelerator_on(device: torch.device) -> Accelerator:
    """Accelerate's view of one device, in one process.

    Left to itself, accelerate picks a device by rules of its own, Apple's graphics among them, on
    which nothing else here runs.

    Args:
        device: the one that networks run on, :func:`medlib.models.best_device`.

    Raises:
        ValueError: when several processes were launched, or accelerate was told of another device.
            Each process would see the same batches, end at another step, and write the same files.

    Example:
        >>> accelerator_on(torch.device("cpu")).device
        device(type='cpu')
    """
    from accelerate import Accelerator

    # accelerate keeps one precision a process; learners differ, so precision is torch's part.
    accelerator = Accelerator(mixed_precision="no", cpu=device.type == "cpu")
    if accelerator.num_processes > 1:
        raise ValueError(
            f"{accelerator.num_processes} processes were launched, and a training runs in one. "
            "Start it with python or medlib rather than accelerate launch or torchrun; to use "
            "several graphics cards, train a fold on each, with CUDA_VISIBLE_DEVICES"
        )
    if accelerator.device.type != device.type:
        raise ValueError(
            f"accelerate was told to use {accelerator.device.type} in this process, and all else "
            f"runs on {device.type}; begin a new process, without ACCELERATE_USE_CPU"
        )
    return accelerator
