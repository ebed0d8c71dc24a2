"""Recipes made of recipes: one after another, one of several, some of them, ever stronger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from medlib.transforms.chance import Chance
from medlib.transforms.recipe import Transform
from medlib.transforms.scene import Scene
from medlib.transforms.steps import Step


@dataclass(frozen=True)
class Composition(Transform, ABC):
    """A recipe that hands on to its members.

    Its own probability counts first, then each member's. What a member must refuse whatever
    chance says is refused before anything is drawn, of the item as it comes to the composition.
    """

    @property
    @abstractmethod
    def members(self) -> tuple[Transform, ...]:
        """The recipes that it may hand on to."""

    @abstractmethod
    def hand_on(self, scene: Scene, chance: Chance) -> Iterator[Step]:
        """The members' steps, each taken before the next is drawn."""

    def check(self, scene: Scene) -> None:
        """Refuse what any member refuses."""
        for member in self.members:
            member.check(scene)

    def draw(self, scene: Scene, chance: Chance) -> Step:
        """Never: a composition has :meth:`steps`, as many as its members have.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{type(self).__name__} has no one step to draw; ask for its steps")

    def steps(self, scene: Scene, chance: Chance) -> Iterator[Step]:
        """The steps of the members that it hands on to."""
        self.check(scene)
        if chance.happens(self.probability):
            yield from self.hand_on(scene, chance)


@dataclass(frozen=True)
class Sequence(Composition):
    """Several recipes as one, in order.

    Args:
        transforms: all are taken, as far as chance lets each.

    Example:
        >>> from medlib.transforms import Brightness, Noise
        >>> poor = Sequence((Noise(0.2), Brightness(0.3)), probability=0.1)
    """

    transforms: tuple[Transform, ...]

    @property
    def members(self) -> tuple[Transform, ...]:
        """All of them."""
        return self.transforms

    def hand_on(self, scene: Scene, chance: Chance) -> Iterator[Step]:
        """The steps of all."""
        for transform in self.transforms:
            yield from transform.steps(scene, chance)


@dataclass(frozen=True)
class OneOf(Composition):
    """One of several recipes, drawn at random.

    Args:
        transforms: at least one.
        weights: how often each is drawn, compared with the others; left out: all alike.

    Raises:
        ValueError: without transforms, and for weights that are not one each, are below 0, or
            are all 0.
    """

    transforms: tuple[Transform, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.transforms:
            raise ValueError("one of no transforms cannot be drawn")
        if self.weights and len(self.weights) != len(self.transforms):
            raise ValueError(
                f"{len(self.transforms)} transforms need a weight each, not {len(self.weights)}"
            )
        if self.weights and not (min(self.weights) >= 0 and 0 < sum(self.weights) < float("inf")):
            raise ValueError(f"weights are 0 or more, and not all 0: {self.weights}")

    @property
    def members(self) -> tuple[Transform, ...]:
        """All of them."""
        return self.transforms

    def hand_on(self, scene: Scene, chance: Chance) -> Iterator[Step]:
        """The steps of the one that is drawn."""
        weights = self.weights or (1.0,) * len(self.transforms)
        shares = [weight / sum(weights) for weight in weights]
        yield from self.transforms[chance.rng.choice(len(shares), p=shares)].steps(scene, chance)


@dataclass(frozen=True)
class SomeOf(Composition):
    """Some of several recipes, drawn at random, in the order in which they are given.

    Args:
        transforms: to be drawn from.
        least: how many are taken at least.
        most: how many are taken at most; each number between is as likely.

    Raises:
        ValueError: for numbers that are out of order, or of more than there are.
    """

    transforms: tuple[Transform, ...]
    least: int
    most: int

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most <= len(self.transforms):
            raise ValueError(
                f"from {self.least} to {self.most} of {len(self.transforms)} transforms cannot be "
                "drawn"
            )

    @property
    def members(self) -> tuple[Transform, ...]:
        """All of them."""
        return self.transforms

    def hand_on(self, scene: Scene, chance: Chance) -> Iterator[Step]:
        """The steps of those that are drawn."""
        count = int(chance.rng.integers(self.least, self.most + 1))
        drawn = chance.rng.choice(len(self.transforms), size=count, replace=False)
        for place in sorted(drawn.tolist()):
            yield from self.transforms[place].steps(scene, chance)


@dataclass(frozen=True)
class Ramp(Composition):
    """A recipe whose strength changes with the epochs, evenly from ``start`` to ``stop``.

    What is drawn from a range is drawn closer to what changes nothing; what has no strength (a
    patch, a fixed window) stays as it is.

    Args:
        transform: whose strength it is.
        epochs: after how many the strength is ``stop``, and stays so.
        start: strength in the first epoch, 0 (nothing changes) to 1 (all that the recipe says).
        stop: strength at the end, 0 to 1.

    Raises:
        ValueError: for fewer epochs than one, or strengths that are not from 0 to 1.

    Example:
        >>> from medlib.transforms import RandomAffine
        >>> [Ramp(RandomAffine(), epochs=4, start=0.5).strength(epoch) for epoch in (0, 2, 9)]
        [0.5, 0.75, 1.0]
    """

    transform: Transform
    epochs: int
    start: float = 0.0
    stop: float = 1.0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"a ramp takes an epoch or more, not {self.epochs}")
        if not (0 <= self.start <= 1 and 0 <= self.stop <= 1):
            raise ValueError(f"strengths are from 0 to 1, not {self.start:g} and {self.stop:g}")

    @property
    def members(self) -> tuple[Transform, ...]:
        """The one."""
        return (self.transform,)

    def strength(self, epoch: int) -> float:
        """The strength in this epoch, the first being 0."""
        return self.start + (self.stop - self.start) * min(1.0, epoch / self.epochs)

    def hand_on(self, scene: Scene, chance: Chance) -> Iterator[Step]:
        """The transform's steps, at the strength of the epoch."""
        yield from self.transform.steps(scene, chance.scaled(self.strength(chance.epoch)))
