"""Models whose network medlib cannot make: whoever reads one brings the network along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from medlib.models import Architecture, OwnNetwork, call
from medlib.package.manifest import Network

_SAID = 16  # numbers of an answer that are kept
_APART = 1e-3  # of the largest of them: processors differ by less, other activations by more


def architecture_of(said: Network, own: nn.Module | None) -> Architecture | OwnNetwork:
    """What makes the network that a manifest speaks of.

    Args:
        said: the manifest's part.
        own: the network that was brought along, if one was.

    Raises:
        ValueError: when one is needed and none was brought, or the other way round.
    """
    if said.name != OwnNetwork.name:
        if own is not None:
            raise ValueError(f"its network is medlib's own {said.name}; leave network= out")
        return Architecture(said.name, said.arguments)
    if own is None:
        raise ValueError(
            f"its network is a {said.arguments.get('class')}, which no file can make; make one with "
            "the same arguments, and read the model by medlib.load(path, network=…)"
        )
    return OwnNetwork(own)


def answer_to_noise(
    network: nn.Module, channels: int, window: tuple[int, int, int]
) -> tuple[float, ...]:
    """A few of the numbers that a network gives for noise that is always the same.

    Args:
        network: is put on the processor, and left in evaluation.
        channels: that it sees.
        window: likewise.
    """
    noise = np.random.default_rng(0).standard_normal((1, channels, *window), dtype=np.float32)
    with torch.no_grad():
        answer = call(network.cpu().eval(), torch.from_numpy(noise)).double().flatten()
    places = np.linspace(0, len(answer) - 1, min(_SAID, len(answer))).astype(int)
    return tuple(answer[places].tolist())


def same_answer(first: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two answers are those of one network, on whatever processors."""
    if len(first) != len(other):
        return False
    near = _APART * float(np.abs(first).max())
    return bool(np.allclose(first, other, rtol=0.0, atol=near))
