"""How well structures were outlined: by counting voxels, by surfaces, and lesion by lesion."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import NamedTuple

import numpy as np
import torch

from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.train import lesions
from medlib.train.metrics import Metric, Metrics, known_to, metrics
from medlib.train.surfaces import Flags, surface_distances
from medlib.types import Label, Mask, Probabilities


def dice(prediction: Mask, target: Mask) -> dict[str, float]:
    """Dice's coefficient of each label of the target, on the grid that both share (Dice 1945).

    A label that neither mask has says nothing and is NaN; one that only one of them has is 0.

    Raises:
        ValueError: when the masks are on different grids, or the prediction's table lacks a label.

    Example:
        >>> from medlib.types import Labels
        >>> grid, labels = Grid.from_axes((1, 1, 4)), Labels.of(["liver"])
        >>> a = Mask(torch.tensor([[[[0, 1, 1, 1]]]]), grid, labels)
        >>> b = Mask(torch.tensor([[[[0, 0, 1, 1]]]]), grid, labels)
        >>> dice(a, b)
        {'liver': 0.8}
    """
    return {one.label.name: _dice(one.p, one.t) for one in _structures(prediction, target)}


def without_surfaces(prediction: Mask, target: Mask) -> Metrics:
    """What :func:`medlib.train.metrics` says of masks, but NSD and HD95, which take longest.

    For validation, which is done often.

    Raises:
        ValueError: when the masks are on different grids, or the prediction's table lacks a label.
    """
    return tuple(row for one in _structures(prediction, target) for row in _by_voxels(one))


@metrics.register
def _(prediction: Mask, target: Mask, *, tolerance_mm: float = 2.0) -> Metrics:
    found: list[Metric] = []
    for one in _structures(prediction, target):
        overlap, *others = _by_voxels(one)
        found += [overlap, *_by_surfaces(one, tolerance_mm), *others]
    return tuple(found)


@metrics.register
def _(prediction: Probabilities, target: Mask, *, tolerance_mm: float = 2.0) -> Metrics:
    ids = torch.tensor([0, *prediction.labels.ids], dtype=torch.int32)
    likeliest = ids[prediction.data.argmax(0, keepdim=True).cpu()]
    mask = Mask(likeliest, prediction.grid, prediction.labels)
    found: Metrics = metrics(mask, target, tolerance_mm=tolerance_mm)
    return found


class _Structure(NamedTuple):
    """A label of the target, and where either has it, on a grid about all of that."""

    label: Label
    grid: Grid
    p: Flags
    t: Flags
    open_: Flags | None


def _structures(prediction: Mask, target: Mask) -> Iterator[_Structure]:
    """Each label of the target, without the voxels that nobody looked at.

    Raises:
        ValueError: when the masks are on different grids, or the prediction's table lacks a label.
    """
    if not prediction.grid.close_to(target.grid):
        raise ValueError(
            "prediction and target are on different grids: "
            + prediction.grid.difference(target.grid)
        )
    known_to(prediction.labels, target.labels)
    ours, theirs = prediction.extents(), target.extents()
    unseen = target.unseen().cpu().numpy() if target.labels.ignored is not None else None
    near = lesions.beside(unseen) if unseen is not None and unseen.any() else None
    for label in target.known:  # of what nobody looked for, nothing is right or wrong
        number = prediction.labels[label.name].id
        windows = [w for w in (ours.get(number), theirs.get(label.id)) if w is not None]
        start = [min(w[k].start for w in windows) if windows else 0 for k in range(3)]
        stop = [max(w[k].stop for w in windows) if windows else 0 for k in range(3)]
        window = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        p, t = (
            (mask.data[:, *window] == own).any(0).cpu().numpy()
            & (True if unseen is None else ~unseen[window])
            for mask, own in ((prediction, number), (target, label.id))
        )
        grid = target.grid.window(start, [max(1, n) for n in p.shape])
        yield _Structure(label, grid, p, t, None if near is None else near[window])


def _by_voxels(one: _Structure) -> Metrics:
    name, (p, t) = one.label.name, (one.p, one.t)
    error = (int(p.sum()) - int(t.sum())) * one.grid.voxel_ml
    parts = lesions.counted(p, t, one.open_)
    numbers = zip(lesions.COUNTS, (parts.true, parts.found, parts.false), strict=True)
    return (
        Metric(name, "Dice", _dice(p, t)),
        Metric(name, "volume error", error, "ml"),
        *(Metric(name, count, float(number)) for count, number in numbers),
    )


def _by_surfaces(one: _Structure, tolerance_mm: float) -> Metrics:
    near, far = nan, nan
    if one.p.any() or one.t.any():
        away, back = surface_distances(one.p, one.t, one.grid)
        both = np.concatenate([away, back])
        near = float((both <= tolerance_mm).mean())
        far = max(map(_percentile_95, (away, back))) if one.p.any() and one.t.any() else inf
    return Metric(one.label.name, "NSD", near), Metric(one.label.name, "HD95", far, "mm")


def _dice(p: Flags, t: Flags) -> float:
    total = int(np.count_nonzero(p)) + int(np.count_nonzero(t))
    return 2 * int(np.count_nonzero(p & t)) / total if total else nan


def _percentile_95(distances: FloatArray) -> float:
    return float(np.percentile(distances, 95))
