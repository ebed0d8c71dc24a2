"""Standardised uptake values by body weight, by the vendor-neutral pseudo-code of QIBA.

QIBA, "Computing SUV, happy path only" (qibawiki.rsna.org, Standardized Uptake Value).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from medlib.io.dicom.frames import Frame
from medlib.io.dicom.headers import quiet, read_dataset
from medlib.io.files import File, UnreadableError

if TYPE_CHECKING:
    from pydicom import Dataset

_KEYWORDS = (
    *("Units", "SUVType", "CorrectedImage", "DecayCorrection", "PatientWeight", "SeriesDate"),
    *("SeriesTime", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime"),
    "RadiopharmaceuticalInformationSequence",
)


def suv_factor(frames: Sequence[Frame]) -> float:
    """What the rescaled values of a PET series are multiplied by to give SUVbw (g/ml).

    Raises:
        UnreadableError: naming the attribute that is missing or unfit.
    """
    headers = [_header(file) for file in dict.fromkeys(frame.file for frame in frames)]
    first, name = headers[0], frames[0].file.name
    units = _needed(first, "Units", name)
    if units == "GML" and str(first.get("SUVType") or "BW") == "BW":
        return 1.0
    if units != "BQML":
        raise UnreadableError(
            f"{name}: Units (0054,1001) is {units}; SUV needs BQML (or GML by body weight)"
        )
    corrections = first.get("CorrectedImage") or ()
    if not {"ATTN", "DECY"} <= set(corrections):
        raise UnreadableError(
            f"{name}: CorrectedImage (0028,0051) lacks ATTN or DECY: SUV cannot be computed"
        )
    weight = float(_needed(first, "PatientWeight", name))
    drug = _needed(first, "RadiopharmaceuticalInformationSequence", name)[0]
    dose = float(_needed(drug, "RadionuclideTotalDose", name))
    if min(weight, dose) <= 0:
        raise UnreadableError(
            f"{name}: PatientWeight (0010,1030) or RadionuclideTotalDose (0018,1074) is not positive"
        )
    match _needed(first, "DecayCorrection", name):
        case "ADMIN":
            decayed = dose
        case "START":
            half_life = float(_needed(drug, "RadionuclideHalfLife", name))
            scan = _scan_start(headers, name)
            seconds = (scan - _injection(drug, scan, name)).total_seconds()
            if seconds < 0 or half_life <= 0:
                raise UnreadableError(f"{name}: the dose was given after the scan, by its header")
            decayed = dose * 2 ** (-seconds / half_life)
        case other:
            raise UnreadableError(
                f"{name}: DecayCorrection (0054,1102) is {other}; SUV needs START or ADMIN"
            )
    return weight * 1000.0 / decayed


def _header(file: File) -> Dataset:
    try:
        with quiet(), file.open() as stream:
            return read_dataset(stream, stop_before_pixels=True, specific_tags=list(_KEYWORDS))
    except Exception as error:  # a damaged file makes pydicom raise almost anything
        raise UnreadableError(f"{file.name} can no longer be read") from error


def _needed(dataset: Dataset, keyword: str, name: str) -> Any:
    value = dataset.get(keyword)
    if value in (None, "") or (hasattr(value, "__len__") and not len(value)):
        from pydicom.datadict import tag_for_keyword
        from pydicom.tag import Tag

        raise UnreadableError(
            f"{name} lacks {keyword} {Tag(tag_for_keyword(keyword))}, "
            "without which SUV cannot be computed"
        )
    return value


def _scan_start(headers: Sequence[Dataset], name: str) -> datetime:
    """When the scan began: SeriesTime, or where that is later (the series was made anew from
    another), the earliest acquisition.
    """
    acquired = min(_moment(header, "Acquisition", name) for header in headers)
    try:
        series = _moment(headers[0], "Series", name)
    except UnreadableError:
        return acquired
    return min(series, acquired)


def _moment(dataset: Dataset, what: str, name: str) -> datetime:
    date = str(_needed(dataset, f"{what}Date", name))
    time = str(_needed(dataset, f"{what}Time", name))
    return _parsed(date + time, name)


def _injection(drug: Dataset, scan: datetime, name: str) -> datetime:
    """When the dose was given; a bare time later than the scan's was on the day before."""
    if stated := str(drug.get("RadiopharmaceuticalStartDateTime") or ""):
        return _parsed(stated, name)
    time = str(_needed(drug, "RadiopharmaceuticalStartTime", name))
    moment = _parsed(scan.strftime("%Y%m%d") + time, name)
    return moment - timedelta(days=1) if moment > scan else moment


def _parsed(text: str, name: str) -> datetime:
    """A DICOM date and time; a zone is left off, as all times of a scan share one."""
    whole, _, fraction = text.partition("+")[0].partition(".")
    try:
        moment = datetime.strptime(whole[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
        return moment + timedelta(seconds=float(f"0.{fraction or 0}"))
    except ValueError:
        raise UnreadableError(f"{name} states a date or time that is none") from None
