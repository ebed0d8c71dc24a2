"""Synthetic anatomy: labels and distances of a body full of warped shapes, from a name alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from medlib.models.pretraining.distances import distances
from medlib.models.pretraining.layout import Layout
from medlib.models.pretraining.solids import AIR, TISSUE, Placed
from medlib.space import Flow, Grid
from medlib.transforms.chance import Chance
from medlib.transforms.spatial.knots import Knots

Triple = tuple[int, int, int]
_BENDS = (3.0, 7.0)  # control points of the warp along the mean side
_SPEEDS = (0.3, 1.8)  # of the warp, in distances of control points


@dataclass(frozen=True)
class Shapes:
    """What each voxel of a synthetic volume is.

    Args:
        grid: where it is; the finest of its spacings is 1.
        instance: (slice, row, column), int16: which structure; 0 is air, 1 the body's envelope.
        family: uint8, places in :data:`~medlib.models.pretraining.solids.FAMILIES`.
        distance: float32, in finest voxels, to the nearest voxel of another structure: negative
            in structures, positive in air and envelope, cut at a greatest one.
        families: of each structure, by its number; hidden ones too.
    """

    grid: Grid
    instance: Tensor
    family: Tensor
    distance: Tensor
    families: tuple[int, ...]


def shapes(
    number: int,
    size: Triple,
    *,
    seed: int = 0,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    structures: tuple[int, int] = (15, 40),
    reach: float = 6.0,
    device: torch.device | str = "cpu",
) -> Shapes:
    """The volume of a number: the same whenever and wherever it is made.

    What is drawn is drawn on the processor. What is computed on the device differs by rounding: of
    a thousand voxels fewer than one, on a border, may belong to its other side.

    Args:
        number: of the volume.
        size: voxels along (slice, row, column).
        seed: of the run.
        spacing: of voxels, the finest of them 1: thick slices have ``(4, 1, 1)``.
        structures: the fewest and the most, beside the body's envelope.
        reach: the greatest distance that is told apart, in finest voxels.
        device: to compute on.

    Raises:
        ValueError: for a finest spacing that is not 1.

    Example:
        >>> made = shapes(7, (24, 24, 24))
        >>> made.instance.shape, bool((made.distance[made.family > 1] < 0).all())
        (torch.Size([24, 24, 24]), True)
    """
    if min(spacing) != 1.0:
        raise ValueError(f"spacings are in finest voxels, so the least must be 1, not {spacing}")
    chance = Chance(seed=seed, name=f"shapes {number}")
    grid = Grid.from_axes(size, spacing=spacing)
    extent = [(n - 1) * step for n, step in zip(size, spacing, strict=True)]
    layout = Layout.drawn(extent, structures, chance.rng)
    points, furthest = _warped(grid, chance, torch.device(device))
    instance = torch.zeros(size, dtype=torch.int16, device=device)
    for part in layout.parts:
        _paint(instance, part, points, spacing, furthest)
    table = torch.tensor(layout.families, dtype=torch.uint8).to(device)
    family = table[instance.int()]
    distance = distances(instance, spacing, reach)
    distance = torch.where(family > TISSUE, -distance, distance)
    return Shapes(grid, instance, family, distance, layout.families)


def _warped(grid: Grid, chance: Chance, device: torch.device) -> tuple[Tensor, float]:
    """Where each voxel lies before it is warped, (3, slice, row, column), and the furthest way."""
    side = float(np.prod(np.multiply(grid.shape, grid.spacing)) ** (1 / 3))
    apart = side / chance.uniform(*_BENDS)
    counts = [ceil(n * step / apart) + 3 for n, step in zip(grid.shape, grid.spacing, strict=True)]
    first = grid.centre - (np.array(counts[::-1]) - 1) * apart / 2
    lattice = Grid.from_axes(counts, spacing=(apart,) * 3, origin=first.tolist())
    fastest = chance.uniform(*_SPEEDS) * apart
    velocity = chance.rng.uniform(-1, 1, (*lattice.shape, 3)) * fastest / 3**0.5
    flow = Flow(lattice, velocity)
    to_voxels = Grid.from_axes((1, 1, 1)).inverse_affine
    points = Knots(grid, [flow]).spread(flow, to_voxels, slice(0, grid.shape[0]), device)
    return points, flow.reach


def _paint(
    instance: Tensor, part: Placed, points: Tensor, spacing: Sequence[float], furthest: float
) -> None:
    """Give a part's voxels its number, where there is body, or the structure that it lies in."""
    box = []
    middle = zip(part.centre, part.reach + furthest, spacing, instance.shape, strict=True)
    for centre, reach, step, n in middle:
        low = max(0, floor((centre - reach) / step))
        box.append(slice(low, max(low, min(n, ceil((centre + reach) / step) + 1))))
    place = tuple(box)
    old = instance[place]
    inside = part.inside(points[(slice(None), *place)])
    if part.within is not None:
        inside &= old == part.within
    elif part.instance != TISSUE:
        inside &= old != AIR
    old.masked_fill_(inside, part.instance)
