"""Synthetic DICOM series, good ones and awkward ones."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.uid import PositronEmissionTomographyImageStorage as PETImageStorage

from medlib.space import Grid

CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PETImageStorage}
AXIAL = (1, 0, 0, 0, 1, 0)


@dataclass
class Series:
    """Single-frame images in slice order, with what they truly show and where."""

    datasets: list[Dataset]
    stored: np.ndarray
    grid: Grid

    def save(self, folder: Path, names: Sequence[str] | None = None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for i, dataset in enumerate(self.datasets):
            name = names[i] if names else f"{i:03d}.dcm"
            dataset.save_as(folder / name, enforce_file_format=True)
        return folder


def make_series(
    *,
    modality: str = "CT",
    n: int = 6,
    size: tuple[int, int] = (8, 10),
    pixel_mm: tuple[float, float] = (0.8, 0.7),
    orientation: Sequence[float] = AXIAL,
    step: Sequence[float] | None = None,
    step_mm: float = 2.5,
    origin: Sequence[float] = (-31.5, -42.25, 100.0),
    low: int = 0,
    high: int = 4000,
    signed: bool = False,
    bits: int = 12,
    intercept: float | None = -1024,
    slope: float | None = 1,
    seed: int = 0,
    **attributes: object,
) -> Series:
    row, column = np.array(orientation, float).reshape(2, 3)
    along = np.cross(row, column) * step_mm if step is None else np.array(step, float)
    stored = np.random.default_rng(seed).integers(low, high, (n, *size))
    stored = stored.astype(np.int16 if signed else np.uint16)
    series, study, reference = (generate_uid() for _ in range(3))
    datasets = []
    for k in range(n):
        d = Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.SpecificCharacterSet = "ISO_IR 192"
        d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        d.SOPClassUID = d.file_meta.MediaStorageSOPClassUID = CLASSES.get(modality, CTImageStorage)
        d.SOPInstanceUID = d.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        d.StudyDate, d.StudyTime, d.AccessionNumber = "20200102", "101112", ""
        d.Modality, d.Manufacturer = modality, "maker"
        d.ReferringPhysicianName = ""
        d.PatientName, d.PatientID = "Secret^Name", "SECRETID"
        d.PatientBirthDate, d.PatientSex = "19500607", "F"
        d.SliceThickness = abs(step_mm)
        d.StudyInstanceUID, d.SeriesInstanceUID = study, series
        d.FrameOfReferenceUID, d.PositionReferenceIndicator = reference, ""
        d.StudyID, d.SeriesNumber, d.InstanceNumber = "1", 3, k + 1
        d.ImagePositionPatient = [float(f"{v:.9g}") for v in np.array(origin) + k * along]
        d.ImageOrientationPatient = list(orientation)
        d.PixelSpacing = list(pixel_mm)
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.Rows, d.Columns = size
        d.BitsAllocated, d.BitsStored, d.HighBit = 16, bits, bits - 1
        d.PixelRepresentation = int(signed)
        if slope is not None:
            d.RescaleSlope, d.RescaleIntercept = slope, intercept
        d.PixelData = stored[k].tobytes()
        for keyword, value in attributes.items():
            setattr(d, keyword, copy.deepcopy(value))
        datasets.append(d)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([along, column * pixel_mm[0], row * pixel_mm[1]], axis=1)
    affine[:3, 3] = origin
    return Series(datasets, stored, Grid((n, *size), affine))


@pytest.fixture
def series():
    return make_series


@pytest.fixture
def pixels_of():
    """Write an array into a data set's pixels."""

    def put(dataset: Dataset, values: np.ndarray) -> None:
        dataset.PixelData = np.ascontiguousarray(values).tobytes()

    return put
