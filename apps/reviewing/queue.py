"""Which predictions a person may look through, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from serving.shelf import Case

from medlib.workspace import Entry, Seen, Status, Workspace
from medlib.workspace.reviews import Standing, standing
from medlib.workspace.schema import Content, Prediction, Review

if TYPE_CHECKING:
    from desk import Desk


class Turn(StrEnum):
    """What is to be done about a prediction, seen from one person."""

    WAITING = "Waiting"
    SECOND = "Second reading"
    DISPUTED = "Readers differ"
    DECIDED = "Decided"


@dataclass(frozen=True)
class Item:
    """A prediction, and what became of it.

    Args:
        entry: the scan that it is of.
        prediction: the newest of its kind by its label set.
        reviews: the decisions so far.
        turn: what is to be done.
    """

    entry: Entry
    prediction: Prediction
    reviews: tuple[Review, ...]
    turn: Turn

    @property
    def case(self) -> Case:
        """As the shelf calls it."""
        return Case(self.prediction.scan_id, self.prediction.label_set_id)

    @property
    def is_mask(self) -> bool:
        """It outlines something."""
        return self.prediction.content == Content.MASK

    @property
    def is_blind(self) -> bool:
        """Nothing of the first reader's decision may be seen."""
        return self.turn == Turn.SECOND

    @property
    def flags(self) -> tuple[str, ...]:
        """What is odd about it, in words; what was not found, in one line."""
        flags = self.prediction.figures.get("flags", ())
        missing = [flag["structure"] for flag in flags if flag["kind"] == "empty"]
        if len(missing) < 2:
            return tuple(flag["reason"] for flag in flags)
        others = [flag["reason"] for flag in flags if flag["kind"] != "empty"]
        return (f"not found, and usually there: {', '.join(missing)}", *others)

    @property
    def oddities(self) -> int:
        """How many flags there are."""
        return len(self.prediction.figures.get("flags", ()))

    @property
    def doubt(self) -> float:
        """Of the model, 0 or more."""
        return float(self.prediction.figures.get("doubt") or 0.0)


def items(here: Desk) -> list[Item]:
    """The newest predictions of scans that are not set aside: the oddest first, then the doubtful.

    Older ones stay as long as readers differ on them, and the label waits for that.
    """
    entries = {entry.scan.id: entry for entry in here.workspace.scans.list()}
    reviewed = here.workspace.reviews.by_prediction()
    lines: set[tuple[int, int, Content]] = set()
    found = []
    for row in here.workspace.models.predictions():
        line, reviews = (row.scan_id, row.label_set_id, row.content), reviewed.get(row.id, [])
        is_newest = line not in lines
        lines.add(line)
        entry = entries.get(row.scan_id)
        if entry is None or entry.scan.status == Status.SET_ASIDE:
            continue
        if is_newest or _holds_label_up(here.workspace, row, reviews):
            found.append(Item(entry, row, tuple(reviews), turn_of(reviews, here.person)))
    return sorted(found, key=lambda one: (-one.oddities, -one.doubt, one.prediction.id))


def _holds_label_up(workspace: Workspace, row: Prediction, reviews: Sequence[Review]) -> bool:
    """The label that counts waits for somebody to decide between two readers of this prediction."""
    if standing(reviews) != Standing.DISPUTED:
        return False
    head = workspace.versions.head(row.scan_id, row.label_set_id, row.content)
    return head is not None and any(review.version_id == head.id for review in reviews)


def turn_of(reviews: Sequence[Review], person: str) -> Turn:
    """What a person is to do about decisions so far."""
    stands = standing(reviews)
    if stands == Standing.WAITING:
        return Turn.WAITING
    if any(review.reviewer == person for review in reviews):
        return Turn.DECIDED
    if stands == Standing.DISPUTED:
        return Turn.DISPUTED
    return Turn.SECOND if len(reviews) == 1 else Turn.DECIDED


def prior_of(workspace: Workspace, item: Item) -> Entry | None:
    """Another scan of the patient, outlined as a whole by this label set: the newest brought in.

    When either was taken is not known here: it is the other one, and not called the earlier.
    """
    others = [
        entry
        for entry in workspace.scans.list()
        if entry.patient == item.entry.patient
        and entry.study != item.entry.study
        and entry.scan.status != Status.SET_ASIDE
    ]
    for entry in sorted(others, key=lambda one: -one.scan.id):
        head = workspace.versions.head(entry.scan.id, item.case.label_set)
        if head and Seen.from_dict(head.seen).whole and not workspace.reviews.disputed([head.id]):
            return entry
    return None
