"""Splitters: which cases are trained on, and which are kept back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from medlib.data.cases import Case

Split = tuple[list[Case], list[Case]]
Splitter = Callable[[Sequence[Case]], Split]


def by_patient(fraction: float = 0.2, *, seed: int = 0) -> Splitter:
    """Keeps back a share of the patients, drawn at random, with all of their scans.

    Args:
        fraction: of the patients, above 0 and below 1; at least one is kept back.
        seed: of the draw.

    Raises:
        ValueError: for a fraction out of range; when called, for fewer than two patients.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the validation fraction must lie between 0 and 1, not {fraction:g}")

    def split(cases: Sequence[Case]) -> Split:
        patients = sorted({case.patient for case in cases})
        if len(patients) < 2:
            raise ValueError(
                "there is only one patient, so none can be kept back for validation; "
                "add scans of another patient"
            )
        random.Random(seed).shuffle(patients)  # noqa: S311 (no secret)
        count = min(max(1, round(len(patients) * fraction)), len(patients) - 1)
        kept = set(patients[:count])
        return (
            [case for case in cases if case.patient not in kept],
            [case for case in cases if case.patient in kept],
        )

    return split


def held_out(names: Iterable[str]) -> Splitter:
    """Keeps back the cases of these names (with or without a file ending).

    Raises:
        ValueError: when called, for a name that no case has, for a patient who would be on
            both sides, or when nothing would be left on one side.
    """
    wanted = [name.removesuffix(".gz").removesuffix(".nii") for name in names]

    def split(cases: Sequence[Case]) -> Split:
        unknown = sorted(set(wanted) - {case.name for case in cases})
        if unknown:
            raise ValueError(
                f"the validation list names {', '.join(unknown[:5])}, of which there is no "
                f"labelled scan (there are, for example: {', '.join(c.name for c in cases[:3])})"
            )
        train = [case for case in cases if case.name not in wanted]
        valid = [case for case in cases if case.name in wanted]
        if not train or not valid:
            raise ValueError("the validation list must name some of the scans, and not all of them")
        both = {case.patient for case in train} & {case.patient for case in valid}
        if both:
            torn = sorted(case.name for case in cases if case.patient in both)
            raise ValueError(
                "scans of one patient would be both trained and validated on: "
                f"{', '.join(torn[:6])}; put all of a patient's scans on one side"
            )
        return train, valid

    return split
