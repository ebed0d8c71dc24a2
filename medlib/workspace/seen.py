"""Which slices somebody has finished, and what two people made of one scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from medlib.types import Mask


@dataclass(frozen=True)
class Seen:
    """The part of a scan that a reader has finished.

    Args:
        whole: all of it.
        slices: (axis, index) of each slice that is done, on the scan's own grid; axis 0 is its
            slices, 1 its rows, 2 its columns, for those who draw on reformatted planes.

    Example:
        >>> done = Seen.of([3, 4]) | Seen.of([4, 7])
        >>> done.indices(), done.whole
        ((3, 4, 7), False)
    """

    whole: bool = False
    slices: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, indices: Iterable[int], axis: int = 0) -> Seen:
        """These slices along one axis."""
        return cls(slices=tuple(sorted({(axis, int(index)) for index in indices})))

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Seen:
        """What :meth:`to_dict` wrote."""
        return cls(bool(said["whole"]), tuple((int(a), int(i)) for a, i in said["slices"]))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"whole": self.whole, "slices": [list(one) for one in self.slices]}

    def __or__(self, other: Seen) -> Seen:
        """What either has finished."""
        return Seen(self.whole or other.whole, tuple(sorted({*self.slices, *other.slices})))

    def indices(self, axis: int = 0) -> tuple[int, ...]:
        """The slices that are done along one axis."""
        return tuple(index for along, index in self.slices if along == axis)

    def outside(self, shape: tuple[int, int, int]) -> tuple[tuple[int, int], ...]:
        """Slices that a scan of this shape has not."""
        return tuple(
            (axis, index)
            for axis, index in self.slices
            if axis not in range(3) or index not in range(shape[axis])
        )

    def applied(self, mask: Mask, unseen: int) -> Mask:
        """The mask, in which all that was not finished bears the id ``unseen``."""
        if self.whole:
            return mask
        import torch

        rest = torch.ones(mask.grid.shape, dtype=torch.bool)
        for axis, index in self.slices:
            rest.select(axis, index).fill_(False)
        data = mask.data if unseen < 256 else mask.data.int()
        labels = replace(mask.labels, ignored=unseen)
        return replace(mask, data=data.masked_fill(rest, unseen), labels=labels)


@dataclass(frozen=True, eq=False)
class Merge:
    """Two people's changes to one mask, together.

    Args:
        mask: both changes; where they contradict one another, the one that was saved first.
        disputed: (slice, row, column), bool: where they do.
    """

    mask: Mask
    disputed: Tensor


def merge(base: Mask, theirs: Mask, mine: Mask) -> Merge:
    """Both changes to ``base``: voxel by voxel, whoever changed it is right.

    Args:
        base: what both began with.
        theirs: what was saved first.
        mine: what was saved on an outdated base.

    Raises:
        ValueError: when they lie on different grids.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels, Mask
        >>> grid, labels = Grid.from_axes((1, 1, 4)), Labels.of(["liver", "spleen"])
        >>> masks = (Mask(torch.tensor([[[row]]]), grid, labels)
        ...     for row in ([0, 0, 0, 0], [1, 1, 0, 0], [0, 2, 2, 0]))
        >>> both = merge(*masks)
        >>> both.mask.data.tolist(), both.disputed.tolist()
        ([[[[1, 1, 2, 0]]]], [[[False, True, False, False]]])
    """
    import torch

    for other in (theirs, mine):
        if other.grid != base.grid:
            raise ValueError(f"masks on different grids: {base.grid.difference(other.grid)}")
    layers = max(mask.data.shape[0] for mask in (base, theirs, mine))
    was, first, second = (in_layers(mask.data, layers) for mask in (base, theirs, mine))
    merged = torch.where(first == was, second, first)
    disputed = (first != was) & (second != was) & (first != second)
    return Merge(replace(theirs, data=merged), disputed.any(0))


def in_layers(data: Tensor, layers: int) -> Tensor:
    """A mask's voxels in so many layers, the further ones empty."""
    import torch

    empty = data.new_zeros((layers - data.shape[0], *data.shape[1:]))
    return torch.cat([data, empty]).int()
