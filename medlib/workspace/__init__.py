"""A workspace: a clinician's project on disk, for one person or many.

:class:`Workspace` opens one; its parts (``scans``, ``versions``, …) are called by what they keep.
Rows that they return are plain values: to change one in the workspace, call the part again. Whoever
does something says so (``by=``), and it is in the event log.
"""

from medlib.workspace.errors import Conflict, NotAllowedError, NotThereError, WorkspaceError
from medlib.workspace.events import Fault
from medlib.workspace.export import Exported, Form, Wish
from medlib.workspace.identities import Examination, Person
from medlib.workspace.importing import Imported
from medlib.workspace.jobs import JobLostError
from medlib.workspace.label_sets import Question, questions_of, table_of
from medlib.workspace.people import may
from medlib.workspace.schema import Content, Decision, Progress, Role, Status
from medlib.workspace.seen import Merge, Seen, merge
from medlib.workspace.series import Series
from medlib.workspace.standing import Standing
from medlib.workspace.timing import When
from medlib.workspace.worklist import Entry
from medlib.workspace.workspace import Workspace

__all__ = [
    "Conflict",
    "Content",
    "Decision",
    "Entry",
    "Examination",
    "Exported",
    "Fault",
    "Form",
    "Imported",
    "JobLostError",
    "Merge",
    "NotAllowedError",
    "NotThereError",
    "Person",
    "Progress",
    "Question",
    "Role",
    "Seen",
    "Series",
    "Standing",
    "Status",
    "When",
    "Wish",
    "Workspace",
    "WorkspaceError",
    "may",
    "merge",
    "questions_of",
    "table_of",
]
