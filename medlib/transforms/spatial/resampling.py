"""Recipes that change the sampling: spacing and size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medlib.transforms.chance import Chance
from medlib.transforms.recipe import Transform
from medlib.transforms.scene import Scene
from medlib.transforms.spatial.lattices import Interpolation
from medlib.transforms.spatial.move import Move


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

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when the spacing is already so."""
        own = scene.grid.spacing
        wanted = tuple(w or s for w, s in zip(self.millimetres, own, strict=True))
        if np.allclose(wanted, own, rtol=1e-6, atol=0.0):
            return None
        return Move(scene.grid, scene.grid.respaced(wanted), labels=self.labels)


@dataclass(frozen=True)
class Fit(Transform):
    """Resamples so that all of it fits into so many voxels, its sides in proportion.

    Voxels become as long along each of these axes, as large as they have to be and no larger. It
    is the one recipe for images whose scale is not known, as radiographs'; follow it with
    :class:`medlib.transforms.PadTo`.

    Args:
        shape: along (slice, row, column); 0 leaves that axis as it is.
        labels: how masks are read; see :class:`medlib.transforms.Move`.

    Raises:
        ValueError: for anything but three sizes of at least 0, of which one is above.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Item, Pipeline
        >>> from medlib.types import Radiograph
        >>> chest = Radiograph(torch.zeros(1, 1, 60, 40), Grid.from_axes((1, 60, 40)))
        >>> Pipeline((Fit((0, 32, 32)),))(Item((chest,))).grid.shape
        (1, 32, 22)
    """

    shape: tuple[int, int, int]
    labels: Interpolation = "linear"

    def __post_init__(self) -> None:
        sizes: tuple[object, ...] = tuple(self.shape)  # files may say anything
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in sizes)
        if len(sizes) != 3 or not whole or not any(sizes):
            raise ValueError(f"a scan is fitted into three whole numbers of voxels, not {sizes!r}")

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when it fits as it is and could not be larger."""
        spacing, wanted = np.array(scene.grid.spacing), np.array(self.shape)
        axes = wanted > 0
        extent = np.array(scene.grid.shape) * spacing
        side = float((extent[axes] / wanted[axes]).max())
        if np.allclose(spacing[axes], side, rtol=1e-6, atol=0.0):
            return None
        landing = scene.grid.respaced(np.where(axes, side, spacing).tolist())
        return Move(scene.grid, landing, labels=self.labels)


@dataclass(frozen=True)
class Resize(Transform):
    """Resamples to this many voxels, over the same box.

    Args:
        shape: along (slice, row, column).
        labels: how masks are read; see :class:`medlib.transforms.Move`.
    """

    shape: tuple[int, int, int]
    labels: Interpolation = "linear"

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when the size is already so."""
        if scene.grid.shape == tuple(self.shape):
            return None
        return Move(scene.grid, scene.grid.resized(self.shape), labels=self.labels)
