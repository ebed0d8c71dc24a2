"""Flags: what is odd about a prediction, with the reason, so that it is looked at first.

They are rules about sizes and places, not judgements: a flagged outline may be right, and one
without a flag may be wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medlib.figures import three_figures
from medlib.types import Mask
from medlib.types.naming import sided_pairs

_FAR = 2.0  # times larger than the largest, or smaller than the smallest, that was learned from
_FEW, _FAR_OF_FEW = 5, 3.0  # with fewer scans, what is usual is hardly known
_ISLANDS, _REST = 3, 0.1  # pieces, and the share of a structure that is not its largest piece
_UNEVEN = 3.0  # times that one side is larger than the other


@dataclass(frozen=True)
class Flag:
    """Something odd.

    Args:
        kind: ``"empty"``, ``"volume"``, ``"islands"``, ``"sides"`` or ``"uneven"``.
        structure: of which.
        reason: in words.
    """

    kind: str
    structure: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def flags_of(
    mask: Mask, usual: Mapping[str, Sequence[float]], in_pieces: Collection[str] = ()
) -> tuple[Flag, ...]:
    """What is odd about a mask.

    Args:
        mask: that a model found.
        usual: millilitres of each structure in the scans that it learned from.
        in_pieces: structures that usually are, as vertebrae; see :func:`usually_in_pieces`.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> nothing = torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
        >>> mask = Mask(nothing, Grid.from_axes((4, 4, 4)), Labels.of(["liver"]))
        >>> for flag in flags_of(mask, {"liver": [1400.0, 1500.0]}):
        ...     print(flag.reason)
        liver was not found, and is in all 2 scans learned from
    """
    volumes = mask.volumes_ml()
    return (*odd_sizes(volumes, usual), *odd_shapes(mask, volumes, in_pieces))


def odd_sizes(
    volumes: Mapping[str, float], usual: Mapping[str, Sequence[float]]
) -> tuple[Flag, ...]:
    """What is not there, or far larger or smaller than usual; the arguments are millilitres."""
    return (*_empty(volumes, usual), *_far_off(volumes, usual))


def odd_shapes(
    mask: Mask, volumes: Mapping[str, float], in_pieces: Collection[str] = ()
) -> tuple[Flag, ...]:
    """What is in pieces, on the wrong side, or unlike the other side; its millilitres are known."""
    return (*_islands(mask, volumes, in_pieces), *_sides(mask, volumes))


def usually_in_pieces(masks: Iterable[Mask]) -> frozenset[str]:
    """Structures that are in pieces in more than half of the masks that have them.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> from medlib.types import Labels
        >>> data = torch.zeros(1, 4, 4, 16, dtype=torch.uint8)
        >>> data[..., ::4] = 1
        >>> sorted(usually_in_pieces([Mask(data, Grid.from_axes((4, 4, 16)), Labels.of(["ribs"]))]))
        ['ribs']
    """
    return mostly_in_pieces(there_and_in_pieces(mask, mask.volumes_ml()) for mask in masks)


def there_and_in_pieces(
    mask: Mask, volumes: Mapping[str, float]
) -> tuple[Collection[str], Collection[str]]:
    """The structures of a mask whose millilitres are known, and those of them in pieces."""
    names = [name for name, ml in volumes.items() if ml]
    return names, [name for name, _, _ in _scattered(mask, names)]


def mostly_in_pieces(
    seen: Iterable[tuple[Collection[str], Collection[str]]],
) -> frozenset[str]:
    """Structures that are in pieces more often than not.

    Args:
        seen: of each mask the structures that are there, and those of them in pieces.

    Example:
        >>> sorted(mostly_in_pieces([({"rib", "liver"}, {"rib"}), ({"rib", "liver"}, {"rib", "liver"})]))
        ['rib']
    """
    there, apart = Counter[str](), Counter[str]()
    for names, scattered in seen:
        there.update([*names])  # of a mapping too only its names
        apart.update([*scattered])
    return frozenset(name for name, count in apart.items() if 2 * count > there[name])


def _empty(volumes: Mapping[str, float], usual: Mapping[str, Sequence[float]]) -> Iterator[Flag]:
    for name, ml in volumes.items():
        seen = usual.get(name, ())
        there = sum(one > 0 for one in seen)
        if ml == 0 and there and there >= 0.9 * len(seen):
            said = f"{name} was not found, and is in {_scans(there, len(seen))} learned from"
            yield Flag("empty", name, said)


def _far_off(volumes: Mapping[str, float], usual: Mapping[str, Sequence[float]]) -> Iterator[Flag]:
    for name, ml in volumes.items():
        seen = [one for one in usual.get(name, ()) if one > 0]
        if not (ml and seen):
            continue
        far = _FAR if len(seen) >= _FEW else _FAR_OF_FEW
        low, high = min(seen), max(seen)
        if not low / far <= ml <= high * far:
            much = "larger" if ml > high else "smaller"
            usually = (
                f"{three_figures(low)} ml"
                if low == high
                else f"{three_figures(low)} to {three_figures(high)} ml"
            )
            said = f"{name} is {three_figures(ml)} ml, much {much} than in {_scans(len(seen), len(seen))}"
            yield Flag("volume", name, f"{said} learned from ({usually})")


def _scans(some: int, of: int) -> str:
    if some < of:
        return f"{some} of {of} scans"
    return f"all {of} scans" if of > 1 else "the one scan"


def _islands(
    mask: Mask, volumes: Mapping[str, float], in_pieces: Collection[str]
) -> Iterator[Flag]:
    whole = [name for name, ml in volumes.items() if ml and name not in in_pieces]
    for name, count, rest in _scattered(mask, whole):
        said = f"{name} lies in {count} pieces, {rest:.0%} of it not in the largest"
        yield Flag("islands", name, said)


def _scattered(mask: Mask, names: Iterable[str]) -> Iterator[tuple[str, int, float]]:
    """Structures in pieces: how many, and what share is not the largest. All have to be there."""
    from scipy.ndimage import generate_binary_structure, label

    touching = generate_binary_structure(3, 3)
    windows = mask.extents()
    for name in names:
        window = windows[mask.labels[name].id]
        pieces, count = label(mask.structure(name)[window].cpu().numpy(), touching)
        if count > _ISLANDS:
            sizes = np.bincount(pieces.ravel())[1:]
            rest = 1 - sizes.max() / sizes.sum()
            if rest > _REST:
                yield name, int(count), float(rest)


def _sides(mask: Mask, volumes: Mapping[str, float]) -> Iterator[Flag]:
    """Left is towards +x in LPS: whoever is called left lies there, and is about as large."""
    pairs, _ = sided_pairs(mask.labels.names)
    for left, right in pairs:
        sizes = volumes.get(left, 0.0), volumes.get(right, 0.0)
        if not all(sizes):
            continue
        if _middle(mask, left) <= _middle(mask, right):
            yield Flag("sides", left, f"{left} lies further to the patient's right than {right}")
        if max(sizes) > _UNEVEN * min(sizes):
            more, less = (left, right) if sizes[0] > sizes[1] else (right, left)
            yield Flag(
                "uneven",
                less,
                f"{less} is {three_figures(min(sizes))} ml, {more} {three_figures(max(sizes))} ml",
            )


def _middle(mask: Mask, name: str) -> float:
    """LPS x of a structure's middle, mm."""
    index = mask.structure(name).nonzero().double().mean(0).cpu().numpy()
    return float(mask.grid.to_patient(index)[0])
