"""Several looks at one scan, and their mean: test-time augmentation.

A network's answer wavers a little with where its grid lies on the patient. Asked of a scan turned a
little this way and that, each answer led back exactly, the mean wavers less and is nearer the truth.
Nothing is mirrored for it: left and right differ in patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from medlib.transforms import Item, Move, Pipeline, Sampler


@dataclass(frozen=True)
class Looks:
    """How often to look at a scan, and what to vary from look to look.

    Each costs as much time as the first, and gains less than the one before. The same scan is
    always looked at in the same ways.

    Args:
        count: of looks, the first of which is of the scan as it is.
        varied: what is drawn anew for each of the others; on the scan's own grid, as a
            :class:`medlib.transforms.RandomAffine` is.

    Raises:
        ValueError: for fewer than one look, or for several that differ in nothing.

    Example:
        >>> from medlib.transforms import RandomAffine
        >>> Looks(8, Pipeline((RandomAffine(degrees=10, scale=0.1),))).count
        8
    """

    count: int = 1
    varied: Pipeline = field(default_factory=Pipeline)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"a scan is looked at once at least, not {self.count} times")
        if self.count > 1 and not self.varied.transforms:
            raise ValueError(f"{self.count} looks that differ in nothing are one look")

    def at(self, item: Item) -> Iterator[Item]:
        """The item as it is, and then the other looks at it, each with a trail from there on."""
        start = Item(item.values)  # without its name: whatever a scan is called, it looks the same
        yield start
        for number in range(1, self.count):
            yield self.varied(start, seed=number)


def averaged(answers: Iterable[tuple[Tensor, Item]]) -> Tensor:
    """The mean of maps, each led back from its look; where a look saw nothing, of the others.

    Args:
        answers: (maps, look): (channel, slice, row, column) on the look's grid, as
            :meth:`Looks.at` gave it; the first is of the scan as it is.

    Returns:
        (channel, slice, row, column) on the grid of the first.

    Raises:
        ValueError: when a look did more than move the scan or change how bright it is.
    """
    total, seen = torch.empty(0), torch.empty(0)
    for maps, look in answers:
        if not total.numel():
            total, seen = maps.clone(), torch.ones_like(maps[:1])
            continue
        back = look.trail.way_back()
        if len(look.trail.whereabouts.steps) != sum(isinstance(s, Move) for s in look.trail.steps):
            raise ValueError("a look may turn a scan, and not exchange the names of its sides")
        if back is None:
            total, seen = total.add_(maps), seen.add_(1)
            continue
        sampler = Sampler(back)
        total += sampler.linear(maps, fill=0.0)
        seen += sampler.linear(torch.ones_like(maps[:1]), fill=0.0)
    return total.div_(seen)
