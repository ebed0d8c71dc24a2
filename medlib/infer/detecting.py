"""Boxes around findings, as maps that a network gives: from boxes to maps, and back.

Objects as points (Zhou, Wang and Krähenbühl 2019): of each label a map that is hot in the middle of
each finding, and around each middle how far away it is, and how large the finding. There are no
anchors, whose sizes and shapes would have to be fitted to each kind of finding and to each grid;
any network that answers voxel by voxel will do, the same that outline structures; and maps of
overlapping windows are averaged before anything is decided, so that no finding is seen twice, or
halved, where windows meet. Sizes are learned all around the middle and not in it alone (training
time friendly network; Liu et al. 2020), since small data have few findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (its usual name)

from medlib.infer.outputs import Output
from medlib.infer.suppression import suppressed
from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.types import Boxes, Labels

_RARE = -4.6  # of an untrained network each voxel is a middle with 1% (Lin et al. 2017)
_SIGMAS = 6.0  # in the length of a finding, that the heat around its middle has
_NARROWEST = 0.5  # voxels: a sigma below this would leave no heat but in the middle
_SAME = 0.2  # boxes of one label that overlap more are one finding seen twice
_SHORTEST_MM = 1e-3  # what is flat has a logarithm too
_LARGEST = 6.0  # the logarithm of how many times larger than usual a box may be


@dataclass(frozen=True)
class BoxMaps:
    """What a network says of the boxes in a batch, and where its voxels are.

    Args:
        heat: logits (item, label, slice, row, column): whether a middle is here.
        away: (item, 3, …): millimetres from here to the middle, along the grid's axes.
        size: (item, 3, …): the logarithm of the length in millimetres, likewise.
        grids: of each item.
    """

    heat: Tensor
    away: Tensor
    size: Tensor
    grids: tuple[Grid, ...]

    def __getitem__(self, number: int) -> BoxMaps:
        """One item's part: a batch of one."""
        part = slice(number, number + 1)
        return BoxMaps(self.heat[part], self.away[part], self.size[part], self.grids[part])


@dataclass(frozen=True)
class BoxesOutput(Output):
    """Boxes around findings, along the axes of the grid that the network sees.

    Two findings of one label whose middles are in one voxel cannot be told apart.

    Args:
        labels: in the order of the maps.
        usual_mm: length of a usual finding; the network gives lengths as multiples of it, on a
            logarithmic scale.
        least: how sure a network must be, at least, for a box to be given at all. It is low, so
            that whoever reads the boxes decides by their scores how many false ones to accept.
        most: how many boxes are given at most, the surest first.

    Example:
        >>> output, grid = BoxesOutput(Labels.of(["nodule"]), usual_mm=4.0), Grid.from_axes((9, 9, 9))
        >>> raw = torch.zeros(1, output.channels, 9, 9, 9)
        >>> raw[0, 0, 3, 4, 5] = 9.0
        >>> found = output.wrap(output.answer(raw, (grid,))[0], grid)
        >>> found.centres.tolist(), (found.high - found.low).round(3).tolist()
        ([[5.0, 4.0, 3.0]], [[4.0, 4.0, 4.0]])
    """

    labels: Labels
    usual_mm: float = 10.0
    least: float = 0.05
    most: int = 100

    voxelwise = True
    whole = False

    @property
    def channels(self) -> int:
        """A map of heat for each label; then three of how far away, and three of how large."""
        return len(self.labels) + 6

    def answer(self, raw: Tensor, grids: Sequence[Grid]) -> BoxMaps:
        """The maps in millimetres, with where they lie."""
        raw, count = raw.float(), len(self.labels)
        heat, away, size = raw[:, :count], raw[:, count : count + 3], raw[:, count + 3 :]
        size = size.clamp(-_LARGEST, _LARGEST) + float(np.log(self.usual_mm))
        return BoxMaps(heat + _RARE, away * self.usual_mm, size, tuple(grids))

    def wrap(self, answer: BoxMaps, grid: Grid) -> Boxes:
        """The boxes in one item's maps, the surest first."""
        return decode(answer, self.labels, self.least, self.most)


# --- from boxes to maps ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What the maps of one item should be.

    Args:
        heat: (label, slice, row, column), 0 to 1; 1 in the very voxel of a middle.
        away: (3, …), as :class:`BoxMaps` has it.
        size: (3, …), likewise.
        weight: (…): how much ``away`` and ``size`` count, 1 in all for each box whose middle is
            on the grid.
    """

    heat: Tensor
    away: Tensor
    size: Tensor
    weight: Tensor


def encode(boxes: Boxes, grid: Grid, labels: Labels) -> Asked:
    """The maps of boxes on a grid.

    A box that was turned is asked for as what encloses the ellipsoid in it: findings are round
    rather than square, and what encloses a box turned by 15 degrees is a fifth longer than it.
    Where the middle is not on the grid, as of a box that a patch cuts off, nothing is asked but
    that the network be not punished for what it sees of it.

    Args:
        boxes: anywhere in the patient.
        grid: of the maps.
        labels: in the order of the maps; boxes' own labels are found in it by name.

    Raises:
        ValueError: for boxes without labels, or with one that is not among ``labels``.
    """
    heat, weight = torch.zeros(len(labels), *grid.shape), torch.zeros(grid.shape)
    away, size = torch.zeros(3, *grid.shape), torch.zeros(3, *grid.shape)
    hottest, whose = torch.zeros(grid.shape), torch.full(grid.shape, -1)
    middles, lengths, rows = (
        grid.to_index(boxes.centres),
        _lengths(boxes, grid),
        _rows(boxes, labels),
    )
    for number, row in enumerate(rows):
        sigma = np.maximum(lengths[number] / _SIGMAS, _NARROWEST)
        window = _window(middles[number], 3 * sigma, grid)
        if window is None:
            continue
        apart, warm = _heat(middles[number], sigma, window)
        heat[row][window].copy_(torch.maximum(heat[row][window], warm))
        ours = warm > hottest[window]
        hottest[window][ours] = warm[ours]
        whose[window][ours] = number if bool((warm == 1).any()) else -1
        long = np.log((lengths[number] * grid.spacing).clip(min=_SHORTEST_MM))
        for axis, step in enumerate(grid.spacing):
            away[axis][window][ours] = apart[axis].expand(warm.shape)[ours] * step
            size[axis][window][ours] = float(long[axis])
    for number in range(len(rows)):
        mine = whose == number
        weight[mine] = hottest[mine] / hottest[mine].sum()
    return Asked(heat, away, size, weight)


def _window(middle: FloatArray, reach: FloatArray, grid: Grid) -> tuple[slice, ...] | None:
    """The voxels within reach, in voxels, of a place; None where there is none on the grid."""
    first = np.maximum(np.ceil(middle - reach), 0).astype(int).tolist()
    last = np.minimum(np.floor(middle + reach), np.array(grid.shape) - 1).astype(int).tolist()
    window = tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))
    return window if all(a <= b for a, b in zip(first, last, strict=True)) else None


def _heat(
    middle: FloatArray, sigma: FloatArray, window: tuple[slice, ...]
) -> tuple[list[Tensor], Tensor]:
    """How many voxels away the middle is along each axis, and the heat, 1 in its very voxel."""
    apart, warm, nearest = [], torch.ones(()), torch.ones((), dtype=torch.bool)
    for axis, part in enumerate(window):
        index = np.arange(part.start, part.stop)
        shape = [-1 if k == axis else 1 for k in range(3)]
        line = torch.from_numpy(middle[axis] - index).float().view(shape)
        apart.append(line)
        warm = warm * torch.exp(-0.5 * (line / float(sigma[axis])) ** 2)
        nearest = nearest & torch.from_numpy(index == np.rint(middle[axis])).view(shape)
    return apart, warm.masked_fill(nearest, 1.0)


def _rows(boxes: Boxes, labels: Labels) -> list[int]:
    """The map of each box.

    Raises:
        ValueError: for a box without a label, or with one that has no map.
    """
    if len(boxes) and not boxes.ids:
        raise ValueError("these boxes have no labels, so it is not known what is in them")
    order = {name: row for row, name in enumerate(labels.names)}
    names = [boxes.labels.by_id(number).name for number in boxes.ids]
    if strange := sorted(set(names) - order.keys()):
        raise ValueError(
            f"there are boxes of {', '.join(strange)}, which are not to be learned; there are: "
            f"{', '.join(order)}"
        )
    return [order[name] for name in names]


def _lengths(boxes: Boxes, grid: Grid) -> FloatArray:
    """(n, 3): lengths along the grid's axes, in voxels, of the ellipsoids in the boxes."""
    ends = grid.to_index(boxes.corners).reshape(-1, 2, 2, 2, 3)
    edges = np.stack([np.diff(ends, axis=1 + k).mean((1, 2, 3)) for k in range(3)], axis=1)
    lengths: FloatArray = np.sqrt((edges**2).sum(1))
    return lengths


# --- from maps to boxes ---------------------------------------------------------------------------


def decode(maps: BoxMaps, labels: Labels, least: float, most: int) -> Boxes:
    """The boxes in the maps of one item: where the heat peaks, with what is said there.

    Args:
        maps: of one item.
        labels: in the order of the maps.
        least: the lowest heat that counts.
        most: how many boxes are given at most.
    """
    (grid,) = maps.grids
    heat = torch.sigmoid(maps.heat[0])
    peaks = (heat == F.max_pool3d(heat[None], 3, stride=1, padding=1)[0]) & (heat >= least)
    found = peaks.nonzero()
    scores = heat[tuple(found.T)]
    surest = torch.argsort(scores, descending=True, stable=True)[: 4 * most]
    rows, place = found[surest, 0], found[surest, 1:]
    at = tuple(place.T)
    spacing = np.array(grid.spacing)
    away, size = (m[0][(slice(None), *at)].T.double().cpu().numpy() for m in (maps.away, maps.size))
    middle = place.double().cpu().numpy() + away / spacing
    half = np.exp(size) / spacing / 2
    ends = np.stack([middle - half, middle + half], 1)
    sure = scores[surest].double().cpu().numpy()
    label = rows.cpu().numpy()
    kept = np.concatenate(
        [np.empty(0, dtype=np.intp)]
        + [
            which[suppressed(ends[which] * spacing, sure[which], _SAME)]
            for which in (np.flatnonzero(label == row) for row in range(len(labels)))
        ]
    )
    kept = kept[np.argsort(-sure[kept], kind="stable")][:most]
    choice = np.indices((2, 2, 2)).reshape(3, -1).T
    corners = grid.to_patient(ends[kept][:, choice, np.arange(3)])
    ids = tuple(labels.ids[row] for row in label[kept])
    return Boxes(corners, ids, tuple(sure[kept].tolist()), labels)
