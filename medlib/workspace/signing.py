"""Signing: a reviewer stands behind what people outlined, answered and placed, or sends it back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database, found
from medlib.workspace.errors import NotAllowedError, WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.reviews import Standing, decided_on, standing
from medlib.workspace.scans import move
from medlib.workspace.schema import Decision, Head, Review, Scan, Status, User, Version
from medlib.workspace.versions import head


@dataclass(frozen=True)
class Drawn:
    """What people said of a scan by one label set, and no reviewer stands behind yet.

    Args:
        scan: that it is of.
        label_set: by which it was labelled.
        versions: that count: an outline, answers, landmarks.
        authors: everybody whose work is in them.
        alone: the workspace is one person's own.
    """

    scan: int
    label_set: int
    versions: tuple[Version, ...]
    authors: frozenset[str]
    alone: bool

    def waits_for(self, person: str) -> bool:
        """Whether this person may sign it: four eyes see it, where there are more than two."""
        return self.alone or bool(self.authors - {person})


class Signing:
    """What waits in a workspace to be signed, and the signing of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> list[Drawn]:
        """What was labelled whole, and is neither signed nor sent back; the oldest first.

        What came of a prediction is decided on with that (:meth:`Reviews.decide`).
        """
        with self._database.reading() as session:
            query = select(Version).join(Head, Head.version_id == Version.id)
            query = query.join(Scan, Scan.id == Version.scan_id)
            query = query.where(Scan.status != Status.SET_ASIDE).order_by(Version.id)
            heads = [version for version in session.scalars(query) if version.seen["whole"]]
            decided = _decided(session, [version.id for version in heads])
            lines: dict[tuple[int, int], list[Version]] = {}
            for version in heads:
                if version.id not in decided:
                    lines.setdefault((version.scan_id, version.label_set_id), []).append(version)
            alone = _is_alone(session)
            authors = _authors(session, {scan for scan, _ in lines})
        return [
            Drawn(*line, tuple(versions), authors.of(versions), alone)
            for line, versions in lines.items()
        ]

    def sign(
        self, versions: Sequence[int], decision: Decision, *, by: str, reason: str = ""
    ) -> list[Review]:
        """Accept label versions of a scan, or send them back.

        Nothing is learned from what was sent back; whoever drew it mends it, and the new version
        waits in its turn. A reviewer who mends it himself may sign that: two have seen it.

        Args:
            versions: of one scan, that count; they are decided on together.
            decision: to accept or to reject. A correction is a version of its own.
            by: the reviewer.
            reason: why; needed to reject.

        Raises:
            NotAllowedError: when nobody but the reviewer has drawn or seen it, and there are
                others in the workspace.
            WorkspaceError: when something was saved meanwhile, not all is done, it has been decided
                on already, or no reason is given.
        """
        if decision == Decision.CORRECT:
            raise WorkspaceError("a correction is a version of its own: save it, and sign that")
        if decision == Decision.REJECT and not reason.strip():
            raise WorkspaceError("say why it is sent back")
        with self._database.writing() as session:
            rows = [found(session, Version, version) for version in versions]
            if len({row.scan_id for row in rows}) != 1:
                raise WorkspaceError("what is signed together is of one scan")
            scan = found(session, Scan, rows[0].scan_id)
            _check_open(session, rows)
            authors = _authors(session, {scan.id}).of(rows)
            if authors == {by} and not _is_alone(session):
                raise NotAllowedError(f"{by} drew this alone: another reviewer signs it")
            reviews = [
                Review(
                    scan_id=scan.id, version_id=row.id, round=1,
                    decision=decision, reason=reason, reviewer=by,
                )
                for row in rows
            ]  # fmt: skip
            session.add_all(reviews)
            session.flush()
            for review in reviews:
                record(
                    session, by, "signed" if decision == Decision.ACCEPT else "sent back",
                    f"scan {scan.id}", version=review.version_id, reason=reason,
                )  # fmt: skip
            accepted = decision == Decision.ACCEPT
            move(session, scan, Status.REVIEWED if accepted else Status.IN_PROGRESS, by=by)
        return reviews

    def sent_back(self, version: int) -> Review | None:
        """The decision by which a label was sent back; None if it was not."""
        query = select(Review).filter_by(
            prediction_id=None, version_id=version, decision=Decision.REJECT
        )
        with self._database.reading() as session:
            return session.scalars(query).first()


@dataclass(frozen=True)
class _Authors:
    """Of each version its author, and the versions that it went on from."""

    rows: dict[int, tuple[str, tuple[int, ...]]]

    def of(self, versions: Iterable[Version]) -> frozenset[str]:
        """Everybody whose work is in versions."""
        todo, done = {version.id for version in versions}, set[int]()
        while todo := todo - done:
            done |= todo
            todo = {before for version in todo for before in self.rows[version][1]}
        return frozenset(self.rows[version][0] for version in done)


def _authors(session: Session, scans: Collection[int]) -> _Authors:
    query = select(Version.id, Version.author, Version.parent_id, Version.merges_id)
    rows = session.execute(query.where(Version.scan_id.in_(scans)))
    return _Authors({row[0]: (row[1], tuple(filter(None, row[2:]))) for row in rows})


def _decided(session: Session, versions: Collection[int]) -> set[int | None]:
    """Versions that somebody stands behind, or that wait for another decision."""
    return {
        review.version_id
        for reviews in decided_on(session, versions)
        for review in reviews
        if review.prediction_id is None or standing(reviews) != Standing.REJECTED
    }


def _check_open(session: Session, rows: Sequence[Version]) -> None:
    for row in rows:
        current = head(session, row.scan_id, row.label_set_id, row.content)
        if current is None or current.id != row.id:
            raise WorkspaceError("somebody saved this meanwhile: look at the newest of it")
        if not row.seen["whole"]:
            raise WorkspaceError("not all of it is done: it cannot be signed")
    if _decided(session, [row.id for row in rows]):
        raise WorkspaceError("this has been decided on already")


def _is_alone(session: Session) -> bool:
    return session.scalars(select(User.id).limit(1)).first() is None
