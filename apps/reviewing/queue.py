"""What a person may look through, and in which order: what models found, and what people drew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from serving.shelf import Case

from medlib.workspace import Entry, Status, Workspace
from medlib.workspace.schema import Content, Prediction, Review, Version
from medlib.workspace.second_reading import Line, line_of
from medlib.workspace.signing import Drawn
from medlib.workspace.standing import Standing, standing
from reviewing.oddities import Oddities

if TYPE_CHECKING:
    from desk import Desk

_LOOKING = "oddities"


class Turn(StrEnum):
    """What is to be done, seen from one person."""

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
    def key(self) -> str:
        """Tells it from all others; a prediction does not change."""
        return f"found {self.prediction.id}"

    @property
    def name(self) -> str:
        """For the list: which scan, and what was found but an outline."""
        if self.prediction.content == Content.POINTS:
            return f"{self.entry.scan.name} (landmarks)"
        asked = ", ".join(self.prediction.entries)
        return self.entry.scan.name + (f" ({asked})" if asked else "")

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
    def rank(self) -> tuple[float, ...]:
        """The oddest come first, then what the model was least sure of."""
        doubt = float(self.prediction.figures.get("doubt") or 0.0)
        return (-self.oddities, -doubt, 0, self.prediction.id)


@dataclass(frozen=True)
class ByHand:
    """What people drew, answered and placed in a scan, and this person may sign.

    Args:
        entry: the scan that it is of.
        drawn: all of it that waits.
        versions: those of it that this person may sign.
        flags: what is odd about the outline, in words.
        turn: what is decided is no longer in the list.
    """

    entry: Entry
    drawn: Drawn
    versions: tuple[Version, ...]
    flags: tuple[str, ...] = ()
    turn: Turn = Turn.WAITING

    @property
    def key(self) -> str:
        """Tells it from all others, and from what it was before somebody saved."""
        return f"drawn {' '.join(str(version.id) for version in self.versions)}"

    @property
    def name(self) -> str:
        """For the list."""
        return f"{self.entry.scan.name} (drawn by people)"

    @property
    def case(self) -> Case:
        """As the shelf calls it."""
        return Case(self.drawn.scan, self.drawn.label_set)

    @property
    def rank(self) -> tuple[float, ...]:
        """The oddest come first; of the others those that models found, then the oldest."""
        return (-len(self.flags), 0, 1, self.versions[0].id)

    def version(self, content: Content) -> Version | None:
        """What is to be signed of one sort."""
        return next((one for one in self.versions if one.content == content), None)


def everything(here: Desk) -> list[Item | ByHand]:
    """All that there is to look through, the oddest first.

    What the person is to judge as a second reader comes before what people said of the same: until
    he has decided, he sees nothing of that.
    """
    entries = {entry.scan.id: entry for entry in here.workspace.scans.list()}
    models = items(here, entries)
    due = {item.case for item in models if item.is_blind}
    drawn = [one for one in by_hand(here, entries) if one.case not in due]
    found: list[Item | ByHand] = [*models, *drawn]
    return sorted(found, key=lambda one: one.rank)


def by_hand(here: Desk, entries: Mapping[int, Entry]) -> list[ByHand]:
    """What people drew and this person may sign; what is new to us is looked at meanwhile."""
    waiting = here.workspace.signing.waiting()
    oddities = Oddities(here.workspace)
    if unseen := oddities.unseen(drawn.label_set for drawn in waiting):
        here.site.errands.begin(_LOOKING, lambda report: oddities.look(unseen, report))
    odd = oddities.of([version for drawn in waiting for version in drawn.versions])
    found = []
    for drawn in waiting:
        if versions := drawn.signable(here.person):
            flags = tuple(reason for one in versions for reason in odd.get(one.id, ()))
            found.append(ByHand(entries[drawn.scan], drawn, versions, flags))
    return found


def items(here: Desk, entries: Mapping[int, Entry]) -> list[Item]:
    """The newest predictions of scans that are not set aside.

    Older ones stay as long as readers differ on them, and the label waits for that.
    """
    reviewed = here.workspace.reviews.by_prediction()
    given_up = here.workspace.second_reading.given_up(here.person)
    lines: set[Line] = set()
    found = []
    for row in here.workspace.models.predictions():
        line, reviews = line_of(row), reviewed.get(row.id, [])
        is_newest = line not in lines
        lines.add(line)
        entry = entries.get(row.scan_id)
        if entry is None or entry.scan.status == Status.SET_ASIDE:
            continue
        if is_newest or _holds_label_up(here.workspace, row, reviews):
            turn = turn_of(reviews, here.person, gave_up=row.id in given_up)
            found.append(Item(entry, row, tuple(reviews), turn))
    return found


def _holds_label_up(workspace: Workspace, row: Prediction, reviews: Sequence[Review]) -> bool:
    """The label that counts waits for somebody to decide between two readers of this prediction."""
    if standing(reviews) != Standing.DISPUTED:
        return False
    head = workspace.versions.head(row.scan_id, row.label_set_id, row.content)
    return head is not None and any(review.version_id == head.id for review in reviews)


def turn_of(reviews: Sequence[Review], person: str, *, gave_up: bool = False) -> Turn:
    """What a person is to do about decisions so far; who gave the second reading up, nothing."""
    stands = standing(reviews)
    if stands == Standing.WAITING:
        return Turn.WAITING
    if any(review.reviewer == person for review in reviews):
        return Turn.DECIDED
    if stands == Standing.DISPUTED:
        return Turn.DISPUTED
    return Turn.SECOND if len(reviews) == 1 and not gave_up else Turn.DECIDED
