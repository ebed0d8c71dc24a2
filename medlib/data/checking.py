"""Broken cases: found before anything is learned, and set aside with their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from medlib.data.blocks import Block
from medlib.data.cases import Case
from medlib.io.files import FILE_ERRORS
from medlib.transforms import Item

Reasons = tuple[tuple[str, str], ...]


def fault(case: Case, blocks: Iterable[Block]) -> str:
    """Why a case cannot be used, after reading all of it; empty when it can."""
    try:
        values = tuple(block.read(case, on=case.leading.grid) for block in blocks)
        assert Item(values).grid is not None  # looking for one refuses those that differ
    except (ValueError, *FILE_ERRORS) as error:
        return str(error) or type(error).__name__
    return ""


def usable(
    train: Sequence[Case], valid: Sequence[Case], blocks: Sequence[Block], *, broken: float
) -> tuple[list[Case], list[Case], Reasons]:
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
    faults = {case.name: fault(case, blocks) for case in (*train, *valid)}
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
    return kept[0], kept[1], (*trained, *kept_back)
