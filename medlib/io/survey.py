"""What is there: every volume in a file, folder or zip archive, and what cannot be used."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medlib.io import nifti, picture
from medlib.io.dicom.frames import DamagedFileError, Frame, NotAnImage, SegmentationHeader
from medlib.io.dicom.headers import looks_like_dicom, read_header
from medlib.io.dicom.radiographs import radiographs
from medlib.io.dicom.stacks import DicomStack, assemble
from medlib.io.files import FILE_ERRORS, File, UnreadableError, safe_name, walk
from medlib.io.projection import UNCHECKED, UNSIZED, stated
from medlib.io.stack import Refusal, Skipped, Stack
from medlib.types import Radiograph, Volume

_OTHER_IMAGES = (".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".hdr", ".img", ".mnc")


@dataclass(frozen=True)
class Survey:
    """What :func:`survey` found.

    Args:
        stacks: one for each volume.
        segmentations: DICOM segmentation objects, for :func:`medlib.io.read_mask`.
        refusals: images that cannot be used, with the reason.
        ignored: files that are no images.
    """

    stacks: tuple[Stack, ...]
    segmentations: tuple[SegmentationHeader, ...]
    refusals: tuple[Refusal, ...]
    ignored: tuple[Skipped, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; hold no patient data but what file names say."""
        return {
            "stacks": [stack.to_dict() for stack in self.stacks],
            "segmentations": [str(found.file) for found in self.segmentations],
            "refusals": [refusal.to_dict() for refusal in self.refusals],
            "ignored": [skipped.to_dict() for skipped in self.ignored],
        }


def survey(path: str | Path, *, progress: Callable[[int], None] = lambda looked_at: None) -> Survey:
    """Say what images there are at ``path``, by their headers.

    Pictures (PNG, JPEG) are taken for radiographs where there is nothing but pictures; beside
    scans they are passed over, since they are previews and screenshots there.

    Args:
        path: a file, a folder (with all below it), or a .zip archive, which is read in place.
        progress: called with how many files have been looked at; what it raises ends the survey.

    Raises:
        FileNotFoundError: when there is nothing there.
        UnreadableError: when a zip archive is damaged or unsafe.
    """
    root = Path(path).resolve()
    if root.name == "DICOMDIR":
        root = root.parent
    found = _Found()
    for number, file in enumerate(walk(root), start=1):
        found.add(file, alone=root.is_file() and file.archive is None)
        progress(number)
    return found.survey(root)


def survey_files(files: Iterable[File]) -> Survey:
    """Say what images there are among these files and no others; see :func:`survey`.

    Args:
        files: on disk, or in archives, such as those of a stack that was found earlier.
    """
    found = _Found()
    for file in files:
        found.add(file, alone=False)
    return found.survey(Path())


def read_volume(path: str | Path, kind: type[Volume] | None = None) -> Volume:
    """The volume at a path that holds exactly one.

    Args:
        path: a file, a folder or a .zip archive.
        kind: what it is, where the files do not say (NIfTI).

    Raises:
        UnreadableError: when there is none, or more than one, or beside the one another that
            cannot be used; the message lists what there is.
    """
    return find_one(path).read(kind)


def read_radiograph(
    path: str | Path,
    *,
    spacing_mm: float | tuple[float, float] | None = None,
    sides: Sequence[str] | None = None,
) -> Radiograph:
    """The radiograph at a path that holds exactly one: DICOM, PNG or JPEG.

    Args:
        path: a file, a folder or a .zip archive.
        spacing_mm: between rows, between columns; one number for both. Needed where the file does
            not say, as pictures do not.
        sides: where rows lead, going right, and where columns lead, going down, such as
            ``("L", "F")``; needed likewise.

    Raises:
        UnreadableError: as :func:`read_volume`; for anything but a radiograph; and where neither
            the file nor the caller says how large a pixel is, or where the patient's sides are.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from PIL import Image
        >>> file = Path(tempfile.mkdtemp()) / "chest.png"
        >>> Image.fromarray(np.full((6, 8), 40, np.uint8)).save(file)
        >>> read_radiograph(file, spacing_mm=0.4, sides=("L", "F"))
        Radiograph(1 × 1×6×8 voxels of 1×0.4×0.4 mm, PIL, int16)
    """
    stack = stated(find_one(path), spacing_mm=spacing_mm, sides=sides)
    for ending, argument in ((UNSIZED, "spacing_mm"), (UNCHECKED, "sides")):
        for text in stack.warnings:
            if text.endswith(ending):
                raise UnreadableError(f"{stack.name}: {text}. Say what is so: {argument}=…")
    found = stack.read()
    assert isinstance(found, Radiograph)
    return found


def find_one(path: str | Path) -> Stack:
    """The only stack at a path, not yet read.

    Raises:
        UnreadableError: see :func:`read_volume`.
    """
    found = survey(path)
    lost = [refusal for refusal in found.refusals if not refusal.aside]
    if len(found.stacks) == 1 and not lost:
        return found.stacks[0]
    name = Path(path).name
    if len(found.stacks) == 1:
        raise UnreadableError(
            f"{name} holds the volume {found.stacks[0].name}, and beside it what cannot be used: "
            f"{lost[0].reason}. Use medlib.io.survey and read the one you want."
        )
    if found.stacks:
        names = ", ".join(stack.name for stack in found.stacks)
        raise UnreadableError(
            f"{name} holds {len(found.stacks)} volumes ({names}). "
            "Use medlib.io.survey and read the one you want."
        )
    reasons = "; ".join(r.reason for r in found.refusals[:3]) or "no images were found"
    raise UnreadableError(f"{name} holds no volume that can be used: {reasons}")


class _Found:
    """What has been met so far on a walk."""

    def __init__(self) -> None:
        self.frames: dict[tuple[str, ...], list[Frame]] = defaultdict(list)
        self.damaged: list[tuple[File, DamagedFileError]] = []
        self.stacks: list[Stack] = []
        self.pictures: list[File] = []
        self.segmentations: list[SegmentationHeader] = []
        self.refusals: list[Refusal] = []
        self.ignored: list[Skipped] = []

    def add(self, file: File, *, alone: bool) -> None:
        """Look at a file; ``alone`` if it is the very thing that was asked for."""
        try:
            if file.name == "DICOMDIR":  # the files that it lists are met on the walk
                self.ignored.append(Skipped(file, "a DICOM directory"))
            elif file.name.startswith("._"):  # macOS leaves one beside every file it copies
                self.ignored.append(Skipped(file, "a macOS resource fork"))
            elif nifti.is_nifti(file.name):
                self.stacks.append(nifti.read_stack(file))
            elif picture.is_picture(file.name):
                self.pictures.append(file)
            elif looks_like_dicom(file.read(0, 132)):
                self._add_dicom(file)
            elif file.name.lower().endswith((".dcm", ".dicom", ".ima")) or not file.size():
                raise DamagedFileError(f"{file.name} is no readable DICOM file")
            elif file.name.lower().endswith(_OTHER_IMAGES):
                raise UnreadableError(f"{file.name}: this format is not read; save it as NIfTI")
            elif alone:
                raise UnreadableError(f"{file.name} is neither DICOM nor NIfTI nor a picture")
            else:
                self.ignored.append(Skipped(file, "not an image"))
        except DamagedFileError as error:
            self._add_damaged(file, error)
        except UnreadableError as error:
            self.refusals.append(Refusal((file,), str(error)))
        except FILE_ERRORS:
            self._add_damaged(file, DamagedFileError(f"{file.name} cannot be read"))

    def _add_damaged(self, file: File, error: DamagedFileError) -> None:
        self.damaged.append((file, error))
        self.refusals.append(Refusal((file,), str(error), "Fetch the file again."))

    def _add_dicom(self, file: File) -> None:
        match read_header(file):
            case SegmentationHeader() as segmentation:
                self.segmentations.append(segmentation)
            case NotAnImage(modality=modality):
                self.ignored.append(Skipped(file, f"DICOM, but no scan ({modality})"))
            case frames:
                header = frames[0].header
                series = header.series_uid or str(file.folder)
                self.frames[header.study_uid, series].extend(frames)

    def survey(self, root: Path) -> Survey:
        """Everything together, named."""
        self._add_pictures()
        for whole in self.frames.values():
            flat = [frame for frame in whole if frame.projection is not None]
            found, refused = radiographs(flat)
            self.stacks += found
            self.refusals += refused
            if not (frames := [frame for frame in whole if frame.projection is None]):
                continue
            if damage := self._damage_to(frames):
                files = tuple(dict.fromkeys(f.file for f in frames))
                self.refusals.append(
                    Refusal(files, f"the series would lack a slice: {damage}", "Fetch it again.")
                )
                continue
            assembled, refusals = assemble(frames)
            self.stacks += assembled
            self.refusals += refusals
        stacks = _warned_of_mixed_patients(self.stacks)
        return Survey(
            stacks=tuple(_named(stacks, root)),
            segmentations=tuple(self.segmentations),
            refusals=tuple(self.refusals),
            ignored=tuple(self.ignored),
        )

    def _add_pictures(self) -> None:
        """Pictures are radiographs where there is nothing but pictures."""
        others = self.frames or self.stacks or self.segmentations or self.damaged
        for file in self.pictures:
            try:
                if others:
                    self.ignored.append(Skipped(file, "a picture beside scans"))
                else:
                    self.stacks.append(picture.read_stack(file))
            except UnreadableError as error:
                self.refusals.append(Refusal((file,), str(error), aside=True))

    def _damage_to(self, frames: Sequence[Frame]) -> str:
        """Why a series is incomplete: a damaged file that is, or may well be, one of its slices."""
        series = frames[0].header.series_uid
        folders = {frame.file.folder for frame in frames}
        for file, error in self.damaged:
            mine = error.series_uid and error.series_uid == series
            beside = not error.series_uid and file.folder in folders
            alone = len([s for s in self.frames.values() if s[0].file.folder == file.folder]) == 1
            if mine or (beside and alone):
                return str(error)
        return ""


def _warned_of_mixed_patients(stacks: Sequence[Stack]) -> list[Stack]:
    """Warn of stacks whose patients share an ID and yet differ in name, birth date or sex."""
    firsts = [s.frames[0] if isinstance(s, DicomStack) else None for s in stacks]
    warned = []
    for stack, mine in zip(stacks, firsts, strict=True):
        others = [
            other.file.folder.name
            for other in firsts
            if mine and other and mine.header.identity.contradicts(other.header.identity)
        ]
        if others:
            text = (
                "two patients with one ID: the same PatientID, but another name, birth date or "
                f"sex, is in {', '.join(sorted(set(others)))}"
            )
            stack = dataclasses.replace(stack, warnings=(*stack.warnings, text))  # noqa: PLW2901
        warned.append(stack)
    return warned


def _named(stacks: Sequence[Stack], root: Path) -> list[Stack]:
    """Stacks with safe names, each unique whatever the case of its letters.

    Where names clash, the folders above tell them apart, as far up as needed; then a number.
    """
    names = [_short_name(stack, stacks) for stack in stacks]
    above = [_folders_above(stack, root) for stack in stacks]
    while clashing := _clashing(names):
        climbing = [i for i in clashing if above[i]]
        if not climbing:
            break
        for i in climbing:
            names[i] = safe_name(f"{above[i].pop()}_{names[i]}")
    taken: set[str] = set()
    named = []
    for stack, name in zip(stacks, names, strict=True):
        choices = itertools.chain([name], (f"{name}-{i}" for i in itertools.count(2)))
        unique = next(choice for choice in choices if choice.casefold() not in taken)
        taken.add(unique.casefold())
        named.append(dataclasses.replace(stack, name=unique))
    return named


def _clashing(names: Sequence[str]) -> list[int]:
    count = Counter(name.casefold() for name in names)
    return [i for i, name in enumerate(names) if count[name.casefold()] > 1]


def _short_name(stack: Stack, stacks: Sequence[Stack]) -> str:
    """The folder's or file's name, with the series number and part where a folder has several."""
    if not isinstance(stack, DicomStack):
        return safe_name(stack.name)
    folder = stack.files[0].folder
    beside = [s for s in stacks if isinstance(s, DicomStack) and s.files[0].folder == folder]
    several = len({s.series_uid for s in beside}) > 1
    number = stack.frames[0].header.series_number
    series = f"_series-{number}" if several and number else ""
    return safe_name(f"{folder.name}{series}{stack.part}")


def _folders_above(stack: Stack, root: Path) -> list[str]:
    """Names of the folders inside ``root`` that are not in the stack's name yet, outermost first."""
    folder = stack.files[0].folder
    inside = folder.relative_to(root).parts if folder.is_relative_to(root) else ()
    return list(inside[:-1] if isinstance(stack, DicomStack) else inside)
