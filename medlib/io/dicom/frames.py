"""What is known of DICOM images before their pixels are read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from medlib.io.files import File, UnreadableError

Vector = tuple[float, ...]

# What may tell apart images that lie at one place, most telling first: (keyword, short name).
DISCRIMINATORS = (
    *(("ImageType", "type"), ("EchoNumbers", "echo"), ("EchoTime", "te")),
    *(("EffectiveEchoTime", "te"), ("DiffusionBValue", "b"), ("SequenceName", "sequence")),
    *(("DiffusionGradientOrientation", "direction"), ("InversionTime", "ti")),
    *(("FlipAngle", "flip"), ("RepetitionTime", "tr"), ("ConvolutionKernel", "kernel")),
    *(("TemporalPositionIdentifier", "time"), ("TemporalPositionIndex", "time")),
    *(("TriggerTime", "trigger"), ("NominalPercentageOfCardiacPhase", "phase")),
    *(("NominalCardiacTriggerDelayTime", "trigger"), ("FrameReferenceTime", "time")),
    *(("KVP", "kvp"), ("SliceThickness", "thickness"), ("FilterType", "filter")),
    *(("StackID", "stack"), ("SeriesDescription", "description"), ("ProtocolName", "protocol")),
    *(("ContrastBolusAgent", "contrast"), ("AcquisitionNumber", "acquisition")),
    *(("AcquisitionDateTime", "acquired"), ("AcquisitionTime", "acquired")),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a patient is, as digests: enough to compare, not enough to read."""

    patient_id: str
    name: str
    birth_date: str
    sex: str

    @property
    def key(self) -> str:
        """One short key for all of it; empty when nothing is known."""
        parts = (self.patient_id, self.name, self.birth_date, self.sex)
        return digest("|".join(parts)) if any(parts[:3]) else ""

    def contradicts(self, other: Identity) -> bool:
        """Whether both share an ID, and yet a name, birth date or sex known of both differs."""
        pairs = (
            (self.name, other.name),
            (self.birth_date, other.birth_date),
            (self.sex, other.sex),
        )
        same_id = bool(self.patient_id) and self.patient_id == other.patient_id
        return same_id and any(a and b and a != b for a, b in pairs)


@dataclass(frozen=True, slots=True)
class Header:
    """What is one for a whole file."""

    file: File
    identity: Identity
    sop_class: str
    sop_instance: str
    modality: str
    study_uid: str
    series_uid: str
    series_number: str
    frame_of_reference: str
    transfer_syntax: str
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    padding: tuple[int, int] | None  # stored values, both ends included
    overlay_in_pixels: bool
    lookup_table: bool  # stored values mean something only through a table
    images_in_acquisition: int | None
    pixels_at: int | None  # where native pixel data starts; None if encapsulated or deflated


@dataclass(frozen=True, slots=True)
class Projection:
    """What a projection radiograph says of itself instead of its place."""

    sides: tuple[str, ...]  # where rows and columns lead (PatientOrientation); empty: not said
    detector: Vector | None  # 2, mm between rows, between columns, where the image was taken up
    calibration: str  # how PixelSpacing was corrected: GEOMETRY or FIDUCIAL; empty: not said
    magnification: float | None
    aspect: Vector | None  # 2, a pixel's height and width, in any unit
    for_processing: bool
    burned_in: str  # YES, NO, or not said


@dataclass(frozen=True, slots=True)
class Frame:
    """One image: a plane of a volume, if it says where it is."""

    header: Header
    index: int  # among the frames of its file, from 0
    number: int  # InstanceNumber
    position: Vector | None  # 3, LPS mm of the centre of the first pixel
    orientation: Vector | None  # 6, direction cosines along a row, then down a column
    spacing: Vector | None  # 2, mm between rows, between columns
    thickness: float | None  # mm between slices as stated, else of a slice
    slope: float | None
    intercept: float | None
    rescale_type: str
    tags: dict[str, str]  # those of DISCRIMINATORS that are there
    projection: Projection | None = None  # of a radiograph, which has no place in the patient

    @property
    def file(self) -> File:
        """The file it lies in."""
        return self.header.file

    def __str__(self) -> str:
        many = self.header.frames > 1
        return f"{self.file.name} (frame {self.index + 1})" if many else self.file.name


@dataclass(frozen=True, slots=True)
class NotAnImage:
    """A sound DICOM file that holds no planes of a scan: a report, contours, a dose, a directory."""

    file: File
    modality: str


@dataclass(frozen=True, slots=True)
class SegmentationHeader:
    """A DICOM segmentation object, found and not yet read; ``references`` are series outlined."""

    file: File
    identity: Identity
    study_uid: str
    series_uid: str
    references: tuple[str, ...] = ()


class DamagedFileError(UnreadableError):
    """A DICOM file that is cut short or unreadable; it may be a slice of the series named."""

    def __init__(self, message: str, *, series_uid: str = "") -> None:
        super().__init__(message)
        self.series_uid = series_uid


def digest(text: str) -> str:
    """Twelve hexadecimal digits that stand for ``text``; empty for empty."""
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else ""
