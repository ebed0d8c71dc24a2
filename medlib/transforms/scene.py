"""Items, and items on their way through a pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from medlib.space import Affine, Grid, Map
from medlib.transforms.spatial.move import Move, followed
from medlib.transforms.spatial.naming import SwapSides
from medlib.transforms.spatial.together import resample_together
from medlib.transforms.steps import Step, apply
from medlib.transforms.trail import Trail
from medlib.types import Kind, Mask, MultiVolume, Probabilities, Reference, Volume


@dataclass(frozen=True)
class Item:
    """Values that belong together (a scan and its mask), and what was done to them.

    Args:
        values: any kinds; those with a grid share one.
        trail: the steps so far.
        name: which item it is; randomness is drawn from it.
    """

    values: tuple[Kind, ...]
    trail: Trail = field(default_factory=Trail)
    name: str = ""

    @property
    def grid(self) -> Grid:
        """The grid that the values share.

        Raises:
            ValueError: when none has a grid, or two have different ones.
        """
        return shared_grid(self.values)


def shared_grid(values: Iterable[Kind]) -> Grid:
    """The one grid of all values that have any.

    Raises:
        ValueError: when none has a grid, or two have different ones.
    """
    kinds = Volume | MultiVolume | Reference | Mask | Probabilities
    gridded = [v for v in values if isinstance(v, kinds)]
    if not gridded:
        raise ValueError("none of the values has a grid, so nothing can be moved")
    first = gridded[0].grid
    for other in gridded[1:]:
        if other.grid is not first and not first.close_to(other.grid):
            raise ValueError(
                f"the {type(gridded[0]).__name__} and the {type(other).__name__} are on different "
                f"grids: {first.difference(other.grid)}"
            )
    return first


class Scene:
    """An item on its way through a pipeline: moves are kept back until voxels are looked at.

    Args:
        item: that goes.
        companions: scenes that go the same way, whose moves are carried out together; a list that
            all of them share, and that this one joins.
    """

    def __init__(self, item: Item, companions: list[Scene] | None = None) -> None:
        self.name = item.name
        self._values = item.values
        self._steps = list(item.trail.steps)
        self._pending: Move | None = None
        self._grid = item.grid
        self._companions = [] if companions is None else companions
        self._companions.append(self)

    @property
    def grid(self) -> Grid:
        """The grid that the values are on once everything so far is done."""
        return self._grid

    @property
    def unmoved(self) -> tuple[Kind, ...]:
        """The values before the moves that are still kept back: free to look at."""
        return self._values

    @property
    def moved(self) -> Map:
        """Where a point of the :attr:`unmoved` values is by now."""
        return Affine.identity() if self._pending is None else self._pending.map

    @property
    def values(self) -> tuple[Kind, ...]:
        """The values as they are by now. Asking for them makes the kept-back moves happen."""
        if self._pending is not None:
            waiting = [scene for scene in self._companions if scene._pending is not None]
            moves = [scene._pending for scene in waiting if scene._pending is not None]
            moved = resample_together([scene._values for scene in waiting], moves)
            for scene, values in zip(waiting, moved, strict=True):
                scene._values, scene._pending = values, None
        return self._values

    def add(self, step: Step) -> None:
        """Do one more thing."""
        self._steps.append(step)
        if isinstance(step, Move):
            self._pending = followed(self._pending, step)
            self._grid = step.landing
        elif isinstance(step, SwapSides):  # names do not wait for voxels
            self._values = tuple(apply(step, v) for v in self._values)
        else:
            self._values = tuple(apply(step, v) for v in self.values)

    def item(self) -> Item:
        """The finished item."""
        return Item(self.values, Trail(tuple(self._steps)), self.name)
