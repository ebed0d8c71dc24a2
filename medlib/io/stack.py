"""A stack: images that make up one volume, known by their headers and not yet read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from medlib.io.files import File, UnreadableError
from medlib.space import Grid
from medlib.types import Volume


@dataclass(frozen=True, kw_only=True)
class Stack(ABC):
    """One volume that :func:`medlib.io.survey` found, before its voxels are read.

    Args:
        name: a file name without ending, unique in its survey, from the input's own names.
        files: what it is read from, in slice order.
        kind: what it is; ``Volume`` where the file does not say (NIfTI).
        grid: where its voxels are.
        modality: DICOM's Modality (0008,0060); empty for NIfTI.
        patient: a short opaque key, equal for images of one patient; never a name or an ID. It
            is a digest for grouping, not an anonymisation.
        study: a short opaque key, equal for images of one study.
        series_uid: DICOM's SeriesInstanceUID (0020,000E); empty for NIfTI.
        warnings: what the user should know before relying on it.
        repairs: what was, or will be on reading, put right.
        calibration: whose the millimetres of a radiograph are: ``"detector"``, ``"fiducial"``,
            ``"geometry"``, ``"stated"`` by a user, ``"unknown"``, or ``"none"``, where a pixel
            counts as one; empty for scans, whose millimetres are the patient's.
    """

    name: str
    files: tuple[File, ...] = field(repr=False)
    kind: type[Volume]
    grid: Grid
    modality: str = ""
    patient: str = ""
    study: str = ""
    series_uid: str = ""
    warnings: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    calibration: str = ""

    @property
    @abstractmethod
    def source(self) -> Literal["dicom", "nifti", "picture"]:
        """Which sort of file it comes from."""

    @property
    def frame_of_reference(self) -> str:
        """DICOM's FrameOfReferenceUID (0020,0052): series with one lie as the patient lay; or empty."""
        return ""

    @abstractmethod
    def _voxels(self, kind: type[Volume]) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
        """The voxels (slice, row, column) in the kind's units, and what was mended in them."""

    def read(self, kind: type[Volume] | None = None) -> Volume:
        """The volume, with its voxels.

        Whole numbers stay whole: int16, or int32 where that is too narrow. All else is float32.

        Args:
            kind: what to read it as, where the file does not say; else left out.

        Raises:
            UnreadableError: when ``kind`` is not what the file says, or a file cannot be read.
        """
        return self.read_with_notes(kind)[0]

    def read_with_notes(self, kind: type[Volume] | None = None) -> tuple[Volume, tuple[str, ...]]:
        """As :meth:`read`, together with what only the voxels could tell: what was mended."""
        wanted = self.kind if kind is None else kind
        if not self._may_be(wanted):
            raise UnreadableError(
                f"{self.name} is {self.modality or self.kind.__name__} and cannot be read as "
                f"{wanted.__name__}. Leave the kind out, or choose the right images."
            )
        voxels, notes = self._voxels(wanted)
        return wanted(torch.from_numpy(voxels)[None], self.grid), notes

    def _may_be(self, kind: type[Volume]) -> bool:
        """Whether it may be called ``kind``: its own kind, a finer one, or simply a volume."""
        if self.kind is Volume:
            return kind is Volume or not self.modality
        return kind is Volume or issubclass(kind, self.kind)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values for reports; holds no patient data."""
        return {
            "name": self.name,
            "source": self.source,
            "kind": self.kind.__name__,
            "modality": self.modality,
            "files": len(self.files),
            "shape": list(self.grid.shape),
            "spacing_mm": list(self.grid.spacing),
            "orientation": self.grid.orientation,
            "affine": self.grid.affine[:3].tolist(),
            "patient": self.patient,
            "study": self.study,
            "warnings": list(self.warnings),
            "repairs": list(self.repairs),
            **({"calibration": self.calibration} if self.calibration else {}),
        }


def narrowest(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Whole numbers as int16 if they fit, else int32, else float32; other numbers as float32."""
    if values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    low, high = int(values.min()), int(values.max())
    for dtype in (np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return values.astype(dtype, copy=False)
    return values.astype(np.float32)


@dataclass(frozen=True)
class Refusal:
    """Files that cannot be used, why, and what to do.

    Args:
        files: what is refused.
        reason: why, naming the file or attribute at fault.
        remedy: what would mend it; may be empty.
        aside: whether these images never were part of a volume, as localizers and screenshots.
    """

    files: tuple[File, ...]
    reason: str
    remedy: str = ""
    aside: bool = False

    @property
    def where(self) -> str:
        """The file, or the folder of the series."""
        return str(self.files[0]) if len(self.files) == 1 else str(self.files[0].folder)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        files = [str(file) for file in self.files]
        return {"files": files, "reason": self.reason, "remedy": self.remedy}


@dataclass(frozen=True)
class Skipped:
    """A file that is no image, and why it was passed over."""

    file: File
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Plain JSON values."""
        return {"file": str(self.file), "reason": self.reason}
