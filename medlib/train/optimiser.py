"""Optimisers: which parameters learn how fast."""

from __future__ import annotations

import torch
from torch import nn

from medlib.models import decay_groups, layer_groups


def optimiser_for(
    network: nn.Module,
    name: str = "adamw",
    *,
    rate: float,
    spread: float = 1.0,
    decay: float = 1e-2,
) -> torch.optim.Optimizer:
    """An optimiser with a parameter group for each layer group of a network.

    Biases and the weights of norms do not decay (:func:`medlib.models.decay_groups`). Each group says in ``group["pace"]`` how fast it
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
    count = len(layer_groups(network))
    paces = [spread ** (k / (count - 1) - 1) if count > 1 else 1.0 for k in range(count)]
    groups = decay_groups(network, decay, rates=[rate * pace for pace in paces])
    for group in groups:
        group["pace"] = group["lr"] / rate
    if name == "adamw":
        return torch.optim.AdamW(groups, fused=True)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.99, nesterov=True)
    raise ValueError(f"no optimiser is called {name!r}; there are: adamw, sgd")
