"""A scan in which left, front and head cannot be mistaken."""

import nibabel
import numpy as np

DOT = (24.0, 5.0, 10.0)  # LPS millimetres of the middle of a ball in the patient's left half


def phantom(number: int = 0, n: int = 64):
    """A body with a ball at :data:`DOT` and a spine, stored as DICOM is; 1.5 × 1.5 × 2 mm."""
    affine = np.diag([-1.5, -1.5, 2.0, 1.0])
    affine[:3, 3] = 48, 48, -54  # RAS millimetres of the first voxel
    i, j, k = np.indices((n, n, n))
    ras = np.moveaxis([i, j, k], 0, -1) @ affine[:3, :3] + affine[:3, 3]
    x, y, z = np.moveaxis(ras * (-1, -1, 1), -1, 0)
    values = np.full((n, n, n), -1000, np.int16)
    values[(x / 40) ** 2 + (y / 34) ** 2 + ((z - 8) / 56) ** 2 < 1] = 40
    values[(x - DOT[0]) ** 2 + (y - DOT[1]) ** 2 + (z - DOT[2]) ** 2 < 10**2] = 140
    values[x**2 + (y - 24) ** 2 < 7**2] = 700
    values[0, 0, 0] += number  # so that no two are the same scan
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    return image
