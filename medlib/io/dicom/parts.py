"""The volumes within one series: echoes, b-values, time points, reconstructions; and copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medlib.io.dicom import geometry
from medlib.io.dicom.frames import DISCRIMINATORS, Frame
from medlib.io.dicom.pixels import stored_pixels
from medlib.io.files import UnreadableError

# These may change from slice to slice within one volume, so they tell volumes apart only where
# one of the groups they make is complete.
_WEAK = {"TriggerTime", "FrameReferenceTime", "SliceThickness", "AcquisitionNumber"} | {
    "AcquisitionDateTime",
    "AcquisitionTime",
}
# These never change within one volume, so they tell volumes apart even where no two images clash:
# two reconstructions may lie between each other's slices.
_STRICT = {"EchoNumbers", "EchoTime", "EffectiveEchoTime", "DiffusionBValue", "ConvolutionKernel"}
# Free text and dates stay out of names: they are numbered instead.
_NUMBERED = {"description", "protocol", "contrast", "acquired", "direction"}

Part = tuple[str, list[Frame], list[str]]  # its name, its frames, its repairs


def split(frames: Sequence[Frame]) -> list[Part]:
    """Frames of one orientation and size into volumes with one frame at each place.

    Raises:
        UnreadableError: when several images lie at one place and nothing tells them apart.
    """
    gathered = geometry.places(frames)
    most = max(map(len, gathered))
    if most == 1:
        mixed = [(k, w) for k, w in DISCRIMINATORS if k in _STRICT and len(_by_tag(frames, k)) > 1]
        return _parted(frames, *mixed[0]) if mixed else [("", [p[0] for p in gathered], [])]
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
        return _parted(frames, keyword, word)
    if part := _without_copies(gathered):
        return [part]
    clash = next(place for place in gathered if len(place) > 1)
    raise UnreadableError(
        f"{clash[0]} and {clash[1]} lie at one place with different pixels, "
        "and nothing in their headers says which belongs to the volume"
    )


def _parted(frames: Sequence[Frame], keyword: str, word: str) -> list[Part]:
    """The parts of each group that a tag makes."""
    groups = _by_tag(frames, keyword)
    names = _part_names(word, list(groups))
    return [
        (name + inner, members, repairs)
        for name, group in zip(names, groups.values(), strict=True)
        for inner, members, repairs in split(group)
    ]


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
