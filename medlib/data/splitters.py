"""Splitters that draw: which cases are trained on, and which are kept back.

All of them keep a patient's cases together, and are the same each time for the same seed. Splits
that were decided elsewhere are read by :mod:`medlib.data.decided`.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from medlib import io
from medlib.data.cases import Case
from medlib.types import Labels

Split = tuple[list[Case], list[Case]]
Splitter = Callable[[Sequence[Case]], Split]
Key = Callable[[Case], str]
"""What a case is grouped or counted by."""


def by_patient(fraction: float = 0.2, *, seed: int = 0) -> Splitter:
    """Keeps back a share of the patients, drawn at random, with all of their scans.

    Args:
        fraction: of the patients, above 0 and below 1; at least one is kept back.
        seed: of the draw.

    Raises:
        ValueError: for a fraction out of range; when called, for fewer than two patients.
    """
    return grouped(lambda case: case.patient, fraction, seed=seed, called="patient")


def none_kept() -> Splitter:
    """Keeps nobody back: for so few patients that all are needed to learn from.

    Nothing then says how good the model is, and no moment of the training is chosen as the best.

    Example:
        >>> from unittest.mock import sentinel
        >>> train, valid = none_kept()([Case("scan", "patient", sentinel.scan)])
        >>> len(train), len(valid)
        (1, 0)
    """
    return lambda cases: ([*cases], [])


def by_site(fraction: float = 0.2, *, seed: int = 0) -> Splitter:
    """Keeps back whole sites, so that figures hold for a hospital that was never seen.

    Sites that share a patient count as one.

    Args:
        fraction: of the sites; at least one is kept back.
        seed: of the draw.

    Raises:
        ValueError: for a fraction out of range; when called, for cases without a site, and for
            fewer than two sites.
    """
    return grouped(lambda case: case.site, fraction, seed=seed, called="site")


def grouped(key: Key, fraction: float = 0.2, *, seed: int = 0, called: str = "group") -> Splitter:
    """Keeps back whole groups of cases; groups that share a patient count as one.

    Args:
        key: from a case to the name of its group, such as ``lambda case: case.answers["scanner"]``.
        fraction: of the groups; at least one is kept back.
        seed: of the draw.
        called: what a group is, in messages.

    Raises:
        ValueError: for a fraction out of range; when called, for a case without a group, and for
            fewer than two groups.

    Example:
        >>> from unittest.mock import sentinel
        >>> cases = [Case(f"{s}{n}", f"p{s}{n}", sentinel.scan, site=s) for s in "AB" for n in (1, 2)]
        >>> train, valid = grouped(lambda case: case.site, 0.5)(cases)
        >>> len({case.site for case in train} | {case.site for case in valid}), len(valid)
        (2, 2)
    """
    _check(fraction)

    def split(cases: Sequence[Case]) -> Split:
        units = _units(cases, key, called)
        if len(units) < 2:
            raise ValueError(_alone(cases, key, called))
        random.Random(seed).shuffle(units)  # noqa: S311 (no secret)
        count = min(max(1, round(len(units) * fraction)), len(units) - 1)
        return _parted(cases, units[:count])

    return split


def stratified(key: Key, fraction: float = 0.2, *, seed: int = 0) -> Splitter:
    """Keeps back a share of the patients of each sort, so that both sides have as much of each.

    A patient's sort is all that ``key`` says of his cases. Of each sort, at least one patient is
    kept back and one trained on.

    Args:
        key: from a case to its sort: ``lambda case: case.answers["finding"]``, or
            :func:`bearing` a structure. A number is no sort: say in which ranges it counts.
        fraction: of each sort's patients.
        seed: of the draw.

    Raises:
        ValueError: for a fraction out of range; when called, for a sort that only one patient has,
            or for a key that gives something else than text.
    """
    _check(fraction)

    def split(cases: Sequence[Case]) -> Split:
        draw = random.Random(seed)  # noqa: S311 (no secret)
        kept: list[set[str]] = []
        for sort, units in _sorts(cases, key).items():
            if len(units) < 2:
                raise ValueError(
                    f"only one patient is {sort} ({_names(cases, units)}), and cannot be on both "
                    "sides; add another, or leave that patient out"
                )
            draw.shuffle(units)
            kept += units[: min(max(1, round(len(units) * fraction)), len(units) - 1)]
        return _parted(cases, kept)

    return split


def k_fold(
    k: int = 5, *, seed: int = 0, key: Key | None = None
) -> Callable[[Sequence[Case]], list[Split]]:
    """Cross-validation: k splits, in which every case is kept back once.

    Patients stay whole, and folds differ by one patient at most.

    Args:
        k: number of folds, 2 or more.
        seed: of the draw.
        key: from a case to its sort, as for :func:`stratified`; the folds then have about as many
            patients of each sort. Left out: patients are dealt as they come.

    Raises:
        ValueError: for fewer than two folds; when called, for fewer patients than folds.

    Example:
        >>> from unittest.mock import sentinel
        >>> cases = [Case(f"scan {n}", f"patient {n // 2}", sentinel.scan) for n in range(12)]
        >>> [len(valid) for train, valid in k_fold(3)(cases)]
        [4, 4, 4]
    """
    if k < 2:
        raise ValueError(f"cross-validation needs two folds or more, not {k}")

    def split(cases: Sequence[Case]) -> list[Split]:
        draw = random.Random(seed)  # noqa: S311 (no secret)
        dealt: list[set[str]] = []
        for units in _sorts(cases, key or (lambda _: "")).values():
            draw.shuffle(units)
            dealt += units
        if len(dealt) < k:
            raise ValueError(f"{len(dealt)} patients cannot be dealt into {k} folds")
        return [_parted(cases, dealt[fold::k]) for fold in range(k)]

    return split


def bearing(structure: str, labels: Labels) -> Key:
    """A key for :func:`stratified`: whether a case's label file has a structure.

    Every label file is read. Where nobody looked for the structure, that is a sort of its own.

    Args:
        structure: its name.
        labels: the table to read by.
    """
    label = labels[structure]

    def key(case: Case) -> str:
        if case.label is None or (case.annotated is not None and structure not in case.annotated):
            return f"not examined for {structure}"
        there = io.read_mask(case.label, labels=labels, on=case.scan.grid).present_ids()
        return f"{'with' if label.id in there else 'without'} {structure}"

    return key


# --- how it is done -----------------------------------------------------------------------


def _units(cases: Sequence[Case], key: Key, called: str) -> list[set[str]]:
    """Patients who have to stay together: those of one group, and of groups that share one."""
    units: list[set[str]] = []
    groups: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if not key(case):
            raise ValueError(f"{case.name} has no {called}, so it cannot be split by {called}")
        groups[key(case)].add(case.patient)
    for patients in groups.values():
        touching = [unit for unit in units if unit & patients]
        units = [unit for unit in units if not unit & patients]
        units.append(patients.union(*touching))
    return sorted(units, key=sorted)


def _sorts(cases: Sequence[Case], key: Key) -> dict[str, list[set[str]]]:
    """The patients of each sort, rare sorts first, so that dealing is fair to them."""
    said: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        sort = key(case)
        if not isinstance(sort, str):
            raise ValueError(
                f"the key gives {sort!r} for {case.name}: sorts are text, so turn a number into "
                "ranges and yes or no into words"
            )
        said[case.patient].add(sort)
    found: dict[str, list[set[str]]] = defaultdict(list)
    for patient in sorted(said):
        found[" and ".join(sorted(said[patient]))].append({patient})
    return dict(sorted(found.items(), key=lambda pair: (len(pair[1]), pair[0])))


def _parted(cases: Sequence[Case], kept: Iterable[set[str]]) -> Split:
    patients = set[str]().union(*kept)
    return (
        [case for case in cases if case.patient not in patients],
        [case for case in cases if case.patient in patients],
    )


def _check(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise ValueError(f"the validation fraction must lie between 0 and 1, not {fraction:g}")


def _alone(cases: Sequence[Case], key: Key, called: str) -> str:
    """Why cases cannot be parted into groups."""
    if not cases:
        return "there are no cases to split"
    groups = Counter(key(case) for case in cases)
    if len(groups) == 1:
        why = f"there is only one {called}"
        if called == "patient" and len(cases) > 1:
            why += f" ({next(iter(groups))}), as far as files and their names say"
    else:
        why = f"the {len(groups)} {called}s share patients, so that none can be kept back alone"
    return f"{why}; so none can be kept back for validation; add scans of another {called}"


def _names(cases: Sequence[Case], units: Iterable[set[str]]) -> str:
    patients = set[str]().union(*units)
    return ", ".join([case.name for case in cases if case.patient in patients][:3])
