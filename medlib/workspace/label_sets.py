"""Label sets: what is asked of scans."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select

from medlib.workspace.database import Database, found
from medlib.workspace.errors import NotThereError, WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.schema import LabelSet

if TYPE_CHECKING:
    from medlib.types import Labels


@dataclass(frozen=True)
class Question:
    """A question about a whole study.

    Args:
        name: unique in its label set, such as ``"fracture"``.
        kind: how it is answered.
        choices: the words to choose from.
        unit: of a number, a UCUM code such as ``"mm"``; ``"1"`` for none.

    Raises:
        WorkspaceError: for a choice of fewer than two words, or a number without a unit.

    Example:
        >>> Question("lesion", "number", unit="mm").checked(12)
        12.0
        >>> Question("grade", "choice", ("low", "high")).checked("middling")
        Traceback (most recent call last):
            ...
        medlib.workspace.errors.WorkspaceError: grade: 'middling' is not one of low, high
    """

    name: str
    kind: Literal["yes/no", "choice", "number"]
    choices: tuple[str, ...] = ()
    unit: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        if self.kind not in {"yes/no", "choice", "number"}:
            raise WorkspaceError(
                f"{self.name}: a question is answered by yes/no, choice or number, "
                f"not {self.kind!r}"
            )
        if self.kind == "choice" and len(set(self.choices)) < 2:
            raise WorkspaceError(f"{self.name}: a choice needs two words or more")
        if self.kind == "number" and not self.unit.strip():
            raise WorkspaceError(f"{self.name}: a number needs a unit; '1' for none")

    def checked(self, answer: object) -> str | float | bool:
        """The answer, if it is one.

        Raises:
            WorkspaceError: saying how it should be answered.
        """
        if self.kind == "yes/no" and isinstance(answer, bool):
            return answer
        if self.kind == "choice" and isinstance(answer, str) and answer in self.choices:
            return answer
        is_number = isinstance(answer, int | float) and not isinstance(answer, bool)
        if self.kind == "number" and is_number and math.isfinite(float(str(answer))):
            return float(str(answer))
        wanted = {
            "yes/no": "yes or no",
            "choice": f"one of {', '.join(self.choices)}",
            "number": f"a number ({self.unit})",
        }
        raise WorkspaceError(f"{self.name}: {answer!r} is not {wanted[self.kind]}")


class LabelSets:
    """The label sets of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        labels: Labels | Sequence[str] = (),
        *,
        by: str,
        questions: Sequence[Question] = (),
        landmarks: Sequence[str] = (),
    ) -> LabelSet:
        """Make a label set.

        Args:
            name: unique in the workspace.
            labels: the structures to outline: a table, with colours and codes, or names.
            by: who does so.
            questions: to be answered about each study.
            landmarks: to be placed.

        Raises:
            WorkspaceError: when the name is taken, something is named twice, or nothing is asked.
        """
        said = _said(labels, questions, landmarks)
        with self._database.writing() as session:
            if session.scalars(select(LabelSet).filter_by(name=name)).first():
                raise WorkspaceError(f"there is a label set {name!r} already")
            row = LabelSet(name=name, **said)
            session.add(row)
            session.flush()
            record(session, by, "label set added", f"label set {row.id}", name=name, **said)
        return row

    def change(
        self,
        label_set: int,
        labels: Labels | Sequence[str] = (),
        *,
        by: str,
        questions: Sequence[Question] = (),
        landmarks: Sequence[str] = (),
    ) -> LabelSet:
        """Say anew what is asked: more may be asked, and colours and codes may change.

        What was asked before stays as it was, since scans have been labelled by it.

        Raises:
            WorkspaceError: when something that was asked is missing or means something else.
        """
        said = _said(labels, questions, landmarks)
        with self._database.writing() as session:
            row = found(session, LabelSet, label_set, what="label set")
            _check_kept(row, said)
            row.labels, row.questions = said["labels"], said["questions"]
            row.landmarks = said["landmarks"]
            row.revision += 1
            record(session, by, "label set changed", f"label set {row.id}", name=row.name, **said)
        return row

    def get(self, label_set: int | str) -> LabelSet:
        """The label set of this number or name.

        Raises:
            NotThereError: naming those that there are.
        """
        with self._database.reading() as session:
            if isinstance(label_set, int):
                return found(session, LabelSet, label_set, what="label set")
            row = session.scalars(select(LabelSet).filter_by(name=label_set)).first()
        if row is None:
            names = ", ".join(known.name for known in self.list()) or "none"
            raise NotThereError(f"there is no label set {label_set!r}; there are: {names}")
        return row

    def list(self) -> Sequence[LabelSet]:
        """All label sets, by name."""
        with self._database.reading() as session:
            return [*session.scalars(select(LabelSet).order_by(LabelSet.name))]


def table_of(row: LabelSet) -> Labels:
    """The structures of a label set."""
    from medlib.types import Labels

    return Labels.from_list(row.labels)


def questions_of(row: LabelSet) -> dict[str, Question]:
    """The questions of a label set, by name."""
    return {said["name"]: Question(**said) for said in row.questions}


def spoken(answer: Any) -> Any:
    """An answer as it stands in a table: yes and no as words, all else as it is.

    Example:
        >>> spoken(True), spoken(12.5)
        ('yes', 12.5)
    """
    return ("yes" if answer else "no") if isinstance(answer, bool) else answer


def in_words(answer: Any, question: Question | None) -> str:
    """An answer as a person would say it, with the unit of its question.

    Example:
        >>> in_words(True, None), in_words(12.5, Question("size", "number", unit="mm"))
        ('yes', '12.5 mm')
    """
    unit = question.unit if question else ""
    return str(spoken(answer)) if unit in {"", "1"} else f"{spoken(answer)} {unit}"


def _said(
    labels: Labels | Sequence[str], questions: Sequence[Question], landmarks: Sequence[str]
) -> dict[str, Any]:
    from medlib.types import Labels

    table = labels if isinstance(labels, Labels) else Labels.of(labels)
    if table.ignored is not None:
        raise WorkspaceError(
            "a workspace keeps for itself which slices were looked at: leave out the id of what "
            "was not"
        )
    names = [*(f"question {q.name}" for q in questions), *(f"landmark {n}" for n in landmarks)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise WorkspaceError(f"the label set has the {twice[0]} more than once")
    if not (len(table) or names):
        raise WorkspaceError("a label set asks for something: structures, answers or landmarks")
    asked = [asdict(q) | {"choices": list(q.choices)} for q in questions]
    return {"labels": table.to_list(), "questions": asked, "landmarks": list(landmarks)}


def _check_kept(row: LabelSet, said: Mapping[str, Any]) -> None:
    ids = {label["id"]: label["name"] for label in said["labels"]}
    for label in row.labels:
        if ids.get(label["id"]) != label["name"]:
            raise WorkspaceError(
                f"scans may have been labelled by {label['id']} = {label['name']!r}: keep it, or "
                "make another label set"
            )
    lost = [q["name"] for q in row.questions if q not in said["questions"]]
    lost += [name for name in row.landmarks if name not in said["landmarks"]]
    if lost:
        raise WorkspaceError(f"{lost[0]!r} was asked before: keep it, or make another label set")
