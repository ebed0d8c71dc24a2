"""What a network gives is held to targets, at coarser levels too (deep supervision)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from medlib.data import Block
from medlib.infer import Output, checked
from medlib.models import ModelOutput
from medlib.space import Grid
from medlib.types import Kind, Mask, Points, verb


@verb
def coarser(target: Kind, grid: Grid) -> Kind:
    """A target as a coarser level of a network is to give it.

    Register an implementation for ``(target: YourKind, grid: Grid)`` to teach it another.

    Args:
        target: on the grid that the network sees.
        grid: the same box, in fewer voxels.

    Raises:
        ValueError: when a voxel of the coarser grid is no block of whole voxels.

    Example:
        >>> from medlib.types import Labels
        >>> voxels = torch.tensor([[[[0, 1, 1, 1, 0, 0, 1, 0]]]])
        >>> mask = Mask(voxels, Grid.from_axes((1, 1, 8)), Labels.of(["liver"]))
        >>> coarser(mask, mask.grid.resized((1, 1, 4))).data
        tensor([[[[1, 1, 0, 1]]]])
    """
    raise AssertionError


@coarser.register
def _(target: Mask, grid: Grid) -> Mask:
    # Ids are never averaged: the most frequent id of a block wins. "Nobody looked" is an id too.
    blocks = _blocks(target.data, grid.shape)
    if blocks.shape[-1] == 1:
        return replace(target, grid=grid)
    # Of ids that are equally frequent torch takes the least, which would be background: thin
    # structures would vanish.
    voted = -(-blocks.int()).mode(-1).values
    return replace(target, data=voted.to(target.data.dtype), grid=grid)


@coarser.register
def _(target: Points, grid: Grid) -> Points:
    return target  # patient millimetres are the same on every grid


def _blocks(data: Tensor, shape: Sequence[int]) -> Tensor:
    """The voxels that make up each coarser voxel: (layer, slice, row, column, voxel)."""
    sizes = data.shape[1:]
    if any(fine % coarse for fine, coarse in zip(sizes, shape, strict=True)):
        raise ValueError(
            f"a level of {tuple(shape)} voxels does not divide {tuple(sizes)} evenly, so there is "
            "no telling what it sees; take a window that the network can halve"
        )
    (a, i), (b, j), (c, k) = ((n, size // n) for n, size in zip(shape, sizes, strict=True))
    apart = data.reshape(-1, a, i, b, j, c, k)
    return apart.permute(0, 1, 3, 5, 2, 4, 6).reshape(len(data), a, b, c, i * j * k)


def weights(levels: int) -> list[float]:
    """What each level counts, from fine to coarse: half as much each time, 1 together.

    As nnU-Net does (Isensee et al. 2021).

    Example:
        >>> weights(3) == [4 / 7, 2 / 7, 1 / 7]
        True
    """
    raw = [2.0**-level for level in range(levels)]
    return [weight / sum(raw) for weight in raw]


@dataclass(frozen=True)
class Comparison:
    """How far what a network gives at one level is from what was asked of it.

    Args:
        output: reads the network's numbers as answers.
        block: reads targets as plain tensors, where the loss is a torch module.
        loss: a torch module takes (answers, targets as one tensor); any other function takes
            (answers, target, target, …), of kinds.
    """

    output: Output
    block: Block
    loss: Callable[..., Tensor]

    def __call__(self, raw: Tensor, targets: Sequence[Kind], grids: Sequence[Grid]) -> Tensor:
        """The loss of a batch: a scalar.

        Args:
            raw: what the network gave.
            targets: one for each item, on its grid.
            grids: one for each item.
        """
        answers = self.output.answer(checked(raw.float(), self.output), grids)
        if isinstance(self.loss, nn.Module):
            truth = torch.stack([self.block.tensor(target) for target in targets])
            found: Tensor = self.loss(answers, truth.to(answers.device))
        else:
            found = self.loss(answers, *targets)
        return found


def over_levels(
    compare: Callable[[Tensor, Sequence[Kind], Sequence[Grid]], Tensor],
    given: ModelOutput,
    targets: Sequence[Kind],
    grids: Sequence[Grid],
) -> Tensor:
    """The loss of all levels that a network gave: the finest alone, where it gave no coarser ones.

    Args:
        compare: gives the loss of one level, from its logits, targets and grids.
        given: by the network.
        targets: one for each item, on its grid.
        grids: one for each item.
    """
    losses = [compare(given.logits, targets, grids)]
    for level in given.coarser:
        there = [grid.resized(level.shape[2:]) for grid in grids]
        asked = [coarser(target, grid) for target, grid in zip(targets, there, strict=True)]
        losses.append(compare(level, asked, there))
    weighted = [w * one for w, one in zip(weights(len(losses)), losses, strict=True)]
    return torch.stack(weighted).sum()
