"""Scans a few voxels wide, with a structure at the patient's left and another at the right.

Left is brighter than its surroundings and right is darker by as much, so that a network of one
voxel's sight can tell them apart and interpolation between them passes through background.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from strategies import voxels
from torch import Tensor, nn

from medlib.io import write_nifti
from medlib.space import Grid
from medlib.types import Labels, Mask, MRVolume, Volume

SIDES = Labels.of(["left kidney", "right kidney"])
CONTRAST = 100.0


def structures(grid: Grid, *, seed: int = 0, labels: Labels = SIDES) -> Mask:
    """An ellipsoid at the patient's left (id 1) and a smaller one, further up, at the right."""
    shake = np.random.default_rng(seed).uniform(-1, 1, (2, 3))
    extent = np.array(grid.shape) * np.array(grid.spacing)
    unit = float(extent.min()) / 24
    away = (voxels(grid) - grid.centre) / unit
    left = np.linalg.norm((away - [6, 0, -2] - shake[0]) / [4, 6, 7], axis=-1) <= 1
    right = np.linalg.norm((away - [-6, 1, 3] - shake[1]) / [4, 5, 5], axis=-1) <= 1
    ids = np.where(left, labels.ids[0], np.where(right, labels.ids[1], 0)).astype(np.int32)
    return Mask(torch.from_numpy(ids)[None], grid, labels)


def scan_of(mask: Mask, *, kind: type[Volume] = MRVolume, noise: float = 0.0, seed: int = 0):
    """What a scanner would see of it: left bright, right dark."""
    a, b = mask.labels.ids
    clean = CONTRAST * ((mask.data == a).float() - (mask.data == b).float())
    draw = torch.Generator().manual_seed(seed)
    return kind(clean + noise * torch.randn(clean.shape, generator=draw), mask.grid)


def write_task(
    folder: Path,
    count: int = 6,
    *,
    shape: Sequence[int] = (20, 24, 24),
    spacing: Sequence[float] = (1.2, 1.0, 1.0),
    noise: float = 10.0,
    prefix: str = "case",
) -> Path:
    """``images/case_1.nii.gz`` … and ``labels/``, with a table."""
    for number in range(1, count + 1):
        mask = structures(Grid.from_axes(shape, spacing=spacing), seed=number)
        write_nifti(
            scan_of(mask, noise=noise, seed=number), named(folder, "images", prefix, number)
        )
        plain = Mask(mask.data, mask.grid)  # as others write it, without medlib's own table
        write_nifti(plain, named(folder, "labels", prefix, number))
    table = {str(label.id): label.name for label in SIDES}
    (folder / "labels" / "labels.json").write_text(json.dumps(table))
    return folder


def named(folder: Path, part: str, prefix: str, number: int) -> Path:
    path = folder / part / f"{prefix}_{number}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_series(
    folder: Path,
    scan: Volume,
    *,
    modality: str = "MR",
    patient: str = "SECRETID",
    name: str = "Secret^Name",
) -> Path:
    """A DICOM series, a file a slice, whose columns and rows are the grid's."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

    folder.mkdir(parents=True)
    grid, study, series, frame = scan.grid, *(generate_uid() for _ in range(3))
    for k, plane in enumerate(scan.data[0].round().to(torch.int16).numpy()):
        d = Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
        d.SOPInstanceUID = generate_uid()
        d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID
        d.file_meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
        d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "M"]
        d.Modality, d.Manufacturer, d.AccessionNumber = modality, "maker", ""
        d.StudyDate, d.StudyTime, d.StudyID = "20200102", "101112", "1"
        d.PatientName, d.PatientID, d.PatientBirthDate = name, patient, "19500607"
        d.PatientSex, d.ReferringPhysicianName = "F", ""
        d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = study, series, frame
        d.PositionReferenceIndicator, d.SeriesNumber, d.InstanceNumber = "", 1, k + 1
        d.SliceThickness = grid.spacing[0]
        d.ImagePositionPatient = [float(f"{v:.9g}") for v in grid.to_patient([k, 0, 0])]
        along, down = grid.directions[:, 2], grid.directions[:, 1]
        d.ImageOrientationPatient = [float(f"{v:.9g}") for v in (*along, *down)]
        d.PixelSpacing = [float(f"{s:.9g}") for s in grid.spacing[1:]]
        d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
        d.Rows, d.Columns = plane.shape
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 16, 15, 1
        if modality == "CT":
            d.RescaleSlope, d.RescaleIntercept = 1, 0
        d.PixelData = plane.tobytes()
        d.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)
    return folder


class Seer(nn.Module):
    """The right answer from each voxel's own value, in the units of :func:`scan_of`."""

    def __init__(self, *, scale: float = 1.0) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.tensor([0.0, CONTRAST, -CONTRAST]) * scale)
        self.sharp = 20.0 / (CONTRAST * scale)

    def forward(self, x: Tensor) -> Tensor:
        return -(x - self.levels[:, None, None, None]).abs() * self.sharp


class Says(nn.Module):
    """A network that gives the same whatever it sees."""

    def __init__(self, raw: Tensor) -> None:
        super().__init__()
        self.raw = nn.Parameter(raw)

    def forward(self, x: Tensor) -> Tensor:
        return self.raw
