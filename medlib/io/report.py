"""A survey in plain words."""

from __future__ import annotations

from collections import Counter

from medlib.io.stack import Stack
from medlib.io.survey import Survey
from medlib.space import Grid

_KIND_WORDS = {
    "CTVolume": "CT",
    "MRVolume": "MR",
    "PETVolume": "PET",
    "UltrasoundVolume": "ultrasound",
    "Radiograph": "radiograph",
    "Volume": "volume of unstated kind",
}


def describe(survey: Survey) -> str:
    """What is there, what to know about it, and what cannot be used and why.

    Names of files and folders appear as they are; names of patients do not.

    Example:
        >>> print(describe(Survey((), (), (), ())))
        No volumes were found.
    """
    lines = [_summary(survey)]
    for stack in survey.stacks:
        extent = _flat(stack) if stack.calibration else _extent(stack.grid)
        lines += ["", f"{stack.name}: {_kind(stack)}, {extent}"]
        lines += [f"  warning: {text}" for text in stack.warnings]
        lines += [f"  mended: {text}" for text in stack.repairs]
    if survey.segmentations:
        lines += ["", "DICOM segmentations:"]
        lines += [f"  {found.file}" for found in survey.segmentations]
    if survey.refusals:
        lines += ["", "Cannot be used:"]
    for refusal in survey.refusals:
        count = f" ({len(refusal.files)} files)" if len(refusal.files) > 1 else ""
        lines.append(f"  {refusal.where}{count}: {refusal.reason}")
        lines += [f"    {refusal.remedy}"] * bool(refusal.remedy)
    if survey.ignored:
        lines += ["", f"{_count(len(survey.ignored), 'other file')} passed over, not images."]
    return "\n".join(lines)


def _summary(survey: Survey) -> str:
    stacks = survey.stacks
    if not stacks:
        return "No volumes were found."
    kinds = Counter(_kind(stack) for stack in stacks)
    what = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    dicom = [stack for stack in stacks if stack.source == "dicom"]
    patients = _count(len({stack.patient for stack in dicom}), "patient")
    studies = _count(len({stack.study for stack in dicom}), "study", "studies")
    whose = f" of {patients} in {studies}" if dicom else ""
    unsaid = len(stacks) - len(dicom)
    nifti = f" {unsaid} in NIfTI, which does not say whose." if unsaid else ""
    return f"{_count(len(stacks), 'volume')} ({what}){whose}.{nifti}"


def _kind(stack: Stack) -> str:
    words = _KIND_WORDS.get(stack.kind.__name__, stack.kind.__name__)
    unnamed = stack.kind.__name__ == "Volume" and stack.modality
    return f"{stack.modality} volume" if unnamed else words


def _extent(grid: Grid) -> str:
    slices, rows, columns = grid.shape
    thick, row, column = grid.spacing
    return (
        f"{_count(slices, 'slice')} of {rows}×{columns}, "
        f"{thick:.3g} mm apart, pixels of {row:.3g}×{column:.3g} mm, {grid.orientation}"
    )


def _flat(stack: Stack) -> str:
    _, rows, columns = stack.grid.shape
    if stack.calibration == "none":
        return f"{rows}×{columns} pixels"
    _, row, column = stack.grid.spacing
    return f"{rows}×{columns} pixels of {row:.3g}×{column:.3g} mm ({stack.calibration})"


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"
