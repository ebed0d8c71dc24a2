"""A study as DICOM files: CT Image Storage (PS3.3 A.3) and its Segmentation (A.51)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from medlib._version import __version__
from medlib.datasets.phantom.study import Plan, Study
from medlib.types import Labels, Mask

if TYPE_CHECKING:
    from pydicom import Dataset

_INTERCEPT = -1024
_DATE = "20240101"  # invented, like the patients


def write_images(study: Study, plan: Plan, *, seed: int, folder: Path) -> None:
    """Write a study's slices into ``folder``, twelve bits to a pixel."""
    folder.mkdir(parents=True)
    template = _template(study, plan, seed)
    stored = (study.hu - np.int16(_INTERCEPT)).astype("<u2")
    numbers = np.arange(1, len(stored) + 1)
    names = numbers.copy()
    if plan.shuffled:
        rng = np.random.default_rng([seed, plan.number, 1])
        numbers, names = rng.permutation(numbers), rng.permutation(names)
    for index, (image, number, name) in enumerate(zip(stored, numbers, names, strict=True)):
        uid = derived_uid(seed, plan.name, "image", index)
        template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = uid
        template.InstanceNumber = int(number)
        position = study.grid.to_patient([index, 0, 0])
        template.ImagePositionPatient = [_decimal(v) for v in position]
        template.PixelData = image.tobytes()
        template.save_as(folder / f"{name:04d}{plan.extension}", enforce_file_format=True)


def write_labels(
    study: Study, plan: Plan, labels: Labels, *, seed: int, images: Path, path: Path
) -> None:
    """Write a study's labels as a segmentation (SEG) that refers to its images."""
    from medlib.io import survey, write_seg

    (stack,) = survey(images).stacks
    write_seg(
        Mask(torch.from_numpy(study.labels)[None], study.grid, labels),
        stack,
        path,
        algorithm_name="medlib phantom",
        algorithm_version=__version__,
        series_description="What was drawn",
        series_uid=derived_uid(seed, plan.name, "labels"),
        instance_uid=derived_uid(seed, plan.name, "segmentation"),
    )


def derived_uid(*of: object) -> str:
    """A unique identifier (PS3.5 B.2) that is always the same for the same things."""
    digest = hashlib.sha256("/".join(map(str, of)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _template(study: Study, plan: Plan, seed: int) -> Dataset:
    """What the images of a series have in common."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = _DATE
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "120000"
    ds.AccessionNumber = ""
    ds.Modality = "CT"
    ds.Manufacturer = "medlib"
    ds.ManufacturerModelName = "phantom"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Abdomen (made up)"
    ds.SeriesDescription = f"Abdomen, {study.phase} (made up)"
    ds.PatientName = plan.name.replace("-", "^")
    ds.PatientID = plan.name
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    ds.BodyPartExamined = "ABDOMEN"
    ds.ContrastBolusAgent = "made up"  # every phase of the recipe has one
    ds.KVP = "120"
    ds.PatientPosition = "FFS" if plan.feet_first else "HFS"
    ds.StudyInstanceUID = derived_uid(seed, plan.name, "study")
    ds.SeriesInstanceUID = derived_uid(seed, plan.name, "series")
    ds.FrameOfReferenceUID = derived_uid(seed, plan.name, "frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.StudyID = str(plan.number)
    ds.SeriesNumber = 2
    ds.AcquisitionNumber = 1
    directions, (thickness, *pixel) = study.grid.directions, study.grid.spacing
    ds.ImageOrientationPatient = [_decimal(v) for v in [*directions[:, 2], *directions[:, 1]]]
    ds.PixelSpacing = [_decimal(v) for v in pixel]
    ds.SliceThickness = _decimal(thickness)
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = study.grid.shape[1:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelRepresentation = 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = str(_INTERCEPT), "1", "HU"
    ds.WindowCenter, ds.WindowWidth = "50", "400"
    ds.BurnedInAnnotation = "NO"
    return ds


def _decimal(value: float) -> str:
    """A decimal string of at most sixteen characters (PS3.5 6.2)."""
    from pydicom.valuerep import format_number_as_ds

    return str(format_number_as_ds(float(value)))
