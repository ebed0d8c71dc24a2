"""What can go wrong in a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medlib.workspace.schema import Version


class WorkspaceError(ValueError):
    """Something cannot be done in a workspace; the message says why and what to do."""


class NotThereError(WorkspaceError):
    """The workspace has no such scan, label set, version, job or person."""


class NotAllowedError(WorkspaceError):
    """Somebody may not do this."""


class Conflict(WorkspaceError):  # noqa: N818 - it is no error of anybody's
    """Somebody else saved first.

    Nothing is lost: what was to be saved is kept as a version aside.

    Args:
        theirs: the version that counts now.
        mine: what was to be saved, kept aside; its parent is the version that both began with.
    """

    def __init__(self, theirs: Version, mine: Version) -> None:
        super().__init__(
            f"{theirs.author} saved revision {theirs.revision} of this scan since you began with "
            f"revision {mine.revision - 1}; yours is kept aside as version {mine.id}. Save again "
            f"on version {theirs.id}, or merge the two."
        )
        self.theirs = theirs
        self.mine = mine
