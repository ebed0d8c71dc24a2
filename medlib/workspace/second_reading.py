"""Second reading: who is to judge what a model found without knowing what the first reader made of it."""

from __future__ import annotations

import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database, found
from medlib.workspace.errors import WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.people import may
from medlib.workspace.schema import Content, Event, Prediction, Review, Scan, Status, User

_GIVEN_UP = "second reading given up"
Line = tuple[int, int, Content, frozenset[str]]


class SecondReading:
    """Who is due as second reader in a workspace, and who has given that up.

    Everybody with an account who may review is due where one other person has decided on the newest
    prediction of its line. Without accounts one person works alone, and nobody is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, scan: int, label_set: int, content: Content, person: str) -> Review | None:
        """The first reader's decision, which this person may not know yet; None if he may.

        Args:
            scan: that was looked at.
            label_set: by which.
            content: an outline, answers or landmarks.
            person: who asks.
        """
        with self._database.reading() as session:
            user = session.scalars(select(User).filter_by(name=person)).first()
            if user is None or not may(user.role, "review"):
                return None
            if found(session, Scan, scan).status == Status.SET_ASIDE:  # nobody is asked to read it
                return None
            query = select(Prediction).filter_by(scan_id=scan, label_set_id=label_set)
            query = query.filter_by(content=content).order_by(Prediction.id.desc())
            newest: dict[Line, Prediction] = {}
            for row in session.scalars(query):
                newest.setdefault(line_of(row), row)
            for row in newest.values():
                reviews: list[Review] = [
                    *session.scalars(select(Review).filter_by(prediction_id=row.id))
                ]
                if _is_open_to(session, reviews, person):
                    return reviews[0]
        return None

    def give_up(self, prediction: int, *, by: str) -> None:
        """Say that one wants to see what the first reader made of it, and reads it second no more.

        Raises:
            WorkspaceError: where one is not the second reader.
        """
        with self._database.writing() as session:
            row = found(session, Prediction, prediction)
            reviews = [*session.scalars(select(Review).filter_by(prediction_id=prediction))]
            if not _is_open_to(session, reviews, by):
                raise WorkspaceError("you are not the second reader of this")
            record(session, by, _GIVEN_UP, f"scan {row.scan_id}", prediction=prediction)

    def given_up(self, person: str) -> set[int]:
        """The predictions that this person no longer reads second."""
        with self._database.reading() as session:
            return _given_up(session, person)


def line_of(prediction: Prediction) -> Line:
    """What a newer prediction takes the place of: the same of the same scan; of answers, the same questions."""
    asked = frozenset(prediction.entries) if prediction.content == Content.ANSWERS else frozenset()
    return prediction.scan_id, prediction.label_set_id, prediction.content, asked


def has_given_up(session: Session, prediction: int, person: str) -> bool:
    """Whether somebody has seen what the first reader made of a prediction, and cannot be the second."""
    return prediction in _given_up(session, person)


def _is_open_to(session: Session, reviews: list[Review], person: str) -> bool:
    if len(reviews) != 1 or reviews[0].reviewer == person:
        return False
    prediction = reviews[0].prediction_id
    return prediction is not None and not has_given_up(session, prediction, person)


def _given_up(session: Session, person: str) -> set[int]:
    said = session.scalars(select(Event.details).filter_by(who=person, what=_GIVEN_UP))
    return {int(json.loads(details)["prediction"]) for details in said}
