"""How long to train: in minutes, or in steps."""

from __future__ import annotations

import time
from collections.abc import Callable


class Budget:
    """Says how much of the training is done, by the clock or by counting.

    Args:
        minutes: of wall-clock time, everything included; or
        steps: training steps.
        started: what the clock said when the minutes began; left out, now.
        clock: seconds, from any beginning, that never run backwards.

    Raises:
        ValueError: unless exactly one of them is given, and positive.

    Example:
        >>> now = 100.0
        >>> budget = Budget(minutes=1, clock=lambda: now)
        >>> budget.go_on(spent=20.0, progress=0.25)  # where another process was killed
        >>> now = 105.0  # the scans were read again
        >>> budget.begin()
        >>> budget.spent, budget.progress(step=7)
        (25.0, 0.25)
        >>> now = 140.0
        >>> budget.spent, budget.progress(step=9)
        (60.0, 1.0)
    """

    def __init__(
        self,
        minutes: float | None = None,
        steps: int | None = None,
        *,
        started: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if (minutes is None) == (steps is None):
            raise ValueError("say how long to train: minutes, or steps (not both)")
        length = minutes or steps or 0
        if not length > 0:  # which NaN is not either
            raise ValueError(f"cannot train for {length:g}")
        self.minutes, self.steps = minutes, steps
        self._clock = clock
        self._started = self._origin = clock() if started is None else started
        self._before = 0.0  # the share that was done at the origin
        self._reserved = 0.0

    @property
    def spent(self) -> float:
        """Seconds that the training has taken, those of earlier processes included."""
        return self._clock() - self._started

    def go_on(self, spent: float, progress: float) -> None:
        """Take over from a process that ended.

        Args:
            spent: seconds that the training had taken.
            progress: share of it that was done, 0 to 1.
        """
        self._started -= spent
        self._before = progress

    def begin(self) -> None:
        """Training proper begins now; what went before (reading, planning) is spent already.

        On going on, what was done stays done, and what is left is spread over the time that is left.
        """
        self._origin = self._clock()

    def reserve(self, seconds: float) -> None:
        """Keep this much time for what comes after the last step."""
        self._reserved = seconds

    def share(self, seconds: float) -> float:
        """How much of the minutes this long is; 0 where steps are counted, which wait for it."""
        return 0.0 if self.minutes is None else seconds / (60 * self.minutes)

    def progress(self, step: int) -> float:
        """The share of the training that is done, 0 to 1."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        whole = self._deadline() - self._origin
        if whole <= 0:
            return 1.0
        way = (self._clock() - self._origin) / whole
        return min(1.0, self._before + (1 - self._before) * way)

    def seconds_left(self, step: int, seconds_a_step: float) -> float:
        """Until the last step, as far as can be told."""
        if self.steps is not None:
            return max(0, self.steps - step) * seconds_a_step
        return max(0.0, self._deadline() - self._clock())

    def _deadline(self) -> float:
        return self._started + 60 * (self.minutes or 0.0) - self._reserved
