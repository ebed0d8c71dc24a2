import numpy as np
import pytest
import torch

from medlib.space import Grid
from medlib.types import (
    Boxes,
    Categories,
    Category,
    Contours,
    CTVolume,
    Kind,
    Labels,
    Mask,
    Measurement,
    MRVolume,
    MultiVolume,
    PETVolume,
    PointCloud,
    Points,
    Probabilities,
    Radiograph,
    UltrasoundVolume,
    Volume,
    describe,
)

GRID = Grid.from_axes((2, 3, 4), spacing=(5, 2, 1))
ONE = Grid.from_axes((1, 3, 4))
WHERE = "2×3×4 voxels of 5×2×1 mm, SPL"
ORGANS = Labels.of(["liver", "spleen", "kidney"])
DATA = torch.arange(24.0).reshape(1, 2, 3, 4)
IDS = torch.tensor([1, 1, 2, 9]).expand(1, 2, 3, 4)
SQUARE = [[0, 0, 5], [10, 0, 5], [10, 20, 5], [0, 20, 5]]
SPAN = "spanning 10 mm left to right, 20 mm front to back, 0 mm head to foot"


class Contrast(CTVolume):
    """A kind of one's own."""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Volume(DATA, GRID), f"volume, {WHERE}, 0 to 23 (arbitrary units)"),
        (CTVolume(DATA.short() - 1024, GRID), f"CT volume, {WHERE}, -1024 to -1001 HU"),
        (Contrast(DATA, GRID), f"CT volume, {WHERE}, 0 to 23 HU"),
        (CTVolume(DATA / 23, GRID, units="1"), f"CT volume, {WHERE}, 0 to 1 (normalised)"),
        (MRVolume(DATA.repeat(2, 1, 1, 1), GRID),
         f"MR volume, 2 channels, {WHERE}, 0 to 23 (arbitrary units)"),
        (PETVolume(DATA, GRID), f"PET volume, {WHERE}, 0 to 23 SUVbw"),
        (UltrasoundVolume(DATA, GRID), f"ultrasound volume, {WHERE}, 0 to 23 (arbitrary units)"),
        (Radiograph(DATA[:, :1], ONE),
         "radiograph, 1×3×4 voxels of 1×1×1 mm, SPL, 0 to 11 (arbitrary units)"),
        (PETVolume(DATA.where(DATA != 3, torch.nan), GRID),
         f"PET volume, {WHERE}, 0 to 23 SUVbw, 1 voxels that are no numbers"),
        (PETVolume(DATA * torch.nan, GRID), f"PET volume, {WHERE}, 24 voxels that are no numbers"),
        (MultiVolume((MRVolume(DATA, GRID), CTVolume(DATA, GRID)), ("T1", "CT")),
         f"2 volumes on one grid\n  T1: MR volume, {WHERE}, 0 to 23 (arbitrary units)\n"
         f"  CT: CT volume, {WHERE}, 0 to 23 HU"),
        (Mask(IDS, GRID, ORGANS),
         f"mask, {WHERE}, 2 of 3 labels\n  liver 0.12 ml\n  spleen 0.06 ml\n"
         "  not found: kidney\n  ids that no label has: 9"),
        (Mask(IDS.repeat(2, 1, 1, 1) * 0, GRID), f"mask, 2 layers, {WHERE}, 0 of 0 labels"),
        (Probabilities(torch.zeros(4, 2, 3, 4), GRID, ORGANS),
         f"probabilities, {WHERE}, liver, spleen, kidney"),
        (Points([[0, 0, 0]], ("carina",)), "1 point, carina"),
        (Points(SQUARE), f"4 points, {SPAN}"),
        (PointCloud(SQUARE, torch.zeros(4, 2)), f"cloud of 4 points, 2 features each, {SPAN}"),
        (PointCloud([]), "cloud of 0 points"),
        (Boxes.between(np.zeros((2, 3)), [[1, 1, 0], [10, 20, 0]], ids=(1, 1), scores=(0.25, 1.0),
                       labels=ORGANS), f"2 boxes, 2 liver, scores 0.25 to 1, {SPAN}"),
        (Contours(SQUARE, (4,), (2,), ORGANS), f"1 polygon, 1 spleen, {SPAN}"),
        (Category("a", ("a", "b")), "a (of a, b)"),
        (Categories((), ("a", "b")), "none (of a, b)"),
        (Categories(("b",), ("a", "b")), "b (of a, b)"),
        (Categories(("b",), ("a", "b", "c"), ("a",)), "b (of b, c; unknown: a)"),
        (Measurement(12.345, "mm", "long axis"), "long axis 12.3 mm"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Kind) else None,
)  # fmt: skip
def test_every_kind_in_words(value, words):
    assert describe(value) == words
