"""Knowing: which cases can be learned from, since the answer or the landmarks are known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medlib import io
from medlib.data.cases import Pairing, case_of
from medlib.types import Labels

_MARKUPS = (".mrk.json", ".fcsv")


def with_answers(pairing: Pairing, columns: Sequence[str]) -> Pairing:
    """The cases of which the table says something in all of these columns; the others set aside.

    Raises:
        ValueError: when there is none.
    """
    lacking = {
        case.name: [column for column in columns if column not in case.answers]
        for case in pairing.cases
    }
    aside = [(name, f"the table does not say {', '.join(c)}") for name, c in lacking.items() if c]
    known = sorted({column for case in pairing.cases for column in case.answers})
    return _without(pairing, aside, f"the columns of answers are: {', '.join(known) or 'none'}")


def with_some_answer(pairing: Pairing, columns: Sequence[str]) -> Pairing:
    """The cases of which the table says something in one of these columns; the others set aside.

    Raises:
        ValueError: when there is none, or a column of which nothing is known in any case.
    """
    known = sorted({column for case in pairing.cases for column in case.answers})
    hint = f"the columns of answers are: {', '.join(known) or 'none'}"
    if silent := [column for column in columns if column not in known]:
        raise ValueError(f"of no scan the table says {', '.join(silent)}; {hint}")
    silent = [case.name for case in pairing.cases if not case.answers.keys() & set(columns)]
    aside = [(name, f"the table says none of {', '.join(columns)}") for name in silent]
    return _without(pairing, aside, hint)


def _without(pairing: Pairing, aside: Sequence[tuple[str, str]], hint: str) -> Pairing:
    names = {name for name, _ in aside}
    cases = tuple(case for case in pairing.cases if case.name not in names)
    if not cases:
        raise ValueError(f"no scan can be learned from ({aside[0][0]}: {aside[0][1]}); {hint}")
    return replace(pairing, cases=cases, set_aside=(*pairing.set_aside, *aside))


def pair_points(scans: Path, points: Path) -> Pairing:
    """Scans with the files of landmarks that are named as they are.

    Raises:
        FileNotFoundError: when ``points`` does not exist.
        ValueError: when two files are named alike, or none as a scan.
    """
    if not points.is_dir():
        raise FileNotFoundError(f"there is no folder {points}")
    files: dict[str, Path] = {}
    for path in sorted(p for p in points.rglob("*") if p.name.lower().endswith(_MARKUPS)):
        name = re.sub(r"\.(mrk\.json|fcsv)$", "", path.name, flags=re.IGNORECASE)
        if name in files:
            raise ValueError(f"{path} and {files[name]} are landmarks of the same name; keep one")
        files[name] = path
    found = io.survey(scans)
    aside = [(refusal.where, refusal.reason) for refusal in found.refusals]
    aside += [
        (stack.name, f"no file of landmarks of its name in {points}")
        for stack in found.stacks
        if stack.name not in files
    ]
    unused = set(files) - {stack.name for stack in found.stacks}
    aside += [(files[name].name, f"no scan of its name in {scans}") for name in sorted(unused)]
    cases = tuple(
        replace(case_of(stack.name, stack), points=files[stack.name])
        for stack in found.stacks
        if stack.name in files
    )
    if not cases:
        raise ValueError(
            f"no scan in {scans} has landmarks in {points}; give each file the name of its scan"
        )
    return Pairing(cases, Labels(()), tuple(aside))


def with_points(pairing: Pairing, wanted: tuple[str, ...] = ()) -> tuple[Pairing, tuple[str, ...]]:
    """The cases that have all landmarks, and which these are.

    Args:
        pairing: cases, some of them with a file of landmarks.
        wanted: names of the landmarks; left out, all that any file names.

    Raises:
        ValueError: when no case has all of them, or none has a name.
    """
    named = {
        case.name: io.read_points(case.points).names if case.points else ()
        for case in pairing.cases
    }
    wanted = wanted or tuple(dict.fromkeys(name for names in named.values() for name in names))
    lacking = {case: [w for w in wanted if w not in names] for case, names in named.items()}
    aside = [(case, f"it has no {', '.join(m)}") for case, m in lacking.items() if m]
    if not wanted:
        raise ValueError("no landmark has a name, so it cannot be known which is which")
    return _without(pairing, aside, f"the landmarks are: {', '.join(wanted)}"), wanted
