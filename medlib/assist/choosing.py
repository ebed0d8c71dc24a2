"""What to label next: the scans, and the slices of one, from which a model will learn most.

A model learns most from what stands for much that it is unsure of, and little from what is like that
which it has seen. Scans are therefore taken one by one, each the one that brings all those that wait
nearest to something labelled, the doubtful ones counting more (greedy facility location: Wei, Iyer and
Bilmes, Submodularity in data subset selection and active learning, ICML 2015). An odd scan stands for
itself alone: while few are labelled, what is typical teaches more (Hacohen, Dekel and Weinshall, Active
learning on a budget: opposite strategies suit high and low budgets, ICML 2022).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from medlib.assist.inputs import must_be_finite
from medlib.space.grid import FloatArray
from medlib.transforms import Move, resample
from medlib.types import Probabilities, Volume, to_numpy

_ALIKE, _UNLIKE = 0.1, 1 / 3  # of the greatest distance between two scans
_STANDS = 0.5  # a scan stands for those that it brings nearer to something labelled by so much


@dataclass(frozen=True)
class Suggestion:
    """A scan to label next.

    Args:
        name: of the scan.
        usefulness: how much nearer to something labelled all that is waiting comes by it, as a share
            of how far it is now, 0 to 1; what is doubtful counts more.
        reason: in words.
    """

    name: str
    usefulness: float
    reason: str


@dataclass(frozen=True)
class SliceSuggestion:
    """A slice to label next.

    Args:
        number: along the axis that was asked about.
        usefulness: doubt times distance from slices that are done, 0 to 1.
        reason: in words.
    """

    number: int
    usefulness: float
    reason: str


def doubt(beliefs: Probabilities) -> npt.NDArray[np.float32]:
    """How unsure a model is of each voxel: entropy, as a share of the largest there can be.

    Args:
        beliefs: of one model, or the mean over several models or looks (which then also counts
            where they disagree).

    Returns:
        (slice, row, column), 0 (sure) to 1 (all structures alike likely).

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> even = torch.full((2, 1, 1, 1), 0.5)
        >>> doubt(Probabilities(even, Grid.from_axes((1, 1, 1)), Labels.of(["liver"]))).item()
        1.0
    """
    shares = np.clip(to_numpy(beliefs).astype(np.float32), 0, 1)
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(0)
    found: npt.NDArray[np.float32] = np.clip(entropy / np.log(max(2, len(shares))), 0, 1)
    return found


def scan_doubt(beliefs: Probabilities) -> float:
    """How unsure a model is of a scan: its doubt in all, beside the size of what it found.

    The sum over voxels would ask for large organs, the mean over the scan for small scans. Beside
    the number of voxels that are more likely some structure than background it is neither; where
    none is found, the scan's most doubtful thousandth stands for them.

    Returns:
        0 or more; about 1 where doubt is as large as the structures.
    """
    unsure = doubt(beliefs)
    found = int((to_numpy(beliefs)[0] < 0.5).sum())
    return float(unsure.sum()) / max(found, unsure.size // 1000, 1)


def features_of(scan: Volume, quantiles: int = 16) -> FloatArray:
    """Simple features of a scan, where no model has better ones: which values it has, and where.

    Quantiles of its values and the means of the eighths of its box, beside the median and spread
    of its values (so that scanners of other scales are alike); the logarithms of its size and
    spacing. How the array is stored does not matter.

    Args:
        scan: its first channel is looked at.
        quantiles: how many.
    """
    upright = resample(scan, Move(scan.grid, scan.grid.reoriented("SPL")))
    voxels = to_numpy(upright)[0].astype(np.float64)
    must_be_finite(voxels)
    low, middle, high = np.quantile(voxels, [0.05, 0.5, 0.95])
    halves = [np.array_split(np.arange(n), 2) if n > 1 else [[0], [0]] for n in voxels.shape]
    eighths = [voxels[np.ix_(*parts)].mean() for parts in product(*halves)]
    values = np.concatenate([np.quantile(voxels, np.linspace(0.01, 0.99, quantiles)), eighths])
    sides = np.array(upright.grid.shape) * upright.grid.spacing
    return np.concatenate(
        [(values - middle) / max(high - low, 1e-6), np.log(sides), np.log(upright.grid.spacing)]
    )


def next_scans(
    doubts: Mapping[str, float],
    features: Mapping[str, npt.ArrayLike],
    *,
    labelled: Collection[str] = (),
    count: int | None = None,
) -> list[Suggestion]:
    """The scans to label, the most useful first.

    Args:
        doubts: how unsure a model is of each scan, 0 or more (:func:`scan_doubt`); none before
            there is a model, and the scans will be as different as can be.
        features: of each scan, those that are labelled too: a vector each, all of one length
            (:func:`features_of`, or a network's).
        labelled: the scans that are labelled already.
        count: how many to name; all that are not labelled, if left out.

    Raises:
        ValueError: for a scan without doubt or features, and for such as are not finite, negative
            or not of one length.

    Example:
        >>> seen = {"a": [0.0], "b": [0.1], "c": [5.0], "d": [5.2]}
        >>> for found in next_scans({"b": 0.9, "c": 0.5, "d": 0.4}, seen, labelled=["a"]):
        ...     print(found.name, found.reason)
        c the model is fairly sure of it (0.50), and it stands for 1 more that is unlike what is labelled
        b the model is unsure of it (0.90), but it is much like a
        d the model is fairly sure of it (0.40), but it is much like c
        >>> [found.reason for found in next_scans({}, seen, labelled=["a"], count=1)]
        ['it stands for 1 more that is unlike what is labelled']
    """
    has_model = bool(doubts)
    doubts = doubts or dict.fromkeys(features, 1.0)
    waiting = sorted(set(doubts) - set(labelled))
    known = sorted(set(labelled))
    table = _standardised(features, [*waiting, *known])
    for name in waiting:
        if not (np.isfinite(doubts[name]) and doubts[name] >= 0):
            raise ValueError(f"the doubt about {name} is {doubts[name]}, not a number from 0 up")
    apart = (
        np.linalg.norm(table[:, None] - table[None], axis=-1) if len(table) else np.zeros((0, 0))
    )
    apart /= apart.max(initial=0.0) or 1.0
    weights = np.array([doubts[name] for name in waiting])
    weights = weights / (weights.max(initial=0.0) or 1.0)
    names, open_ones = [*waiting, *known], list(range(len(waiting)))
    taken = list(range(len(waiting), len(names)))
    found: list[Suggestion] = []
    while open_ones and (count is None or len(found) < count):
        # Before the first, everything is as far away as can be.
        far = apart[:, taken].min(1) if taken else np.ones(len(names))
        nearer = np.maximum(0.0, far[open_ones, None] - apart[np.ix_(open_ones, open_ones)])
        whole = float((weights * far[: len(weights)])[open_ones].sum()) or 1.0
        worth = weights[open_ones] @ nearer / whole
        place = min(
            range(len(open_ones)),
            key=lambda k: (-round(float(worth[k]), 9), -weights[open_ones[k]], k),
        )
        best = open_ones[place]
        stands_for = int((nearer[:, place] > _STANDS * far[open_ones]).sum()) - 1
        like = names[taken[int(apart[best, taken].argmin())]] if taken else ""
        link, reason = _likeness(float(far[best]), like, stands_for, known)
        if has_model:
            sure = f"the model is {_sureness(weights[best])} of it ({doubts[names[best]]:.2f})"
            reason = f"{sure}, {link} {reason}"
        found.append(Suggestion(names[best], float(np.clip(worth[place], 0, 1)), reason))
        open_ones.remove(best)
        taken.append(best)
    return found


def next_slices(
    beliefs: Probabilities | Volume, *, axis: int = 0, done: Sequence[int] = (), count: int = 1
) -> list[SliceSuggestion]:
    """The slices of a scan to label, the most useful first: doubtful, and not beside one done.

    A slice's doubt is the sum over its voxels, beside the largest of any slice; it counts by how
    far the nearest slice that is done, or named before it, lies away, in full from an eighth of
    the scan's length on.

    Args:
        beliefs: of a model, on the scan's grid; or how unsure it was of each voxel, 0 to 1, where
            only that was kept.
        axis: of the grid along which slices are drawn: 0, 1 or 2.
        done: numbers of slices that are labelled.
        count: how many to name; fewer, if fewer are not done.

    Raises:
        ValueError: for an axis or a slice that there is not.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> share = torch.tensor([0.0, 0.1, 0.2, 0.5, 0.2, 0.0]).reshape(1, 6, 1, 1)
        >>> beliefs = Probabilities(
        ...     torch.cat([1 - share, share]), Grid.from_axes((6, 1, 1)), Labels.of(["liver"])
        ... )
        >>> print(next_slices(beliefs, done=[0])[0].reason)
        the most doubtful slice, 3 mm from the nearest one done
    """
    if axis not in (0, 1, 2):
        raise ValueError(f"a grid has the axes 0, 1 and 2, not {axis}")
    size, step = beliefs.grid.shape[axis], beliefs.grid.spacing[axis]
    if strange := [number for number in done if not 0 <= number < size]:
        raise ValueError(f"slice {strange[0]} cannot be done: there are {size}, 0 to {size - 1}")
    unsure = to_numpy(beliefs)[0] if isinstance(beliefs, Volume) else doubt(beliefs)
    doubts = unsure.sum(tuple(k for k in range(3) if k != axis), dtype=np.float64)
    shares = doubts / (doubts.max() or 1.0)
    reach = max(size / 8, 1.0)
    taken = list(done)
    found: list[SliceSuggestion] = []
    for _ in range(min(count, size - len(set(done)))):
        numbers = np.arange(size)
        away = np.abs(numbers[:, None] - np.array(taken)).min(1) if taken else np.full(size, np.inf)
        useful = np.where(away > 0, shares * np.minimum(away / reach, 1.0), -1.0)
        best = int(useful.round(9).argmax())
        rank = int((shares > shares[best] + 1e-9).sum()) + 1
        which = "the most doubtful slice" if rank == 1 else f"number {rank} of {size} in doubt"
        near = (
            f"{away[best] * step:.3g} mm from the nearest one done" if taken else "none is done yet"
        )
        found.append(SliceSuggestion(best, float(useful[best]), f"{which}, {near}"))
        taken.append(best)
    return found


def _standardised(features: Mapping[str, npt.ArrayLike], names: Sequence[str]) -> FloatArray:
    """A row for each scan, each feature with its own spread as the unit."""
    rows = []
    for name in names:
        if name not in features:
            raise ValueError(f"there are no features of {name}; each scan needs them")
        rows.append(np.asarray(features[name], dtype=np.float64).ravel())
        if len(rows[-1]) != len(rows[0]) or not np.isfinite(rows[-1]).all():
            raise ValueError(
                f"the features of {name} are not finite, or not {len(rows[0])} as others'"
            )
    if not rows:
        return np.zeros((0, 0))
    table = np.stack(rows)
    spread = table.std(0)
    scaled: FloatArray = (table - table.mean(0)) / np.where(spread > 1e-9, spread, 1.0)
    return scaled


def _sureness(share: float) -> str:
    return "unsure" if share > 2 / 3 else "fairly sure" if share > 1 / 3 else "sure"


def _likeness(far: float, like: str, stands_for: int, known: Sequence[str]) -> tuple[str, str]:
    """How a scan compares with others, and whether that speaks for it ("and") or not ("but")."""
    if not like:
        return "and", "it is the most typical to start with"
    whom = "labelled" if like in known else "labelled or named before it"
    if far <= _ALIKE:
        return "but", f"it is much like {like}"
    if stands_for > 0:
        are = "that is" if stands_for == 1 else "that are"
        return "and", f"it stands for {stands_for} more {are} unlike what is {whom}"
    if far > _UNLIKE:
        return "and", f"it is unlike all that is {whom}"
    return "and", f"it differs somewhat from {like}"
