"""From stored pixels to Hounsfield units and the like (PS3.3 C.7.6.3, C.7.5.1.1.2, C.11.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medlib.io.dicom.frames import Frame, Header
from medlib.io.dicom.pixels import Pixels, stored_pixels
from medlib.io.stack import narrowest


def rescaled(
    frames: Sequence[Frame], *, background: float, factor: float = 1.0
) -> tuple[Pixels, tuple[str, ...]]:
    """The frames' values, (slice, row, column), and what was mended in them.

    Each frame has its own slope and intercept. Pixels marked as padding become ``background``;
    bits above those stored (old overlays lie there) are cleared.

    Args:
        frames: in slice order, of one size.
        background: what padding becomes, in output units.
        factor: multiplies every value after the rescale (PET's SUV).

    Returns:
        int16 or int32 where every value is whole by its header, else float32.
    """
    shape = (len(frames), frames[0].header.rows, frames[0].header.columns)
    whole = factor == 1.0 and all(_is_whole(frame) for frame in frames)
    values = np.empty(shape, _whole_type(frames) if whole else np.float32)
    cleared = 0
    for k, (frame, stored) in enumerate(zip(frames, stored_pixels(frames), strict=True)):
        padding = padded(stored, frame.header)
        pixels = without_high_bits(stored, frame.header)
        if pixels is not stored:
            changed = pixels != stored
            cleared += int((changed if padding is None else changed & ~padding).sum())
        if whole:
            values[k] = pixels
            values[k] += int(frame.intercept or 0)
        else:
            slope = 1.0 if frame.slope is None else frame.slope
            scaled = pixels * np.float64(slope) + (frame.intercept or 0.0)
            values[k] = scaled * factor
        if padding is not None:
            values[k][padding] = background
    notes = (f"bits above BitsStored were cleared in {cleared} voxels",) if cleared else ()
    return narrowest(values), notes


def _is_whole(frame: Frame) -> bool:
    return frame.slope in (None, 1.0) and float(frame.intercept or 0.0).is_integer()


def _whole_type(frames: Sequence[Frame]) -> type[np.signedinteger]:
    """int16 if the headers promise that every value fits, else int64 until they are all known."""
    lows, highs = [], []
    for frame in frames:
        bits, signed = frame.header.bits_stored, frame.header.signed
        lows.append((-(1 << (bits - 1)) if signed else 0) + (frame.intercept or 0))
        highs.append((1 << (bits - signed)) - 1 + (frame.intercept or 0))
    return np.int16 if min(lows) >= -(1 << 15) and max(highs) < 1 << 15 else np.int64


def padded(stored: Pixels, header: Header) -> Pixels | None:
    """Where the stored values stand for no measurement; None where nothing does."""
    if header.padding is None:
        return None
    low, high = header.padding
    where: Pixels = (stored == low) if low == high else (stored >= low) & (stored <= high)
    return where if where.any() else None


def without_high_bits(stored: Pixels, header: Header) -> Pixels:
    """The bits that are stored, moved down to the lowest; the sign is kept."""
    allocated, bits = header.bits_allocated, header.bits_stored
    if bits >= allocated:
        return stored
    native = header.pixels_at is not None
    down = header.high_bit + 1 - bits if native else 0  # decoders move them down themselves
    up = allocated - bits - down
    pixels: Pixels
    if header.signed:
        pixels = (stored << up) >> (up + down)
    else:
        pixels = (stored >> down) & np.array((1 << bits) - 1, stored.dtype)
    return pixels
