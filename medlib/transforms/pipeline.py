"""Recipes, and the pipeline that turns them into steps."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medlib.space import Affine, Grid
from medlib.transforms.move import Move
from medlib.transforms.spec import Spec, from_dict
from medlib.transforms.steps import Step, apply
from medlib.transforms.trail import Trail
from medlib.types import Kind, Mask, Probabilities, Volume


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
    gridded = [v for v in values if isinstance(v, Volume | Mask | Probabilities)]
    if not gridded:
        raise ValueError("none of the values has a grid, so nothing can be moved")
    first = gridded[0].grid
    for other in gridded[1:]:
        if not first.close_to(other.grid):
            raise ValueError(
                f"the {type(gridded[0]).__name__} and the {type(other).__name__} are on different "
                f"grids: {first.difference(other.grid)}"
            )
    return first


class Scene:
    """An item on its way through a pipeline: moves are kept back until voxels are looked at."""

    def __init__(self, item: Item) -> None:
        self.name = item.name
        self._values = item.values
        self._steps = list(item.trail.steps)
        self._pending: Move | None = None
        self._grid = item.grid

    @property
    def grid(self) -> Grid:
        """The grid that the values are on once everything so far is done."""
        return self._grid

    @property
    def unmoved(self) -> tuple[Kind, ...]:
        """The values before the moves that are still kept back: free to look at."""
        return self._values

    @property
    def moved(self) -> Affine:
        """Where a point of the :attr:`unmoved` values is by now."""
        return Affine.identity() if self._pending is None else self._pending.map

    @property
    def values(self) -> tuple[Kind, ...]:
        """The values as they are by now. Asking for them makes the kept-back moves happen."""
        if self._pending is not None:
            self._values = tuple(apply(self._pending, v) for v in self._values)
            self._pending = None
        return self._values

    def add(self, step: Step) -> None:
        """Do one more thing."""
        self._steps.append(step)
        if isinstance(step, Move):
            self._pending = step if self._pending is None else self._pending.then(step)
            self._grid = step.landing
        else:
            self._values = tuple(apply(step, v) for v in self.values)

    def item(self) -> Item:
        """The finished item."""
        return Item(self.values, Trail(tuple(self._steps)), self.name)


@dataclass(frozen=True)
class Transform(Spec, ABC):
    """A recipe: given an item, it draws the step to take. Its fields are plain values."""

    @abstractmethod
    def draw(self, scene: Scene, rng: np.random.Generator) -> Step | None:
        """The step for this item, or None to leave it as it is.

        Take what is random from ``rng`` alone; look at ``scene.grid`` rather than
        ``scene.values`` where that is enough, so that moves can be fused.
        """


@dataclass(frozen=True)
class Pipeline:
    """Transforms in order.

    The same seed, epoch and item name give the same result, in whatever worker or order.

    Example:
        >>> import torch
        >>> from medlib.transforms import Flip, Spacing
        >>> from medlib.types import MRVolume
        >>> scan = MRVolume(torch.rand(1, 8, 8, 8), Grid.from_axes((8, 8, 8)))
        >>> halve = Pipeline((Spacing((2, 2, 2)), Flip("anterior-posterior")))
        >>> done = halve(Item((scan,)))
        >>> done.grid.shape, len(done.trail.steps)
        ((4, 4, 4), 2)
    """

    transforms: tuple[Transform, ...] = ()

    def __call__(self, item: Item, *, seed: int = 0, epoch: int = 0) -> Item:
        """``item`` after every transform, its trail grown by their steps."""
        scene = Scene(item)
        for place, transform in enumerate(self.transforms):
            step = transform.draw(scene, _generator(seed, epoch, item.name, place))
            if step is not None:
                scene.add(step)
        return scene.item()

    def __add__(self, other: Pipeline) -> Pipeline:
        return Pipeline(self.transforms + other.transforms)

    def to_list(self) -> list[dict[str, Any]]:
        """Plain JSON values that :meth:`from_list` reads back to an equal pipeline."""
        return [transform.to_dict() for transform in self.transforms]

    @classmethod
    def from_list(
        cls, specs: Iterable[Mapping[str, Any]], *, allowed: Iterable[type[Transform]]
    ) -> Pipeline:
        """The pipeline that :meth:`to_list` wrote, made of ``allowed`` classes only."""
        classes = tuple(allowed)
        return cls(tuple(from_dict(spec, classes) for spec in specs))


def _generator(seed: int, epoch: int, name: str, place: int) -> np.random.Generator:
    text = f"{seed}\n{epoch}\n{place}\n{name}".encode()
    key = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))
