"""The sizes that a body's parts share, drawn once a patient so that the parts fit each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from medlib.datasets.phantom.shapes import Solid, ellipsoid

INF = float("inf")


@dataclass(frozen=True)
class Build:
    """A patient's build, in millimetres about the front of the second lumbar vertebra.

    x runs to the patient's left, y to the back, z to the head (LPS, as everywhere).

    Args:
        width: half the body's width.
        depth: half its depth.
        fat: thickness of the fat under the skin at the flanks.
        spine: y of the middle of the vertebral bodies.
        dome: z of the top of the right half of the diaphragm.
        rng: for all that is drawn.
    """

    width: float
    depth: float
    fat: float
    spine: float
    dome: float
    rng: np.random.Generator

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """A build from the slim to the stout."""
        stout = rng.uniform(0, 1)
        return cls(
            width=143 + 34 * stout + rng.normal(0, 4),
            depth=103 + 18 * stout + rng.normal(0, 2),
            fat=7 + 22 * stout + rng.normal(0, 2),
            spine=40 + 5 * stout + rng.normal(0, 1.5),
            dome=108 + rng.normal(0, 5),
            rng=rng,
        )

    def draw_near(self, *centre: float, spread: float = 3.0) -> tuple[float, ...]:
        """A vector near ``centre``, each component off by about ``spread``."""
        return tuple(float(c + self.rng.normal(0, spread)) for c in centre)

    def draw_size(self, *radii: float, spread: float = 0.08) -> tuple[float, ...]:
        """Radii near ``radii``, each off by about a share ``spread``, and all together likewise."""
        whole = 1 + self.rng.normal(0, spread)
        return tuple(
            float(np.clip(r * whole * (1 + self.rng.normal(0, spread / 2)), 0.75 * r, 1.25 * r))
            for r in radii
        )

    # --- the walls of the trunk -----------------------------------------------------------

    @property
    def skin(self) -> Solid:
        """All of the trunk."""
        return ellipsoid((0, 0, 0), (self.width, self.depth, INF), power=2.5)

    @property
    def under_fat(self) -> Solid:
        """What the fat under the skin encloses."""
        return ellipsoid(
            (0, 1, 0),
            (self.width - self.fat, self.depth - 0.75 * self.fat - 2, INF),
            power=2.5,
        )

    @property
    def cavity(self) -> Solid:
        """Chest and abdomen, inside ribs and muscles."""
        half_depth = (self.depth - 0.75 * self.fat - 12 + self.spine + 26) / 2
        return ellipsoid(
            (0, self.spine + 26 - half_depth, 0),
            (self.width - self.fat - 13, half_depth, INF),
            power=2.5,
        )

    @property
    def below_diaphragm(self) -> Solid:
        """Under the two domes of the diaphragm: the right stands higher."""
        half = self.width - self.fat
        right = self._dome(-0.5 * half, self.dome, 0.56 * half)
        left = self._dome(0.52 * half, self.dome - 13, 0.53 * half)
        middle = self._dome(0, self.dome - 22, 0.45 * half)
        return right.join(left, middle, blend=18)

    def _dome(self, x: float, top: float, half_width: float) -> Solid:
        height = 85.0
        half_depth = (self.depth + self.spine) * 0.56
        y = self.spine - 0.62 * half_depth
        crown = ellipsoid((x, y, top - height), (half_width, half_depth, height))
        return crown.down_from(top - height)
