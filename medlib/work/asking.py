"""What may be asked of a worker: plain values that go through the workspace's table of jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from medlib.workspace import Content, WorkspaceError
from medlib.workspace.events import canonical

if TYPE_CHECKING:
    from medlib.workspace import Workspace
    from medlib.workspace.schema import Job, LabelSet

What = Literal["structures", "question", "landmarks"]
_CONTENT: Mapping[str, Content] = {
    "structures": Content.MASK,
    "question": Content.ANSWERS,
    "landmarks": Content.POINTS,
}


@dataclass(frozen=True)
class Asked:
    """What a model is to say of a scan.

    Args:
        what: the structures of a label set, one of its questions, or its landmarks.
        question: which.

    Raises:
        WorkspaceError: for anything else.
    """

    what: What = "structures"
    question: str = ""

    def __post_init__(self) -> None:
        if self.what not in {"structures", "question", "landmarks"}:
            raise WorkspaceError(
                f"a model says structures, question or landmarks, not {self.what!r}"
            )
        if (self.what == "question") != bool(self.question):
            raise WorkspaceError("say which question is to be learned, and none for anything else")

    def __str__(self) -> str:
        return self.question or self.what

    @property
    def content(self) -> Content:
        """Where what people say of it is kept."""
        return _CONTENT[self.what]

    @classmethod
    def all_of(cls, label_set: LabelSet) -> tuple[Asked, ...]:
        """Everything that can be learned of a label set.

        Example:
            >>> from medlib.workspace.schema import LabelSet
            >>> asked = [{"name": "motion", "kind": "yes/no"}]
            >>> [str(one) for one in Asked.all_of(
            ...     LabelSet(labels=[{"id": 1, "name": "liver"}], questions=asked, landmarks=[]))]
            ['structures', 'motion']
        """
        structures = (cls(),) if label_set.labels else ()
        questions = tuple(cls("question", said["name"]) for said in label_set.questions)
        return (*structures, *questions, *((cls("landmarks"),) if label_set.landmarks else ()))


@dataclass(frozen=True)
class Training:
    """Learn from what is labelled.

    Args:
        label_set: by which.
        asked: what of it.
        minutes: of learning; or
        rounds: through the scans.
        name: of the model; left out, made from the label set's.
        kind: of scans to learn from, a class of :mod:`medlib.types`; left out, the only one there is.
        then_predict: whether the model is to look at the scans that are not labelled whole.
        begin: with what: the name of weights that come with the library
            (:func:`medlib.models.shipped`), the number of an earlier model of the same, or
            ``"nothing"``; left out, as the plan says.

    Raises:
        WorkspaceError: unless a length is said, once, and it is more than nothing.
    """

    job: ClassVar[str] = "train"

    label_set: int
    asked: Asked = Asked()
    minutes: float | None = None
    rounds: int | None = None
    name: str = ""
    kind: str = ""
    then_predict: bool = False
    begin: str | int | None = None

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.rounds is None):
            raise WorkspaceError("say how long to train: minutes, or rounds (not both)")
        if not (self.minutes or self.rounds or 0) > 0:
            raise WorkspaceError("a training takes more than no time")


@dataclass(frozen=True)
class Predicting:
    """Say what a model finds, with how sure it is, and rank the worklist by that.

    Args:
        model: which.
        scans: in which; left out, all that are not labelled whole and it has not looked at yet.
    """

    job: ClassVar[str] = "predict"

    model: int
    scans: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Looking:
    """Say what the data are like, before anything is learned of them, and how it would be learned.

    Args:
        label_set: by which they are labelled.
        asked: what of it would be learned.
        minutes: that there would be.
    """

    job: ClassVar[str] = "look"

    label_set: int
    asked: Asked = Asked()
    minutes: float = 10.0


Request = Training | Predicting | Looking
_KINDS: Mapping[str, type[Request]] = {kind.job: kind for kind in (Training, Predicting, Looking)}


def ask(workspace: Workspace, request: Request, *, by: str, device: str = "") -> Job:
    """Queue work.

    Args:
        workspace: where.
        request: what is to be done.
        by: who asks.
        device: on which; left out, :func:`usual_device`.
    """
    return workspace.jobs.queue(
        request.job, asdict(request), by=by, device=device or usual_device()
    )


def read_request(kind: str, said: Mapping[str, Any]) -> Request:
    """The request that a row of the table of jobs holds.

    Raises:
        WorkspaceError: for work that there is not, and words that it does not know.

    Example:
        >>> read_request("predict", {"model": 3, "scans": [1, 2]})
        Predicting(model=3, scans=(1, 2))
    """
    if kind not in _KINDS:
        raise WorkspaceError(f"there is no work {kind!r}; there is: {', '.join(_KINDS)}")
    which = _KINDS[kind]
    if strange := sorted(said.keys() - {field.name for field in fields(which)}):
        raise WorkspaceError(f"to {kind} knows no {strange[0]!r}")
    values = dict(said)
    if "asked" in values:
        values["asked"] = Asked(**values["asked"])
    if values.get("scans") is not None:
        values["scans"] = tuple(map(int, values["scans"]))
    return which(**values)


def digest_of(*parts: Any) -> str:
    """A name for plain JSON values: 40 hexadecimal digits."""
    return hashlib.sha256(canonical([*parts]).encode()).hexdigest()[:40]


def folder_of(workspace: Workspace, job: int) -> Path:
    """Where a job leaves what pages show of it; it may be deleted at any time."""
    return workspace.derived / "jobs" / str(job)


def usual_device() -> str:
    """What jobs run on unless somebody says otherwise, as the table of jobs calls it.

    Example:
        >>> usual_device() in ("cuda:0", "cpu")
        True
    """
    from medlib.models import best_device

    return "cuda:0" if best_device().type == "cuda" else "cpu"
