"""The backbone as files: weights in fp16, and a card that says how they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medlib._version import __version__
from medlib.io.files import written_whole
from medlib.models.groups import layer_groups
from medlib.models.pretraining.checkpoint import Standing
from medlib.models.pretraining.configuration import Configuration
from medlib.models.pretraining.network import Backbone
from medlib.models.weights import ARCHITECTURE_NOTE

WEIGHTS, CARD = "backbone.safetensors", "card.json"
_HOW = (
    "Learned from synthetic volumes alone: bodies full of warped geometric shapes, painted at random "
    "and spoiled as scanners spoil (medlib.models.pretraining). Nothing of any patient was seen. Asked "
    "for were each voxel's family of shapes, its distance from the next border, and that structures be "
    "told apart however they look. The weights are an average over the last steps."
)
_LIMITS = (
    "A place to begin learning from, no model: it knows no anatomy and answers nothing about patients. "
    "Whether beginning here is better than at random has to be measured for the task at hand. For one "
    "series of one channel; more channels begin with its kernels repeated."
)


def write_backbone(
    folder: Path,
    configuration: Configuration,
    network: Backbone,
    standing: Standing,
    *,
    machine: Mapping[str, str],
) -> Path:
    """Write the averaged weights of the U-Net but for its head, half as precise, and their card.

    Args:
        folder: for both.
        configuration: by which they were learned.
        network: whose weights they are.
        standing: holds the average.
        machine: what it ran on.

    Returns:
        The file of the weights, by the names of the library's residual U-Net.
    """
    from safetensors.torch import save

    head = set(layer_groups(network.unet)[-1])  # it answers what nobody else will ask
    weights = {
        name: standing.average[f"unet.{name}"].detach().half().cpu().contiguous()
        for name, parameter in network.unet.named_parameters()
        if parameter not in head
    }
    architecture = {
        "name": network.architecture.name,
        "arguments": dict(network.architecture.arguments),
    }
    # One note alone: safetensors writes several in any order, and the digest would be any.
    packed = save(weights, {ARCHITECTURE_NOTE: json.dumps(architecture)})
    card: dict[str, Any] = {
        "name": configuration.name,
        "how": _HOW,
        "limits": _LIMITS,
        "licence": "Apache-2.0",
        "sha256": hashlib.sha256(packed).hexdigest(),
        "parameters": sum(tensor.numel() for tensor in weights.values()),
        "architecture": architecture,
        "configuration": configuration.to_dict(),
        "configuration_digest": configuration.digest,
        "medlib": __version__,
        "machine": dict(machine),
        "steps": standing.step,
        "volumes": standing.step * configuration.batch,
        "seconds": round(standing.seconds),
        "record": standing.record,
    }
    with written_whole(folder / WEIGHTS) as partial:
        partial.write_bytes(packed)
    with written_whole(folder / CARD) as partial:
        partial.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return folder / WEIGHTS
