"""Recipes: what may be done to an item, before chance has decided what is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from medlib.transforms.chance import Chance
from medlib.transforms.scene import Scene
from medlib.transforms.spec import Spec
from medlib.transforms.steps import ByPart, IntensityStep, Step
from medlib.types import Kind, MultiVolume, Volume


@dataclass(frozen=True)
class Transform(Spec, ABC):
    """A recipe: given an item, it draws the step to take. Its fields are plain values.

    Args:
        probability: that an item is changed at all.
    """

    probability: float = field(default=1.0, kw_only=True)

    @abstractmethod
    def draw(self, scene: Scene, chance: Chance) -> Step | None:
        """The step for this item, or None to leave it as it is.

        Take what is random from ``chance`` alone; look at ``scene.grid`` rather than
        ``scene.values`` where that is enough, so that moves can be fused.
        """

    def check(self, scene: Scene) -> None:
        """Refuse an item that must never be changed so, whatever chance says.

        Raises:
            ValueError: saying why.
        """

    def steps(self, scene: Scene, chance: Chance) -> Iterator[Step]:
        """The steps to take, one after the other: each is taken before the next is drawn."""
        self.check(scene)
        if chance.happens(self.probability):
            step = self.draw(scene, chance)
            if step is not None:
                yield step


@dataclass(frozen=True)
class Intensity(Transform):
    """A recipe for what the scan's voxels hold: one step for each series of the scan."""

    @abstractmethod
    def draw_for(self, scan: Volume, chance: Chance) -> IntensityStep | None:
        """The step for this scan (its voxels, units, background, grid), or None."""

    def draw(self, scene: Scene, chance: Chance) -> Step | None:
        """The step for the scan; for one of several series, a step for each.

        Raises:
            ValueError: when there is no scan, or more than one.
        """
        scan = the_scan(scene.values)
        if isinstance(scan, Volume):
            return self.draw_for(scan, chance)
        steps = tuple(self.draw_for(part, chance) for part in scan.parts)
        return ByPart(steps) if any(steps) else None


def the_scan(values: Iterable[Kind]) -> Volume | MultiVolume:
    """The one scan among ``values``.

    Raises:
        ValueError: when there is none, or more than one.
    """
    scans = [v for v in values if isinstance(v, Volume | MultiVolume)]
    if len(scans) != 1:
        raise ValueError(
            f"one scan is needed, and there are {len(scans)}; join series of one patient in a "
            "MultiVolume, or name a kind by Only"
        )
    return scans[0]
