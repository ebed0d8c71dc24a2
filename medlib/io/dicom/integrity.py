"""Whether the pixels of a DICOM file are all there, seen without decoding them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pydicom import Dataset

_NATIVE = {"1.2.840.10008.1.2": "<", "1.2.840.10008.1.2.1": "<", "1.2.840.10008.1.2.2": ">"}
_DEFLATED = "1.2.840.10008.1.2.1.99"


class PixelsMissingError(ValueError):
    """The pixel data are not all there; the message says how."""


def pixels_start(dataset: Dataset, stream: BinaryIO, size: int) -> int | None:
    """Where the pixels start if they are stored plainly; None if compressed or deflated.

    Args:
        dataset: what was read before the pixels.
        stream: the file, where pydicom stopped: at the tag of the pixel data.
        size: the file's length in bytes.

    Raises:
        PixelsMissingError: when the file ends before they do, or holds none.
    """
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    frames = int(dataset.get("NumberOfFrames") or 1)
    pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel") or 1)
    expected = (pixels * int(dataset.BitsAllocated) * frames + 7) // 8
    if syntax == _DEFLATED:
        return None
    implicit = bool(dataset.original_encoding[0])
    order = _NATIVE.get(syntax, "<")
    start = stream.tell()
    head = stream.read(8 if implicit else 12)
    if len(head) < 8 or struct.unpack(order + "HH", head[:4]) != (0x7FE0, 0x0010):
        raise PixelsMissingError("it holds no pixel data of whole numbers")
    length = struct.unpack(order + "L", head[-4:])[0]
    if syntax in _NATIVE:
        available = min(length, size - start - len(head))
        if available < expected:
            raise PixelsMissingError(
                f"it holds {available} of the {expected} bytes of pixels that its header promises"
            )
        return start + len(head)
    stream.seek(start + len(head))
    if _fragments(stream, size) < frames:
        raise PixelsMissingError("its compressed pixels end early")
    return None


def _fragments(stream: BinaryIO, size: int) -> int:
    """How many whole fragments follow (PS3.5 A.4), without the offset table before them."""
    found = -1
    while len(head := stream.read(8)) == 8:
        group, element, length = struct.unpack("<HHL", head)
        if (group, element) != (0xFFFE, 0xE000) or stream.tell() + length > size:
            break
        stream.seek(length, 1)
        found += 1
    return found
