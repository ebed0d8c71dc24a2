"""Growing structures from scribbles, all at once: each voxel goes to the scribble it floods from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from medlib.assist.flooding import averaged, coarsening, flooded, markers_of, relief, repeated
from medlib.assist.inputs import (
    chosen,
    grown,
    must_be_finite,
    must_fit,
    steps_for,
    voxels_of,
    window_around,
)
from medlib.types import Mask, Volume, to_numpy

_MOST_VOXELS = 500_000  # that are flooded one by one: some 0.4 s


def grow(scan: Volume, scribbles: Mask, *, reach_mm: float, background: str | None = None) -> Mask:
    """Grow structures from scribbles until they meet one another, or an edge of the scan's.

    A flood rises from all scribbles over the scan's gradient, and where two meet is the border
    (Meyer, Topographic distance and watershed lines, Signal Processing 1994). It stays within a
    box that reaches so far beyond the scribbles; without a scribble of background, all that the
    box's sides are connected to counts as background.

    Scribbles are kept as they are. Nothing outside of the box changes. Where the box holds more
    voxels than can be flooded in half a second, groups of them are flooded as one, and the edges
    are as coarse as these.

    Args:
        scan: what is looked at, one channel.
        scribbles: on the scan's grid, one layer: some voxels of each structure.
        reach_mm: how far beyond the scribbles a structure may reach.
        background: the structure of the table that stands for what is none; its scribbles
            compete, and become 0 in the answer.

    Returns:
        The mask with what has grown. Voxels nobody looked at count as background within the box.

    Raises:
        ValueError: when scan and scribbles lie on different grids, there is no scribble (or only
            of background), several layers, or a reach that is not positive.
        KeyError: for a background that the table has not.

    Example:
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> grid = Grid.from_axes((1, 1, 8))
        >>> scan = Volume(torch.tensor([[[[0.0, 0, 0, 0, 9, 9, 9, 9]]]]), grid)
        >>> drawn = Mask(torch.tensor([[[[0, 1, 0, 0, 0, 0, 2, 0]]]]), grid, Labels.of(["fat", "cyst"]))
        >>> grow(scan, drawn, reach_mm=10, background="fat").data.tolist()
        [[[[0, 0, 0, 0, 2, 2, 2, 2]]]]
    """
    must_fit(scan, scribbles, "scribbles")
    if not reach_mm > 0:
        raise ValueError(f"structures reach more than 0 mm beyond scribbles, not {reach_mm}")
    if scribbles.overlaps:
        raise ValueError(
            f"scribbles compete in one layer, and this mask has {scribbles.data.shape[0]}"
        )
    chosen(scribbles, None)  # refuses ids that would be lost
    nothing = None if background is None else scribbles.labels[background].id
    extents = scribbles.extents()
    if not extents.keys() - {nothing}:
        raise ValueError("there is no scribble of a structure to grow from")
    corners = [[[w.start for w in at], [w.stop - 1 for w in at]] for at in extents.values()]
    window = grown(
        window_around(np.array(corners).reshape(-1, 3)),
        steps_for(reach_mm, scan.grid.spacing),
        scan.grid.shape,
    )
    drawn = to_numpy(scribbles)[0][window].astype(np.int32)
    if scribbles.labels.ignored is not None:
        drawn[drawn == scribbles.labels.ignored] = 0
    voxels = voxels_of(scan)[window].astype(np.float32)
    must_be_finite(voxels)

    spacing = scan.grid.spacing
    factors = coarsening(voxels.shape, spacing, _MOST_VOXELS)
    coarse = [step * factor for step, factor in zip(spacing, factors, strict=True)]
    markers = markers_of(drawn, factors)
    around = max(scribbles.labels.ids) + 1
    if nothing is None:
        _wall(markers, around)
    heights = relief(averaged(voxels, factors), coarse, 0.7 * min(coarse))
    found = repeated(flooded(heights, markers), factors, voxels.shape)
    found[(found == around) | (found == nothing)] = 0
    found[drawn > 0] = np.where(drawn == nothing, 0, drawn)[drawn > 0]
    layers = to_numpy(scribbles).copy()
    layers[0][window] = found
    return replace(scribbles, data=torch.from_numpy(layers))


def _wall(markers: npt.NDArray[np.int32], number: int) -> None:
    """Put a marker on the sides of a box, in place, where no other is; not across a single slice."""
    for axis, size in enumerate(markers.shape):
        if size > 2:
            for end in (0, size - 1):
                side = np.moveaxis(markers, axis, 0)[end]
                side[side == 0] = number
