"""The line of versions of a scan, label set and content: which of them counts, and what follows it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from medlib.workspace.database import found
from medlib.workspace.errors import WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.scans import move
from medlib.workspace.schema import Content, Head, LabelSet, Scan, Status, Version, now


def head(session: Session, scan: int, label_set: int, content: Content) -> Version | None:
    """The version that counts."""
    row = session.get(Head, (scan, label_set, content))
    return None if row is None else found(session, Version, row.version_id)


def put(session: Session, version: Version) -> Version | None:
    """Write a version in a transaction of its own or of something larger.

    Returns:
        The version that counts, if the new one is not based on it and was put aside.
    """
    scan = found(session, Scan, version.scan_id)
    asked = found(session, LabelSet, version.label_set_id, what="label set")
    line = (version.scan_id, version.label_set_id, version.content)
    parent = None if version.parent_id is None else found(session, Version, version.parent_id)
    for other in (parent, version.merges_id and found(session, Version, version.merges_id)):
        if other and (other.scan_id, other.label_set_id, other.content) != line:
            raise WorkspaceError(
                f"version {other.id} is of another scan, label set or content: "
                f"{scan.name} cannot go on from it"
            )
    current = head(session, *line)
    version.aside = current is not None and current.id != version.parent_id
    version.revision = parent.revision + 1 if parent else 1
    version.made = now()
    session.add(version)
    session.flush()
    what = "label kept aside" if version.aside else "label saved"
    record(session, version.author, what, f"scan {scan.id}", version=version.said())
    if version.aside:
        return current
    session.merge(
        Head(scan_id=line[0], label_set_id=line[1], content=line[2], version_id=version.id)
    )
    session.flush()
    move(session, scan, _progress(session, scan, asked), by=version.author)
    return None


def _progress(session: Session, scan: Scan, asked: LabelSet) -> Status:
    """How far the scan has come, as far as one label set asks."""
    heads = [head(session, scan.id, asked.id, c) for c, named in wanted_of(asked).items() if named]
    whole = all(version is not None and version.seen["whole"] for version in heads)
    return Status.LABELLED if whole else Status.IN_PROGRESS


def wanted_of(asked: LabelSet) -> dict[Content, list[Any]]:
    """What a label set asks, by what it is kept as."""
    return {
        Content.MASK: asked.labels,
        Content.ANSWERS: asked.questions,
        Content.POINTS: asked.landmarks,
    }
