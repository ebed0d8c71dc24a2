"""Recipes that turn the axes of the array, or mirror the patient."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from medlib.space import Affine, Grid
from medlib.transforms.move import Move
from medlib.transforms.pipeline import Scene, Transform
from medlib.types import Category, Kind, Mask, Points, Probabilities

Direction = Literal["left-right", "anterior-posterior", "superior-inferior"]
_SIDED = {"left", "right", "l", "r", "lt", "rt", "sin", "dex"}
_SIDED_LATIN = ("sinist", "dext")  # whatever the ending


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

    def draw(self, scene: Scene, rng: np.random.Generator) -> Move | None:
        """The move, or nothing when the axes already run so."""
        if scene.grid.orientation == self.orientation.upper():
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
        ValueError: for another direction; and when drawn left to right while a label, a point or
            a category names a side, since a left kidney would then lie on the right.
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
                if names := sided(_names(value)):
                    raise ValueError(
                        f"a flip from left to right would turn {', '.join(names)} into the wrong "
                        "side; leave it out, or name both sides alike"
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


def _names(value: Kind) -> tuple[str, ...]:
    """What a value calls its parts, or could have been called itself."""
    match value:
        case Mask() | Probabilities():
            return value.labels.names
        case Points():
            return value.names
        case Category():
            return value.vocabulary
    return ()


def sided(names: Iterable[str]) -> list[str]:
    """Those of ``names`` that say left or right.

    Example:
        >>> sided(["liver", "kidney_left", "RightKidney", "femur-L", "vertebra L1"])
        ['kidney_left', 'RightKidney', 'femur-L']
    """
    return [
        name
        for name in names
        if any(word in _SIDED or word.startswith(_SIDED_LATIN) for word in _words(name))
    ]


def _words(name: str) -> list[str]:
    """Words in lower case; one begins at a capital after a small letter, too."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W\d_]{3,}|[^\W_]+", apart.lower())  # left2 is left; L1 is no side
