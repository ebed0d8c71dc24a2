"""A network that was given to a task: whether it fits, and what the plan says of it."""

from __future__ import annotations

import torch
from torch import nn

from medlib.infer import Output, checked
from medlib.models import OwnNetwork, call


def fitting(network: nn.Module, channels: int, window: tuple[int, int, int], asked: Output) -> None:
    """Look whether a network sees what it will be shown, and answers what it will be asked.

    Args:
        network: is shown one empty window, and left in training.
        channels: that it will see.
        window: likewise.
        asked: of it.

    Raises:
        ValueError: when it does not.

    Example:
        >>> from medlib.infer import BeliefOutput
        >>> sizes = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))
        >>> fitting(sizes, 1, (2, 2, 2), BeliefOutput(("benign", "unclear", "malignant")))
    """
    called, size = type(network).__qualname__, "×".join(map(str, window))
    network.eval()
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            answer = call(network, torch.zeros(1, channels, *window, device=device))
    except (RuntimeError, ValueError, TypeError) as error:
        raise ValueError(
            f"the {called} that was given cannot be shown {channels} channels of {size} voxels, as "
            f"planned: {error}; give one that can, or another plan"
        ) from error
    try:
        checked(answer, asked)
    except ValueError as error:
        raise ValueError(f"the {called} that was given answers otherwise: {error}") from error
    network.train()


def described(own: OwnNetwork) -> str:
    """What a plan says of a network that was given.

    Example:
        >>> described(OwnNetwork(nn.Linear(99, 10)))
        'in place of the planned network a Linear of 1,000 weights learns, which was given'
    """
    weights = sum(parameter.numel() for parameter in own.module.parameters())
    return (
        f"in place of the planned network a {own.called} of {weights:,} weights learns, which was "
        "given"
    )
