"""Where a pretraining stands, on disk: one file, replaced as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from medlib.io.files import written_whole
from medlib.io.tensors import write_tensors
from medlib.models.pretraining.configuration import Configuration

_FORMAT = "medlib-pretraining-1"


@dataclass
class Standing:
    """How far a pretraining has come, beside its weights.

    Args:
        step: how many were done.
        seconds: that they took, on whatever machines.
        average: the averaged weights, by name.
        record: of steps, what was told of each: ``step``, ``seconds`` and the losses.
    """

    step: int = 0
    seconds: float = 0.0
    average: dict[str, Tensor] = field(default_factory=dict)
    record: list[dict[str, float]] = field(default_factory=list)


def write(
    path: Path,
    configuration: Configuration,
    network: nn.Module,
    optimiser: Optimizer,
    standing: Standing,
) -> None:
    """Write where the pretraining stands; whatever happens meanwhile, ``path`` is a whole file."""
    tensors: dict[str, Tensor] = {f"network/{n}": p for n, p in network.named_parameters()}
    tensors |= {f"average/{name}": mean for name, mean in standing.average.items()}
    for number, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{number}/{name}": torch.as_tensor(v) for name, v in slots.items()}
    values = {
        "digest": configuration.digest,
        "step": standing.step,
        "seconds": standing.seconds,
        "record": standing.record,
    }
    with written_whole(path) as partial:
        write_tensors(partial, tensors, {"format": _FORMAT, "values": json.dumps(values)})


def restore(
    path: Path, configuration: Configuration, network: nn.Module, optimiser: Optimizer
) -> Standing:
    """Put network and optimiser where a file says that they stood.

    Raises:
        ValueError: when the file is no checkpoint, or one of another configuration.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no checkpoint, or was damaged: {error}") from error
    if notes.get("format") != _FORMAT:
        raise ValueError(f"{path} is no checkpoint of this version of the recipe")
    values: dict[str, Any] = json.loads(notes["values"])
    if values["digest"] != configuration.digest:
        raise ValueError(
            f"{path} was written by another configuration; go on with that one, or choose another "
            "folder to begin anew"
        )
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"network/{name}"])
    inner = optimiser.state_dict()
    inner["state"] = {}
    own = [p for group in optimiser.param_groups for p in group["params"]]
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        if part == "optimiser":
            number, _, slot = rest.partition("/")
            # In memory as its parameter is: the order of sums depends on it.
            slots = inner["state"].setdefault(int(number), {})
            slots[slot] = (
                torch.empty_like(own[int(number)]).copy_(tensor) if tensor.ndim else tensor
            )
    optimiser.load_state_dict(inner)
    average = {
        name: torch.empty_like(parameter).copy_(tensors[f"average/{name}"]).detach()
        for name, parameter in parameters.items()
    }
    return Standing(values["step"], values["seconds"], average, values["record"])
