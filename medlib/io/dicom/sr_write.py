"""Measurements out, as DICOM structured reports (PS3.3 A.35.13, PS3.16 TID 1500), by highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medlib._version import __version__
from medlib.io.dicom.headers import quiet
from medlib.io.dicom.seg_write import coded, concept_of, person_name
from medlib.io.files import written_whole
from medlib.types import Label, Mask, measure

if TYPE_CHECKING:
    import highdicom
    from pydicom import Dataset

_SIDES = {"24028007", "7771000"}  # right, left: CID 244
_ACQUISITION = "109101"  # equipment
_MEASURED = {
    "volume": ("118565006", "SCT", "Volume"),
    "largest diameter": ("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh"),
    "long axis": ("103339001", "SCT", "Long Axis"),
    "short axis": ("103340004", "SCT", "Short Axis"),
}
_UNITS = {"ml": ("mL", "UCUM", "milliliter"), "mm": ("mm", "UCUM", "millimeter")}


@dataclass(frozen=True)
class Verifier:
    """Somebody who vouches for a report.

    Args:
        name: of the person.
        when: with its zone.
        organisation: for which, where that is known.
    """

    name: str
    when: datetime
    organisation: str = ""


def write_measurements(
    segmentation: str | Path,
    mask: Mask,
    path: str | Path,
    *,
    observer: str,
    verified_by: Sequence[Verifier] = (),
    series_number: int = 1001,
    series_description: str = "Measurements",
) -> None:
    """Write what can be measured of a segmentation's structures as a structured report.

    For each segment: its volume, largest diameter, long and short axis
    (:func:`medlib.types.measure`). The report is ``VERIFIED``, with its verifying observers, if
    somebody vouches for it, and ``UNVERIFIED`` else (PS3.3 C.17.2); a segmentation itself has no
    such flag.

    Args:
        segmentation: the DICOM SEG that the report refers to.
        mask: what was written to it.
        path: of the file; an existing one is replaced.
        observer: the person who made the segmentation, or has had it made.
        verified_by: who vouches for it.
        series_number: of the new series.
        series_description: shown by viewers.
    """
    import highdicom as hd
    import pydicom
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    with quiet():
        source = pydicom.dcmread(segmentation, stop_before_pixels=True)
        labels = {label.name: label for label in mask.labels}
        person = hd.sr.ObserverContext(
            observer_type=codes.DCM.Person,
            observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
                name=person_name(observer)
            ),
        )
        found = _measured(mask)
        report = hd.sr.MeasurementReport(
            observation_context=hd.sr.ObservationContext(observer_person_context=person),
            procedure_reported=hd.sr.CodedConcept("363679005", "SCT", "Imaging procedure"),
            imaging_measurements=[
                _group(source, segment.SegmentNumber, labels[segment.SegmentLabel], found)
                for segment in source.SegmentSequence
            ],
            title=codes.DCM.ImagingMeasurementReport,
        )
        first = verified_by[0] if verified_by else None
        document = hd.sr.Comprehensive3DSR(
            evidence=[source],
            content=report,
            series_instance_uid=generate_uid(),
            series_number=series_number,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="medlib",
            manufacturer_model_name="medlib",
            software_versions=f"medlib {__version__}",
            device_serial_number="none",
            is_complete=True,
            is_final=first is not None,
            is_verified=first is not None,
            verifying_observer_name=first and person_name(first.name),
            verifying_organization=first and _organisation(first),
            series_description=series_description,
        )
        if verified_by:
            document.VerifyingObserverSequence = [_verifying(one) for one in verified_by]
        # highdicom takes what wrote the segmentation for what has acquired the images
        document.ContributingEquipmentSequence = [
            one
            for one in document.ContributingEquipmentSequence
            if one.PurposeOfReferenceCodeSequence[0].CodeValue != _ACQUISITION
        ]
        with written_whole(Path(path)) as partial:
            document.save_as(partial)


def _measured(mask: Mask) -> dict[tuple[str, str], tuple[float, str]]:
    """(value, unit) by structure and what is measured; volumes also of what is not there."""
    found = {(name, "volume"): (ml, "ml") for name, ml in mask.volumes_ml().items()}
    by_name = {one.name: one for one in measure(mask)}
    for label in mask.labels:
        for what in _MEASURED:
            if one := by_name.get(f"{label.name} {what}"):
                found[label.name, what] = (one.value, one.unit)
    return found


def _group(
    source: Dataset, number: int, label: Label, found: dict[tuple[str, str], tuple[float, str]]
) -> highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    import highdicom as hd

    concept = concept_of(label)
    segment = source.SegmentSequence[number - 1]
    name = segment.get("SegmentAlgorithmName")
    sides = [modifier for modifier in concept.modifiers if modifier.value in _SIDES]
    place = concept.region or (concept.type if sides else None)
    measurements = [
        hd.sr.Measurement(
            name=hd.sr.CodedConcept(*code),
            value=float(f"{found[label.name, what][0]:.6g}"),
            unit=hd.sr.CodedConcept(*_UNITS[found[label.name, what][1]]),
        )
        for what, code in _MEASURED.items()
        if (label.name, what) in found
    ]
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=label.name),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=source.SOPClassUID,
            sop_instance_uid=source.SOPInstanceUID,
            segment_number=number,
            source_series=hd.sr.SourceSeriesForSegmentation(
                source.ReferencedSeriesSequence[0].SeriesInstanceUID
            ),
        ),
        finding_type=coded(concept.type),
        finding_category=coded(concept.category),
        algorithm_id=name
        and hd.sr.AlgorithmIdentification(
            name=name,
            version=segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion,
        ),
        finding_sites=place
        and [hd.sr.FindingSite(coded(place), laterality=coded(sides[0]) if sides else None)],
        measurements=measurements,
    )


def _verifying(verifier: Verifier) -> Dataset:
    from pydicom import Dataset
    from pydicom.valuerep import DT

    said = Dataset()
    said.VerifyingObserverName = person_name(verifier.name)
    said.VerifyingOrganization = _organisation(verifier)
    said.VerificationDateTime = DT(f"{verifier.when.astimezone(UTC):%Y%m%d%H%M%S}+0000")
    said.VerifyingObserverIdentificationCodeSequence = []  # type 2: may be empty
    return said


def _organisation(verifier: Verifier) -> str:
    return verifier.organisation[:64] or "not stated"
