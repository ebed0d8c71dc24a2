"""The scans of an export, one after another; what cannot be read is left out, and said."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from medlib.workspace.errors import WorkspaceError
from medlib.workspace.export.naming import Names
from medlib.workspace.export.wish import Wish
from medlib.workspace.schema import Content, LabelSet, Review, Scan, Status, Version
from medlib.workspace.seen import Seen
from medlib.workspace.series import Series
from medlib.workspace.source import TEST, learned_table
from medlib.workspace.timing import When

if TYPE_CHECKING:
    from medlib.types import Mask
    from medlib.workspace.workspace import Workspace

Read = TypeVar("Read")
Tell = Callable[[int, int, str], None]
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@dataclass(frozen=True)
class Item:
    """A scan, and what was said of it.

    Args:
        scan: in the workspace.
        name: what the export calls it; likewise its patient and its study.
        patient: likewise.
        study: likewise.
        series: which it is of the study.
        when: the study was made, among those of the patient.
        is_test: whether it is kept for a last test.
        heads: the versions that count.
        approvals: of each, the reviews that stand behind it.
    """

    scan: Scan
    name: str
    patient: str
    study: str
    series: Series
    when: When
    is_test: bool
    heads: Mapping[Content, Version]
    approvals: Mapping[Content, Sequence[Review]]

    @property
    def is_reviewed(self) -> bool:
        """Whether a reviewer stands behind what the scan is chiefly labelled by."""
        main = next(content for content in Content if content in self.heads)
        return bool(self.approvals[main])

    @property
    def seen(self) -> Seen:
        """What of the scan was looked at."""
        mask = self.heads.get(Content.MASK)
        return Seen() if mask is None else Seen.from_dict(mask.seen)


def picked(
    workspace: Workspace, label_set: LabelSet, wish: Wish, names: Names
) -> tuple[list[Item], list[str], list[tuple[str, str]]]:
    """The scans that are wanted, by the names that they get.

    Returns:
        Them; the names of those that wait for a reviewer; and (name, reason) of those that were
        asked for and have nothing to export.
    """
    items: list[Item] = []
    unreviewed: list[str] = []
    left_out: list[tuple[str, str]] = []
    by_scan: dict[int, dict[Content, Version]] = {}
    for version in workspace.versions.heads(label_set.id):
        by_scan.setdefault(version.scan_id, {})[version.content] = version
    approvals = workspace.reviews.approving([v.id for h in by_scan.values() for v in h.values()])
    for entry in workspace.scans.list():
        scan, heads = entry.scan, by_scan.get(entry.scan.id, {})
        if wish.scans is not None and scan.id not in wish.scans:
            continue
        if scan.status == Status.SET_ASIDE or not heads:
            if wish.scans is not None:
                why = "it was set aside" if heads else "nothing is labelled in it"
                left_out.append((scan.name, why))
            continue
        item = Item(
            scan,
            names.scan(entry),
            names.patient(entry),
            names.study(entry),
            entry.series,
            entry.when,
            TEST in entry.tags,
            heads,
            {content: approvals[version.id] for content, version in heads.items()},
        )
        if wish.reviewed_only and not item.is_reviewed:
            unreviewed.append(scan.name)
        else:
            items.append(item)
    return sorted(items, key=lambda item: item.name), unreviewed, left_out


@dataclass
class Batch:
    """What one form of an export is made of.

    Args:
        workspace: of the scans.
        label_set: by which they were labelled.
        items: the scans.
        folder: where the form writes.
        with_scans: whether scans are wanted beside the outlines.
        left_out: (name, reason) of scans that cannot be written; grows.
        progress: called with how many scans are done, of how many, and as what. What it raises
            ends the export.
    """

    workspace: Workspace
    label_set: LabelSet
    items: Sequence[Item]
    folder: Path
    with_scans: bool
    left_out: list[tuple[str, str]]
    progress: Tell

    def read(self, what: str, read: Callable[[Item], Read]) -> Iterator[tuple[Item, Read]]:
        """Each scan with what is to be written of it; those that cannot be read are left out.

        Args:
            what: is being made, in words.
            read: gives what is to be written.
        """
        for number, item in enumerate(self.items):
            self.progress(number, len(self.items), what)
            try:
                found = read(item)
            except (ValueError, OSError, EOFError) as error:
                if isinstance(error, OSError) and error.errno in _NO_ROOM:
                    raise
                reason = self.workspace.scans.unnamed(item.scan.id, _words(error))
                self.left_out.append((item.scan.name, f"{what}: {reason}"))
            else:
                yield item, found
        self.progress(len(self.items), len(self.items), what)

    def mask(self, item: Item) -> Mask | None:
        """The outline of a scan, of whatever part of it is done; None where none was saved."""
        version = item.heads.get(Content.MASK)
        return None if version is None else self.workspace.versions.mask(version.id)

    def learnable(self, item: Item) -> Mask | None:
        """The outline, in which what nobody looked at bears an id that says so.

        None as long as no slice is done.
        """
        mask = self.mask(item)
        if mask is None or not (item.seen.whole or item.seen.slices):
            return None
        unseen = learned_table(mask.labels).ignored
        assert unseen is not None
        return item.seen.applied(mask, unseen)


def _words(error: Exception) -> str:
    """What happened, without the path that an error of the system names."""
    if isinstance(error, OSError) and error.strerror:
        return f"a file of it cannot be read ({error.strerror})"
    return str(error)


def nothing(label_set: LabelSet, unreviewed: Sequence[str]) -> WorkspaceError:
    """What to say when no scan is left."""
    if unreviewed:
        count = "1 scan is" if len(unreviewed) == 1 else f"{len(unreviewed)} scans are"
        return WorkspaceError(
            f"{count} labelled by {label_set.name!r}, and no reviewer has accepted any: review "
            "them, or export what nobody has reviewed too"
        )
    return WorkspaceError(f"nothing is labelled by {label_set.name!r} yet: there is no export")
