"""Boxes cut out of a scan, so that a network learns to look at the rest."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from medlib.transforms.chance import Chance
from medlib.transforms.recipe import Intensity
from medlib.transforms.steps import IntensityStep
from medlib.types import Volume

Box = tuple[tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True)
class EmptyBoxes(IntensityStep):
    """Sets boxes of voxels to the value of empty space.

    Args:
        boxes: of each, its first voxel and its shape, along (slice, row, column).
    """

    boxes: tuple[Box, ...]

    @property
    def lost(self) -> str:
        """That boxes are empty."""
        return f"{len(self.boxes)} boxes were emptied"

    def forward(self, scan: Volume) -> Tensor:
        """The voxels with holes, float32."""
        out = scan.data.float()
        out = out.clone() if out is scan.data else out
        for start, shape in self.boxes:
            s, r, c = (slice(a, a + n) for a, n in zip(start, shape, strict=True))
            out[:, s, r, c] = scan.background
        return out


@dataclass(frozen=True)
class CutOut(Intensity):
    """Empties boxes at random places; masks keep what lies in them.

    After DeVries and Taylor, *Improved regularization of convolutional neural networks with
    cutout*, arXiv 1708.04552, 2017.

    Args:
        boxes: their number.
        up_to: the longest side of a box, as a share of the scan's; each side draws its own.

    Raises:
        ValueError: for fewer than one box, or a share that is not from 0 to 1.
    """

    boxes: int = 5
    up_to: float = 0.2

    def __post_init__(self) -> None:
        if self.boxes < 1 or not 0 <= self.up_to <= 1:
            raise ValueError(
                "boxes must be one at least, with sides from 0 to 1 of the scan's, not "
                f"{self.boxes} and {self.up_to:g}"
            )

    def draw_for(self, scan: Volume, chance: Chance) -> EmptyBoxes | None:
        """The boxes, all of them within the scan; those without a whole voxel are left out."""
        boxes = []
        for _ in range(self.boxes):
            shape, start = [], []
            for n in scan.grid.shape:
                share = chance.uniform(0.0, self.up_to, neutral=0.0)
                side = round(share * n) if n > 1 else int(share > 0)
                shape.append(side)
                start.append(round(chance.uniform(0, n - side)))
            if min(shape) > 0:
                boxes.append(((start[0], start[1], start[2]), (shape[0], shape[1], shape[2])))
        return EmptyBoxes(tuple(boxes)) if boxes else None
