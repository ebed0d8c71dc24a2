"""The frames of a series into stacks: one volume each, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from medlib.io.dicom import geometry
from medlib.io.dicom.frames import DISCRIMINATORS, Frame, digest
from medlib.io.dicom.pixels import Pixels, stored_pixels
from medlib.io.dicom.rescale import rescaled
from medlib.io.dicom.suv import suv_factor
from medlib.io.files import UnreadableError
from medlib.io.stack import Refusal, Stack
from medlib.types import CTVolume, MRVolume, PETVolume, Volume

_KINDS: dict[str, type[Volume]] = {"CT": CTVolume, "MR": MRVolume, "PT": PETVolume}
# These may change from slice to slice within one volume, so they tell volumes apart only where
# one of the groups they make is complete.
_WEAK = {"TriggerTime", "FrameReferenceTime", "SliceThickness", "AcquisitionNumber"} | {
    "AcquisitionDateTime",
    "AcquisitionTime",
}
# Free text and dates stay out of names: they are numbered instead.
_NUMBERED = {"description", "protocol", "contrast", "acquired", "direction"}


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

    def _voxels(self, kind: type[Volume]) -> tuple[Pixels, tuple[str, ...]]:
        factor = self.factor if self.kind is PETVolume else 1.0
        return rescaled(self.frames, background=kind.default_background, factor=factor)


Part = tuple[str, list[Frame], list[str]]  # its name, its frames, its repairs


def assemble(frames: Sequence[Frame]) -> tuple[list[DicomStack], list[Refusal]]:
    """The volumes of one series, and what of it cannot be used.

    Args:
        frames: all frames of one series, in any order.
    """
    refusals: list[Refusal] = []
    stacks: list[DicomStack] = []
    planes = list(frames)
    for group, reason, remedy in _not_planes(frames):
        refusals.append(_refusal(group, reason, remedy, aside=True))
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
            parts = _split(bundle)
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


def _not_planes(frames: Sequence[Frame]) -> list[tuple[list[Frame], str, str]]:
    """Frames that are no slices of a grey volume, with the reason and a remedy."""
    colour = [f for f in frames if not _is_grey(f)]
    scouts = [f for f in frames if _is_grey(f) and "LOCALIZER" in f.tags.get("ImageType", "")]
    found = []
    if colour:
        what = colour[0].header.photometric or f"{colour[0].header.samples} samples a pixel"
        reason = f"colour images ({what}), such as screenshots, hold no measured values"
        found.append((colour, reason, "Export the original images."))
    if scouts:
        found.append((scouts, "localizer (scout) images, not slices of a volume", ""))
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


def _split(frames: Sequence[Frame]) -> list[Part]:
    """Frames of one orientation and size into volumes with one frame at each place.

    Raises:
        UnreadableError: when several images lie at one place and nothing tells them apart.
    """
    gathered = geometry.places(frames)
    most = max(map(len, gathered))
    if most == 1:
        return [("", [place[0] for place in gathered], [])]
    if most > min(map(len, gathered)) and (part := _without_copies(gathered)):
        return [part]
    for keyword, word in DISCRIMINATORS:
        groups = _by_tag(frames, keyword)
        if not 2 <= len(groups) <= most:
            continue
        counts = [[len(place) for place in geometry.places(group)] for group in groups.values()]
        if max(max(count) for count in counts) >= most:
            continue
        if keyword in _WEAK and max(map(len, counts)) < len(gathered):
            continue
        names = _part_names(word, list(groups))
        return [
            (name + inner, members, repairs)
            for name, group in zip(names, groups.values(), strict=True)
            for inner, members, repairs in _split(group)
        ]
    if part := _without_copies(gathered):
        return [part]
    clash = next(place for place in gathered if len(place) > 1)
    raise UnreadableError(
        f"{clash[0]} and {clash[1]} lie at one place with different pixels, "
        "and nothing in their headers says which belongs to the volume"
    )


def _by_tag(frames: Sequence[Frame], keyword: str) -> dict[str, list[Frame]]:
    groups: dict[str, list[Frame]] = {}
    for frame in sorted(frames, key=lambda f: f.number):
        groups.setdefault(frame.tags.get(keyword, ""), []).append(frame)
    return groups


def _part_names(word: str, values: Sequence[str]) -> list[str]:
    """A short name of each part: the words in which the values differ, or a number."""
    if word in _NUMBERED:
        return [f"_{word}-{i}" for i, _ in enumerate(values, start=1)]
    words = [value.split("-") for value in values]
    common = set.intersection(*map(set, words)) if word == "type" else set()
    return [f"_{word}-{'-'.join(w for w in each if w not in common) or 'none'}" for each in words]


def _without_copies(gathered: Sequence[Sequence[Frame]]) -> Part | None:
    """One frame a place, if all others are its exact copies; else None."""
    kept, copies = [], []
    for place in gathered:
        first, *others = sorted(place, key=lambda f: (f.number, str(f.file)))
        kept.append(first)
        for other in others:
            if not _same_content(first, other):
                return None
            copies.append(other)
    names = ", ".join(str(copy) for copy in copies[:3]) + (" …" if len(copies) > 3 else "")
    return "", kept, [f"{len(copies)} exact copies of slices were left out: {names}"]


def _same_content(a: Frame, b: Frame) -> bool:
    strong = [keyword for keyword, _ in DISCRIMINATORS if keyword not in _WEAK]
    if any(a.tags.get(k) != b.tags.get(k) for k in strong):
        return False
    if (a.slope, a.intercept, a.header.padding) != (b.slope, b.intercept, b.header.padding):
        return False
    first, second = stored_pixels([a, b])
    return np.array_equal(first, second)


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
        repairs = [*repairs, f"activity turned into SUVbw (× {factor:.6g})"] * (factor != 1.0) or repairs  # fmt: skip
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
