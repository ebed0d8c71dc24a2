"""Schedules: the learning rate as a function of how much of the training is done."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from medlib.train.callbacks.base import Callback

if TYPE_CHECKING:
    from medlib.train.learner import Learner


class Schedule(Callback):
    """Sets the learning rate before each step; each layer group learns at its own pace of it."""

    @abstractmethod
    def rate(self, progress: float) -> float:
        """The rate when this share of the training is done."""

    def made_with(self) -> dict[str, Any]:
        """All that it was made with."""
        return dict(vars(self))

    def before_step(self, learn: Learner) -> None:
        """Set the rate for this step."""
        rate = self.rate(learn.progress)
        for group in learn.optimiser.param_groups:
            group["lr"] = rate * group["pace"]


class OneCycle(Schedule):
    """Learning rate up, then down to nothing, along half cosines (Smith 2018).

    Args:
        peak: the highest rate.
        rise: share of the training during which the rate goes up.
        start: first rate, as a share of the peak.

    Example:
        >>> cycle = OneCycle(1.0, rise=0.25)
        >>> [round(cycle.rate(progress), 3) for progress in (0, 0.25, 0.625, 1)]
        [0.04, 1.0, 0.5, 0.0]
    """

    def __init__(self, peak: float, *, rise: float = 0.15, start: float = 0.04) -> None:
        self.peak, self.rise, self.start = peak, rise, start

    def rate(self, progress: float) -> float:
        """The rate when this share of the training is done."""
        if progress < self.rise:
            return self.peak * (1 - (1 - self.start) * _down(progress / self.rise))
        return self.peak * _down((progress - self.rise) / (1 - self.rise))


class Cosine(Schedule):
    """Learning rate down along half a cosine, once or again and again (SGDR: Loshchilov 2017).

    Args:
        peak: the highest rate.
        warmup: share of the training during which the rate rises, along a line, to begin with.
        floor: the lowest rate, as a share of the peak.
        cycles: how often it goes down, each time in as many steps.

    Example:
        >>> schedule = Cosine(1.0, warmup=0.2, cycles=2)
        >>> [round(schedule.rate(progress), 3) for progress in (0.1, 0.2, 0.4, 0.5999, 0.6001, 1)]
        [0.5, 1.0, 0.5, 0.0, 1.0, 0.0]
    """

    def __init__(
        self, peak: float, *, warmup: float = 0.05, floor: float = 0.0, cycles: int = 1
    ) -> None:
        self.peak, self.warmup, self.floor, self.cycles = peak, warmup, floor, cycles

    def rate(self, progress: float) -> float:
        """The rate when this share of the training is done."""
        if progress < self.warmup:
            return self.peak * progress / self.warmup
        way = (progress - self.warmup) / (1 - self.warmup)
        within = way * self.cycles - min(int(way * self.cycles), self.cycles - 1)
        return self.peak * (self.floor + (1 - self.floor) * _down(within))


class Constant(Schedule):
    """Learning rate up along a line, and then the same, for weights that are averaged.

    An average of weights (:class:`medlib.train.EMA`) brings the calm that a falling rate would, and
    the network goes on learning at full pace to the end (Hägele et al., Scaling laws and
    compute-optimal training beyond fixed training durations, NeurIPS 2024).

    Args:
        peak: the rate.
        warmup: share of the training during which it rises.

    Example:
        >>> [Constant(1.0, warmup=0.1).rate(progress) for progress in (0.05, 0.1, 1.0)]
        [0.5, 1.0, 1.0]
    """

    def __init__(self, peak: float, *, warmup: float = 0.1) -> None:
        self.peak, self.warmup = peak, warmup

    def rate(self, progress: float) -> float:
        """The rate when this share of the training is done."""
        return self.peak * (min(1.0, progress / self.warmup) if self.warmup else 1.0)


class Phases(Schedule):
    """One schedule after another, each over its share of the training.

    Args:
        phases: (share, schedule) of each; the last one takes what is left.

    Example:
        >>> both = Phases((0.1, OneCycle(1.0)), (0.9, OneCycle(0.5)))
        >>> both.rate(0.1 * 0.15), both.rate(0.1 + 0.9 * 0.15)
        (1.0, 0.5)
    """

    def __init__(self, *phases: tuple[float, Schedule]) -> None:
        self.phases = phases

    def made_with(self) -> dict[str, Any]:
        """Each phase's share, and its schedule's settings."""
        return {"phases": [[n, type(s).__name__, s.made_with()] for n, s in self.phases]}

    def rate(self, progress: float) -> float:
        """The rate when this share of the training is done."""
        begun = 0.0
        *first, (_, last) = self.phases
        for share, schedule in first:
            if progress < begun + share:
                return schedule.rate((progress - begun) / share)
            begun += share
        return last.rate((progress - begun) / (1 - begun) if begun < 1 else 1.0)


def _down(way: float) -> float:
    """From 1 to 0 along half a cosine."""
    return (1 + math.cos(math.pi * min(1.0, way))) / 2
