"""How long to train: in minutes, or in steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Budget:
    """Says how much of the training is done, by the clock or by counting.

    Args:
        minutes: of wall-clock time, everything included; or
        steps: training steps.
        started: ``time.monotonic()`` at which the clock began; left out, now.

    Raises:
        ValueError: unless exactly one of them is given, and positive.
    """

    minutes: float | None = None
    steps: int | None = None
    started: float = field(default_factory=time.monotonic)
    _reserved: float = 0.0
    _origin: float | None = None

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("say how long to train: minutes, or steps (not both)")
        length = self.minutes or self.steps or 0
        if not length > 0:  # which NaN is not either
            raise ValueError(f"cannot train for {length:g}")

    def begin(self) -> None:
        """Training proper begins now; what went before (reading, planning) is spent already."""
        self._origin = time.monotonic()

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
        origin = self._origin if self._origin is not None else self.started
        whole = self._deadline() - origin
        return min(1.0, (time.monotonic() - origin) / whole) if whole > 0 else 1.0

    def seconds_left(self, step: int, seconds_a_step: float) -> float:
        """Until the last step, as far as can be told."""
        if self.steps is not None:
            return max(0, self.steps - step) * seconds_a_step
        return max(0.0, self._deadline() - time.monotonic())

    def _deadline(self) -> float:
        return self.started + 60 * (self.minutes or 0.0) - self._reserved
