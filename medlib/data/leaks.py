"""Leaks: what training must not have seen of the cases that it is judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from medlib import io
from medlib.data.cases import Case, few
from medlib.data.digests import content_digest
from medlib.data.store import Store


class LeakError(ValueError):
    """The same patient, study or picture is on both sides of a split."""


def check_split(
    train: Sequence[Case],
    valid: Sequence[Case],
    *,
    content: Callable[[Case], Sequence[str]] | None = None,
) -> None:
    """Refuse a split in which training has seen something of the validation cases.

    The same patient, the same study, the same file or, if asked for, the same picture: two cases
    that are called differently are often one, copied, exported twice, or published in two data
    sets.

    Args:
        train: cases trained on.
        valid: cases kept back.
        content: from a case to what it shows, :func:`contents`. Every scan is read for it;
            where scans are read in any case there is :func:`check_pictures`.

    Raises:
        LeakError: naming the cases on both sides, and what they share.

    Example:
        >>> from medlib.io.nifti import NiftiStack
        >>> from medlib.space import Grid
        >>> from medlib.types import Volume
        >>> scan = NiftiStack(name="a", files=(), kind=Volume, grid=Grid.from_axes((2, 2, 2)))
        >>> check_split([Case("a", "anna", scan)], [Case("b", "anna", scan)])
        Traceback (most recent call last):
            ...
        medlib.data.leaks.LeakError: the same patient is trained and validated on: a and b. Put...
    """
    clues: dict[str, Callable[[Case], Sequence[str]]] = {
        "patient": lambda case: (case.patient,) if case.patient else (),
        "study": lambda case: (case.study,) if case.study else (),
        "file": _files,
    }
    if content is not None:
        clues["picture"] = content
    for what, said in clues.items():
        _refuse(what, train, valid, said)


def check_pictures(
    train: Sequence[Case],
    valid: Sequence[Case],
    glances: Mapping[str, Sequence[str]],
    *,
    store: Store | None = None,
) -> None:
    """Refuse a split in which one picture is on both sides, by whatever names.

    Args:
        train: cases trained on.
        valid: cases kept back.
        glances: of each case by its name, :func:`medlib.data.digests.glance_digest` of its scans.
            Only what looks alike at a glance is read again, to be compared voxel by voxel.
        store: remembers what scans show; see :func:`contents`.

    Raises:
        LeakError: naming the cases on both sides.
    """
    seen = {glance for case in train for glance in glances[case.name]}
    kept = [case for case in valid if seen.intersection(glances[case.name])]
    alike = {glance for case in kept for glance in glances[case.name]}
    twins = [case for case in train if alike.intersection(glances[case.name])]
    _refuse("picture", twins, kept, partial(contents, store=store))


def _refuse(
    what: str,
    train: Sequence[Case],
    valid: Sequence[Case],
    said: Callable[[Case], Sequence[str]],
) -> None:
    """Refuse what shares something.

    Raises:
        LeakError: naming the cases.
    """
    if pairs := _shared(train, valid, said):
        raise LeakError(
            f"the same {what} is trained and validated on: {few(pairs)}. "
            "Put both on one side, or leave one out"
        )


def contents(case: Case, *, store: Store | None = None) -> tuple[str, ...]:
    """What the series of a case show, whatever form of file they are in.

    Args:
        case: whose scans are read.
        store: remembers it, so that files that did not change are not read again.

    Raises:
        ValueError: when a scan cannot be read.

    Example: ``check_split(train, valid, content=partial(contents, store=store))``
    """
    found = []
    for stack in case.stacks:
        read = partial(_content, stack)
        found.append(store.text(store.digest("content", stack), read) if store else read())
    return tuple(found)


def _content(stack: io.Stack) -> str:
    return content_digest(stack.read())


def _files(case: Case) -> tuple[str, ...]:
    """Its files, links followed."""
    found = []
    for stack in case.stacks:
        for file in stack.files:
            place = Path(file.path if file.archive is None else file.archive.path).resolve()
            found.append(str(place if file.archive is None else place / file.path))
    return tuple(found)


def _shared(
    train: Sequence[Case], valid: Sequence[Case], said: Callable[[Case], Sequence[str]]
) -> list[str]:
    """Pairs of cases, one of either side, of which the same is said; of each kept-back case one."""
    seen = {clue: case.name for case in train for clue in said(case)}
    pairs = []
    for case in valid:
        twin = next((seen[clue] for clue in said(case) if clue in seen), None)
        if twin is not None:
            pairs.append(f"{twin} and {case.name}")
    return pairs
