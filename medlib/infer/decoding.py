"""From probabilities on the grids that networks see to one mask on the scan's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medlib.space import Grid
from medlib.transforms import Move, Sampler, Trail
from medlib.transforms.labels.voting import strongest
from medlib.transforms.spatial.naming import SwapSides
from medlib.types import Labels, Mask


@dataclass(frozen=True)
class Shares:
    """How sure networks are of background and each structure, on the grid that they see.

    Args:
        summed: (1 + labels, slice, row, column), the sum over networks, in main memory.
        trail: the way that the scan has gone to get there.
        networks: how many; 1 of them is sure of something at most.
    """

    summed: Tensor
    trail: Trail
    networks: int = 1

    def back(self, native: Grid) -> Sampler:
        """Leads them to the scan's own grid."""
        return Sampler(self.trail.way_back() or Move(native, native))


def decode_mask(parts: Sequence[Shares], labels: Labels, native: Grid) -> Mask:
    """The most likely label of each voxel of the native grid.

    Each class is interpolated by itself, one after another, so that never more than two lie in
    memory at the native size; ids are never averaged.

    Args:
        parts: one for each way in which the scan was prepared.
        labels: in the order of the channels after background.
        native: the grid at the beginning of all trails.

    Raises:
        ValueError: when not all parts call the same side left.
    """
    swaps = {tuple(s for s in part.trail.steps if isinstance(s, SwapSides)) for part in parts}
    if len(swaps) > 1:  # a channel would mean left to one network and right to another
        raise ValueError("these networks do not all call the same side left; use one of them")
    ids = (0, *labels.ids)
    dtype = torch.uint8 if max(ids) < 256 else torch.int32
    ways = [part.back(native) for part in parts]

    def strengths() -> Iterator[tuple[int, Tensor]]:
        for channel, number in enumerate(ids):
            total: Tensor | None = None
            for part, way in zip(parts, ways, strict=True):
                # What a network did not see is, to it, certainly background.
                unseen = float(part.networks if number == 0 else 0)
                share = way.linear(part.summed[channel][None], fill=unseen)[0]
                if total is not None:
                    total.add_(share)
                else:  # what is added to must not be a view of what networks gave
                    total = share if len(parts) == 1 else share.clone()
            assert total is not None
            yield number, total

    found: Mask = parts[0].trail.named_back(
        Mask(strongest(strengths(), dtype)[None], native, labels)
    )
    return found
