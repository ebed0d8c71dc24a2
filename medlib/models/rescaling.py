"""Kernels whose length says nothing, since a norm follows, and what length they should begin with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def scale_free(network: nn.Module) -> dict[str, nn.Module]:
    """Convolutions that an instance norm follows at once, by name.

    As many times larger, such a kernel gives the same: the norm divides by it (van Laarhoven, L2
    regularization versus batch and weight normalization, 2017). Looked for are those that a
    ``Sequential`` calls one after the other, as MONAI's blocks do.

    Example:
        >>> block = nn.Sequential(nn.Conv3d(1, 4, 3), nn.InstanceNorm3d(4), nn.Conv3d(4, 2, 1))
        >>> list(scale_free(block))
        ['0']
    """
    names = {module: name for name, module in network.named_modules()}
    return {
        names[one]: one
        for outer in network.modules()
        if isinstance(outer, nn.Sequential)
        for one, following in pairwise(_chain(outer))
        if isinstance(one, nn.modules.conv._ConvNd) and isinstance(following, _NORMS)
    }


def _chain(outer: nn.Sequential) -> Iterator[nn.Module]:
    """What is called one after the other."""
    for module in outer:
        if isinstance(module, nn.Sequential):
            yield from _chain(module)
        else:
            yield module


def lengths(network: nn.Module) -> dict[str, float]:
    """The length of each kernel of :func:`scale_free`."""
    return {name: float(_kernel(one).norm()) for name, one in scale_free(network).items()}


@torch.no_grad()
def rescale(network: nn.Module, to: Mapping[str, float]) -> tuple[str, ...]:
    """Give kernels that a norm follows other lengths; the network answers as before.

    AdamW moves every weight by about the learning rate a step, so that kernels that a long training
    has grown tenfold turn ten times more slowly than fresh ones do. Given the length of fresh ones
    they learn as quickly.

    Args:
        network: changed in place.
        to: the length of each kernel, by the name of its convolution; those of length nothing stay.

    Returns:
        The names of the convolutions that were changed.

    Example:
        >>> block = nn.Sequential(nn.Conv3d(1, 4, 3, bias=False), nn.InstanceNorm3d(4))
        >>> x = torch.rand(1, 1, 8, 8, 8)
        >>> before = block(x)
        >>> rescale(block, {"0": 1.0})
        ('0',)
        >>> torch.allclose(block(x), before, atol=1e-2), round(lengths(block)["0"], 4)
        (True, 1.0)
    """
    changed = []
    for name, one in scale_free(network).items():
        length = float(_kernel(one).norm())
        if length and to.get(name):
            for parameter in one.parameters():  # the norm takes a bias away
                parameter.mul_(to[name] / length)
            changed.append(name)
    return tuple(changed)


def _kernel(one: nn.Module) -> Tensor:
    kernel = one.weight
    assert isinstance(kernel, Tensor)
    return kernel.detach()
