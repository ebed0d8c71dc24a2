"""The frames of a series into stacks: one volume each, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from medlib.io.dicom import geometry
from medlib.io.dicom.frames import Frame, digest
from medlib.io.dicom.parts import split
from medlib.io.dicom.pixels import Pixels
from medlib.io.dicom.rescale import rescaled
from medlib.io.dicom.suv import suv_factor
from medlib.io.files import UnreadableError
from medlib.io.stack import Refusal, Stack
from medlib.types import CTVolume, MRVolume, PETVolume, UltrasoundVolume, Volume

_KINDS: dict[str, type[Volume]] = {
    "CT": CTVolume,
    "MR": MRVolume,
    "PT": PETVolume,
    "US": UltrasoundVolume,
}


@dataclass(frozen=True, kw_only=True)
class DicomStack(Stack):
    """A volume in DICOM images.

    Args:
        frames: its planes, in slice order.
        factor: what turns PET's activity concentration into SUV; else 1.
        part: which part of its series it is, for its name; empty if it is the whole.
    """

    frames: tuple[Frame, ...] = field(repr=False)
    factor: float = 1.0
    part: str = ""

    @property
    def source(self) -> Literal["dicom"]:
        """Always ``"dicom"``."""
        return "dicom"

    @property
    def frame_of_reference(self) -> str:
        """What all planes say; empty where they do not agree."""
        said = {frame.header.frame_of_reference for frame in self.frames}
        return said.pop() if len(said) == 1 else ""

    def _voxels(self, kind: type[Volume]) -> tuple[Pixels, tuple[str, ...]]:
        factor = self.factor if self.kind is PETVolume else 1.0
        return rescaled(self.frames, background=kind.default_background, factor=factor)


def assemble(frames: Sequence[Frame]) -> tuple[list[DicomStack], list[Refusal]]:
    """The volumes of one series, and what of it cannot be used.

    Args:
        frames: all frames of one series, in any order.
    """
    refusals: list[Refusal] = []
    stacks: list[DicomStack] = []
    planes = list(frames)
    for refusal, group in _not_planes(frames):
        refusals.append(refusal)
        left_out = set(map(id, group))
        planes = [frame for frame in planes if id(frame) not in left_out]
    try:
        for frame in planes:
            geometry.check_plane(frame)
        _check_one_patient(planes)
        bundles, strays = _bundles(planes)
    except UnreadableError as error:
        return [], [*refusals, _refusal(planes, str(error))]
    refusals += [
        _refusal([stray], f"{stray} lies across its series, as a localizer does", aside=True)
        for stray in strays
    ]
    for bundle in bundles:
        try:
            parts = split(bundle)
        except UnreadableError as error:
            refusals.append(_refusal(bundle, str(error)))
            continue
        for part, members, repairs in parts:
            try:
                stacks.append(_stack(part, members, repairs, several_sizes=len(bundles) > 1))
            except UnreadableError as error:
                refusals.append(_refusal(members, str(error)))
    return stacks, refusals


def _refusal(
    frames: Iterable[Frame], reason: str, remedy: str = "", *, aside: bool = False
) -> Refusal:
    return Refusal(tuple(dict.fromkeys(f.file for f in frames)), reason, remedy, aside)


def _not_planes(frames: Sequence[Frame]) -> list[tuple[Refusal, list[Frame]]]:
    """Frames that are no slices of a grey volume, and why."""
    grey = [f for f in frames if _is_grey(f)]
    colour = [f for f in frames if not _is_grey(f)]
    scouts = [f for f in grey if "LOCALIZER" in f.tags.get("ImageType", "")]
    mosaics = [f for f in grey if "MOSAIC" in f.tags.get("ImageType", "")]
    found = []
    if colour:
        what = colour[0].header.photometric or f"{colour[0].header.samples} samples a pixel"
        reason = f"colour images ({what}), such as screenshots, hold no measured values"
        remedy = "Export the original images."
        found.append((_refusal(colour, reason, remedy, aside=True), colour))
    if scouts:
        reason = "localizer (scout) images, not slices of a volume"
        found.append((_refusal(scouts, reason, aside=True), scouts))
    if mosaics:
        reason = "each image is a mosaic of slices (Siemens), which is not read"
        remedy = "Convert them with dcm2niix, or export them as enhanced or single slices."
        found.append((_refusal(mosaics, reason, remedy), mosaics))
    return found


def _is_grey(frame: Frame) -> bool:
    return frame.header.samples == 1 and frame.header.photometric in (
        "",
        "MONOCHROME1",
        "MONOCHROME2",
    )


def _check_one_patient(frames: Sequence[Frame]) -> None:
    for frame in frames:
        a, b = frames[0].header.identity, frame.header.identity
        pairs = zip((a.patient_id, a.name, a.birth_date), (b.patient_id, b.name, b.birth_date), strict=True)  # fmt: skip
        if any(x and y and x != y for x, y in pairs):
            raise UnreadableError(
                f"{frames[0]} and {frame} share a series and yet name different patients. "
                "Find out whose images they are before using either."
            )


def _bundles(frames: Sequence[Frame]) -> tuple[list[list[Frame]], list[Frame]]:
    """Frames gathered by orientation and size, and lone ones that lie across a larger bundle."""
    by_orientation: list[list[Frame]] = []
    for frame in frames:
        bundle = next((b for b in by_orientation if geometry.parallel(b[0], frame)), None)
        if bundle is None:
            by_orientation.append([frame])
        else:
            bundle.append(frame)
    largest = max((len(b) for b in by_orientation), default=0)
    strays = [b[0] for b in by_orientation if len(b) == 1 < largest]
    bundles: list[list[Frame]] = []
    for bundle in by_orientation:
        if not (len(bundle) == 1 < largest):
            bundles += _by_size(bundle)
    return bundles, strays


def _by_size(frames: Sequence[Frame]) -> list[list[Frame]]:
    sized: list[list[Frame]] = []
    for frame in frames:
        group = next((g for g in sized if geometry.same_plane_size([g[0], frame])), None)
        if group is None:
            sized.append([frame])
        else:
            group.append(frame)
    for group in sized:
        if len(group) == 1 and len(sized) > 1:
            raise UnreadableError(
                f"{group[0]} has another size or pixel spacing than the other slices "
                "of its series, which would lack it"
            )
    return sized


def _stack(
    part: str, frames: Sequence[Frame], repairs: list[str], *, several_sizes: bool
) -> DicomStack:
    grid, warnings = geometry.to_grid(frames)
    first = frames[0].header
    if any(f.header.lookup_table for f in frames):
        raise UnreadableError("its values go through a Modality LUT, which is not read")
    kind, doubts = _kind(frames)
    if several_sizes:
        warnings.append("its series holds images of several sizes or orientations, read apart")
    expected = first.images_in_acquisition
    if expected is not None and len(frames) < expected and not part:
        warnings.append(f"the header speaks of {expected} images, {len(frames)} are here")
    if first.photometric == "MONOCHROME1":
        warnings.append("MONOCHROME1: shown inverted (low is white); values are as measured")
    factor = 1.0
    if kind is PETVolume:
        factor = suv_factor(frames)
        if factor != 1.0:
            repairs = [*repairs, f"activity concentration becomes SUVbw (× {factor:.6g})"]
    padded = [f.header.padding for f in frames if f.header.padding is not None]
    if padded:
        repairs = [*repairs, _padding_note(padded[0], kind)]
    if any(f.header.overlay_in_pixels for f in frames):
        repairs = [*repairs, "overlays kept in the pixels' high bits are cleared"]
    return DicomStack(
        name=first.file.folder.name,
        files=tuple(dict.fromkeys(frame.file for frame in frames)),
        kind=kind,
        grid=grid,
        modality=first.modality,
        patient=first.identity.key or digest(first.study_uid or str(first.file.folder)),
        study=digest(first.study_uid or str(first.file.folder)),
        series_uid=first.series_uid,
        warnings=(*warnings, *doubts),
        repairs=tuple(repairs),
        frames=tuple(frames),
        factor=factor,
        part=part,
    )


def _padding_note(padding: tuple[int, int], kind: type[Volume]) -> str:
    low, high = padding
    what = f"{low}" if low == high else f"{low} to {high}"
    units = "" if kind.default_units == "arbitrary" else f" {kind.default_units}"
    return (
        f"pixels marked as padding (stored {what}) are read as {kind.default_background:g}{units}"
    )


def _kind(frames: Sequence[Frame]) -> tuple[type[Volume], list[str]]:
    """What the volume is, and why it is less than its modality promises."""
    kind = _KINDS.get(frames[0].header.modality, Volume)
    if kind is CTVolume:
        bare = next((f for f in frames if f.slope is None or f.intercept is None), None)
        if bare is not None:
            return Volume, [
                f"{bare} lacks RescaleSlope or RescaleIntercept: these are not Hounsfield units"
            ]
        other = {f.rescale_type for f in frames} - {"", "HU"}
        if other:
            return Volume, [f"RescaleType is {', '.join(sorted(other))}, not HU"]
    return kind, []
