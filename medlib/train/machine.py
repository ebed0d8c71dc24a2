"""What a training runs on, as far as a plan depends on it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from medlib.models import best_device


@dataclass(frozen=True)
class Machine:
    """What a training runs on.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
        gigabytes: of the memory that networks run in.
        cores: that may prepare batches.

    Example:
        >>> Machine.here().cores >= 1
        True
    """

    device: str = "cpu"
    gigabytes: float = 16.0
    cores: int = 2

    @classmethod
    def here(cls) -> Machine:
        """This one: its graphics card if PyTorch can use one, else its processor."""
        device = best_device().type
        if device == "cuda":
            memory = float(torch.cuda.get_device_properties(0).total_memory)
        elif hasattr(os, "sysconf"):
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        else:  # Windows does not say it so
            memory = cls.gigabytes * 1e9
        able = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return cls(device, round(memory / 1e9, 1), able or 1)

    def __str__(self) -> str:
        what = "graphics card" if self.device == "cuda" else "processor"
        return f"a {what} with {self.gigabytes:.0f} GB, {self.cores} cores"
