"""Several series of one patient on one grid: the sequences of an MR, a PET and its CT."""

from __future__ import annotations

from medlib.io import Stack
from medlib.transforms import Move, Sampler, resample
from medlib.types import Volume

_SAME_MM = 0.01  # NIfTI's float32 affines and DICOM's decimal strings round below this


def check_together(series: Stack, scan: Stack) -> str:
    """Whether a series can be laid on its scan's grid, and what that takes.

    DICOM says of series whether they share a frame of reference (0020,0052): the patient then lay
    as before, and resampling puts every voxel where it belongs. Nothing else says so, so that
    nothing else is resampled unasked.

    Args:
        series: one of several.
        scan: on whose grid they are to lie.

    Returns:
        What is done on reading, in words; empty where nothing has to be.

    Raises:
        ValueError: when they lie on different grids, and share no frame of reference.
    """
    if series.grid.close_to(scan.grid, tolerance_mm=_SAME_MM):
        return ""
    if series.frame_of_reference and series.frame_of_reference == scan.frame_of_reference:
        return f"resampled onto the grid of {scan.name}, whose frame of reference it shares"
    raise ValueError(
        f"{series.name} lies on another grid than the scan, {scan.name}: "
        f"{scan.grid.difference(series.grid)}; resample it to that one, after registration if the "
        "patient has moved"
    )


def read_on(series: Stack, scan: Stack, kind: type[Volume]) -> Volume:
    """A series on the grid of its scan; see :func:`check_together`.

    Raises:
        ValueError: when it cannot be read, is of another kind, or cannot be laid there.
    """
    moved = bool(check_together(series, scan))
    volume = series.read(kind=kind)
    if not moved:
        return volume
    found: Volume = resample(volume, Sampler(Move(series.grid, scan.grid)))
    return found
