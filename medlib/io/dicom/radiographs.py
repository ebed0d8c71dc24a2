"""DICOM projection radiographs: computed, digital, dental and mammographic (PS3.3 A.2, A.26, A.27).

They have no place in the patient's space. What they say of a pixel's size and of the patient's
sides is taken as it is said (10.7.1.3, C.7.6.1.1.1), and what they leave open is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medlib.io.dicom.frames import Frame, Header, Projection, digest
from medlib.io.dicom.headers import quiet, read_dataset
from medlib.io.dicom.pixels import Pixels, stored_pixels
from medlib.io.dicom.rescale import padded, without_high_bits
from medlib.io.dicom.stacks import DicomStack
from medlib.io.files import UnreadableError
from medlib.io.projection import SIZE, UNSIZED, flat_grid, sides_of
from medlib.io.stack import Refusal, Stack, narrowest
from medlib.types import Radiograph, Volume

if TYPE_CHECKING:
    from pydicom import Dataset

_MOST_BITS = 16


@dataclass(frozen=True, kw_only=True)
class RadiographStack(DicomStack):
    """A radiograph in a DICOM image.

    Its values are those that a viewer shows, before anybody turns to the window: through the
    Modality LUT; through the VOI LUT where that is a curve, which is how its maker meant it to
    look, and not where it is a straight window, which would only cut values off; and turned over
    where low is shown white (MONOCHROME1), so that what lets little through is bright.
    """

    def _voxels(self, kind: type[Volume]) -> tuple[Pixels, tuple[str, ...]]:
        (frame,) = self.frames
        header = frame.header
        with quiet(), frame.file.open() as stream:
            dataset = read_dataset(stream, stop_before_pixels=True)
        stored = next(iter(stored_pixels(self.frames)))
        empty = padded(stored, header)
        table, first, notes = _table(dataset, header)
        values = table[without_high_bits(stored, header).astype(np.int64) - first]
        if empty is not None:
            values[empty] = kind.default_background
        return narrowest(values[None]), notes


def radiographs(frames: Sequence[Frame]) -> tuple[list[Stack], list[Refusal]]:
    """A stack of each radiograph of a series, and what of it cannot be used.

    Args:
        frames: of one series, each with its ``projection``.
    """
    stacks: list[Stack] = []
    refusals = []
    known: set[str] = set()
    ordered = sorted(frames, key=lambda frame: (frame.number, str(frame.file)))
    for number, frame in enumerate(ordered, start=1):
        if (instance := frame.header.sop_instance) in known:
            reason = f"{frame} is a copy of another image of its series"
            refusals.append(Refusal((frame.file,), reason, aside=True))
            continue
        known |= {instance} - {""}
        part = "" if len(ordered) == 1 else f"_{number}"
        try:
            stacks.append(_stack(frame, part))
        except UnreadableError as error:
            refusals.append(Refusal((frame.file,), str(error)))
    return stacks, refusals


def _stack(frame: Frame, part: str) -> RadiographStack:
    header, said = frame.header, frame.projection
    assert said is not None
    if header.bits_stored > _MOST_BITS:
        raise UnreadableError(
            f"{frame} stores {header.bits_stored} bits a pixel; radiographs have {_MOST_BITS} at "
            "most"
        )
    spacing, calibration, warnings = _spacing(frame, said)
    sides, doubts = sides_of(said.sides)
    try:
        grid = flat_grid((header.rows, header.columns), spacing, sides)
    except ValueError as error:
        raise UnreadableError(f"{frame}: {error}") from error
    if said.for_processing:
        doubts.append("meant for processing: raw values of the detector, not made to be looked at")
    if said.burned_in == "YES":
        doubts.append("text is burned into the pixels, and may name the patient")
    repairs = []
    if header.photometric == "MONOCHROME1":
        repairs.append(
            "MONOCHROME1 (low is white): values are turned over, so that dense is bright"
        )
    if header.padding is not None:
        low, high = header.padding
        repairs.append(f"pixels marked as padding (stored {low} to {high}) are read as 0")
    where = header.study_uid or str(header.file.folder)
    return RadiographStack(
        name=header.file.folder.name,
        files=(frame.file,),
        kind=Radiograph,
        grid=grid,
        modality=header.modality,
        patient=header.identity.key or digest(where),
        study=digest(where),
        series_uid=header.series_uid,
        warnings=(*warnings, *doubts),
        repairs=tuple(repairs),
        calibration=calibration,
        frames=(frame,),
        part=part,
    )


def _spacing(frame: Frame, said: Projection) -> tuple[Sequence[float], str, list[str]]:
    """Millimetres between rows and columns, whose they are, and what to know about them."""
    factor = said.magnification
    larger = f" (stated: {factor:g} times)" if factor and factor > 1 else ""
    at_detector = (
        f"{SIZE}millimetres are those of the detector; what is in the patient looks larger than "
        f"it is{larger}"
    )
    own, detector = frame.spacing, said.detector
    if own and said.calibration:
        how = said.calibration.lower()
        return own, how, [f"{SIZE}corrected by {how}, right at one depth of the patient only"]
    if own and detector and np.allclose(own, detector, rtol=1e-4):
        return own, "detector", [at_detector]
    if own:
        other = " and differs from the detector's" if detector else ""
        text = f"{SIZE}Pixel Spacing does not say how it was calibrated{other}; do not rely on it"
        return own, "unknown", [text]
    if detector:
        return detector, "detector", [at_detector]
    down, across = said.aspect or (1.0, 1.0)
    if across <= 0:
        raise UnreadableError(f"{frame} states a PixelAspectRatio that is none")
    return (down / across, 1.0), "none", [UNSIZED]


def _table(dataset: Dataset, header: Header) -> tuple[Pixels, int, tuple[str, ...]]:
    """What every value that can be stored is shown as; the first such value; and what was done."""
    from pydicom.pixels.processing import apply_windowing

    bits, notes = header.bits_stored, []
    first = -(1 << (bits - 1)) if header.signed else 0
    table: Pixels = np.arange(first, first + (1 << bits))
    try:
        with quiet():
            if header.lookup_table:
                table = looked_up(table, dataset.ModalityLUTSequence[0])
                notes.append("values are those of its Modality LUT")
            else:
                slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
                table = table * float(1 if slope is None else slope) + float(intercept or 0)
            if dataset.get("VOILUTSequence"):
                table = looked_up(table, dataset.VOILUTSequence[0])
                notes.append("values are those of its VOI LUT, the curve that it is shown through")
            elif str(dataset.get("VOILUTFunction", "")).upper() == "SIGMOID":
                table = apply_windowing(table, dataset, index=0)
                notes.append("values are those of its sigmoid VOI window")
    except Exception as error:  # a LUT that is damaged makes pydicom raise almost anything
        raise UnreadableError(
            f"{header.file.name}: its lookup tables cannot be read, so that its values mean nothing"
        ) from error
    if not np.isfinite(table).all():
        raise UnreadableError(f"{header.file.name}: its rescaling gives values that are no numbers")
    if header.photometric == "MONOCHROME1":
        table = table.max().astype(np.float64) + table.min() - table
    return _whole(table), first, tuple(notes)


def looked_up(values: Pixels, item: Dataset) -> Pixels:
    """Values through a lookup table (PS3.3 C.11.1.1, C.11.2.1.1): beyond its ends, its ends.

    Args:
        values: of any shape; numbers between two entries take the nearer.
        item: of a Modality or VOI LUT Sequence.

    Raises:
        ValueError: when it holds another number of entries than it says.
    """
    count, first, _ = (int(number) for number in item.LUTDescriptor)
    count = count or 1 << 16
    if first > 0x7FFF and values.min() < 0:  # written as unsigned, and meant for signed values
        first -= 1 << 16
    entries: Any = item.LUTData
    if isinstance(entries, bytes):
        order = ">" if item.original_encoding[1] is False else "<"
        entries = np.frombuffer(entries, "u1" if len(entries) < 2 * count else f"{order}u2")
    entries = np.asarray(entries).astype(np.int64)[:count]
    if len(entries) != count:
        raise ValueError(f"a lookup table of {count} entries holds {len(entries)}")
    found: Pixels = entries[np.clip(np.rint(values).astype(np.int64) - first, 0, count - 1)]
    return found


def _whole(values: Pixels) -> Pixels:
    """The same values as whole numbers, if that is what they are."""
    if values.dtype.kind != "f":
        return values.astype(np.int64)
    rounded = np.rint(values)
    return rounded.astype(np.int64) if np.array_equal(rounded, values) else values
