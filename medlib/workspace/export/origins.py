"""How an outline came about: by hand, by a model, or by both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medlib.workspace.schema import Prediction, Version

if TYPE_CHECKING:
    from medlib.workspace.workspace import Workspace

How = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
_IMPORTED = "imported, how made not known"


@dataclass(frozen=True)
class Origin:
    """Who or what made an outline.

    Args:
        how: as DICOM's Segment Algorithm Type (0062,0008) has it. By hand is what a person drew
            with whatever tools, as long as no model had outlined the scan before.
        algorithm: the model's name; empty for what was made by hand.
        author: who saved it.
    """

    how: How
    algorithm: str
    author: str

    @classmethod
    def of(cls, workspace: Workspace, version: Version) -> Origin:
        """How a label version came about."""
        line = [version, *_before(workspace, version)]
        if any(one.origin == "imported" for one in line):
            return cls("SEMIAUTOMATIC", _IMPORTED, version.author)
        for one in line:
            if one.origin == "accepted" and (model := _accepted(workspace, one)):
                how: How = "AUTOMATIC" if one.id == version.id else "SEMIAUTOMATIC"
                return cls(how, model, version.author)
        if model := _seen_before(workspace, version):
            return cls("SEMIAUTOMATIC", model, version.author)
        return cls("MANUAL", "", version.author)

    def __str__(self) -> str:
        """In words."""
        if self.how == "MANUAL":
            return f"drawn by {self.author}"
        if self.algorithm == _IMPORTED:
            return f"{_IMPORTED}; saved by {self.author}"
        what = "found by" if self.how == "AUTOMATIC" else f"drawn by {self.author}, with"
        return f"{what} the model {self.algorithm}"


def _before(workspace: Workspace, version: Version) -> Iterator[Version]:
    """What a version was drawn upon, the newest first."""
    waiting, known = [version.parent_id, version.merges_id], {version.id}
    while waiting:
        number = waiting.pop(0)
        if number is not None and number not in known:
            known.add(number)
            yield (one := workspace.versions.get(number))
            waiting += [one.parent_id, one.merges_id]


def _accepted(workspace: Workspace, version: Version) -> str:
    """The model of the prediction that became this version."""
    for row in workspace.models.predictions(scan=version.scan_id):
        if (row.file, row.entries) == (version.file, version.entries):
            return _name(workspace, row)
    return ""


def _seen_before(workspace: Workspace, version: Version) -> str:
    """The model whose outline could be seen, and taken, when this version was drawn."""
    for row in workspace.models.predictions(scan=version.scan_id):
        same = (row.label_set_id, row.content) == (version.label_set_id, version.content)
        if same and row.made <= version.made:
            return _name(workspace, row)
    return ""


def _name(workspace: Workspace, prediction: Prediction) -> str:
    return {row.id: row.name for row in workspace.models.list()}[prediction.model_id]
