"""Pixels as they are stored, out of native or compressed DICOM files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from medlib.io.dicom.frames import Frame, Header
from medlib.io.dicom.headers import quiet, read_dataset
from medlib.io.files import FILE_ERRORS, UnreadableError

Pixels = np.ndarray[Any, Any]

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_JPEG_12_BIT = "1.2.840.10008.1.2.4.51"


def stored_type(header: Header) -> np.dtype[Any]:
    """The type of a pixel as it lies in the file, in this machine's byte order."""
    return np.dtype(f"{'i' if header.signed else 'u'}{header.bits_allocated // 8}")


def stored_pixels(frames: Sequence[Frame]) -> Iterator[Pixels]:
    """The stored values of each frame in turn, (row, column).

    Native pixels are read straight from where the header said they are, about five times faster
    than parsing the file again; compressed ones by pydicom's decoders, and what those cannot
    decode (12-bit lossy JPEG) by SimpleITK.

    Raises:
        UnreadableError: naming the file whose pixels cannot be decoded.
    """
    decoded: tuple[Header, Pixels] | None = None
    for frame in frames:
        header = frame.header
        if header.pixels_at is not None and header.bits_allocated in (8, 16, 32):
            yield _native(frame, header.pixels_at)
            continue
        if decoded is None or decoded[0] is not header:
            decoded = header, _decoded(frame)
        yield decoded[1][frame.index]


def _native(frame: Frame, start: int) -> Pixels:
    header = frame.header
    dtype = stored_type(header)
    length = header.rows * header.columns * dtype.itemsize
    try:
        raw = frame.file.read(start + frame.index * length, length)
    except FILE_ERRORS as error:
        raise UnreadableError(f"{frame.file.name} can no longer be read") from error
    if len(raw) != length:
        raise UnreadableError(f"{frame.file.name} ends before its pixels do")
    big = header.transfer_syntax == _BIG_ENDIAN
    values = np.frombuffer(raw, dtype.newbyteorder(">" if big else "<"))
    return values.reshape(header.rows, header.columns)


def _decoded(frame: Frame) -> Pixels:
    """All frames of a compressed file: (frame, row, column)."""
    header = frame.header
    try:
        with quiet(), header.file.open() as stream:
            pixels: Pixels = read_dataset(stream).pixel_array
    except Exception as error:  # a decoder may raise almost anything
        if header.transfer_syntax != _JPEG_12_BIT:
            raise _undecodable(frame) from error
        pixels = _decoded_by_simpleitk(frame)
    wanted = (header.frames, header.rows, header.columns)
    if pixels.size != np.prod(wanted):
        raise UnreadableError(f"{header.file.name} decodes to {pixels.shape}, not to {wanted}")
    return pixels.reshape(wanted)


def _undecodable(frame: Frame) -> UnreadableError:
    return UnreadableError(
        f"{frame.file.name}: its pixels are damaged or in an encoding that is not read "
        f"(transfer syntax {frame.header.transfer_syntax})"
    )


def _decoded_by_simpleitk(frame: Frame) -> Pixels:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    try:
        with frame.file.on_disk() as path:
            reader.SetFileName(str(path))
            values: Pixels = SimpleITK.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:  # its own words may hold the whole path
        raise _undecodable(frame) from error
    # SimpleITK has applied the rescale; what is wanted here is what was stored.
    stored = (values - (frame.intercept or 0.0)) / (frame.slope or 1.0)
    return np.rint(stored).astype(stored_type(frame.header))
