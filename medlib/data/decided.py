"""Splitters that follow what was decided elsewhere: by names, by a file, or by the source itself.

A patient who would be on both sides is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from medlib.data.cases import Case
from medlib.data.splitters import Split, Splitter


def held_out(names: Iterable[str]) -> Splitter:
    """Keeps back the cases of these names (with or without a file ending).

    Raises:
        ValueError: when called, for a name that no case has, for a patient who would be on
            both sides, or when nothing would be left on one side.
    """
    wanted = set(map(_stem, names))

    def split(cases: Sequence[Case]) -> Split:
        _check_known(wanted, cases)
        return _whole(
            [case for case in cases if case.name not in wanted],
            [case for case in cases if case.name in wanted],
        )

    return split


def listed(path: str | Path, *, fold: int = 0) -> Splitter:
    """The split that a file says, as nnU-Net writes it: ``splits_final.json``.

    It is a list of folds, each ``{"train": [names], "val": [names]}``. Cases that the fold does not
    name are on neither side.

    Args:
        path: of the file.
        fold: which of its folds, counted from 0.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no such list, or has no such fold; when called, for a name that no
            case has or that is on both sides, and as :func:`held_out`.
    """
    path = Path(path)
    try:
        folds = json.loads(path.read_text(encoding="utf-8"))
        sides = [{_stem(str(name)) for name in folds[fold][side]} for side in ("train", "val")]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f'{path} is no list of splits like [{{"train": ["case_1"], "val": ["case_2"]}}]: {error}'
        ) from error
    except IndexError:
        raise ValueError(f"{path} has {len(folds)} folds, and no fold {fold}") from None
    both = sorted(sides[0] & sides[1])
    if both:
        raise ValueError(f"{path} has {', '.join(both[:5])} on both sides of fold {fold}")

    def split(cases: Sequence[Case]) -> Split:
        _check_known(sides[0] | sides[1], cases)
        train, valid = ([case for case in cases if case.name in side] for side in sides)
        return _whole(train, valid)

    return split


def as_marked() -> Splitter:
    """The split that the source itself says (:attr:`medlib.data.Case.split`).

    Raises:
        ValueError: when called, for a case of which it says nothing, and as :func:`held_out`.
    """

    def split(cases: Sequence[Case]) -> Split:
        if unsaid := [case.name for case in cases if not case.split]:
            raise ValueError(
                f"nothing says on which side {', '.join(unsaid[:5])} should be "
                f"({len(unsaid)} of {len(cases)} cases); use another splitter, or mark all"
            )
        train, valid = (
            [case for case in cases if case.split == side] for side in ("train", "valid")
        )
        return _whole(train, valid)

    return split


# --- how it is done -----------------------------------------------------------------------


def _whole(train: list[Case], valid: list[Case]) -> Split:
    """The split, if it has two sides and no patient is on both."""
    if not train or not valid:
        raise ValueError("the validation list must name some of the scans, and not all of them")
    both = {case.patient for case in train} & {case.patient for case in valid}
    if both:
        torn = sorted(case.name for case in (*train, *valid) if case.patient in both)
        raise ValueError(
            "scans of one patient would be both trained and validated on: "
            f"{', '.join(torn[:6])}; put all of a patient's scans on one side"
        )
    return train, valid


def _check_known(wanted: set[str], cases: Sequence[Case]) -> None:
    if unknown := sorted(wanted - {case.name for case in cases}):
        raise ValueError(
            f"the validation list names {', '.join(unknown[:5])}, of which there is no "
            f"labelled scan (there are, for example: {', '.join(c.name for c in cases[:3])})"
        )


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".nii")
