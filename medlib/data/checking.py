"""Broken cases: found before anything is learned, and set aside with their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from medlib.data.blocks import Block
from medlib.data.cases import Case
from medlib.data.digests import glance_digest
from medlib.io.files import FILE_ERRORS
from medlib.transforms import Item
from medlib.types import MultiVolume, Volume

Reasons = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Usable:
    """What became of the cases when all of them had been read.

    Args:
        train: cases to learn from.
        valid: cases kept back.
        set_aside: (name, reason) of each that cannot be used.
        glances: of each other one, by its name, :func:`medlib.data.digests.glance_digest` of its
            scans.
    """

    train: list[Case]
    valid: list[Case]
    set_aside: Reasons
    glances: Mapping[str, tuple[str, ...]]


def glances(case: Case, blocks: Iterable[Block]) -> tuple[str, ...]:
    """What the scans of a case look like at a glance, after reading all of it.

    Raises:
        ValueError: when it cannot be used, and as reading does (:data:`medlib.io.files.FILE_ERRORS`).
    """
    values = tuple(block.read(case, on=case.leading.grid) for block in blocks)
    assert Item(values).grid is not None  # looking for one refuses those that differ
    parts = chain(*(v.parts if isinstance(v, MultiVolume) else (v,) for v in values))
    return tuple(glance_digest(part) for part in parts if isinstance(part, Volume))


def usable(
    train: Sequence[Case], valid: Sequence[Case], blocks: Sequence[Block], *, broken: float
) -> Usable:
    """The cases that can be used, and why the others cannot.

    A scan here and there is damaged, and should not cost the training. Where many are, something
    is wrong with all of them, or with what was asked for: that is for a person to decide.

    Args:
        train: cases to learn from.
        valid: cases kept back; those of them that cannot be used are said to be such.
        blocks: what is read of each.
        broken: share of all cases that may be set aside; one always may.

    Raises:
        ValueError: when more are broken, or one side would lose all of its cases.
    """
    faults: dict[str, str] = {}
    seen: dict[str, tuple[str, ...]] = {}
    for case in (*train, *valid):
        try:
            seen[case.name] = glances(case, blocks)
            faults[case.name] = ""
        except (ValueError, *FILE_ERRORS) as error:
            faults[case.name] = str(error) or type(error).__name__
    count = sum(map(bool, faults.values()))
    kept = [[case for case in side if not faults[case.name]] for side in (train, valid)]
    emptied = not kept[0] or (valid and not kept[1])  # that nobody is kept back may be meant
    if count > max(1.0, broken * len(faults)) or emptied:
        shown = islice((f"{name}: {said}" for name, said in faults.items() if said), 3)
        raise ValueError(
            f"{count} of {len(faults)} cases cannot be used, too many to be set aside. "
            f"{'; '.join(shown)}{'; …' if count > 3 else ''}. Mend them, or take them out"
        )
    trained = [(case.name, faults[case.name]) for case in train if faults[case.name]]
    kept_back = [
        (case.name, f"was to be validated on: {faults[case.name]}")
        for case in valid
        if faults[case.name]
    ]
    return Usable(kept[0], kept[1], (*trained, *kept_back), seen)
