"""Recipes that turn the axes of the array, or mirror the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from medlib.space import Affine
from medlib.transforms.move import Move
from medlib.transforms.pipeline import Scene, Transform
from medlib.types import Labels, Mask

Direction = Literal["left-right", "anterior-posterior", "superior-inferior"]
_SIDED = {"left", "right", "l", "r", "lt", "rt", "sinister", "dexter"}


@dataclass(frozen=True)
class Reorient(Transform):
    """Flips and swaps array axes until they run as named; the patient stays as it is.

    Exactly reversible: no voxel is interpolated, however oblique the scan.

    Args:
        orientation: for example ``"SPL"``; see :attr:`medlib.space.Grid.orientation`.
    """

    orientation: str = "SPL"

    def draw(self, scene: Scene, rng: np.random.Generator) -> Move | None:
        """The move, or nothing when the axes already run so."""
        if scene.grid.orientation == self.orientation:
            return None
        return Move(scene.grid, scene.grid.reoriented(self.orientation))


@dataclass(frozen=True)
class Flip(Transform):
    """Mirrors the patient: for augmentation, where anatomy allows it.

    The mirror is the middle of the grid, along the array axis nearest to ``direction``, so that
    no voxel is interpolated.

    Args:
        direction: ``"left-right"``, ``"anterior-posterior"`` or ``"superior-inferior"``.
        probability: that an item is mirrored.

    Raises:
        ValueError: for another direction; and when drawn left to right while the mask has
            labels of one side, since a left kidney would then lie on the right.
    """

    direction: Direction
    probability: float = 1.0

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise ValueError(
                f"direction must be one of {', '.join(get_args(Direction))}, not {self.direction!r}"
            )

    def draw(self, scene: Scene, rng: np.random.Generator) -> Move | None:
        """The mirroring, or nothing."""
        if self.direction == "left-right":
            for value in scene.unmoved:
                if isinstance(value, Mask) and sided(value.labels):
                    raise ValueError(
                        f"a flip from left to right would turn {', '.join(sided(value.labels))} "
                        "into the wrong side; leave it out, or label both sides alike"
                    )
        if rng.random() >= self.probability:
            return None
        grid = scene.grid
        letter = {"left-right": "LR", "anterior-posterior": "AP", "superior-inferior": "SI"}
        axis = next(k for k, end in enumerate(grid.orientation) if end in letter[self.direction])
        index_flip = np.eye(4)
        index_flip[axis, axis], index_flip[axis, 3] = -1.0, grid.shape[axis] - 1
        matrix = grid.affine @ index_flip @ np.linalg.inv(grid.affine)
        matrix[3] = (0.0, 0.0, 0.0, 1.0)
        return Move(grid, grid, Affine(matrix))


def sided(labels: Labels) -> list[str]:
    """Names in the table that say left or right.

    Example:
        >>> sided(Labels.of(["liver", "kidney_left", "Right kidney"]))
        ['kidney_left', 'Right kidney']
    """
    return [
        name
        for name in labels.names
        if _SIDED & set("".join(c if c.isalpha() else " " for c in name.lower()).split())
    ]
