"""What somebody wants to have exported, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from medlib.workspace.errors import WorkspaceError

Form = Literal["seg", "nifti", "csv", "report", "nnunet"]


@dataclass(frozen=True)
class Wish:
    """What is to be exported, and how.

    Args:
        label_set: number or name.
        forms: one or more of ``"seg"`` (DICOM SEG and a report of its measurements, for the
            archive that the scans came from), ``"nifti"``, ``"csv"`` (tables), ``"report"`` (one
            page to read or print) and ``"nnunet"`` (its raw layout); each in a folder of its name.
        scans: their numbers; all that are labelled, if left out.
        reviewed_only: leave out what no reviewer has accepted or corrected.
        with_scans: beside the outlines in NIfTI, the scans.
        key: a file for made-up names of scans, patients and studies. It is made if need be, and
            says whose each name is; with the same file, names are the same again. Left out,
            everything keeps the name that it has in the workspace.

    Raises:
        WorkspaceError: for a form that there is not, or a DICOM SEG under made-up names.

    Example:
        >>> Wish("organs", ("seg",), key=Path("key.json"))
        Traceback (most recent call last):
            ...
        medlib.workspace.errors.WorkspaceError: a DICOM SEG goes back to its patient's study, and bears the patient's name and number: export it under the real names, or choose nifti
    """

    label_set: int | str
    forms: tuple[Form, ...]
    scans: frozenset[int] | None = None
    reviewed_only: bool = True
    with_scans: bool = False
    key: Path | None = None

    def __post_init__(self) -> None:
        known = get_args(Form)
        if strange := [form for form in self.forms if form not in known]:
            raise WorkspaceError(f"there is no form {strange[0]!r}; there are: {', '.join(known)}")
        if not self.forms:
            raise WorkspaceError(f"say what to export: {', '.join(known)}")
        if self.key is not None and "seg" in self.forms:
            raise WorkspaceError(
                "a DICOM SEG goes back to its patient's study, and bears the patient's name and "
                "number: export it under the real names, or choose nifti"
            )


@dataclass(frozen=True)
class Exported:
    """What was written, and what could not be.

    Args:
        folder: that holds it.
        files: in it.
        left_out: (name, reason) of each scan that could not be written in one of the forms.
        unreviewed: names of the scans that wait for a reviewer, and were therefore left out.
    """

    folder: Path
    files: tuple[Path, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    unreviewed: tuple[str, ...] = ()
