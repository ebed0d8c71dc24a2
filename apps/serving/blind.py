"""What a second reader may not know before he has decided: what the first one made of it.

The rule is in ``docs/apps.md``; :class:`medlib.workspace.second_reading.SecondReading` says who is due.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from medlib.workspace import Content, Workspace, WorkspaceError

if TYPE_CHECKING:
    from medlib.workspace.schema import Review
    from serving.shelf import Case

BLIND = (
    "you are to judge what the model found here without knowing what the first reader made of it: "
    "decide on the Review page first, or say there that you do not read it second"
)


class Blind:
    """Keeps from a second reader what others said of a scan by the label set that he is to judge.

    Args:
        workspace: knows who is due.
        newest: gives the version of a case that counts; 0 where there is none.
    """

    def __init__(self, workspace: Workspace, newest: Callable[[Case, Content], int]) -> None:
        self._workspace, self._newest = workspace, newest

    def is_due(self, case: Case, person: str) -> bool:
        """Whether the person is to judge something of this case that another has decided on."""
        return any(self._first(case, person, content) for content in Content)

    def hides(self, case: Case, person: str, content: Content) -> bool:
        """Whether the label that counts is kept from the person; what is his own is not."""
        return self._is_anothers(case, person, content, self._newest(case, content))

    def must_be_known(
        self, case: Case, person: str, version: int, content: Content = Content.MASK
    ) -> None:
        """Refuse what others said. That there is nothing would tell a second reader too.

        Args:
            case: that it is of.
            person: who asks.
            version: that is asked for; 0 where there is none.
            content: what it holds.

        Raises:
            WorkspaceError: if the person may not know it yet.
        """
        if self._is_anothers(case, person, content, version):
            raise WorkspaceError(BLIND)

    def must_not_draw_on(self, case: Case, person: str, version: int) -> None:
        """Refuse to draw on what the first reader may have said.

        What somebody began with before, he may finish: no stroke is lost.

        Raises:
            WorkspaceError: if it was said by another since the first reader decided, or by the first
                reader since the model looked.
        """
        first = self._first(case, person, Content.MASK)
        if first is None or first.prediction_id is None or not version:
            return
        row = self._workspace.versions.get(version)
        found = self._workspace.models.prediction(first.prediction_id)
        since = found.made if row.author == first.reviewer else first.made
        if row.author != person and row.made >= since:
            raise WorkspaceError(BLIND)

    def _is_anothers(self, case: Case, person: str, content: Content, version: int) -> bool:
        if self._first(case, person, content) is None:
            return False
        return not version or self._workspace.versions.get(version).author != person

    def _first(self, case: Case, person: str, content: Content) -> Review | None:
        """The first reader's decision, as long as the person may not know it."""
        return self._workspace.second_reading.due(case.scan, case.label_set, content, person)
