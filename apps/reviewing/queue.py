"""Which predictions a person may look through, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from serving.shelf import Case

from medlib.workspace import Entry, Status, Workspace
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
        """What is odd about it, in words."""
        return tuple(flag["reason"] for flag in self.prediction.figures.get("flags", ()))

    @property
    def doubt(self) -> float:
        """Of the model, 0 or more."""
        return float(self.prediction.figures.get("doubt") or 0.0)


def items(here: Desk) -> list[Item]:
    """All newest predictions of scans that are not set aside: the oddest first, then the doubtful."""
    entries = {entry.scan.id: entry for entry in here.workspace.scans.list()}
    newest: dict[tuple[int, int, Content], Prediction] = {}
    for row in here.workspace.models.predictions():
        newest.setdefault((row.scan_id, row.label_set_id, row.content), row)
    found = []
    for row in newest.values():
        entry = entries.get(row.scan_id)
        if entry is None or entry.scan.status == Status.SET_ASIDE:
            continue
        reviews = tuple(here.workspace.reviews.of(row.id))
        found.append(Item(entry, row, reviews, turn_of(reviews, here.person)))
    return sorted(found, key=lambda one: (-len(one.flags), -one.doubt, one.prediction.id))


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
    """Another scan of the patient that this label set has an outline of; the newest brought in."""
    others = [
        entry
        for entry in workspace.scans.list()
        if entry.patient == item.entry.patient and entry.study != item.entry.study
    ]
    labelled = (
        entry
        for entry in sorted(others, key=lambda one: -one.scan.id)
        if workspace.versions.head(entry.scan.id, item.case.label_set) is not None
    )
    return next(labelled, None)
