"""Reviews: what people make of predictions; a second reader, and somebody to decide between two."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database, found
from medlib.workspace.errors import NotAllowedError, WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.landmarks import placed
from medlib.workspace.line import head, put, wanted_of
from medlib.workspace.scans import move
from medlib.workspace.schema import (
    Comment,
    Content,
    Decision,
    Head,
    LabelSet,
    Prediction,
    Review,
    Scan,
    Version,
)
from medlib.workspace.second_reading import has_given_up
from medlib.workspace.seen import Seen
from medlib.workspace.stage import stage
from medlib.workspace.standing import Standing, is_sent_back, standing, weighed

_ACCEPTED = "accepted"


class Reviews:
    """The reviews and comments of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decide(
        self,
        prediction: int,
        decision: Decision,
        *,
        by: str,
        reason: str = "",
        version: int | None = None,
    ) -> Review:
        """Accept, correct or reject a prediction.

        What is accepted becomes the label version that counts, unless somebody has labelled the
        scan already: then that stays, and the prediction is kept as a version aside. What was sent
        back does not stay. A second person's decision is the second reading; where the two differ,
        a third person adjudicates.

        Args:
            prediction: which.
            decision: on it.
            by: the reviewer.
            reason: why; needed to reject.
            version: the corrected version, saved before; needed to correct.

        Raises:
            NotAllowedError: when the same person decides twice.
            WorkspaceError: when something that is needed is missing, or all has been decided.
        """
        if decision == Decision.REJECT and not reason.strip():
            raise WorkspaceError("say why the prediction is rejected")
        if (decision == Decision.CORRECT) != (version is not None):
            raise WorkspaceError("save the correction first, and say which version it is")
        with self._database.writing() as session:
            row = found(session, Prediction, prediction)
            before = _of(session, prediction)
            if any(review.reviewer == by for review in before):
                raise NotAllowedError(f"{by} has decided on this prediction already")
            if len(before) == 1 and has_given_up(session, prediction, by):
                raise NotAllowedError(
                    f"{by} has seen what the first reader made of it: another reads it second"
                )
            if len(before) > 1 and standing(before) != Standing.DISPUTED:
                raise WorkspaceError("both readers have decided on this prediction, and agree")
            if version is not None:
                _check_corrects(row, found(session, Version, version))
                if is_sent_back(session, version):
                    raise WorkspaceError("this outline was sent back: mend it first")
            review = Review(
                scan_id=row.scan_id,
                prediction_id=prediction,
                version_id=version,
                round=len(before) + 1,
                decision=decision,
                reason=reason,
                reviewer=by,
            )
            stands = standing([*before, review])
            if stands == Standing.ACCEPTED:
                review.version_id = _accept(session, row, by=by, decides=len(before) > 1)
            elif stands == Standing.REJECTED:
                _withdraw(session, row, by=by)
            session.add(review)
            session.flush()
            record(
                session, by, "reviewed", f"scan {row.scan_id}",
                prediction=prediction, decision=decision, reason=reason, version=review.version_id,
                round=review.round,
            )  # fmt: skip
            # Who rejects as the first has changed nothing; later, what one had accepted is open again.
            if stands in {Standing.ACCEPTED, Standing.CORRECTED} or before:
                scan = found(session, Scan, row.scan_id)
                move(session, scan, stage(session, scan, row.label_set_id), by=by)
        return review

    def of(self, prediction: int) -> Sequence[Review]:
        """The decisions on a prediction, in order."""
        with self._database.reading() as session:
            return _of(session, prediction)

    def by_prediction(self) -> dict[int, list[Review]]:
        """All decisions on predictions, in order, by the prediction that they are on."""
        query = select(Review).where(Review.prediction_id.is_not(None)).order_by(Review.round)
        found: dict[int, list[Review]] = {}
        with self._database.reading() as session:
            for review in session.scalars(query):
                assert review.prediction_id is not None
                found.setdefault(review.prediction_id, []).append(review)
        return found

    def standing(self, prediction: int) -> Standing:
        """How far the review of a prediction has come."""
        return standing(self.of(prediction))

    def approving(self, versions: Collection[int]) -> dict[int, list[Review]]:
        """The decisions that stand behind versions: none while readers differ, or reject it.

        Args:
            versions: each of which gets a list, in the order in which was decided.
        """
        with self._database.reading() as session:
            return weighed(session, versions)[0]

    def held_up(self, versions: Collection[int]) -> set[int]:
        """Those of the versions that nothing is learned from.

        Readers differ on the prediction that they came of; or a reviewer sent them back, or the
        very same before, and nobody stands behind them since.
        """
        with self._database.reading() as session:
            return weighed(session, versions)[1]

    # --- comments ------------------------------------------------------------------------------

    def comment(
        self, scan: int, text: str, *, by: str, place: Sequence[float] | None = None
    ) -> Comment:
        """Say something about a scan.

        Args:
            scan: which.
            text: plain words; escape them before they are shown in a page.
            by: the author.
            place: LPS millimetres, where it is about a place.

        Raises:
            WorkspaceError: when nothing is said.
        """
        if not text.strip():
            raise WorkspaceError("a comment says something")
        where = None if place is None else [float(x) for x in place]
        with self._database.writing() as session:
            found(session, Scan, scan)
            row = Comment(scan_id=scan, author=by, text=text, place=where)
            session.add(row)
            session.flush()
            record(session, by, "commented", f"scan {scan}", comment=row.id)
        return row

    def comments(self, scan: int) -> Sequence[Comment]:
        """What was said about a scan, the oldest first."""
        query = select(Comment).filter_by(scan_id=scan).order_by(Comment.id)
        with self._database.reading() as session:
            return [*session.scalars(query)]


def _of(session: Session, prediction: int) -> list[Review]:
    query = select(Review).filter_by(prediction_id=prediction).order_by(Review.round)
    return [*session.scalars(query)]


def _check_corrects(prediction: Prediction, version: Version) -> None:
    for what in ("scan_id", "label_set_id", "content"):
        if getattr(version, what) != getattr(prediction, what):
            raise WorkspaceError(f"version {version.id} is no correction of this prediction")
    said = placed(version)
    if missing := [name for name in prediction.entries if name not in said]:
        raise WorkspaceError(f"a correction says all that the model said: {missing[0]} is missing")


def _accept(session: Session, prediction: Prediction, *, by: str, decides: bool) -> int:
    """The version that an accepted prediction becomes; on top of what there is if it ``decides``.

    Answers and landmarks that the model said nothing of stay beside what it said.
    """
    line = (prediction.scan_id, prediction.label_set_id, prediction.content)
    is_mask = prediction.content == Content.MASK
    current = head(session, *line)
    is_same = current is not None and _holds(current, prediction)
    is_refused = current is not None and is_sent_back(session, current.id)
    is_whole = current is not None and current.seen["whole"] and current.annotated is None
    if current is not None and is_same and (is_whole or not is_mask) and not is_refused:
        return current.id
    said = {} if current is None or is_refused else placed(current)
    contradicts = is_mask or any(said.get(k, v) != v for k, v in prediction.entries.items())
    on_top = current is not None and (
        decides or is_same or is_refused or not contradicts or current.origin == _ACCEPTED
    )
    entries = {**(said if on_top else {}), **prediction.entries}
    version = Version(
        scan_id=prediction.scan_id,
        label_set_id=prediction.label_set_id,
        content=prediction.content,
        parent_id=current.id if current and on_top else None,
        merges_id=None,
        author=by,
        origin=_ACCEPTED,
        file=prediction.file,
        entries=entries,
        seen=Seen(whole=is_mask or _is_all(session, prediction, entries)).to_dict(),
        annotated=None,
    )
    put(session, version)
    return version.id


def _withdraw(session: Session, prediction: Prediction, *, by: str) -> None:
    """What was accepted no longer counts if in the end it is rejected; what it replaced does.

    Answers and landmarks that came beside it stay.
    """
    line = (prediction.scan_id, prediction.label_set_id, prediction.content)
    current = head(session, *line)
    if current is None or current.origin != _ACCEPTED or not _holds(current, prediction):
        return
    row, before = found(session, Head, line), current.parent_id
    rest = {k: v for k, v in current.entries.items() if k not in prediction.entries}
    if rest and (before is None or found(session, Version, before).entries != rest):
        whole = _is_all(session, prediction, rest)
        put(
            session,
            Version(
                scan_id=line[0], label_set_id=line[1], content=line[2], parent_id=current.id,
                merges_id=None, author=by, origin="withdrawn", file=None, entries=rest,
                seen=Seen(whole=whole).to_dict(), annotated=None,
            ),
        )  # fmt: skip
    elif before is None:
        session.delete(row)
    else:
        row.version_id = before
    record(session, by, "label withdrawn", f"scan {line[0]}", version=current.id, counts=before)


def _holds(version: Version, prediction: Prediction) -> bool:
    """Whether a version says what a prediction says, be it among other things."""
    said = placed(version)
    same = all(said.get(name) == value for name, value in prediction.entries.items())
    return version.file == prediction.file and same


def _is_all(session: Session, prediction: Prediction, entries: Mapping[str, object]) -> bool:
    """Whether these answers, or landmarks, are all that the label set asks for."""
    asked = wanted_of(found(session, LabelSet, prediction.label_set_id))
    return len(entries) == len(asked[prediction.content])
