"""2-D weights in 3-D networks.

A kernel is repeated along depth and divided by how often, so that a volume which is the same in
every slice gives what the slice gave (Carreira and Zisserman 2017, "I3D").
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def inflate(weights: Mapping[str, Tensor], depth: int | None = None) -> dict[str, Tensor]:
    """All weights of a 2-D network for its 3-D likeness.

    Args:
        weights: by name; kernels are (out, in, row, column), and all else is left as it is.
        depth: slices of the new kernels; left out, as many as they have rows. Kernels of one
            pixel become kernels of one voxel.

    Raises:
        ValueError: for a depth below 1.

    Example:
        >>> import torch
        >>> flat = {"conv.weight": torch.ones(8, 3, 5, 5), "conv.bias": torch.zeros(8)}
        >>> {name: tuple(weight.shape) for name, weight in inflate(flat).items()}
        {'conv.weight': (8, 3, 5, 5, 5), 'conv.bias': (8,)}
    """
    return {
        name: inflated(weight, _depth(weight, depth)) if weight.ndim == 4 else weight
        for name, weight in weights.items()
    }


def inflated(kernel: Tensor, depth: int) -> Tensor:
    """One 2-D kernel, (out, in, row, column), as (out, in, slice, row, column).

    Raises:
        ValueError: for a depth below 1.

    Example:
        >>> import torch
        >>> inflated(torch.ones(1, 1, 1, 1), 2).flatten()
        tensor([0.5000, 0.5000])
    """
    if depth < 1:
        raise ValueError(f"a kernel is at least one slice deep, not {depth}")
    return kernel.unsqueeze(2).repeat(1, 1, depth, 1, 1) / depth


def with_inputs(kernel: Tensor, channels: int) -> Tensor:
    """The first kernel of a network, (out, in, …), for images of another number of channels.

    Each new channel gets the mean of the old ones, scaled so that an image which is the same in
    every channel gives the same as before: grey is then seen as the colour grey was.

    Example:
        >>> import torch
        >>> with_inputs(torch.tensor([[[1.0], [2.0], [3.0]]]), 1)
        tensor([[[6.]]])
    """
    mean = kernel.mean(1, keepdim=True) * (kernel.shape[1] / channels)
    return mean.repeat(1, channels, *[1] * (kernel.ndim - 2))


def _depth(kernel: Tensor, depth: int | None) -> int:
    rows, columns = kernel.shape[2:]
    return 1 if rows == columns == 1 else rows if depth is None else depth
