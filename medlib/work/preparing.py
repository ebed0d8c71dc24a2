"""From what is asked for to something that learns it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from medlib.work.asking import Asked
from medlib.work.beginning import AS_PLANNED, Beginning
from medlib.workspace import WorkspaceError, questions_of

if TYPE_CHECKING:
    from medlib.data import Case, Pairing
    from medlib.tasks import Task
    from medlib.workspace import Workspace
    from medlib.workspace.schema import LabelSet


def known(
    workspace: Workspace, label_set: int, asked: Asked, kind: str = ""
) -> tuple[Pairing, str]:
    """The cases of which the answer is known, all of one kind of scan, and which kind that is.

    Raises:
        WorkspaceError: when there are none, or of several kinds and none was chosen.
    """
    pairing = workspace.pairing(label_set)
    kinds = {entry.scan.name: entry.scan.kind for entry in workspace.scans.list()}
    cases = [case for case in pairing.cases if _is_known(case, asked)]
    if not cases:
        raise WorkspaceError(_nothing(asked))
    there = Counter(kinds[case.name] for case in cases)
    if not kind and len(there) > 1:
        said = ", ".join(f"{count} {name}" for name, count in there.most_common())
        raise WorkspaceError(f"these scans are of several kinds ({said}): choose one to learn from")
    kind = kind or next(iter(there))
    chosen = tuple(case for case in cases if kinds[case.name] == kind)
    if not chosen:
        raise WorkspaceError(
            f"no scan of the kind {kind} is labelled; there are: {', '.join(there)}"
        )
    return replace(pairing, cases=chosen), kind


def prepared(
    workspace: Workspace,
    label_set: int,
    asked: Asked,
    pairing: Pairing,
    kind: str,
    numbers: Mapping[str, int],
    begun: Beginning = AS_PLANNED,
    **choices: Any,
) -> Task:
    """The task, planned or with the plan in ``choices``; patients are kept back where there are enough.

    ``numbers`` are those of the scans, by name.

    Raises:
        ValueError: when nothing can be learned, with the reason.
    """
    import medlib.types
    from medlib import tasks

    row = workspace.label_sets.get(label_set)
    choices |= {
        "kind": getattr(medlib.types, kind),
        "validation": begun.splitter(pairing.cases, numbers),
        "pretrained": begun.weights,
    }
    if asked.what == "structures":
        return tasks.segmenter(pairing, **choices)
    if asked.what == "landmarks":
        return tasks.landmarks(pairing, names=row.landmarks, **choices)
    question = questions_of(row)[asked.question]
    if question.kind == "number":
        return tasks.regressor(pairing, question.name, question.unit, **choices)
    check_differing(pairing.cases, asked.question)
    columns = (question.name,) if question.kind == "yes/no" else question.name
    return tasks.classifier(pairing, columns, **choices)


def check_differing(cases: Sequence[Case], question: str) -> None:
    """Make sure that there is something to be told apart.

    Raises:
        WorkspaceError: when all cases have one answer.
    """
    said = {case.answers[question] for case in cases}
    if len(said) < 2:
        raise WorkspaceError(
            f"every scan has the same answer to {question!r}, so there is nothing to tell apart: "
            "answer it for scans of the other kind too"
        )


def _is_known(case: Case, asked: Asked) -> bool:
    if asked.what == "structures":
        return case.label is not None
    if asked.what == "landmarks":
        return case.points is not None
    return asked.question in case.answers


def _nothing(asked: Asked) -> str:
    return {
        "structures": "no slice is marked as done yet, so there is nothing to learn from: outline "
        "the structures on a few slices, and mark them as done",
        "landmarks": "no landmark is placed yet, so there is nothing to learn from",
        "question": f"{asked.question!r} is answered for no scan yet",
    }[asked.what]


def described(label_set: LabelSet, asked: Asked) -> str:
    """What a model learns, in words for its name."""
    return label_set.name if asked.what == "structures" else f"{label_set.name} {asked}"
