"""Label versions: what was said of a scan, never overwritten; two people never lose a stroke."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from medlib.workspace.database import Database, found
from medlib.workspace.errors import Conflict, WorkspaceError
from medlib.workspace.files import Files
from medlib.workspace.label_sets import questions_of, table_of
from medlib.workspace.landmarks import lies_in, placed, taken_over
from medlib.workspace.line import head, put, wanted_of
from medlib.workspace.masks import fitted, keeping
from medlib.workspace.schema import Content, Head, LabelSet, Scan, Version
from medlib.workspace.seen import Merge, Seen, merge

if TYPE_CHECKING:
    from medlib.types import Labels, Mask, Points


class Versions:
    """What was said of the scans of a workspace.

    Of each scan, label set and content (mask, answers, points) there is a line of versions, and one
    of them counts: the head. Whoever saves says which version he began with. Is that no longer the
    head, what he saves is kept aside, and :class:`Conflict` carries both.
    """

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files

    # --- saving ----------------------------------------------------------------------------

    def save_mask(
        self,
        scan: int,
        label_set: int,
        mask: Mask,
        *,
        base: int | None,
        by: str,
        seen: Seen = Seen(),  # noqa: B008 - frozen
        origin: str = "drawn",
        merges: int | None = None,
    ) -> Version:
        """Save a mask.

        Args:
            scan: that it is of.
            label_set: that it is drawn by.
            mask: on the scan's grid; its axes may run another way. Its ``annotated`` says which
                structures were looked for.
            base: the version that the drawing began with; None where there was none.
            by: the author.
            seen: the slices that are done; what is not is not learned from, and not background.
            origin: how it came about: drawn, corrected, imported, merged.
            merges: a version aside that this one takes up.

        Raises:
            Conflict: when another version was saved since ``base``. This one is kept aside.
            UnreadableError: when the mask lies on another grid, as that of another scan does.
            WorkspaceError: when it bears ids or names that the label set has not, or slices are
                done that the scan has not.
        """
        with self._database.reading() as session:
            row = found(session, Scan, scan)
            asked = found(session, LabelSet, label_set, what="label set")
        fitting = fitted(mask, row, asked)
        if outside := seen.outside(fitting.grid.shape):
            raise WorkspaceError(
                f"{row.name} has no slice {outside[0][1]} along axis {outside[0][0]}"
            )
        keep = keeping(self._files, fitting)
        version = Version(
            content=Content.MASK,
            **_line(scan, label_set, base=base, by=by, origin=origin, merges=merges),
            file=keep(),
            entries={},
            seen=seen.to_dict(),
            annotated=None if mask.annotated is None else list(mask.annotated),
        )
        return self._save(version, keep)

    def save_answers(
        self,
        scan: int,
        label_set: int,
        answers: Mapping[str, object],
        *,
        base: int | None,
        by: str,
        origin: str = "answered",
        merges: int | None = None,
    ) -> Version:
        """Save what is known of a study: a truth, a word of those to choose from, or a number.

        Args:
            scan: whose study it is.
            label_set: that asks.
            answers: by question; what is left out is not known.
            base: as for :meth:`save_mask`.
            by: the author.
            origin: how it came about.
            merges: a version aside that this one takes up.

        Raises:
            Conflict: as :meth:`save_mask`.
            WorkspaceError: for what was not asked, and for what is no answer to it.
        """
        with self._database.reading() as session:
            asked = questions_of(found(session, LabelSet, label_set, what="label set"))
        _check_asked(answers, asked, "question")
        said = {name: asked[name].checked(answer) for name, answer in answers.items()}
        return self._save(
            Version(
                content=Content.ANSWERS,
                **_line(scan, label_set, base=base, by=by, origin=origin, merges=merges),
                entries=said,
                seen=Seen(whole=len(said) == len(asked)).to_dict(),
            )
        )

    def save_points(
        self,
        scan: int,
        label_set: int,
        points: Mapping[str, Sequence[float]],
        *,
        base: int | None,
        by: str,
        origin: str = "placed",
        merges: int | None = None,
        looked_at: bool = False,
    ) -> Version:
        """Save landmarks.

        One that lies just where a model put it was taken over: it says nothing, is not learned from
        and not exported, until it is moved, or somebody says that he has looked at it.

        Args:
            scan: in which they lie.
            label_set: that asks for them.
            points: LPS millimetres by name; what is left out was not placed.
            base: as for :meth:`save_mask`.
            by: the author.
            origin: how they came about.
            merges: a version aside that this one takes up.
            looked_at: all of them, also where they lie just as a model put them.

        Raises:
            Conflict: as :meth:`save_mask`.
            WorkspaceError: for a landmark that was not asked for, and one outside of the scan.
        """
        from medlib.space import Grid

        said = {name: [float(x) for x in place] for name, place in points.items()}
        line = _line(scan, label_set, base=base, by=by, origin=origin, merges=merges)
        with self._database.reading() as session:
            row = found(session, Scan, scan)
            names = found(session, LabelSet, label_set, what="label set").landmarks
            models_own = set() if looked_at else taken_over(session, line, said)
        _check_asked(points, names, "landmark")
        grid = Grid.from_dict(row.grid)
        for name, place in said.items():
            if not lies_in(grid, place):
                raise WorkspaceError(f"{name} lies outside of {row.name}")
        return self._save(
            Version(
                content=Content.POINTS,
                **line,
                entries=said,
                seen=Seen(whole=len(said) == len(names) and not models_own).to_dict(),
                annotated=sorted({*said} - models_own) if models_own else None,
            )
        )

    def _save(self, version: Version, keep: Callable[[], object] = lambda: None) -> Version:
        with self._database.writing() as session:
            theirs = put(session, version)
            if version.file and not self._files.has(version.file):
                keep()  # it was swept away before it could be spoken of
        if theirs is not None:
            raise Conflict(theirs, version)
        return version

    # --- finding -----------------------------------------------------------------------------

    def get(self, version: int) -> Version:
        """The version of this number.

        Raises:
            NotThereError: when there is none.
        """
        with self._database.reading() as session:
            return found(session, Version, version)

    def head(self, scan: int, label_set: int, content: Content = Content.MASK) -> Version | None:
        """The version that counts; None where there is none yet."""
        with self._database.reading() as session:
            return head(session, scan, label_set, content)

    def heads(self, label_set: int) -> Sequence[Version]:
        """The versions that count, of all scans, whatever they hold."""
        query = select(Version).join(Head, Head.version_id == Version.id)
        query = query.where(Head.label_set_id == label_set).order_by(Version.id)
        with self._database.reading() as session:
            return [*session.scalars(query)]

    def finished(self, label_set: int) -> set[int]:
        """The scans of which all that a label set asks has been said, by their numbers."""
        with self._database.reading() as session:
            asked = found(session, LabelSet, label_set, what="label set")
            wanted = {content for content, named in wanted_of(asked).items() if named}
        whole: dict[int, set[Content]] = {}
        for version in self.heads(label_set):
            if version.seen["whole"]:
                whole.setdefault(version.scan_id, set()).add(version.content)
        return {scan for scan, contents in whole.items() if contents >= wanted}

    def history(
        self, scan: int, label_set: int, content: Content = Content.MASK
    ) -> Sequence[Version]:
        """All versions, those aside too, the oldest first."""
        query = select(Version).filter_by(scan_id=scan, label_set_id=label_set, content=content)
        with self._database.reading() as session:
            return [*session.scalars(query.order_by(Version.id))]

    def aside(
        self, scan: int, label_set: int, content: Content = Content.MASK
    ) -> Sequence[Version]:
        """Versions aside that nobody has taken up yet."""
        after = aliased(Version)
        taken = select(after.id).where(
            (after.merges_id == Version.id) | (after.aside & (after.parent_id == Version.id))
        )
        query = select(Version).where(Version.aside, ~taken.exists())
        query = query.filter_by(scan_id=scan, label_set_id=label_set, content=content)
        with self._database.reading() as session:
            return [*session.scalars(query.order_by(Version.id))]

    def labels(self, label_set: int) -> Labels:
        """The structures that a label set asks for: the table of its masks."""
        with self._database.reading() as session:
            return table_of(found(session, LabelSet, label_set, what="label set"))

    def mask(self, version: int) -> Mask:
        """The mask of a version, on its scan's grid.

        Raises:
            WorkspaceError: when the version holds none.
        """
        from medlib import io
        from medlib.space import Grid

        with self._database.reading() as session:
            row = found(session, Version, version)
            labels = table_of(found(session, LabelSet, row.label_set_id))
            grid = Grid.from_dict(found(session, Scan, row.scan_id).grid)
        if row.file is None:
            raise WorkspaceError(f"version {version} holds {row.content}, no mask")
        mask = io.read_mask(self._files.path(row.file), labels=labels, on=grid)
        return replace(mask, annotated=None if row.annotated is None else tuple(row.annotated))

    def points(self, version: int) -> Points:
        """The landmarks of a version, as :func:`placed` has them.

        Raises:
            WorkspaceError: when the version holds none.
        """
        import numpy as np

        from medlib.types import Points

        row = self.get(version)
        if row.content != Content.POINTS:
            raise WorkspaceError(f"version {version} holds {row.content}, no points")
        said = placed(row)
        return Points(np.array([*said.values()], dtype=np.float64).reshape(-1, 3), tuple(said))

    def merge(self, theirs: int, mine: int) -> Merge:
        """The masks of two versions together, and where they contradict one another.

        Save it on ``theirs``, with ``merges=mine``.

        Args:
            theirs: the version that counts, as :class:`Conflict` has it.
            mine: the version aside.
        """
        with self._database.reading() as session:
            began = found(session, Version, mine)
            while began.aside and began.parent_id is not None:
                began = found(session, Version, began.parent_id)
        ours = self.mask(mine)
        base = replace(ours, data=ours.data * 0) if began.aside else self.mask(began.id)
        return merge(base, self.mask(theirs), ours)


def _line(
    scan: int, label_set: int, *, base: int | None, by: str, origin: str, merges: int | None
) -> dict[str, Any]:
    """What every version says, whatever it holds."""
    where = {"scan_id": scan, "label_set_id": label_set, "parent_id": base, "merges_id": merges}
    return where | {"author": by, "origin": origin}


def _check_asked(said: Mapping[str, object], asked: Collection[str], what: str) -> None:
    if strange := [name for name in said if name not in asked]:
        names = ", ".join(asked) or "none"
        raise WorkspaceError(
            f"there is no {what} {strange[0]!r} in this label set; there are: {names}"
        )
