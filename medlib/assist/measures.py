"""Lines to be drawn on a scan: a structure's longest diameter, and where it ends.

How long they are, distances, angles and volumes are what :func:`medlib.types.measure` gives of
the points, and of the mask.
"""

from __future__ import annotations

import numpy as np

from medlib.assist.inputs import chosen
from medlib.types import Mask, Points
from medlib.types.extent import farthest, farthest_within


def longest_line(mask: Mask, name: str, *, axis: int | None = None) -> Points:
    """The ends of a structure's longest diameter, on its surface.

    The surface lies halfway between the outermost voxels and their neighbours; within slices, a
    slice is as flat as the plane through its voxels' centres.

    Args:
        mask: with the structure.
        name: of the structure.
        axis: of the grid, to look for the longest within slices across it, as callipers do on a
            screen; in space, if left out.

    Returns:
        Two points, ``measure`` of which is the length in millimetres.

    Raises:
        ValueError: when the structure is not there, for an axis that there is not, or ids that
            the table has not.
        KeyError: for a name that the table has not.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels, measure
        >>> rod = torch.ones(1, 1, 1, 10, dtype=torch.uint8)
        >>> nail = Mask(rod, Grid.from_axes((1, 1, 10), spacing=(1, 1, 3)), Labels.of(["nail"]))
        >>> print(measure(longest_line(nail, "nail"))[0])
        nail 1 to nail 2 30 mm
    """
    if axis not in (None, 0, 1, 2):
        raise ValueError(f"a grid has the axes 0, 1 and 2, not {axis}")
    label = chosen(mask, [name])[0]
    window = mask.extents().get(label.id)
    if window is None:
        raise ValueError(f"there is no {name} in this mask to be measured")
    inside = mask.structure(name)[window].cpu().numpy()
    grid = mask.grid.window([w.start for w in window], inside.shape)
    ends = farthest(inside, grid) if axis is None else farthest_within(inside, grid, axis)
    in_order = sorted(ends.tolist())  # from the right: however the scan is stored
    return Points(np.array(in_order), (f"{name} 1", f"{name} 2"))
