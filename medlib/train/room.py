"""What a machine has room for: how much of a scan at once, how wide a network, how many a step.

A processor has memory enough for more than it can work through in the minutes that there are, so
what it is given hangs on its speed: patches and networks that were measured (docs/benchmarks.md).
A graphics card is quick, and its memory is what there is too little of. Plans for one follow nnU-Net
(Isensee et al. 2021; its presets for larger cards: Isensee et al. 2024): 32 channels at the finest
level, 320 at most, patches of 128³ voxels where 8 GiB are, larger ones and more of them on more.
That memory is reckoned; nothing has been measured on a card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, prod, sqrt
from typing import TypeVar

import numpy as np

from medlib.train.levels import Triple
from medlib.train.machine import Machine

_ENOUGH_GB = 4.0  # of a processor's memory, for the patches that it is quick with
_REFERENCE_GB = 8.6  # the 8 GiB that nnU-Net's usual patch is for
_WIDE_GB = 6.0  # of a card's memory, from which its networks are as wide as nnU-Net's
_USED = 0.85  # of a card's memory, that a training may take; the rest is the desktop's
_FIXED_GB = 1.5  # the weights, what the optimiser knows of them, and what CUDA itself takes
_FEATURE_BYTES = 64  # for each channel of each voxel: some sixteen tensors kept for the way back
_CLASS_BYTES = 40  # for each class of each voxel, in full: logits, probabilities, their gradients
_MOST_ITEMS = 8  # a step; more would leave too few steps in the same minutes
_SHARE = 0.05  # of all training voxels, that a step may see, as in nnU-Net

T = TypeVar("T")


@dataclass(frozen=True)
class Room:
    """What a machine has room for.

    Args:
        share: of the voxels that its kind of device is usually shown at once; may be above 1.
        channels: of a network's finest level.
        most_channels: of any other.
        halvings: of a window, at most.
        gigabytes: for the items of a step.
        most_items: a step, if memory allows; no fewer than a task needs.
    """

    share: float
    channels: int = 16
    most_channels: int = 256
    halvings: int = 4
    gigabytes: float = inf
    most_items: int = 0

    @classmethod
    def on(cls, machine: Machine) -> Room:
        """What a machine has room for.

        Example:
            >>> [round(Room.on(Machine("cuda", gigabytes)).share, 2) for gigabytes in (4.3, 8.6, 25.8)]
            [0.5, 1.0, 1.73]
        """
        if machine.device == "cpu":
            return cls(share=min(1.0, machine.gigabytes / _ENOUGH_GB))
        share = machine.gigabytes / _REFERENCE_GB
        wide = {"channels": 32, "most_channels": 320} if machine.gigabytes >= _WIDE_GB else {}
        return cls(
            # Of more memory, half goes (on a logarithmic scale) into larger patches, half into more.
            share=share if share < 1 else sqrt(share),
            halvings=5,
            gigabytes=max(0.1, _USED * machine.gigabytes - _FIXED_GB),
            most_items=_MOST_ITEMS,
            **wide,
        )

    def items(self, least: int, each: float, share: float) -> int:
        """How many items a step sees.

        Args:
            least: that it should.
            each: gigabytes that an item takes.
            share: of all that there is to see in training, that an item shows.
        """
        return max(least, int(min(self.most_items, self.gigabytes / each, _SHARE / share)))

    def first(self, sights: Iterable[T], items: int, each: Callable[[T], float]) -> T:
        """The first, and largest, of which so many items have room; else the last.

        Args:
            sights: ways to look at a scan, one or more.
            items: a step.
            each: from one of them to the gigabytes that an item takes.
        """
        for found in sights:
            if items * each(found) <= self.gigabytes:
                break
        return found

    def rate(self, measured: float) -> float:
        """The learning rate, from that which was measured with 16 channels.

        Adam's steps add up over all channels that a kernel sees (Yang et al. 2021).
        """
        return measured * 16 / self.channels


def gigabytes_of(
    widths: Sequence[int], strides: Sequence[Triple], window: Triple, classes: int
) -> float:
    """What training a residual U-Net takes for each item, about: reckoned, not measured.

    Args:
        widths: channels of each level.
        strides: between levels; the finest features are as coarse as the first makes them.
        window: voxels that it sees.
        classes: that it tells apart at each voxel.

    Example:
        >>> round(gigabytes_of((32, 64, 192, 320, 320), ((2, 2, 2),) * 4, (128, 128, 128), 8), 1)
        1.4
    """
    voxels = prod(window)
    coarser = np.cumprod([*(prod(stride) for stride in strides), 1])
    features = sum(width * voxels / n for width, n in zip(widths, coarser, strict=True))
    return float(features * _FEATURE_BYTES + classes * voxels * _CLASS_BYTES) / 1e9
