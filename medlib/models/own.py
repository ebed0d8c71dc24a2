"""A network that somebody brings along, where otherwise one is made by its name."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar

import torch
from torch import nn


@dataclass(frozen=True)
class OwnNetwork:
    """Takes the place of an :class:`Architecture`, for a network that medlib cannot make.

    A model file names it as ``"own"``, with its class, which is for people: whoever reads the file
    has to bring such a network along again, since nothing in a file is ever run.

    Args:
        module: takes (batch, channel, slice, row, column), or what :func:`medlib.models.call`
            knows to make of that. It stays as it is: what is trained are copies.

    Example:
        >>> given = OwnNetwork(nn.Conv3d(1, 2, 3))
        >>> given.name, given.arguments["class"]
        ('own', 'torch.nn.modules.conv.Conv3d')
        >>> given.build(1, 2) is given.module
        False
    """

    module: nn.Module
    name: ClassVar[str] = "own"

    @property
    def called(self) -> str:
        """The name of its class."""
        return type(self.module).__qualname__

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Which class it is of, in plain values."""
        return {"class": f"{type(self.module).__module__}.{self.called}"}

    @property
    def digest(self) -> str:
        """Names its class and its weights."""
        hasher = blake2b(self.arguments["class"].encode(), digest_size=20)
        for name, tensor in self.module.state_dict().items():
            whole = tensor.detach().cpu().contiguous()
            hasher.update(f"{name}{tuple(whole.shape)}{whole.dtype}".encode())
            hasher.update(whole.reshape(-1).view(torch.uint8).numpy())
        return hasher.hexdigest()

    def build(self, in_channels: int, out_channels: int) -> nn.Module:
        """A copy, with the weights that it was given with; its channels are its own affair."""
        network = deepcopy(self.module)
        network.zero_grad()  # what was left of a training would double the memory
        return network
