"""A workspace as a source of cases, as any other."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from medlib.workspace.errors import WorkspaceError
from medlib.workspace.events import canonical
from medlib.workspace.label_sets import table_of
from medlib.workspace.landmarks import placed
from medlib.workspace.reviews import Reviews
from medlib.workspace.scans import Scans
from medlib.workspace.schema import Content, LabelSet, Scan, Status, Version
from medlib.workspace.seen import Seen
from medlib.workspace.versions import Versions

if TYPE_CHECKING:
    from medlib.data import Case, Pairing
    from medlib.types import Labels

TEST = "test"  # scans that bear this tag are kept for a last test


class Source:
    """The labelled scans of a workspace.

    Args:
        scans: of the workspace.
        versions: likewise.
        reviews: likewise; nothing is learned from what readers differ on, until it is decided, nor
            from what a reviewer sent back.
        folder: where files that only training needs are made; they may be deleted at any time.
    """

    def __init__(self, scans: Scans, versions: Versions, reviews: Reviews, folder: Path) -> None:
        self._scans = scans
        self._versions = versions
        self._reviews = reviews
        self._folder = folder

    def pairing(self, label_set: LabelSet, statuses: Collection[Status]) -> Pairing:
        """The cases that are labelled, in part or whole; see :meth:`Workspace.pairing`."""
        from medlib.data import Pairing

        cases: list[Case] = []
        test: list[Case] = []
        set_aside: list[tuple[str, str]] = []
        by_scan = self._heads(label_set)
        for entry in self._scans.list():
            heads = by_scan.get(entry.scan.id)
            if not heads or entry.scan.status not in statuses:
                continue
            try:
                case = self._case(entry.scan, label_set, heads)
            except (ValueError, OSError) as error:
                set_aside.append((entry.scan.name, str(error)))
                continue
            (test if TEST in entry.tags else cases).append(case)
        if not cases:
            why = "; ".join(f"{name}: {reason}" for name, reason in set_aside[:4])
            raise WorkspaceError(f"nothing is labelled by {label_set.name!r} yet. {why}".strip())
        table = learned_table(table_of(label_set))
        return Pairing(tuple(cases), table, tuple(set_aside), tuple(test))

    def _heads(self, label_set: LabelSet) -> dict[int, dict[Content, Version]]:
        """What counts, by scan; without what waits for a decision."""
        versions = self._versions.heads(label_set.id)
        held_up = self._reviews.held_up([version.id for version in versions])
        found: dict[int, dict[Content, Version]] = {}
        for version in versions:
            if version.id not in held_up:
                found.setdefault(version.scan_id, {})[version.content] = version
        return found

    def _case(self, scan: Scan, label_set: LabelSet, heads: dict[Content, Version]) -> Case:
        from medlib.data import Case

        stack = self._scans.stack(scan.id)
        mask, answers, points = (heads.get(content) for content in Content)
        annotated = None if mask is None or mask.annotated is None else tuple(mask.annotated)
        return Case(
            name=scan.name,
            patient=stack.patient,
            study=stack.study,
            scan=stack,
            label=None if mask is None else self._label(mask, label_set),
            answers={} if answers is None else answers.entries,
            points=None if points is None or not placed(points) else self._points(points),
            annotated=annotated,
        )

    def _label(self, version: Version, label_set: LabelSet) -> Path | None:
        """The label map to learn from; None as long as no slice is done."""
        from medlib import io

        seen = Seen.from_dict(version.seen)
        if not (seen.whole or seen.slices):
            return None
        mask = self._versions.mask(version.id)
        unseen = learned_table(table_of(label_set)).ignored
        assert unseen is not None
        said = canonical([version.file, seen.to_dict(), mask.labels.to_list(), unseen])
        path = self._folder / f"{hashlib.sha256(said.encode()).hexdigest()[:40]}.nii.gz"
        if not path.exists():
            io.write_nifti(seen.applied(mask, unseen), path)
        return path

    def _points(self, version: Version) -> Path:
        from medlib import io

        path = self._folder / f"points-{version.id}.mrk.json"
        if not path.exists():
            io.save(self._versions.points(version.id), path)
        return path


def learned_table(labels: Labels) -> Labels:
    """The label table with an id for what nobody looked at: 255 where that is free."""
    from dataclasses import replace

    ids = {*labels.ids}
    free = 255 if max(ids, default=0) < 255 else max({*range(1, 65536)} - ids)
    return replace(labels, ignored=free)
