"""Where networks run."""

from __future__ import annotations

import torch


def best_device() -> torch.device:
    """The graphics card if PyTorch can use one, else the processor.

    Example:
        >>> best_device().type in ("cuda", "cpu")
        True
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
