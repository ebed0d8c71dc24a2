"""What a DICOM file says of its images, read without the pixels.

A single-frame file gives one :class:`Frame`, a multi-frame file one for each of its frames
(PS3.3 C.7.6.16); everything after this module is the same for both.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from medlib.io.dicom.frames import (
    DISCRIMINATORS,
    DamagedFileError,
    Frame,
    Header,
    Identity,
    NotAnImage,
    Projection,
    SegmentationHeader,
    Vector,
    digest,
)
from medlib.io.dicom.integrity import PixelsMissingError, pixels_start
from medlib.io.files import File, UnreadableError

if TYPE_CHECKING:
    from pydicom import Dataset

_KEYWORDS = (
    "ReferencedSeriesSequence",
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "Modality", "PatientID"),
    *("PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "SeriesInstanceUID"),
    *("SeriesNumber", "FrameOfReferenceUID", "ImagesInAcquisition", "NumberOfFrames", "Rows"),
    *("Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored"),
    *("HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "InstanceNumber", "ModalityLUTSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("PatientOrientation", "ImagerPixelSpacing", "NominalScannedPixelSpacing"),
    *("PixelSpacingCalibrationType", "EstimatedRadiographicMagnificationFactor"),
    *("PixelAspectRatio", "PresentationIntentType", "BurnedInAnnotation"),
    *(keyword for keyword, _ in DISCRIMINATORS),
)
_RADIOGRAPHS = {"CR", "DX", "MG", "IO", "PX", "RG"}  # modalities of projections without a place
_OVERLAY_BIT = 0x60000102


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's complaints, which can quote patients' data, off the screen and the logs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def looks_like_dicom(start: bytes) -> bool:
    """Whether a file that starts so is DICOM, with its preamble or (old files) without."""
    if start[128:132] == b"DICM":
        return True
    group, element = struct.unpack("<HH", start[:4]) if len(start) >= 8 else (0, 0)
    little = group in (0x0002, 0x0008) and element < 0x0100
    return little or (start[:3] == b"\x00\x08\x00" and len(start) >= 8)


def read_dataset(stream: BinaryIO, **kwargs: Any) -> Dataset:
    """``pydicom.dcmread``, for files without preamble or File Meta Information too."""
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    dataset = dcmread(stream, force=True, **kwargs)
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset


def read_header(file: File) -> list[Frame] | NotAnImage | SegmentationHeader:
    """The frames of a DICOM file, or what it is instead of images.

    Raises:
        DamagedFileError: when the file cannot be read, or ends before its pixels do.
        UnreadableError: when it holds an image that is not of one number a pixel.
    """
    series_uid = ""
    try:
        with quiet(), file.open() as stream:
            dataset = read_dataset(
                stream, stop_before_pixels=True, specific_tags=[*_KEYWORDS, _OVERLAY_BIT]
            )
            modality = _text(dataset, "Modality")
            sop_class = _text(dataset, "SOPClassUID") or _text(
                dataset.file_meta, "MediaStorageSOPClassUID"
            )
            if modality == "SEG":
                return SegmentationHeader(
                    file,
                    _identity(dataset),
                    _text(dataset, "StudyInstanceUID"),
                    _text(dataset, "SeriesInstanceUID"),
                    tuple(
                        _text(series, "SeriesInstanceUID")
                        for series in dataset.get("ReferencedSeriesSequence", ())
                    ),
                )
            without = "Rows" not in dataset and not _promises_pixels(sop_class, modality)
            if without or modality == "RTDOSE":  # a dose grid says its places in another manner
                return NotAnImage(file, modality or "no modality")
            series_uid = _text(dataset, "SeriesInstanceUID")
            header = _header(file, dataset, pixels_start(dataset, stream, file.size()))
            return _frames(header, dataset)
    except UnreadableError:
        raise
    except Exception as error:  # a damaged file makes pydicom raise almost anything
        raise DamagedFileError(
            f"{file.name} is cut short or damaged: {_reason(error)}", series_uid=series_uid
        ) from error


def _promises_pixels(sop_class: str, modality: str) -> bool:
    """Whether an object of this class holds an image; one that says nothing is cut short."""
    from pydicom.uid import UID

    if not sop_class:
        return modality in {"", "CT", "MR", "PT"}
    return bool(UID(sop_class).name.endswith("Image Storage"))


def read_frames(file: File, dataset: Dataset) -> list[Frame]:
    """The frames of a data set that has been read whole."""
    return _frames(_header(file, dataset, None), dataset)


def _header(file: File, dataset: Dataset, pixels_at: int | None) -> Header:
    allocated = int(dataset.BitsAllocated)
    stored = int(dataset.get("BitsStored") or allocated)
    high = int(dataset.get("HighBit", stored - 1))
    if not 1 <= stored <= high + 1 <= allocated:
        raise DamagedFileError(
            f"{file.name} states impossible bits: {stored} stored up to bit {high} of {allocated}",
            series_uid=_text(dataset, "SeriesInstanceUID"),
        )
    signed = bool(dataset.get("PixelRepresentation", 0))
    return Header(
        file=file,
        identity=_identity(dataset),
        sop_class=_text(dataset, "SOPClassUID"),
        sop_instance=_text(dataset, "SOPInstanceUID"),
        modality=_text(dataset, "Modality"),
        study_uid=_text(dataset, "StudyInstanceUID"),
        series_uid=_text(dataset, "SeriesInstanceUID"),
        series_number=_text(dataset, "SeriesNumber"),
        frame_of_reference=_text(dataset, "FrameOfReferenceUID"),
        transfer_syntax=str(dataset.file_meta.TransferSyntaxUID),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        frames=int(dataset.get("NumberOfFrames") or 1),
        samples=int(dataset.get("SamplesPerPixel") or 1),
        photometric=_text(dataset, "PhotometricInterpretation"),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=signed,
        padding=_padding(dataset, allocated, signed),
        overlay_in_pixels=bool(dataset[_OVERLAY_BIT].value) if _OVERLAY_BIT in dataset else False,
        lookup_table=bool(dataset.get("ModalityLUTSequence")),
        images_in_acquisition=_integer(dataset, "ImagesInAcquisition"),
        pixels_at=pixels_at,
    )


def _reason(error: Exception) -> str:
    """Our own words pass; those of a library may quote the file's contents."""
    return str(error) if isinstance(error, PixelsMissingError) else "its header cannot be read"


def _frames(header: Header, dataset: Dataset) -> list[Frame]:
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    each = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if each and len(each) != header.frames:
        raise DamagedFileError(
            f"{header.file.name} describes {len(each)} of its {header.frames} frames",
            series_uid=header.series_uid,
        )
    common = _plain_values(dataset)
    for group in shared:
        common |= _macro_values(group)
    return [
        _frame(header, i, common | _macro_values(each[i]) if each else common)
        for i in range(header.frames)
    ]


def _plain_values(dataset: Dataset) -> dict[str, Any]:
    """What is stated outright, by keyword; empty values and sequences are left out."""
    return {
        element.keyword: element.value
        for element in dataset
        if element.VR != "SQ" and element.value not in (None, "")
    }


def _macro_values(groups: Dataset) -> dict[str, Any]:
    """What a frame's functional groups state (each is a sequence of one item)."""
    values: dict[str, Any] = {}
    for element in groups:
        if element.VR == "SQ" and element.value:
            values |= _plain_values(element.value[0])
    return values


def _frame(header: Header, index: int, values: dict[str, Any]) -> Frame:
    """A frame from all that is stated of it."""
    find = values.get

    def vector(keyword: str, count: int) -> Vector | None:
        numbers = tuple(float(v) for v in find(keyword) or ())
        return numbers if len(numbers) == count else None

    def number(keyword: str) -> float | None:
        stated = float(values[keyword]) if keyword in values else None
        if stated is not None and not math.isfinite(stated):
            raise ValueError(f"{keyword} is no number")
        return stated

    pairs = [(keyword, find(keyword)) for keyword, _ in DISCRIMINATORS]
    tags = {keyword: _plain(value) for keyword, value in pairs if value is not None}
    frame_type = find("FrameType")
    if frame_type is not None:
        tags["ImageType"] = _plain(frame_type)
    thickness = number("SpacingBetweenSlices") or number("SliceThickness")
    return Frame(
        header=header,
        index=index,
        number=int(find("InstanceNumber") or 0),
        position=vector("ImagePositionPatient", 3),
        orientation=vector("ImageOrientationPatient", 6),
        spacing=vector("PixelSpacing", 2),
        thickness=abs(thickness) if thickness else None,
        slope=number("RescaleSlope"),
        intercept=number("RescaleIntercept"),
        rescale_type=str(find("RescaleType") or "").strip().upper(),
        tags=tags,
        projection=_projection(header, values),
    )


def _projection(header: Header, values: dict[str, Any]) -> Projection | None:
    """What a radiograph says of itself; None for anything else."""
    if header.modality not in _RADIOGRAPHS or header.frames > 1:
        return None
    if "ImagePositionPatient" in values:
        return None

    def pair(keyword: str) -> Vector | None:
        numbers = tuple(float(v) for v in values.get(keyword) or ())
        return numbers if len(numbers) == 2 else None

    factor = values.get("EstimatedRadiographicMagnificationFactor")
    return Projection(
        sides=tuple(str(v) for v in values.get("PatientOrientation") or ()),
        detector=pair("ImagerPixelSpacing") or pair("NominalScannedPixelSpacing"),
        calibration=str(values.get("PixelSpacingCalibrationType", "")).strip().upper(),
        magnification=None if factor is None else float(factor),
        aspect=pair("PixelAspectRatio"),
        for_processing=str(values.get("PresentationIntentType", "")).upper() == "FOR PROCESSING",
        burned_in=str(values.get("BurnedInAnnotation", "")).strip().upper(),
    )


def _identity(dataset: Dataset) -> Identity:
    name = _text(dataset, "PatientName").upper().replace("^", " ").split()
    return Identity(
        patient_id=digest(_text(dataset, "PatientID")),
        name=digest(" ".join(name)),
        birth_date=digest(_text(dataset, "PatientBirthDate")),
        sex=digest(_text(dataset, "PatientSex")),
    )


def _padding(dataset: Dataset, bits: int, signed: bool) -> tuple[int, int] | None:
    """The range of stored values that stand for no measurement (PS3.3 C.7.5.1.1.2)."""
    ends = [
        _wrapped(dataset[keyword].value, bits, signed)
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
        if keyword in dataset and dataset[keyword].value not in (None, "", b"")
    ]
    return (min(ends), max(ends)) if ends and "PixelPaddingValue" in dataset else None


def _wrapped(value: Any, bits: int, signed: bool) -> int:
    """A value as pixels of this width hold it, whichever of US and SS it was written in."""
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
    number &= (1 << bits) - 1
    return number - (1 << bits) if signed and number >> (bits - 1) else number


def _text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip()


def _integer(dataset: Dataset, keyword: str) -> int | None:
    text = _text(dataset, keyword)
    return int(text) if text.isdigit() else None


def _plain(value: Any) -> str:
    parts = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    return "-".join(f"{v:.10g}" if isinstance(v, float) else str(v) for v in parts)
