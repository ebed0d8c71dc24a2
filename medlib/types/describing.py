"""Values in plain words, for a person to read: what, how large, where; nothing of the patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from textwrap import indent

from torch import Tensor

from medlib.figures import three_figures
from medlib.types.answers import Belief, Categories, Category, Measurement
from medlib.types.dispatch import verb
from medlib.types.gridded import (
    CTVolume,
    Kind,
    MRVolume,
    MultiVolume,
    PETVolume,
    Radiograph,
    Reference,
    UltrasoundVolume,
    Volume,
)
from medlib.types.masks import Mask, Probabilities
from medlib.types.shapes import Boxes, Contours, PointCloud, Points, Shape

_WORDS = {
    Volume: "volume",
    CTVolume: "CT volume",
    MRVolume: "MR volume",
    PETVolume: "PET volume",
    UltrasoundVolume: "ultrasound volume",
    Radiograph: "radiograph",
}


@verb
def describe(value: Kind) -> str:
    """A value in a line of plain words, or a few lines.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> grid = Grid.from_axes((2, 3, 4), spacing=(2.5, 0.8, 0.8))
        >>> print(describe(CTVolume(torch.full((1, 2, 3, 4), 40.0), grid)))
        CT volume, 2×3×4 voxels of 2.5×0.8×0.8 mm, SPL, 40 to 40 HU
    """
    raise AssertionError


@describe.register
def _(value: Volume) -> str:
    words = next(_WORDS[kind] for kind in type(value).__mro__ if kind in _WORDS)
    channels = value.data.shape[0]
    several = f"{channels} channels" if channels != 1 else ""
    return _listed((words, several, str(value.grid), _range(value.data, value.units)))


@describe.register
def _(value: MultiVolume) -> str:
    parts = [
        f"{name}: {describe(part)}" for name, part in zip(value.names, value.parts, strict=True)
    ]
    return "\n".join([f"{len(parts)} volumes on one grid", *(indent(p, "  ") for p in parts)])


@describe.register
def _(value: Reference) -> str:
    return f"to be learned: {describe(value.scan)}"


@describe.register
def _(value: Mask) -> str:
    counted = value.volumes_ml()
    found = [f"  {name} {three_figures(ml)} ml" for name, ml in counted.items() if ml]
    missing = [name for name, ml in counted.items() if not ml]
    unknown = value.unknown_ids()
    layers = f"{value.data.shape[0]} layers" if value.overlaps else ""
    lines = [_listed(("mask", layers, str(value.grid), f"{len(found)} of {len(counted)} labels"))]
    if missing:
        found.append(f"  not found: {', '.join(missing)}")
    if unsought := [n for n in value.labels.names if n not in value.known]:
        found.append(f"  not looked for: {', '.join(unsought)}")
    if share := float(value.unseen().float().mean()) if value.data.numel() else 0.0:
        found.append(f"  nobody looked at {share:.1%} of the voxels")
    if unknown:
        found.append(f"  ids that no label has: {', '.join(map(str, unknown))}")
    return "\n".join(lines + found)


@describe.register
def _(value: Probabilities) -> str:
    names = ", ".join(value.labels.names) or "background only"
    return _listed(("probabilities", str(value.grid), names))


@describe.register
def _(value: Points) -> str:
    named = ", ".join(value.names)
    return _listed((_count(len(value.coordinates), "point"), named, _span(value, "coordinates")))


@describe.register
def _(value: PointCloud) -> str:
    count = _count(len(value.coordinates), "point")
    features = (
        "" if value.features is None else _count(value.features.shape[1], "feature") + " each"
    )
    return _listed((f"cloud of {count}", features, _span(value, "coordinates")))


@describe.register
def _(value: Boxes) -> str:
    scores = f"scores {min(value.scores):.3g} to {max(value.scores):.3g}" if value.scores else ""
    said = _counted(value.labels.by_id(i).name for i in value.ids)
    return _listed((_count(len(value), "box", "boxes"), said, scores, _span(value, "corners")))


@describe.register
def _(value: Contours) -> str:
    said = _counted(label.name for label, _ in value)
    return _listed((_count(len(value), "polygon"), said, _span(value, "coordinates")))


@describe.register
def _(value: Category) -> str:
    return f"{value.name} (of {', '.join(value.vocabulary)})"


@describe.register
def _(value: Belief) -> str:
    likely = sorted(zip(value.shares, value.vocabulary, strict=True), reverse=True)
    return ", ".join(f"{name} {share:.0%}" for share, name in likely)


@describe.register
def _(value: Categories) -> str:
    known = [word for word in value.vocabulary if word not in value.unknown]
    open_ = f"; unknown: {', '.join(value.unknown)}" if value.unknown else ""
    return f"{', '.join(value.names) or 'none'} (of {', '.join(known) or 'none'}{open_})"


@describe.register
def _(value: Measurement) -> str:
    return str(value)


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(part for part in parts if part)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in Counter(names).items())


def _range(data: Tensor, units: str) -> str:
    """The lowest and highest number, and their unit."""
    if data.is_complex() or data.numel() == 0:
        return ""
    finite = data[data.isfinite()] if data.is_floating_point() else data
    lost = data.numel() - finite.numel()
    note = f", {lost} voxels that are no numbers" if lost else ""
    if finite.numel() == 0:
        return note.removeprefix(", ")
    low, high = (float(end) for end in (finite.min(), finite.max()))
    unit = {"1": "(normalised)", "arbitrary": "(arbitrary units)"}.get(units, units)
    return f"{low:.5g} to {high:.5g} {unit}{note}"


def _span(value: Shape, where: str) -> str:
    """How far a shape extends along the patient's axes."""
    places = getattr(value, where).reshape(-1, 3)
    if len(places) < 2:
        return ""
    left_right, front_back, up_down = places.max(0) - places.min(0)
    return (
        f"spanning {left_right:.3g} mm left to right, {front_back:.3g} mm front to back, "
        f"{up_down:.3g} mm head to foot"
    )
