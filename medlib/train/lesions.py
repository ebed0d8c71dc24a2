"""Lesion by lesion: how many were found, how many missed, and how many are none.

A lesion is a part of a structure that hangs together (voxels sharing a face, an edge or a corner);
two that touch are one. A predicted part finds a lesion where they overlap by an intersection over
union of at least :data:`OVERLAP`. Each finds one at most, and each is found by one at most, those
that overlap most first: a lesion that was predicted in two pieces is one found and one false, and a
piece that covers two lesions leaves one of them missed. Metrics Reloaded (Maier-Hein et al., Nature
Methods 2024) and panoptica (Kofler et al. 2023) match so; F1 is then the recognition quality of
panoptic segmentation (Kirillov et al., CVPR 2019).

Why 0.1, as for boxes: where something is matters more than its exact border, which of a lesion of a
few voxels costs half the overlap at once (0.5 would call most small ones missed). And any overlap at
all, as lesion-wise Dice of BraTS has it, lets one large blob find everything that it covers.

Voxels that nobody looked at take no part. A part that reaches such voxels is not counted, on either
side, since nobody knows where it ends, unless it finds a lesion that was seen whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from medlib.train.intervals import Figure, mean, ratio
from medlib.train.surfaces import Flags
from medlib.transforms.labels.connected import Voxels, parts_of

OVERLAP = 0.1
"""The intersection over union that makes a lesion found; the same as that of boxes."""

COUNTS = ("lesions", "lesions found", "false lesions")
"""What the three counts are called among the metrics of a case."""

_NAMES = re.compile(
    r"lesion|tumou?r|nodul|metasta|cancer|carcinoma|neoplas|polyp|cyst(?!ic)|plaque|infarct|"
    r"ha?emorrhage|microbleed|abscess|aneurysm",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Lesions:
    """What became of the lesions of one scan.

    Args:
        true: how many there are.
        found: how many of them were found.
        false: predicted parts that found none.

    Example:
        >>> Lesions(true=3, found=2, false=1).f1
        0.6666666666666666
    """

    true: int
    found: int
    false: int

    @property
    def f1(self) -> float:
        """Twice what was found, over all that is and all that was said; 1 where both are nothing.

        In a scan without lesions in which none was predicted nothing went wrong.
        """
        both = self.true + self.found + self.false
        return 2 * self.found / both if both else 1.0


def counted(p: Flags, t: Flags, open_: Flags | None = None) -> Lesions:
    """The lesions of a structure, predicted and true.

    Args:
        p: where it was predicted, (slice, row, column), without what nobody looked at.
        t: where it is, likewise.
        open_: the voxels beside those that nobody looked at; see :func:`beside`. None where all
            of the scan was looked at.

    Example:
        >>> t = np.array([[[1, 1, 1, 0, 1, 0, 0, 1, 0]]], dtype=bool)
        >>> p = np.array([[[0, 1, 1, 0, 0, 1, 0, 0, 1]]], dtype=bool)
        >>> counted(p, t)
        Lesions(true=3, found=1, false=2)
    """
    (ours, count), (theirs, total) = parts_of(p), parts_of(t)
    matches = _matched(ours, count, theirs, total)
    whole, known = (
        ~np.isin(np.arange(1, number + 1), numbers[open_] if open_ is not None else [])
        for numbers, number in ((ours, count), (theirs, total))
    )
    for mine, _ in matches:
        whole[mine] = False  # it found something, whether or not that counts
    found = sum(bool(known[other]) for _, other in matches)
    return Lesions(int(known.sum()), found, int(whole.sum()))


def beside(unseen: Flags) -> Flags:
    """The voxels that nobody looked at, and those beside them (by a face, an edge or a corner).

    Example:
        >>> beside(np.array([[[0, 0, 0, 1]]], dtype=bool)).astype(int)
        array([[[0, 0, 1, 1]]])
    """
    from scipy.ndimage import maximum_filter

    near: Flags = maximum_filter(unseen, size=3, mode="nearest")
    return near


def _matched(ours: Voxels, count: int, theirs: Voxels, total: int) -> list[tuple[int, int]]:
    """Which of our parts (from 0) found which of theirs: those that overlap most first."""
    both = (ours > 0) & (theirs > 0)
    pairs, shared = np.unique(
        ours[both].astype(np.int64) * (total + 1) + theirs[both], return_counts=True
    )
    mine, other = np.divmod(pairs, total + 1)
    sizes = np.bincount(ours.reshape(-1)), np.bincount(theirs.reshape(-1))
    overlap = shared / (sizes[0][mine] + sizes[1][other] - shared)
    free = np.ones(count + 1, dtype=bool), np.ones(total + 1, dtype=bool)
    found = []
    for k in np.argsort(-overlap, kind="stable"):
        if overlap[k] >= OVERLAP and free[0][mine[k]] and free[1][other[k]]:
            free[0][mine[k]] = free[1][other[k]] = False
            found.append((int(mine[k]) - 1, int(other[k]) - 1))
    return found


# --- of many scans ------------------------------------------------------------------------


def figures(scans: Sequence[Lesions]) -> dict[str, Figure]:
    """Figures of the lesions of many scans, for :func:`medlib.train.intervals.bootstrap`.

    All lesions count alike, whichever scan they are in; a scan without any counts by its false
    ones. So there is something to say as long as there is one lesion, true or false, in any scan.

    - ``lesion F1``: twice the found, over all true and all predicted ones;
    - ``lesion sensitivity``: the share of lesions that was found;
    - ``false lesions a scan``.

    Example:
        >>> scans = Lesions(3, 2, 0), Lesions(0, 0, 1)
        >>> {name: float(figure(np.ones((1, 2)))[0]) for name, figure in figures(scans).items()}
        {'lesion F1': 0.6666666666666666, 'lesion sensitivity': 0.6666666666666666, 'false lesions a scan': 0.5}
    """
    true, found, false = (
        np.array([getattr(scan, name) for scan in scans], dtype=np.float64)
        for name in ("true", "found", "false")
    )
    return {
        "lesion F1": ratio(2 * found, true + found + false),
        "lesion sensitivity": ratio(found, true),
        "false lesions a scan": mean(false),
    }


def in_pieces(name: str, scans: Sequence[Lesions]) -> bool:
    """Whether a structure is looked at lesion by lesion.

    It is where its name says so (lesion, tumour, nodule, metastasis, …), or where it comes in two
    parts or more in half of the scans that have it. Of a liver, which comes in one, and of which
    stray voxels may lie about in a reference here and there, nothing is said so.

    Args:
        name: of the structure.
        scans: what is in each.

    Example:
        >>> in_pieces("liver", [Lesions(1, 1, 0)] * 4), in_pieces("Herde", [Lesions(3, 1, 0)] * 4)
        (False, True)
    """
    numbers = [scan.true for scan in scans if scan.true]
    return bool(_NAMES.search(name)) or (bool(numbers) and median(numbers) >= 2)


def of_counts(counts: Mapping[str, float]) -> Lesions:
    """The lesions that the three :data:`COUNTS` of a case tell of."""
    true, found, false = (int(counts[name]) for name in COUNTS)
    return Lesions(true, found, false)
