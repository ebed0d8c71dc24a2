"""Recipes that change the sampling: spacing, size, random affine deformation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medlib.space import Affine
from medlib.transforms.move import Move
from medlib.transforms.pipeline import Scene, Transform
from medlib.transforms.sampling import Interpolation


@dataclass(frozen=True)
class Spacing(Transform):
    """Resamples to voxels of exactly this size, about the same centre.

    Args:
        millimetres: along (slice, row, column); 0 leaves that axis as it is.
        labels: how masks are read; see :class:`medlib.transforms.Move`.

    Raises:
        ValueError: for anything but three sizes of at least 0.
    """

    millimetres: tuple[float, float, float]
    labels: Interpolation = "linear"

    def __post_init__(self) -> None:
        sizes: tuple[object, ...] = tuple(self.millimetres)  # files may say anything
        if len(sizes) != 3 or not all(isinstance(s, int | float) and s >= 0 for s in sizes):
            raise ValueError(f"a spacing is three sizes in millimetres, not {self.millimetres!r}")

    def draw(self, scene: Scene, rng: np.random.Generator) -> Move | None:
        """The move, or nothing when the spacing is already so."""
        own = scene.grid.spacing
        wanted = tuple(w or s for w, s in zip(self.millimetres, own, strict=True))
        if np.allclose(wanted, own, rtol=1e-6, atol=0.0):
            return None
        return Move(scene.grid, scene.grid.respaced(wanted), labels=self.labels)


@dataclass(frozen=True)
class Resize(Transform):
    """Resamples to this many voxels, over the same box.

    Args:
        shape: along (slice, row, column).
        labels: how masks are read; see :class:`medlib.transforms.Move`.
    """

    shape: tuple[int, int, int]
    labels: Interpolation = "linear"

    def draw(self, scene: Scene, rng: np.random.Generator) -> Move | None:
        """The move, or nothing when the size is already so."""
        if scene.grid.shape == tuple(self.shape):
            return None
        return Move(scene.grid, scene.grid.resized(self.shape), labels=self.labels)


@dataclass(frozen=True)
class RandomAffine(Transform):
    """Turns, scales and shifts the patient at random, about the middle of the grid.

    Args:
        degrees: the largest turn about each of x, y and z.
        scale: axes are scaled by up to ``1 ± scale``, each for itself.
        shift: the largest shift along each axis, in millimetres.
        probability: that an item is moved.
        labels: how masks are read; see :class:`medlib.transforms.Move`.
    """

    degrees: float = 15.0
    scale: float = 0.1
    shift: float = 0.0
    probability: float = 1.0
    labels: Interpolation = "linear"

    def draw(self, scene: Scene, rng: np.random.Generator) -> Move | None:
        """An affine move that lands on the same grid, or nothing."""
        if rng.random() >= self.probability:
            return None
        centre = scene.grid.centre
        turn = Affine.rotation(rng.uniform(-self.degrees, self.degrees, 3).tolist(), centre=centre)
        factors = np.exp(rng.uniform(-1, 1, 3) * np.log1p(self.scale))
        stretch = Affine.linear(np.diag(factors), centre=centre)
        shift = Affine.translation(rng.uniform(-self.shift, self.shift, 3).tolist())
        return Move(scene.grid, scene.grid, shift @ turn @ stretch, labels=self.labels)
