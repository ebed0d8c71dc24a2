"""Recipes that turn the axes of the array, or mirror the patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from medlib.space import Affine, Grid
from medlib.transforms.chance import Chance
from medlib.transforms.recipe import Transform
from medlib.transforms.scene import Scene
from medlib.transforms.spatial.move import Move
from medlib.transforms.spatial.naming import SwapSides
from medlib.transforms.steps import Step
from medlib.types import names_of, sided_pairs

Direction = Literal["left-right", "anterior-posterior", "superior-inferior"]


@dataclass(frozen=True)
class Reorient(Transform):
    """Flips and swaps array axes until they run as named; the patient stays as it is.

    Exactly reversible: no voxel is interpolated, however oblique the scan.

    Args:
        orientation: for example ``"SPL"``; see :attr:`medlib.space.Grid.orientation`.

    Raises:
        ValueError: for letters that do not name each patient axis once.
    """

    orientation: str = "SPL"

    def __post_init__(self) -> None:
        Grid.from_axes((1, 1, 1)).reoriented(self.orientation)

    def draw(self, scene: Scene, chance: Chance) -> Move | None:
        """The move, or nothing when the axes already run so."""
        if scene.grid.orientation == self.orientation.upper():
            return None
        return Move(scene.grid, scene.grid.reoriented(self.orientation))


@dataclass(frozen=True)
class Flip(Transform):
    """Mirrors the patient: for augmentation, where anatomy allows it.

    The mirror is the middle of the grid, along the array axis nearest to ``direction``, so that
    no voxel is interpolated. Mirrored from left to right, what is called left is called right
    afterwards: kidney_left becomes kidney_right, in masks, points, boxes, contours and answers.

    Args:
        direction: ``"left-right"``, ``"anterior-posterior"`` or ``"superior-inferior"``.

    Raises:
        ValueError: for another direction; and when used from left to right on an item in which a
            name says a side and has no partner on the other (a left kidney alone): it would then
            name the wrong side. That is refused whether or not chance would have mirrored it.
    """

    direction: Direction

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise ValueError(
                f"direction must be one of {', '.join(get_args(Direction))}, not {self.direction!r}"
            )

    def check(self, scene: Scene) -> None:
        """Refuse a flip from left to right of names that could not follow it."""
        if self.direction == "left-right":
            for value in scene.unmoved:
                _, unpaired = sided_pairs(names_of(value))
                if unpaired:
                    raise ValueError(
                        f"a flip from left to right would turn {', '.join(unpaired)} into the "
                        "wrong side; leave it out, name both sides, or name the side by neither"
                    )

    def steps(self, scene: Scene, chance: Chance) -> Iterator[Step]:
        """The mirroring, and the exchange of names that goes with it."""
        for step in super().steps(scene, chance):
            yield step
            if self.direction == "left-right":
                yield SwapSides()

    def draw(self, scene: Scene, chance: Chance) -> Move:
        """The mirroring."""
        grid = scene.grid
        letter = {"left-right": "LR", "anterior-posterior": "AP", "superior-inferior": "SI"}
        axis = next(k for k, end in enumerate(grid.orientation) if end in letter[self.direction])
        index_flip = np.eye(4)
        index_flip[axis, axis], index_flip[axis, 3] = -1.0, grid.shape[axis] - 1
        matrix = grid.affine @ index_flip @ np.linalg.inv(grid.affine)
        matrix[3] = (0.0, 0.0, 0.0, 1.0)
        return Move(grid, grid, Affine(matrix))
