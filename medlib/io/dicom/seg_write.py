"""DICOM segmentations out (PS3.3 A.51, A.90), by highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medlib._version import __version__
from medlib.io.dicom.headers import quiet, read_dataset
from medlib.io.dicom.stacks import DicomStack
from medlib.io.files import UnreadableError, written_whole
from medlib.io.placing import placed
from medlib.io.stack import Stack
from medlib.types import Code, Label, Mask
from medlib.types.anatomy import TISSUE, Concept, concept_for

if TYPE_CHECKING:
    import highdicom
    from pydicom import Dataset

Array = np.ndarray[Any, Any]

_REQUIRED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
# Type 2: must be there, may be empty; older files leave some out.
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


def write_seg(
    mask: Mask,
    stack: Stack,
    path: str | Path,
    *,
    algorithm_name: str,
    algorithm_version: str,
    algorithm_type: Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"] = "AUTOMATIC",
    series_description: str = "Segmentation",
    series_number: int = 1000,
    series_uid: str = "",
    instance_uid: str = "",
    labelmap: bool = False,
    creator: str = "",
    remark: str = "",
) -> tuple[str, ...]:
    """Write a mask as a DICOM SEG that refers to the images it was drawn on.

    A structure's code is its label's, or the one :func:`medlib.types.anatomy.concept_for` knows
    for its name; sides become modifiers. Patient and study are those of the images. Structures
    that nobody looked for have no segment: an empty one would say that they are not there.

    Args:
        mask: on the grid of ``stack`` (its axes may run another way).
        stack: the DICOM images, from :func:`medlib.io.survey`.
        path: the file; an existing one is replaced.
        algorithm_name: what made the mask.
        algorithm_version: which version of it.
        algorithm_type: whether a program made it alone, with a person's help, or a person did.
        series_description: shown by viewers.
        series_number: of the new series.
        series_uid: of the new series; left out, a new one.
        instance_uid: of the new object; left out, a new one.
        labelmap: write the newer Label Map segmentation, smaller and not yet known to many
            viewers and archives, instead of the binary one. It cannot hold overlaps.
        creator: the person who made the segmentation, or has had it made.
        remark: on it, such as who has reviewed it; up to 64 characters. DICOM has no flag for that
            in a segmentation (Approval is no module of its IOD); a report of measurements has,
            :func:`medlib.io.write_measurements`.

    Returns:
        Warnings: which structures had no code and are called a tissue, with their name.

    Raises:
        UnreadableError: when the images lack an identifier to refer to, or the mask is on
            another grid.
        ValueError: when the stack is not DICOM, the mask holds ids without a label, parts of it
            were not looked at, a name is longer than DICOM's 64 characters, or a label map would
            lose overlaps.
    """
    path = Path(path)
    if not isinstance(stack, DicomStack):
        raise ValueError(f"{stack.name} is not DICOM: write the mask with write_nifti")
    if unknown := mask.unknown_ids():
        raise ValueError(f"the mask holds ids without a label: {unknown}")
    if bool(mask.unseen().any()):
        raise ValueError(
            "parts of this mask were not looked at, and a DICOM segmentation would call them "
            "background; write it with write_nifti"
        )
    if labelmap and mask.overlaps:
        raise ValueError("a label map cannot hold structures that overlap")
    labels = _written(mask)
    if not labels:
        raise ValueError(
            "the mask has no labels that were looked for, so there is nothing to write"
        )
    import highdicom as hd
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

    kinds = hd.seg.SegmentationTypeValues
    concepts = [concept_of(label) for label in labels]
    algorithm = (algorithm_type, algorithm_name, algorithm_version)
    with quiet():
        sources = _sources(stack)
        segmentation = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=_planes(placed(mask, stack.grid, stack.name), labels),
            segmentation_type=kinds.LABELMAP if labelmap else kinds.BINARY,
            segment_descriptions=[
                _description(number, label, concept, algorithm)
                for number, (label, concept) in enumerate(
                    zip(labels, concepts, strict=True), start=1
                )
            ],
            series_instance_uid=series_uid or generate_uid(),
            series_number=series_number,
            sop_instance_uid=instance_uid or generate_uid(),
            instance_number=1,
            manufacturer="medlib",
            manufacturer_model_name=algorithm_name,
            software_versions=(f"medlib {__version__}", algorithm_version),
            device_serial_number="none",
            content_label="SEGMENTATION",
            series_description=series_description,
            content_creator_name=person_name(creator) or None,
            content_description=remark[:64] or None,
            transfer_syntax_uid=RLELossless if labelmap else ExplicitVRLittleEndian,
            **_geometry(stack, sources),
        )
        with written_whole(path) as partial:
            segmentation.save_as(partial)
    return tuple(
        f"{label.name!r} has no code: it is written as a tissue of that name"
        for label, concept in zip(labels, concepts, strict=True)
        if concept.type == TISSUE and label.code is None
    )


def _sources(stack: DicomStack) -> list[Dataset]:
    """The headers of the images, in slice order, with what highdicom needs filled in."""
    if len(stack.files) > 1 and any(frame.header.frames > 1 for frame in stack.frames):
        raise UnreadableError(f"{stack.name} is spread over several multi-frame files")
    sources = []
    for file in stack.files:
        try:
            with file.open() as stream:
                dataset = read_dataset(stream, stop_before_pixels=True)
        except Exception as error:  # a damaged file makes pydicom raise almost anything
            raise UnreadableError(f"{file.name} can no longer be read") from error
        for keyword in _REQUIRED:
            if not dataset.get(keyword):
                raise UnreadableError(
                    f"{file.name} lacks its {keyword}, so a segmentation cannot refer to it. "
                    "Write the mask as NIfTI, or fetch the images from their archive again."
                )
        for keyword in _MAY_BE_EMPTY:
            if keyword not in dataset:
                setattr(dataset, keyword, None)
        if not dataset.get("FrameOfReferenceUID"):
            dataset.FrameOfReferenceUID = _frame_of_reference(stack)
        sources.append(dataset)
    return sources


def _frame_of_reference(stack: DicomStack) -> str:
    """For images without one (it is optional in old objects), always the same for a series."""
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[stack.series_uid, "frame of reference"]))


def _geometry(stack: DicomStack, sources: Sequence[Dataset]) -> dict[str, Any]:
    """Where the planes are, said outright for a multi-frame source, of which they may be a part."""
    import highdicom as hd

    first = stack.frames[0]
    if first.header.frames == 1:
        return {}
    patient = hd.CoordinateSystemNames.PATIENT
    step = stack.grid.spacing[0]
    return {
        "plane_positions": [hd.PlanePositionSequence(patient, f.position) for f in stack.frames],
        "plane_orientation": hd.PlaneOrientationSequence(patient, first.orientation),
        "pixel_measures": hd.PixelMeasuresSequence(
            pixel_spacing=first.spacing, slice_thickness=step, spacing_between_slices=step
        ),
    }


def _written(mask: Mask) -> list[Label]:
    """The structures that were looked for, and any others that are there all the same."""
    told = {*mask.known.ids, *mask.present_ids()}
    return [label for label in mask.labels if label.id in told]


def _planes(mask: Mask, labels: Sequence[Label]) -> Array:
    """Segment numbers 1, 2, … as (slice, row, column); overlapping, as booleans with one more axis."""
    voxels: Array = mask.data.cpu().numpy()
    if mask.overlaps:
        return np.stack([(voxels == label.id).any(0) for label in labels], axis=-1)
    dtype = np.uint8 if len(labels) < 256 else np.uint16
    lookup = np.zeros(max(label.id for label in labels) + 1, dtype)
    lookup[[label.id for label in labels]] = np.arange(1, len(labels) + 1)
    numbered: Array = lookup[voxels[0]]
    return numbered


def concept_of(label: Label) -> Concept:
    """What a structure is, in codes; a tissue of its name where nobody knows better."""
    return concept_for(label.name, label.code) or Concept(TISSUE, TISSUE)


def _description(
    number: int, label: Label, concept: Concept, algorithm: tuple[str, str, str]
) -> highdicom.seg.SegmentDescription:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    if len(label.name) > 64:
        raise ValueError(f"DICOM segment names have up to 64 characters: {label.name!r}")
    how, name, version = algorithm
    identification = hd.AlgorithmIdentificationSequence(
        name=name, version=version, family=codes.DCM.ArtificialIntelligence
    )
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label.name,
        segmented_property_category=coded(concept.category),
        segmented_property_type=coded(concept.type),
        algorithm_type=how,
        algorithm_identification=None if how == "MANUAL" else identification,
        anatomic_regions=[coded(concept.region)] if concept.region else None,
        display_color=hd.color.CIELabColor.from_rgb(*label.rgb),
    )
    if concept.modifiers:
        modifiers = [coded(modifier) for modifier in concept.modifiers]
        if concept.region:
            description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = modifiers
        else:
            kind = description.SegmentedPropertyTypeCodeSequence[0]
            kind.SegmentedPropertyTypeModifierCodeSequence = modifiers
    return description


def coded(code: Code) -> highdicom.sr.CodedConcept:
    """A code as highdicom has it."""
    import highdicom as hd

    return hd.sr.CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning)


def person_name(name: str) -> str:
    """A person's name as one part of DICOM's PN (PS3.5 6.2.1.1), all in its family name.

    Example:
        >>> person_name("Ada ^Lovelace")
        'Ada Lovelace'
    """
    plain = "".join(" " if c in "^=\\" or not c.isprintable() else c for c in name)
    return " ".join(plain.split())[:64].strip()
