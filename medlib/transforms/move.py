"""The one spatial step: a map of patient space, and a grid to land on.

Reorienting, cropping, padding, resampling, mirroring and turning are all this step with other
numbers. Two in a row are one: their maps compose, and voxels are interpolated once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import torch
from scipy.ndimage import find_objects
from torch import Tensor

from medlib.space import Affine, Grid
from medlib.space.grid import FloatArray
from medlib.transforms.sampling import Interpolation, contained, outside, sample
from medlib.transforms.steps import Step, apply, undo
from medlib.types import Category, Kind, Mask, Points, Probabilities, Volume, verb


@dataclass(frozen=True)
class Move(Step):
    """Moves the patient by ``map`` and samples the result on ``landing``.

    Args:
        source: the grid that values come from.
        landing: the grid that they land on.
        map: where a point of the patient goes; the identity for all that only changes the grid.
        labels: how masks are read where voxels do not coincide: ``"nearest"``, or
            ``"linear"``: each label by itself, the strongest wins (ids are never averaged).
        windows: fields of view passed on the way, when moves were fused: outside any of them
            there is nothing. Each is a map from its own frame to the last one, and a grid.

    Raises:
        ValueError: for another word for ``labels``.

    Example:
        >>> grid = Grid.from_axes((4, 4, 4))
        >>> there = Move(grid, grid.window((1, 1, 1), (2, 2, 2)))
        >>> there.then(there.inverse).landing == grid
        True
    """

    source: Grid
    landing: Grid
    map: Affine = Affine(np.eye(4))  # noqa: RUF009 (frozen)
    labels: Interpolation = "nearest"
    windows: tuple[tuple[Affine, Grid], ...] = ()

    def __post_init__(self) -> None:
        if self.labels not in get_args(Interpolation):
            raise ValueError(
                f"labels are read {' or '.join(get_args(Interpolation))}, not {self.labels!r}"
            )

    @property
    def inverse(self) -> Move:
        """The move back: onto the grid that this one came from."""
        back = self.map.inverse
        return replace(
            self,
            source=self.landing,
            landing=self.source,
            map=back,
            windows=tuple((back @ to_last, grid) for to_last, grid in self.windows),
        )

    def then(self, following: Move) -> Move:
        """This move and the ``following`` one as a single move, interpolating once.

        Raises:
            ValueError: when the following move does not start where this one lands.
        """
        if not self.landing.close_to(following.source):
            raise ValueError(
                "moves do not follow one another: " + self.landing.difference(following.source)
            )
        passed = [(following.map @ to_last, grid) for to_last, grid in self.windows]
        seen = [*passed, (following.map, self.landing), *following.windows]
        fused = Move(
            source=self.source,
            landing=following.landing,
            map=following.map @ self.map,
            labels="linear" if "linear" in (self.labels, following.labels) else "nearest",
        )
        hiding = tuple((m, g) for m, g in seen if not fused._within(m, g, rim=0.5))
        return replace(fused, windows=hiding)

    def index_map(self, to_last: Affine, grid: Grid) -> FloatArray:
        """(4, 4), index on the landing grid to index on ``grid``, a frame that ``to_last`` leaves."""
        index_map: FloatArray = (
            np.linalg.inv(grid.affine) @ to_last.inverse.matrix @ self.landing.affine
        )
        return index_map

    def _within(self, to_last: Affine, grid: Grid, *, rim: float = 0.0) -> bool:
        return contained(self.index_map(to_last, grid), self.landing.shape, grid.shape, rim=rim)

    def sampled(self, data: Tensor, how: Interpolation) -> Tensor:
        """``data`` on the source grid, read on the landing grid, edges carried on outwards."""
        return sample(data, self.index_map(self.map, self.source), self.landing.shape, how)

    def unseen(self) -> Tensor | None:
        """Voxels of the landing grid of which the source shows nothing, or None if there are none.

        Returns:
            (slice, row, column), bool.
        """
        hidden = None
        for to_last, grid in ((self.map, self.source), *self.windows):
            if not self._within(to_last, grid):
                beyond = outside(self.index_map(to_last, grid), self.landing.shape, grid.shape)
                hidden = beyond if hidden is None else hidden | beyond
        return hidden


@verb
def resample(value: object, move: Move) -> object:
    """``value`` moved: linear for scalars, label-aware for masks, exact for points.

    Register an implementation for ``(YourKind, Move)`` to teach every spatial transform a new
    kind at once.

    Raises:
        ValueError: when the value is not on the grid that the move starts from.
    """
    raise AssertionError


@resample.register
def _(value: Volume, move: Move) -> Volume:
    _check(value.grid, move)
    data = _filled(move.sampled(value.data, "linear"), move.unseen(), value.background)
    return replace(value, data=data, grid=move.landing)


@resample.register
def _(value: Mask, move: Move) -> Mask:
    _check(value.grid, move)
    if move.labels == "nearest":
        data = move.sampled(value.data, "nearest")
    else:
        data = torch.stack([_label_by_label(layer[None], move) for layer in value.data])
    return replace(value, data=_filled(data, move.unseen(), 0), grid=move.landing)


@resample.register
def _(value: Probabilities, move: Move) -> Probabilities:
    _check(value.grid, move)
    data, unseen = move.sampled(value.data, "linear"), move.unseen()
    if unseen is not None:
        nothing = torch.zeros(len(data), 1, 1, 1, dtype=data.dtype, device=data.device)
        nothing[0] = 1.0
        data = torch.where(unseen.to(data.device), nothing, data)
    return replace(value, data=data, grid=move.landing)


@resample.register
def _(value: Points, move: Move) -> Points:
    return replace(value, coordinates=move.map(value.coordinates))


@resample.register
def _(value: Category, move: Move) -> Category:
    return value


@apply.register
def _(step: Move, value: Kind) -> Kind:
    moved: Kind = resample(value, step)
    return moved


@undo.register
def _(step: Move, value: Kind) -> Kind:
    moved: Kind = resample(value, step.inverse)
    return moved


def _check(grid: Grid, move: Move) -> None:
    if not grid.close_to(move.source):
        raise ValueError(
            "the value is not on the grid that the move starts from: "
            + grid.difference(move.source)
        )


def _filled(data: Tensor, unseen: Tensor | None, fill: float) -> Tensor:
    return data if unseen is None else data.masked_fill(unseen.to(data.device), fill)


def _label_by_label(layer: Tensor, move: Move) -> Tensor:
    """One layer, (1, …): each label interpolated by itself; the strongest wins, ties go down.

    A label is looked at only around where it is: most structures are small, and there are many.
    """
    if int(layer.min()) < 0 or int(layer.max()) > 65535:
        raise ValueError("a mask's ids run from 0 to 65535; see Mask.unknown_ids")
    best = move.sampled((layer == 0).float(), "linear")[0]
    winner = torch.zeros(best.shape, dtype=layer.dtype, device=layer.device)
    boxes = find_objects(layer[0].cpu().numpy(), max_label=int(layer.max()))
    for label, box in enumerate(boxes, start=1):
        if box is None:
            continue
        near = tuple(slice(max(0, along.start - 1), along.stop + 1) for along in box)
        piece = (layer[:, *near] == label).float()
        source = move.source.window([along.start for along in near], piece.shape[1:])
        reached = _reached(source, move)
        if reached is None:
            continue
        here, landing = reached
        strength = replace(move, source=source, landing=landing).sampled(piece, "linear")[0]
        winner[here].masked_fill_(strength > best[here], label)
        torch.maximum(best[here], strength, out=best[here])
    return winner


def _reached(part: Grid, move: Move) -> tuple[tuple[slice, ...], Grid] | None:
    """The box of the landing grid that a part of the source can come to, if there is any."""
    index = move.landing.to_index(move.map(part.corners()))
    start = np.clip(np.floor(index.min(0)).astype(int), 0, move.landing.shape)
    stop = np.clip(np.ceil(index.max(0)).astype(int) + 1, 0, move.landing.shape)
    if (stop <= start).any():
        return None
    here = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return here, move.landing.window(start.tolist(), (stop - start).tolist())
