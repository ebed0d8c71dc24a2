"""The pipeline: recipes in order, turned into steps for one item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medlib.transforms.chance import Chance
from medlib.transforms.recipe import Transform
from medlib.transforms.scene import Item, Scene
from medlib.transforms.spec import from_dict


@dataclass(frozen=True)
class Pipeline:
    """Transforms in order.

    The same seed, epoch and item name give the same result, in whatever worker or order.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Flip, Spacing
        >>> from medlib.types import MRVolume
        >>> scan = MRVolume(torch.rand(1, 8, 8, 8), Grid.from_axes((8, 8, 8)))
        >>> halve = Pipeline((Spacing((2, 2, 2)), Flip("anterior-posterior")))
        >>> done = halve(Item((scan,)))
        >>> done.grid.shape, len(done.trail.steps)
        ((4, 4, 4), 2)
    """

    transforms: tuple[Transform, ...] = ()

    def __call__(self, item: Item, *, seed: int = 0, epoch: int = 0, strength: float = 1.0) -> Item:
        """``item`` after every transform, its trail grown by their steps.

        Args:
            item: to be changed.
            seed: of the run.
            epoch: how often the item has been seen.
            strength: of all that is random, 0 to 1.
        """
        return self.together((item,), seed=seed, epochs=(epoch,), strength=strength)[0]

    def together(
        self,
        items: Sequence[Item],
        *,
        seed: int = 0,
        epochs: Sequence[int] = (),
        strength: float = 1.0,
    ) -> list[Item]:
        """Items after every transform, each with its own parameters: what each alone would become.

        They go side by side, and moves are carried out for all of them at once: on a graphics card
        (values whose tensors lie there) a batch is augmented in one pass.

        Args:
            items: to be changed.
            seed: of the run.
            epochs: of each item, how often it has been seen; left out: not yet.
            strength: of all that is random, 0 to 1.
        """
        company: list[Scene] = []
        scenes = [Scene(item, company) for item in items]
        for place, transform in enumerate(self.transforms):
            for scene, epoch in zip(scenes, epochs or [0] * len(scenes), strict=True):
                chance = Chance(
                    seed=seed, epoch=epoch, name=scene.name, place=place, strength=strength
                )
                for step in transform.steps(scene, chance):
                    scene.add(step)
        done = [scene.item() for scene in scenes]
        company.clear()  # a circle of references would keep the voxels until the next collection
        return done

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
