"""Signing: a reviewer stands behind what people outlined, answered and placed, or sends it back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database, found
from medlib.workspace.errors import NotAllowedError, WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.line import head
from medlib.workspace.scans import move
from medlib.workspace.schema import Decision, Head, Review, Scan, Status, User, Version
from medlib.workspace.stage import stage
from medlib.workspace.standing import decided, is_sent_back


@dataclass(frozen=True)
class Drawn:
    """What people said of a scan by one label set, and no reviewer stands behind yet.

    Args:
        scan: that it is of.
        label_set: by which it was labelled.
        versions: that count: an outline, answers, landmarks.
        authors: of each version, everybody whose work is in it.
        complaints: of each that was mended, by which it had been sent back.
        alone: the workspace is one person's own.
    """

    scan: int
    label_set: int
    versions: tuple[Version, ...]
    authors: Mapping[int, frozenset[str]]
    complaints: Mapping[int, Review]
    alone: bool

    def signable(self, person: str) -> tuple[Version, ...]:
        """What this person may sign: what nobody but him has drawn or seen, another has to."""
        return tuple(one for one in self.versions if self.alone or self.authors[one.id] != {person})


class Signing:
    """What waits in a workspace to be signed, and the signing of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self) -> list[Drawn]:
        """What was labelled whole, and is neither signed nor sent back; the oldest first.

        What came of a prediction is decided on with that (:meth:`Reviews.decide`).
        """
        with self._database.reading() as session:
            whole = [version for version in _heads(session) if version.seen["whole"]]
            ended = decided(session, [version.id for version in whole])
            lines: dict[tuple[int, int], list[Version]] = {}
            for version in whole:
                if version.id not in ended:
                    lines.setdefault((version.scan_id, version.label_set_id), []).append(version)
            alone = _is_alone(session)
            past = _Past.of(session, {scan for scan, _ in lines})
        return [_drawn(line, tuple(versions), past, alone) for line, versions in lines.items()]

    def sign(
        self, versions: Sequence[int], decision: Decision, *, by: str, reason: str = ""
    ) -> list[Review]:
        """Accept label versions of a scan, or send them back.

        Nothing is learned from what was sent back; whoever drew it mends it, and the new version
        waits in its turn. A reviewer who mends it himself may sign that: two have seen it.

        Args:
            versions: of one scan and label set, that count; they are decided on together.
            decision: to accept or to reject. A correction is a version of its own.
            by: the reviewer.
            reason: why; needed to reject.

        Raises:
            NotAllowedError: when nobody but the reviewer has drawn or seen one of them, and there
                are others in the workspace.
            WorkspaceError: when something was saved meanwhile, not all is done, it has been decided
                on already, or no reason is given.
        """
        if decision == Decision.CORRECT:
            raise WorkspaceError("a correction is a version of its own: save it, and sign that")
        if decision == Decision.REJECT and not reason.strip():
            raise WorkspaceError("say why it is sent back")
        with self._database.writing() as session:
            rows = [found(session, Version, version) for version in versions]
            if len({(row.scan_id, row.label_set_id) for row in rows}) != 1:
                raise WorkspaceError("what is signed together is of one scan and label set")
            scan = found(session, Scan, rows[0].scan_id)
            _check_open(session, scan, rows)
            past = _Past.of(session, {scan.id})
            if any(past.authors(row.id) == {by} for row in rows) and not _is_alone(session):
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
            move(session, scan, stage(session, scan, rows[0].label_set_id), by=by)
        return reviews

    def to_mend(self) -> list[tuple[Version, Review]]:
        """What was sent back, as far as it has come since, and the decision that says why.

        It is in here until whoever mends it says that all of it is done.
        """
        with self._database.reading() as session:
            heads = _heads(session)
            past = _Past.of(session, {version.scan_id for version in heads})
        found = []
        for version in heads:
            why = past.complaint(version.id)
            if why is not None and (why.version_id == version.id or not version.seen["whole"]):
                found.append((version, why))
        return found

    def is_sent_back(self, version: int) -> bool:
        """Whether a reviewer sent this label version back."""
        with self._database.reading() as session:
            return is_sent_back(session, version)


@dataclass(frozen=True)
class _Past:
    """What the versions of scans went on from, and what was decided on them.

    Args:
        rows: of each version its author, and the versions that it went on from.
        decisions: on each, the newest that there is.
    """

    rows: dict[int, tuple[str, tuple[int, ...]]]
    decisions: dict[int, Review]

    @classmethod
    def of(cls, session: Session, scans: Collection[int]) -> _Past:
        """Everything about these scans."""
        query = select(Version.id, Version.author, Version.parent_id, Version.merges_id)
        rows = session.execute(query.where(Version.scan_id.in_(scans)))
        said = select(Review).where(Review.scan_id.in_(scans)).order_by(Review.id)
        return cls(
            {row[0]: (row[1], tuple(filter(None, row[2:]))) for row in rows},
            {one.version_id: one for one in session.scalars(said) if one.version_id is not None},
        )

    def authors(self, version: int) -> frozenset[str]:
        """Everybody whose work is in a version."""
        return frozenset(self.rows[one][0] for one in self._line(version))

    def complaint(self, version: int) -> Review | None:
        """By which it, or what it was made from, was sent back, if that is the last word on it."""
        said = [self.decisions[one] for one in self._line(version) if one in self.decisions]
        last = max(said, key=lambda review: review.id, default=None)
        return last if last is not None and last.decision == Decision.REJECT else None

    def _line(self, version: int) -> Iterator[int]:
        """The version, and all that it went on from."""
        todo, done = {version}, set[int]()
        while todo := todo - done:
            yield from todo
            done |= todo
            todo = {before for one in todo for before in self.rows[one][1]}


def _heads(session: Session) -> list[Version]:
    """The versions that count, of scans that are not set aside."""
    query = select(Version).join(Head, Head.version_id == Version.id)
    query = query.join(Scan, Scan.id == Version.scan_id)
    query = query.where(Scan.status != Status.SET_ASIDE)
    return [*session.scalars(query.order_by(Version.id))]


def _drawn(line: tuple[int, int], versions: tuple[Version, ...], past: _Past, alone: bool) -> Drawn:
    complaints = {version.id: past.complaint(version.id) for version in versions}
    return Drawn(
        *line,
        versions,
        {version.id: past.authors(version.id) for version in versions},
        {version: why for version, why in complaints.items() if why is not None},
        alone,
    )


def _check_open(session: Session, scan: Scan, rows: Sequence[Version]) -> None:
    if scan.status == Status.SET_ASIDE:
        raise WorkspaceError(f"{scan.name} was set aside meanwhile")
    for row in rows:
        current = head(session, row.scan_id, row.label_set_id, row.content)
        if current is None or current.id != row.id:
            raise WorkspaceError("somebody saved this meanwhile: look at the newest of it")
        if not row.seen["whole"]:
            raise WorkspaceError("not all of it is done: it cannot be signed")
    if decided(session, [row.id for row in rows]):
        raise WorkspaceError("this has been decided on already")


def _is_alone(session: Session) -> bool:
    return session.scalars(select(User.id).limit(1)).first() is None
