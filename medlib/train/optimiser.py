"""Optimisers: which parameters learn how fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from medlib.models import layer_groups


def optimiser_for(
    network: nn.Module,
    name: str = "adamw",
    *,
    rate: float,
    spread: float = 1.0,
    decay: float = 1e-2,
) -> torch.optim.Optimizer:
    """An optimiser with a parameter group for each layer group of a network.

    Biases and the weights of norms do not decay. Each group says in ``group["pace"]`` how fast it
    learns beside the last, which schedules multiply their rate by.

    Args:
        network: whose parameters are to be learned.
        name: ``"adamw"`` (Loshchilov and Hutter 2019), or ``"sgd"`` with Nesterov momentum of 0.99.
        rate: of the last layer group.
        spread: how many times slower the first layer group learns.
        decay: weight decay.

    Raises:
        ValueError: for another name, or a spread below 1.
    """
    if spread < 1:
        raise ValueError(f"a spread is 1 or more (the first layers learn slower), not {spread:g}")
    found = layer_groups(network) if spread > 1 else [list(network.parameters())]
    groups: list[dict[str, Any]] = []
    for number, parameters in enumerate(found):
        share = number / (len(found) - 1) if len(found) > 1 else 1.0
        pace = spread ** (share - 1)
        for decaying in (True, False):
            own = [p for p in parameters if (p.ndim > 1) == decaying]
            if own:
                groups.append(
                    {
                        "params": own,
                        "lr": rate * pace,
                        "pace": pace,
                        "weight_decay": decay if decaying else 0.0,
                    }
                )
    if name == "adamw":
        return torch.optim.AdamW(groups, fused=True)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.99, nesterov=True)
    raise ValueError(f"no optimiser is called {name!r}; there are: adamw, sgd")
