"""Every volume in a folder or archive, written as NIfTI, with an account of what was not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medlib.io.files import UnreadableError
from medlib.io.nifti import write_nifti
from medlib.io.stack import Refusal, Skipped, Stack
from medlib.io.survey import survey


@dataclass(frozen=True)
class Written:
    """A volume that was written.

    Args:
        stack: what it was read from.
        file: the NIfTI file.
        repairs: what was put right in it, by its headers or on reading its voxels.
    """

    stack: Stack
    file: Path
    repairs: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return self.stack.to_dict() | {"file": self.file.name, "repairs": list(self.repairs)}


@dataclass(frozen=True)
class Conversion:
    """What :func:`convert` did.

    Args:
        written: one for each volume.
        refusals: images that were not written, with the reason.
        ignored: files that are no images.
    """

    written: tuple[Written, ...]
    refusals: tuple[Refusal, ...]
    ignored: tuple[Skipped, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "stacks": [written.to_dict() for written in self.written],
            "refusals": [refusal.to_dict() for refusal in self.refusals],
            "ignored": [skipped.to_dict() for skipped in self.ignored],
        }


def convert(path: str | Path, out_folder: str | Path, *, overwrite: bool = False) -> Conversion:
    """Write every volume at ``path`` as ``<name>.nii.gz`` into ``out_folder``.

    A volume whose pixels turn out unreadable is refused, and the others are written all the
    same. Files appear whole or not at all.

    Args:
        path: a file, a folder or a .zip archive.
        out_folder: made if need be.
        overwrite: replace files that are there already.

    Raises:
        FileExistsError: before anything is written, naming the file that is there already.
    """
    found = survey(path)
    folder = Path(out_folder)
    targets = [folder / f"{stack.name}.nii.gz" for stack in found.stacks]
    inputs = {
        Path(file.path).resolve() for s in found.stacks for file in s.files if not file.archive
    }
    for target in targets:
        if target.resolve() in inputs:
            raise FileExistsError(f"{target.name} is itself to be converted: choose another folder")
        if target.exists() and not overwrite:
            raise FileExistsError(f"{target} exists already; choose another folder, or overwrite")
    folder.mkdir(parents=True, exist_ok=True)
    written, refusals = [], list(found.refusals)
    for stack, target in zip(found.stacks, targets, strict=True):
        try:
            volume, notes = stack.read_with_notes()
        except UnreadableError as error:
            refusals.append(Refusal(stack.files, str(error)))
            continue
        write_nifti(volume, target)
        written.append(Written(stack, target, (*stack.repairs, *notes)))
    return Conversion(tuple(written), tuple(refusals), found.ignored)
