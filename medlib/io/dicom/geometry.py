"""From the planes of a series to the grid of a volume (PS3.3 C.7.6.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from medlib.io.dicom.frames import Frame
from medlib.io.files import UnreadableError
from medlib.space import Grid
from medlib.space.grid import FloatArray

SAME_PLACE_MM = 0.01
"""Planes nearer to each other than this lie at one place."""
_PARALLEL = 1e-3  # largest difference of direction cosines between planes called parallel


def parallel(a: Frame, b: Frame) -> bool:
    """Whether two frames have the same orientation."""
    return bool(np.abs(np.subtract(a.orientation or (), b.orientation or ())).max() < _PARALLEL)


def normal(frame: Frame) -> FloatArray:
    """The unit vector that stands on a frame's plane, right-handed with its row and column."""
    cosines = np.array(frame.orientation, dtype=np.float64).reshape(2, 3)
    upright: FloatArray = np.cross(cosines[0], cosines[1])
    return upright / np.linalg.norm(upright)


def depths(frames: Sequence[Frame]) -> FloatArray:
    """How far along the common normal each frame lies, in millimetres."""
    positions = np.array([frame.position for frame in frames], dtype=np.float64)
    along: FloatArray = positions @ normal(frames[0])
    return along


def places(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Parallel frames gathered by place, in the order of the normal (random order is mended)."""
    along = depths(frames)
    gathered: list[list[Frame]] = []
    last = -np.inf
    for i in np.argsort(along, kind="stable"):
        if along[i] - last > SAME_PLACE_MM:
            gathered.append([])
        last = along[i]
        gathered[-1].append(frames[i])
    return gathered


def check_plane(frame: Frame) -> None:
    """Refuse a frame that does not say where it is.

    Raises:
        UnreadableError: naming the file and the attribute that is missing or senseless.
    """
    for value, what in (
        (frame.position, "ImagePositionPatient (0020,0032)"),
        (frame.orientation, "ImageOrientationPatient (0020,0037)"),
        (frame.spacing, "PixelSpacing (0028,0030)"),
    ):
        if value is None or not np.isfinite(value).all():
            raise UnreadableError(f"{frame} lacks {what}, so its place in the patient is unknown")
    if min(frame.spacing or ()) <= 0:
        raise UnreadableError(f"{frame} states a PixelSpacing that is not positive")
    row, column = np.array(frame.orientation).reshape(2, 3)
    if abs(row @ column) > _PARALLEL or np.abs([row @ row - 1, column @ column - 1]).max() > 0.01:
        raise UnreadableError(f"{frame} states an ImageOrientationPatient that is no right angle")


def to_grid(frames: Sequence[Frame]) -> tuple[Grid, list[str]]:
    """The grid of parallel frames in the order of their normal, one at each place, and warnings.

    The slice axis is the line from the first position to the last, so that rounded positions
    do not add up and a tilted gantry's shear is kept exactly.

    Raises:
        UnreadableError: when slices are missing or unevenly spaced, or a lone slice has no
            thickness.
    """
    first = frames[0]
    warnings: list[str] = []
    if len(frames) == 1:
        if first.thickness is None:
            raise UnreadableError(
                f"{first} is a single image without SliceThickness (0018,0050): not a volume"
            )
        step = normal(first) * first.thickness
        warnings.append(
            f"a single slice: its thickness of {first.thickness:g} mm is taken from the header"
        )
    else:
        positions = np.array([frame.position for frame in frames], dtype=np.float64)
        step = (positions[-1] - positions[0]) / (len(frames) - 1)
        _check_even(frames, positions, step)
        tilt = np.degrees(np.arccos(min(1.0, step @ normal(first) / np.linalg.norm(step))))
        if tilt > 0.1:
            warnings.append(f"tilted gantry: slices lean by {tilt:.1f}°; the grid is sheared")
    shape = (len(frames), first.header.rows, first.header.columns)
    return Grid(shape, plane_affine(first, step)), warnings


def plane_affine(frame: Frame, step: FloatArray) -> FloatArray:
    """(4, 4), from (slice, row, column) to LPS, of a frame and its neighbours ``step`` apart."""
    cosines = np.array(frame.orientation, dtype=np.float64).reshape(2, 3)
    along_row, down_column = cosines / np.linalg.norm(cosines, axis=1, keepdims=True)
    row_mm, column_mm = frame.spacing or (1.0, 1.0)
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = down_column * row_mm  # the row index grows down a column
    affine[:3, 2] = along_row * column_mm  # the column index grows along a row
    affine[:3, 3] = frame.position
    return affine


def tolerance_mm(step: float) -> float:
    """How far a slice may lie from its even place: rounded positions, not a missing slice."""
    return min(max(0.05, 0.02 * step), 0.25 * step)


def _check_even(frames: Sequence[Frame], positions: FloatArray, step: FloatArray) -> None:
    tolerance = tolerance_mm(float(np.linalg.norm(step)))
    expected = positions[0] + np.arange(len(frames))[:, None] * step
    if np.linalg.norm(positions - expected, axis=1).max() <= tolerance:
        return
    gaps = np.diff(depths(frames))
    usual = float(np.median(gaps))
    widest = int(np.argmax(gaps))
    missing = np.rint(gaps / usual) - 1
    if np.abs(gaps / usual - np.rint(gaps / usual)).max() < 0.1 and missing.max() > 0:
        raise UnreadableError(
            f"{int(missing.sum())} slice(s) are missing, the first between "
            f"{_pair(frames, int(np.argmax(missing > 0)))}. Fetch the series again."
        )
    if gaps.max() - gaps.min() > tolerance:
        raise UnreadableError(
            f"slices are unevenly spaced, from {gaps.min():.4g} to {gaps.max():.4g} mm "
            f"(the widest gap is between {_pair(frames, widest)})"
        )
    raise UnreadableError("slices are shifted against each other within their planes")


def _pair(frames: Sequence[Frame], i: int) -> str:
    return f"{frames[i]} and {frames[i + 1]}"


def same_plane_size(frames: Iterable[Frame]) -> bool:
    """Whether all frames have the same rows, columns and pixel spacing."""
    sizes = [(f.header.rows, f.header.columns, *(f.spacing or ())) for f in frames]
    return all(
        size[:2] == sizes[0][:2] and np.allclose(size[2:], sizes[0][2:], rtol=1e-4)
        for size in sizes
    )
