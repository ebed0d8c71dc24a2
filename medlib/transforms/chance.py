"""Where a recipe's randomness comes from."""

from __future__ import annotations

import hashlib

import numpy as np


class Chance:
    """Random numbers for one recipe and one item.

    The same seed, epoch, item and place in the pipeline give the same numbers, in whatever
    process, order or device. A strength below 1 draws everything towards what changes nothing.

    Args:
        seed: of the run.
        epoch: how often the item has been seen.
        name: of the item.
        place: of the recipe in its pipeline.
        strength: 0 (nothing changes) to 1 (as the recipe says).

    Example:
        >>> Chance(name="a").uniform(0, 1) == Chance(name="a").uniform(0, 1)
        True
        >>> Chance(name="a", strength=0).uniform(0.7, 1.5, neutral=1.0)
        1.0
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        epoch: int = 0,
        name: str = "",
        place: int = 0,
        strength: float = 1.0,
    ) -> None:
        text = f"{seed}\n{epoch}\n{place}\n{name}".encode()
        key = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
        self.rng = np.random.Generator(np.random.Philox(key=key))
        self.epoch = epoch
        self.strength = strength

    def scaled(self, factor: float) -> Chance:
        """The same random numbers, drawn on, at a strength ``factor`` times as large."""
        other = object.__new__(Chance)
        other.rng, other.epoch = self.rng, self.epoch
        other.strength = self.strength * factor
        return other

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return probability >= 1.0 or bool(self.rng.random() < probability)

    def uniform(self, low: float, high: float, *, neutral: float | None = None) -> float:
        """A number from ``low`` to ``high``.

        Args:
            low: the least.
            high: the greatest.
            neutral: the number that changes nothing, which a lesser strength draws towards.
                None for a number that is no strength: a place, a direction.
        """
        drawn = float(self.rng.uniform(low, high))
        return drawn if neutral is None else neutral + self.strength * (drawn - neutral)

    def factor(self, low: float, high: float) -> float:
        """A factor from ``low`` to ``high``, even on a logarithmic scale; 1 changes nothing."""
        drawn = float(self.rng.uniform(np.log(low), np.log(high)))
        return float(np.exp(self.strength * drawn))

    def seed(self) -> int:
        """A seed for a step that draws many numbers of its own."""
        return int(self.rng.integers(2**31))
