"""What a training in a workspace begins with: what its plan says, or weights or a model that was chosen.

Whoever labels a few more scans and trains again need not begin anew: a training that begins with the last
model goes on where that stood. What such a model has learned from, it and all those that it began
with, is never kept back to measure the next one by; that would call it better than it is.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from medlib.shipped import shipped
from medlib.work.asking import Training
from medlib.work.waiting import asked_of
from medlib.workspace import WorkspaceError
from medlib.workspace.source import TEST

if TYPE_CHECKING:
    from pathlib import Path

    from medlib.data import Case, Splitter
    from medlib.data.splitters import Split
    from medlib.workspace import Workspace

FEWEST = 3
"""With fewer patients nobody is kept back: every one is needed to learn from."""
_KEPT_BACK = 0.2  # of the patients


@dataclass(frozen=True)
class Beginning:
    """What a training begins with.

    Args:
        weights: as ``pretrained`` of :mod:`medlib.tasks` takes it.
        said: of it, on the card of the model that is learned; plain JSON values.
        seen: scans that an earlier model, or one that it began with, has learned from.
        measured: scans that the earlier model was measured on.
    """

    weights: str | Path | Literal[False] | None = None
    said: str = ""
    seen: frozenset[int] = frozenset()
    measured: frozenset[int] = frozenset()

    def splitter(self, cases: Sequence[Case], numbers: Mapping[str, int]) -> Splitter:
        """How patients are kept back: a fifth, one at least, and none whom the model knows.

        Args:
            cases: that there are.
            numbers: of the scans, by name.
        """
        from medlib.data import by_patient, none_kept

        def of(scans: Collection[int]) -> set[str]:
            return {case.patient for case in cases if numbers[case.name] in scans}

        patients = {case.patient for case in cases}
        known = of(self.seen)
        if len(patients) < FEWEST or known == patients:  # nobody is left to measure it by
            return none_kept()
        if not known:
            return by_patient(_KEPT_BACK)
        return of_new_patients(known, of(self.measured))


AS_PLANNED, NOTHING = Beginning(), Beginning(False)


def of_new_patients(known: Collection[str], measured: Collection[str]) -> Splitter:
    """Keeps back a fifth of all patients: first those who were kept back before, then new ones.

    Args:
        known: patients whom an earlier model has learned from: never kept back.
        measured: patients whom it was measured on.

    Example:
        >>> from unittest.mock import sentinel
        >>> from medlib.data import Case
        >>> cases = [Case(name, name, sentinel.scan) for name in "abcdefghij"]
        >>> train, valid = of_new_patients({"a", "b", "c"}, {"d"})(cases)
        >>> len(train), len(valid), valid[0].name
        (8, 2, 'd')
    """

    def split(cases: Sequence[Case]) -> Split:
        patients = {case.patient for case in cases}
        before = {patient for patient in patients & {*measured} if patient not in known}
        fresh = sorted(patients - {*known} - before)
        random.Random(0).shuffle(fresh)  # noqa: S311 (no secret)
        wanted = max(1, round(_KEPT_BACK * len(patients)))
        kept = before | {*fresh[: max(0, wanted - len(before))]}
        return (
            [case for case in cases if case.patient not in kept],
            [case for case in cases if case.patient in kept],
        )

    return split


def beginning_of(workspace: Workspace, request: Training) -> Beginning:
    """What a training that was asked for begins with.

    Raises:
        WorkspaceError: for weights or a model that there is not; for a model of another label set,
            or that answers something else; and for one that has learned from a scan which is now kept for
            the last test.
    """
    if request.begin is None:
        return AS_PLANNED
    if request.begin == "nothing":
        return NOTHING
    if isinstance(request.begin, str):
        return _with_weights(request.begin)
    model = next((one for one in workspace.models.list() if one.id == request.begin), None)
    if model is None:
        raise WorkspaceError(f"there is no model {request.begin} to begin with")
    if model.label_set_id != request.label_set or asked_of(model) != request.asked:
        raise WorkspaceError(
            f"{model.name} has learned something else than is asked for: begin with another model"
        )
    seen = frozenset(seen_by(model.card))
    tests = {entry.scan.id: entry.scan.name for entry in workspace.scans.list(tag=TEST)}
    if spoiled := sorted(tests[scan] for scan in seen & tests.keys()):
        raise WorkspaceError(
            f"{model.name} has learned from {', '.join(spoiled[:5])}, kept for the last test since: begin "
            "with nothing, or the test would be of what is known already"
        )
    return Beginning(
        workspace.models.package(model.id),
        f"the model {model.name}",
        seen,
        frozenset(model.card.get("measured on", [])),
    )


def _with_weights(name: str) -> Beginning:
    if name not in shipped():
        raise WorkspaceError(
            f"no weights {name!r} come with the library; there are: {', '.join(shipped())}"
        )
    return Beginning(name, shapes(name))


def shapes(name: str) -> str:
    """Weights that come with the library, in words; empty for none."""
    return f"shapes, learned beforehand ({name})" if name else ""


def seen_by(card: Mapping[str, Any]) -> list[int]:
    """Scans that a model has learned from, or one that it began with.

    Example:
        >>> seen_by({"learned from": [3], "learned from before": [1, 3]})
        [1, 3]
    """
    return sorted({*card.get("learned from", []), *card.get("learned from before", [])})
