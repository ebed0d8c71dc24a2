"""Made-up patients that several tests look at."""

import numpy as np
import torch
from strategies import voxels

from medlib.space import Affine, Grid
from medlib.types import Labels, Mask

ORGANS = Labels.of(["liver", "spleen", "kidney"])


def oblique(shape=(20, 24, 28), spacing=(2.5, 1.1, 0.9)):
    turn = Affine.rotation((10, -20, 35)).matrix[:3, :3]
    directions = turn @ np.eye(3)[:, ::-1]
    return Grid.from_axes(shape, spacing=spacing, directions=directions, origin=(30, -40, 500))


def organs(grid):
    """Three smooth organs, as a mask."""
    index = voxels(grid) - grid.centre
    extent = (np.array(grid.shape) * grid.spacing).min()
    data = np.zeros(grid.shape, dtype=np.uint8)
    for label, (middle, radii) in enumerate(
        [((-0.15, 0, 0), (0.2, 0.3, 0.3)), ((0.2, 0.1, 0), (0.15, 0.2, 0.2)),
         ((0.1, -0.25, 0.1), (0.12, 0.12, 0.2))], start=1,
    ):  # fmt: skip
        inside = (((index / extent - middle) / radii) ** 2).sum(-1) <= 1
        data[inside & (data == 0)] = label
    return Mask(torch.from_numpy(data)[None], grid, ORGANS)


def dice(a, b):
    return 2 * int((a & b).sum()) / int(a.sum() + b.sum())
