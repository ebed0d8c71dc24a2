"""DICOM segmentations in (PS3.3 A.51, A.90): every frame to its place on a grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medlib.io.dicom import geometry
from medlib.io.dicom.frames import Frame
from medlib.io.dicom.headers import quiet, read_dataset, read_frames
from medlib.io.files import File, UnreadableError
from medlib.space import Grid
from medlib.types import Code, Label, Labels, Mask
from medlib.types.ids import layered

if TYPE_CHECKING:
    from pydicom import Dataset

Array = np.ndarray[Any, Any]


def read_segmentation(file: File, *, on: Grid | None = None) -> Mask:
    """The mask in a DICOM SEG, binary or label map.

    Args:
        file: the SEG.
        on: its image's grid. Slices that the SEG leaves out as empty are empty in the mask, whose
            grid is ``on`` with its axes in the SEG's own order and direction. Left out: the
            smallest grid that holds the frames there are.

    Raises:
        UnreadableError: when the file is damaged, holds fractions, or does not lie on ``on``.
    """
    try:
        with quiet(), file.open() as stream:
            dataset = read_dataset(stream)
            frames = read_frames(file, dataset)
            pixels = dataset.pixel_array.reshape(len(frames), dataset.Rows, dataset.Columns)
            kind = str(dataset.SegmentationType)
            labels = _labels(dataset)
            numbers = _segment_numbers(dataset) if kind == "BINARY" else []
    except UnreadableError:
        raise
    except Exception as error:  # a damaged file makes pydicom raise almost anything
        raise UnreadableError(f"{file.name} cannot be read as a DICOM segmentation") from error
    if kind not in ("BINARY", "LABELMAP"):
        raise UnreadableError(f"{file.name} is a {kind.lower()} segmentation, not a binary one")
    own = _own_grid(frames, file.name)
    grid = own if on is None else on.reoriented(own.orientation)
    slices = _slices(frames, grid)
    if slices is None:
        raise UnreadableError(
            f"{file.name} lies on another grid than its image: {grid.difference(own)}"
        )
    if kind == "LABELMAP":
        voxels = np.zeros((1, *grid.shape), np.uint8 if pixels.dtype.itemsize == 1 else np.int32)
        voxels[0, slices] = pixels
    else:
        segments = _segments(pixels, slices, numbers, grid)
        voxels = layered(segments, grid.shape, top=max(numbers))
    mask = Mask(torch.from_numpy(voxels), grid, labels)
    if unknown := mask.unknown_ids():
        raise UnreadableError(f"{file.name} uses segments that it does not describe: {unknown}")
    return mask


def _labels(dataset: Dataset) -> Labels:
    """The segments as a label table; a repeated name gets its number."""
    found: dict[str, Label] = {}
    for item in dataset.SegmentSequence:
        number = int(item.SegmentNumber)
        if number == 0:  # a label map may describe its background
            continue
        name = str(item.get("SegmentLabel") or f"segment {number}").strip()
        name = f"{name} {number}" if name in found else name
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        value = kind.get("CodeValue") or kind.get("LongCodeValue") or ""
        code = Code(str(value), str(kind.get("CodingSchemeDesignator", "")), str(kind.CodeMeaning))
        found[name] = Label(number, name, code, _colour(item))
    return Labels(tuple(found.values()))


def _colour(item: Dataset) -> str:
    """``#RRGGBB``; empty where the segment states no colour."""
    from highdicom.color import CIELabColor

    if "RecommendedDisplayCIELabValue" not in item:
        return ""
    encoded = tuple(int(v) for v in item.RecommendedDisplayCIELabValue)
    rgb = CIELabColor.from_dicom_value(encoded).to_rgb()
    return "#" + "".join(f"{v:02X}" for v in rgb)


def _segment_numbers(dataset: Dataset) -> list[int]:
    """The segment each frame belongs to."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [None]
    numbers = []
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        holder = groups if "SegmentIdentificationSequence" in groups else shared[0]
        numbers.append(int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber))
    return numbers


def _segments(
    pixels: Array, slices: Sequence[int], numbers: Sequence[int], grid: Grid
) -> Iterator[tuple[int, Array]]:
    """Each segment in turn: its number, and where it is."""
    for number in sorted(set(numbers)):
        where = np.zeros(grid.shape, bool)
        for i, (k, owner) in enumerate(zip(slices, numbers, strict=True)):
            if owner == number:
                where[k] |= pixels[i] != 0
        yield number, where


def _own_grid(frames: Sequence[Frame], name: str) -> Grid:
    """The smallest grid that holds every frame, with slices that were left out put back."""
    for frame in frames:
        geometry.check_plane(frame)
        if not geometry.parallel(frame, frames[0]):
            raise UnreadableError(f"{name} holds frames of several orientations")
    planes = [place[0] for place in geometry.places(frames)]
    if len(planes) == 1:
        return geometry.to_grid(planes)[0]
    gaps = np.diff(geometry.depths(planes))
    stated = planes[0].thickness
    step = stated if stated and stated < gaps.min() * 1.01 else float(gaps.min())
    counts = np.rint(gaps / step)
    if np.abs(gaps / step - counts).max() > 0.1:
        raise UnreadableError(f"{name} holds frames at uneven distances")
    first, last = (np.array(planes[i].position, dtype=np.float64) for i in (0, -1))
    affine = geometry.plane_affine(planes[0], (last - first) / counts.sum())
    return Grid((int(counts.sum()) + 1, *_plane_shape(planes[0])), affine)


def _plane_shape(frame: Frame) -> tuple[int, int]:
    return frame.header.rows, frame.header.columns


def _slices(frames: Sequence[Frame], grid: Grid) -> list[int] | None:
    """The slice of the grid in which each frame lies; None if one does not lie on it."""
    tolerance = geometry.tolerance_mm(grid.spacing[0])
    found = []
    for frame in frames:
        if _plane_shape(frame) != grid.shape[1:]:
            return None
        k = round(float(grid.to_index(np.array(frame.position))[0]))
        if not 0 <= k < grid.shape[0]:
            return None
        own = Grid((1, *_plane_shape(frame)), geometry.plane_affine(frame, grid.affine[:3, 0]))
        there = grid.window((k, 0, 0), own.shape)
        if not own.close_to(there, tolerance_mm=tolerance):
            return None
        found.append(k)
    return found
