"""A move made ready: reading tensors on its landing grid, and moving whatever else there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from medlib.space import Flow, Grid, Map
from medlib.transforms.spatial import itk
from medlib.transforms.spatial.knots import Knots
from medlib.transforms.spatial.lattices import Interpolation, aligned, parallel_axes
from medlib.transforms.spatial.move import Move
from medlib.transforms.spatial.places import Places
from medlib.transforms.spatial.reading import (
    filled,
    interpolated,
    nearest_voxel,
    outside,
    strongest_neighbour,
)

Fill = float | Sequence[float]


class Sampler:
    """Carries out one :class:`Move`, for all values of an item: what they share is done once.

    Args:
        move: to be carried out.

    Example:
        >>> grid = Grid.from_axes((4, 4, 4))
        >>> sampler = Sampler(Move(grid, grid.window((1, 1, 1), (2, 2, 5))))
        >>> sampler.linear(torch.ones(1, 4, 4, 4), fill=-1.0)[0, 0, 0]
        tensor([ 1.,  1.,  1., -1., -1.])
    """

    def __init__(self, move: Move) -> None:
        self.move = move
        pulls = [move.map.inverse, *(to_last.inverse for to_last, _ in move.windows)]
        knots = Knots(move.landing, [f for p in pulls for f in p.factors if isinstance(f, Flow)])
        seen = [move.source, *(grid for _, grid in move.windows)]
        self._places, *self._windows = (
            Places(pull, move.landing, grid, knots) for pull, grid in zip(pulls, seen, strict=True)
        )
        self._kept: dict[tuple[int, torch.device], Tensor] = {}
        self._hidden: dict[torch.device, Tensor] = {}

    @property
    def map(self) -> Map:
        """Where a point of the patient goes."""
        return self.move.map

    @property
    def landing(self) -> Grid:
        """The grid that values land on."""
        return self.move.landing

    def check(self, grid: Grid) -> None:
        """Refuse a value that is not where the move starts.

        Raises:
            ValueError: saying how the grids differ.
        """
        source = self.move.source
        if grid is not source and not grid.close_to(source):
            raise ValueError(
                "the value is not on the grid that the move starts from: " + grid.difference(source)
            )

    def linear(self, data: Tensor, *, fill: Fill) -> Tensor:
        """``data``, (channel, slice, row, column) on the source grid, interpolated on the landing grid.

        Args:
            data: integers become float32 where they must be interpolated.
            fill: the value of what the source does not show, for all channels or each.
        """
        values = _each(fill, data)
        if (same := self._aligned(data, "copy", values)) is not None:
            return self._windowed(same, values)
        kept = data.dtype if data.is_floating_point() else torch.float32
        data = data if data.dtype == torch.float64 else data.float()
        read = self._aligned(data, "linear", values)
        if read is None:
            read = self._in_any_direction(data, "linear", values)
        return self._windowed(read, values).to(kept)

    def nearest(self, data: Tensor, *, fill: Fill) -> Tensor:
        """``data``, (channel, slice, row, column) on the source grid, from the voxels nearest by."""
        values = _each(fill, data)
        read = self._aligned(data, "nearest", values)
        if read is None:
            read = self._in_any_direction(data, "nearest", values)
        return self._windowed(read, values)

    def labels(self, data: Tensor) -> Tensor:
        """Label ids, (layer, slice, row, column), read as the move says; nothing (0) is filled in."""
        if self.move.labels == "nearest":
            return self.nearest(data, fill=0)
        nothing = [0.0] * len(data)
        if (same := self._aligned(data, "copy", nothing)) is not None:
            return self._windowed(same, nothing)
        out = torch.empty((len(data), *self.landing.shape), dtype=data.dtype, device=data.device)
        for slices in self._places.slabs():
            places = self._part(slices, data.device)
            read = strongest_neighbour(data, places)
            out[:, slices] = filled(read, outside(places, self.move.source.shape), nothing)
        return self._windowed(out, nothing)

    # --- how it is done -------------------------------------------------------------------------

    def _aligned(
        self, data: Tensor, how: Interpolation | Literal["copy"], fill: Sequence[float]
    ) -> Tensor | None:
        index_map = self._places.index_map
        if index_map is None:
            return None
        return aligned(data, index_map, self.landing.shape, how, fill)

    def _in_any_direction(self, data: Tensor, how: Interpolation, fill: Sequence[float]) -> Tensor:
        index_map = self._places.index_map
        if index_map is not None and itk.suits(data):
            return itk.resampled(data, index_map, self.landing.shape, how, fill)
        read = _interpolated if how == "linear" else nearest_voxel
        out = torch.empty((len(data), *self.landing.shape), dtype=data.dtype, device=data.device)
        for slices in self._places.slabs():
            places = self._part(slices, data.device)
            hidden = outside(places, self.move.source.shape)
            out[:, slices] = filled(read(data, places), hidden, fill)
        return out

    def _part(self, slices: slice, device: torch.device) -> Tensor:
        """The places of a slab; kept for the next value where there is only one slab."""
        key = (slices.start, device)
        if key in self._kept:
            return self._kept[key]
        places = self._places.part(slices, device)
        if slices == slice(0, self.landing.shape[0]):
            self._kept[key] = places
        return places

    def _windowed(self, data: Tensor, fill: Sequence[float]) -> Tensor:
        """What earlier fields of view did not show is taken away."""
        if not self._windows:
            return data
        if data.device not in self._hidden:
            self._hidden[data.device] = self._unseen_by_windows(data.device)
        return filled(data.clone(), self._hidden[data.device], fill)

    def _unseen_by_windows(self, device: torch.device) -> Tensor:
        hidden = torch.zeros(self.landing.shape, dtype=torch.bool, device=device)
        for window in self._windows:
            for slices in window.slabs():
                hidden[slices] |= outside(window.part(slices, device), window.source.shape)
        return hidden

    def places(self, data: Tensor) -> Tensor | None:
        """The places on the source of all voxels of the landing grid, where those are needed.

        None where a quicker way than looking at places is there for this tensor, or where they
        are too many to be held at once.
        """
        index_map = self._places.index_map
        if index_map is not None and (
            itk.suits(data) or parallel_axes(index_map, self.landing.shape) is not None
        ):
            return None
        slabs = list(self._places.slabs())
        return self._part(slabs[0], data.device) if len(slabs) == 1 else None


def linear_together(
    data: Tensor, samplers: Sequence[Sampler], fill: Sequence[float]
) -> Tensor | None:
    """Tensors interpolated in one call, each by its own sampler.

    Args:
        data: (item, channel, slice, row, column).
        samplers: one for each item.
        fill: for each item, the value of what its source does not show.

    Returns:
        (item, channel, slice, row, column); None where items are better read one by one.
    """
    found = [sampler.places(part) for sampler, part in zip(samplers, data, strict=True)]
    places = [p for p in found if p is not None]
    if len(places) < len(found) or len({p.shape for p in places}) > 1:
        return None
    kept = data.dtype if data.is_floating_point() else torch.float32
    data = data if data.dtype == torch.float64 else data.float()
    read = interpolated(data, torch.stack(places))
    for part, where, sampler, value in zip(read, places, samplers, fill, strict=True):
        each = [value] * len(part)
        filled(part, outside(where, sampler.move.source.shape), each)
        part.copy_(sampler._windowed(part, each))
    return read.to(kept)


def _each(fill: Fill, data: Tensor) -> Sequence[float]:
    return [float(fill)] * len(data) if isinstance(fill, int | float) else fill


def _interpolated(data: Tensor, places: Tensor) -> Tensor:
    return interpolated(data[None], places[None])[0]
