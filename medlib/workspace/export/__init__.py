"""What is in a workspace, written for others: DICOM, NIfTI, tables, a report, nnU-Net.

An export is there whole or not at all. Paths of files that scans were read from are in none of its
forms, and the patient's name and number are in DICOM alone, which has to have them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from medlib.workspace.errors import WorkspaceError
from medlib.workspace.export.batch import Batch, Item, Tell, nothing, picked
from medlib.workspace.export.naming import OwnNames, Pseudonyms, read_key, write_key
from medlib.workspace.export.nifti import write_nifti_form
from medlib.workspace.export.nnunet import write_nnunet
from medlib.workspace.export.page import write_page
from medlib.workspace.export.segmentations import write_segmentations
from medlib.workspace.export.tables import write_tables
from medlib.workspace.export.whole import write_zip, written_folder
from medlib.workspace.export.wish import Exported, Form, Wish
from medlib.workspace.schema import LabelSet

if TYPE_CHECKING:
    from medlib.workspace.workspace import Workspace

__all__ = [
    "FORMS",
    "Exported",
    "Form",
    "Item",
    "Wish",
    "exportable",
    "write_export",
    "write_zip",
]

FORMS: Mapping[Form, Callable[[Batch], None]] = MappingProxyType(
    {
        "seg": write_segmentations,
        "nifti": write_nifti_form,
        "csv": write_tables,
        "report": write_page,
        "nnunet": write_nnunet,
    }
)
"""What writes each form."""


def exportable(workspace: Workspace, label_set: LabelSet) -> list[Item]:
    """All scans that a label set's labels can be exported of, reviewed or not."""
    wish = Wish(label_set.id, ("csv",), reviewed_only=False)
    return picked(workspace, label_set, wish, OwnNames(workspace.scans.list()))[0]


def write_export(
    workspace: Workspace, wish: Wish, folder: Path, *, by: str, progress: Tell
) -> Exported:
    """Write what is wished for; see :meth:`Workspace.export`."""
    if wish.key is not None and wish.key.resolve().is_relative_to(folder.resolve()):
        raise WorkspaceError(
            "the key to made-up names would lie in the export itself, and undo them: name a file "
            "outside of it"
        )
    label_set = workspace.label_sets.get(wish.label_set)
    names = OwnNames(workspace.scans.list()) if wish.key is None else read_key(wish.key)
    items, unreviewed, left_out = picked(workspace, label_set, wish, names)
    if not items:
        raise nothing(label_set, unreviewed)
    with written_folder(folder) as partial:
        for form in wish.forms:
            there = partial / form
            there.mkdir()
            FORMS[form](
                Batch(
                    workspace, label_set, items, there,
                    with_scans=wish.with_scans, left_out=left_out, progress=progress,
                )
            )  # fmt: skip
            if not any(there.iterdir()):
                there.rmdir()
        files = sorted(path.relative_to(partial) for path in partial.rglob("*") if path.is_file())
        if not files:
            raise WorkspaceError(f"nothing could be exported. {_why(left_out)}")
        if wish.key is not None and isinstance(names, Pseudonyms):
            write_key(wish.key, names, _whose(workspace, items, names))
        workspace.events.note(
            "exported", f"label set {label_set.id}", by=by, forms=[*wish.forms], files=len(files),
            scans=sorted(item.scan.id for item in items), reviewed_only=wish.reviewed_only,
            made_up_names=wish.key is not None,
        )  # fmt: skip
    return Exported(
        folder, tuple(folder / file for file in files), tuple(left_out), tuple(unreviewed)
    )


def _whose(workspace: Workspace, items: list[Item], names: Pseudonyms) -> dict[str, str]:
    """What made-up names stand for, by the names in the workspace."""
    there = {item.scan.id for item in items}
    whose: dict[str, str] = {}
    for entry in workspace.scans.list():
        if entry.scan.id in there:
            whose[names.scan(entry)] = entry.scan.name
            whose[names.patient(entry)] = entry.patient
            whose[names.study(entry)] = entry.study
    return whose


def _why(left_out: list[tuple[str, str]]) -> str:
    return " ".join(f"{name}: {reason}." for name, reason in left_out[:3])
