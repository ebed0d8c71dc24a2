"""How far a scan has come, as its label and the decisions on it stand at that moment."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.database import found
from medlib.workspace.line import head, wanted_of
from medlib.workspace.schema import Head, LabelSet, Scan, Status, Version
from medlib.workspace.standing import decided, weighed


def stage(session: Session, scan: Scan, label_set: int) -> Status:
    """How far a scan has come, as far as one label set asks.

    It is reviewed when all that the label set asks has been said, a reviewer stands behind all of
    it, and nothing that was said of the scan by any label set waits for one.

    Args:
        session: of whoever has just saved or decided something.
        scan: which.
        label_set: by which that was.
    """
    asked = wanted_of(found(session, LabelSet, label_set))
    heads = [head(session, scan.id, label_set, content) for content, said in asked.items() if said]
    there = [version for version in heads if version is not None and version.seen["whole"]]
    behind, held_up = weighed(session, [version.id for version in there])
    if len(there) < len(heads) or held_up:
        return Status.IN_PROGRESS
    if all(behind.values()) and not _waits(session, scan):
        return Status.REVIEWED
    return Status.LABELLED


def _waits(session: Session, scan: Scan) -> bool:
    """Whether something that was said of the whole scan is neither signed nor sent back."""
    query = select(Version).join(Head, Head.version_id == Version.id)
    query = query.where(Version.scan_id == scan.id)
    whole = {version.id for version in session.scalars(query) if version.seen["whole"]}
    return bool(whole - decided(session, whole))
