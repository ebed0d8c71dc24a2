"""Scans and outlines as the browser wants them, with axes to the right, front and head.

A scan goes as NIfTI. Of an outline only a box of voxels goes, either way, with what is said of it:
a line of JSON, then a byte a voxel.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from medlib.types import Mask, Volume
from serving.turning import Turn, upright

LARGEST = 64 * 2**20
"""Bytes that may be sent; a packed whole-body CT with a hundred structures has a tenth of it."""
_LONGEST = 2**17  # bytes of the line: a few thousand slices, hundreds of clicks
_EMPTY = np.zeros((0, 0, 0), np.uint8)

Ids = npt.NDArray[np.uint8]
Window = tuple[slice, slice, slice]


class MaskRefusedError(ValueError):
    """A mask is not of this scan, or none that can be painted."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A box of an outline, as the viewer has it.

    Args:
        ids: of its voxels, along the viewer's axes (axial, coronal, sagittal slices).
        start: its first voxel.
        said: of it: plain JSON values.
    """

    ids: Ids = field(default_factory=lambda: _EMPTY)
    start: tuple[int, int, int] = (0, 0, 0)
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> Window:
        """The voxels that it covers."""
        a, b, c = (slice(s, s + n) for s, n in zip(self.start, self.ids.shape, strict=True))
        return a, b, c

    def pack(self) -> bytes:
        """The line and the voxels; the browser counts x, y, z."""
        low = [*self.start[::-1]]
        high = [s + n - 1 for s, n in zip(low, self.ids.shape[::-1], strict=True)]
        box = {"low": low, "high": high} if self.ids.size else {"low": None, "high": None}
        line = json.dumps(dict(self.said) | box, separators=(",", ":"), allow_nan=False)
        return line.encode() + b"\n" + self.ids.tobytes()


def unpack(packed: bytes, shape: tuple[int, int, int]) -> Patch:
    """The patch that a browser sent.

    Args:
        packed: gzipped.
        shape: of the scan, along the viewer's axes.

    Raises:
        MaskRefusedError: when it is none, with what is wrong.
    """
    line, _, voxels = _unpacked(packed, _LONGEST + int(np.prod(shape))).partition(b"\n")
    try:
        said = json.loads(line)
        low, high = said.pop("low"), said.pop("high")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise MaskRefusedError("the mask does not say what it is") from None
    if low is None and high is None and not voxels:
        return Patch(said=said)
    box = _box(low, high, shape)
    size = [at.stop - at.start for at in box]
    if len(voxels) != np.prod(size):
        raise MaskRefusedError("the mask has not as many voxels as its box")
    ids = np.frombuffer(voxels, np.uint8).reshape(size)
    return Patch(ids, (box[0].start, box[1].start, box[2].start), said)


def encode_volume(volume: Volume) -> bytes:
    """A scan as NIfTI, in whole numbers where it has no others.

    Raises:
        ValueError: for a volume of several channels.
    """
    if volume.data.shape[0] != 1:
        raise ValueError(f"a scan of {volume.data.shape[0]} channels cannot be shown as one")
    values = Turn.of(volume.grid).view(volume.data[0].numpy())
    whole = np.issubdtype(values.dtype, np.integer) or bool((values == np.rint(values)).all())
    fits = whole and values.min(initial=0) >= -32768 and values.max(initial=0) <= 32767
    values = values.astype(np.int16 if fits else np.float32)
    affine = upright(volume.grid).to_ras()
    image = nibabel.Nifti1Image(values.T, affine, dtype=values.dtype)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(1.0, 0.0)
    image.set_sform(affine, code=1)
    image.set_qform(
        None if volume.grid.is_sheared else affine, code=int(not volume.grid.is_sheared)
    )
    packed: bytes = image.to_bytes()
    return packed


def patch_of(mask: Mask, said: Mapping[str, Any]) -> Patch:
    """The box that holds all structures of a mask of one layer.

    Raises:
        MaskRefusedError: when ids do not fit into a byte.
    """
    values = mask.data[0].numpy()
    if values.size and int(values.max()) > 255:
        raise MaskRefusedError("the viewer paints ids up to 255; these structures have larger ones")
    window = window_of(values > 0)
    if window is None:
        return Patch(said=said)
    shown = Turn.of(mask.grid)
    a, b, c = (at.start for at in shown.shown_window(window))
    return Patch(shown.view(values)[shown.shown_window(window)].astype(np.uint8), (a, b, c), said)


def window_of(inside: npt.NDArray[np.bool_]) -> Window | None:
    """The smallest window that holds all that is true; None where nothing is."""
    spans = []
    for axis in range(3):
        # What was found of earlier axes narrows where the later ones are looked for.
        lines = np.flatnonzero(inside.any(tuple(k for k in range(3) if k != axis)))
        if not len(lines):
            return None
        spans.append(slice(int(lines[0]), int(lines[-1]) + 1))
        inside = inside[(slice(None),) * axis + (spans[-1],)]
    return spans[0], spans[1], spans[2]


def _box(low: object, high: object, shape: tuple[int, int, int]) -> Window:
    """A box as the browser says it (x, y, z; its last voxel included), if the scan has it."""
    ends = []
    for corner in (low, high):
        if not (
            isinstance(corner, list) and len(corner) == 3 and all(_is_index(n) for n in corner)
        ):
            raise MaskRefusedError("the mask does not say where its box lies")
        ends.append(corner[::-1])
    for first, last, n in zip(*ends, shape, strict=True):
        if not 0 <= first <= last < n:
            raise MaskRefusedError("the mask reaches beyond the scan: it is of another one")
    a, b, c = (slice(first, last + 1) for first, last in zip(*ends, strict=True))
    return a, b, c


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _unpacked(packed: bytes, most: int) -> bytes:
    """At most so many bytes; a bomb is not unpacked further than that."""
    stream = zlib.decompressobj(wbits=31)
    try:
        raw = stream.decompress(packed, most)
    except zlib.error:
        raise MaskRefusedError("the mask was damaged on its way: it is no gzip") from None
    if not stream.eof or stream.unused_data:
        raise MaskRefusedError("the mask was cut short, or has more voxels than the scan")
    return raw
