"""Several items at once: their moves carried out in one pass, each item with its own parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from medlib.transforms.spatial.move import Move
from medlib.transforms.spatial.resample import resample
from medlib.transforms.spatial.sampler import Sampler, linear_together
from medlib.types import Kind, Volume


def resample_together(
    rows: Sequence[Sequence[Kind]], moves: Sequence[Move]
) -> list[tuple[Kind, ...]]:
    """The values of each item moved by its own move.

    Scans of one shape that are turned or bent, and land on grids of one shape, are interpolated in
    one call: on a graphics card that keeps the card busy. All else is done item by item, with the
    same result.

    Args:
        rows: of each item its values.
        moves: of each item its move.

    Returns:
        Of each item its values, moved.
    """
    samplers = [Sampler(move) for move in moves]
    if len({len(row) for row in rows}) > 1:
        return [tuple(resample(v, s) for v in row) for row, s in zip(rows, samplers, strict=True)]
    columns = [_column(column, samplers) for column in zip(*rows, strict=True)]
    return list(zip(*columns, strict=True))


def _column(values: Sequence[Kind], samplers: Sequence[Sampler]) -> list[Kind]:
    scans = [value for value in values if isinstance(value, Volume)]
    if len(scans) < len(values) or len(values) == 1 or len({_form(scan) for scan in scans}) > 1:
        return [resample(v, s) for v, s in zip(values, samplers, strict=True)]
    for scan, sampler in zip(scans, samplers, strict=True):
        sampler.check(scan.grid)
    data = torch.stack([scan.data for scan in scans])
    read = linear_together(data, samplers, [scan.background for scan in scans])
    if read is None:
        return [resample(v, s) for v, s in zip(values, samplers, strict=True)]
    return [
        replace(scan, data=part, grid=sampler.landing)
        for scan, part, sampler in zip(scans, read, samplers, strict=True)
    ]


def _form(scan: Volume) -> tuple[object, ...]:
    return scan.data.shape, scan.data.dtype, scan.data.device
