"""Why a plan is as it is, in words that a reader who trains no networks can follow."""

from __future__ import annotations

from collections.abc import Sequence

from medlib.infer import (
    BeliefOutput,
    BoxesOutput,
    MaskOutput,
    MeasurementOutput,
    Output,
    PointsOutput,
)
from medlib.models import Architecture
from medlib.train.fingerprint import Fingerprint, Intensities
from medlib.train.machine import Machine
from medlib.types import CTVolume, PETVolume, Volume
from medlib.types.naming import sided_names, sided_pairs

_FAMILIES = {
    "unet": "a residual U-Net",
    "dynunet": "a U-Net with a residual encoder",
    "encoder": "the encoder of a residual U-Net, pooled",
    "slices": "a 2-D network",
}
_LOSSES: dict[type[Output], str] = {
    MaskOutput: "Dice and cross-entropy in equal parts: Dice since structures are small beside "
    "what surrounds them, cross-entropy since it teaches steadily",
    BoxesOutput: "focal loss of where findings are, since almost no voxel is one, and how far "
    "their sides are off",
    PointsOutput: "the distance in millimetres",
    BeliefOutput: "cross-entropy; rare answers are not weighed more, so that likelihoods stay "
    "what they are",
    MeasurementOutput: "the absolute error, which outliers sway less than its square",
}


def sizes(numbers: Sequence[float]) -> str:
    """Numbers along axes, as ``2 × 1 × 1``."""
    return " × ".join(f"{n:.3g}" for n in numbers)


def absolute(kind: type[Volume]) -> bool:
    """Whether a kind's units mean the same in every scan."""
    return issubclass(kind, CTVolume | PETVolume)


def scale(fingerprint: Fingerprint, voxels: str) -> str:
    """How intensities are brought to a common range.

    Args:
        fingerprint: of the scans.
        voxels: which of them count, such as ``"what is labelled"``.
    """
    several = len(fingerprint.intensities) > 1
    return "intensities: " + "; ".join(
        (f"{found.kind.__name__}: " if several else "") + _scale(found, voxels)
        for found in fingerprint.intensities
    )


def _scale(found: Intensities, voxels: str) -> str:
    if not absolute(found.kind):
        return "each scan by its own mean and deviation, since units are arbitrary"
    return (
        f"clipped to {found.low:.4g} to {found.high:.4g} {found.kind.default_units} (99% of "
        f"{voxels}), then the same mean and deviation for all scans, since the units mean something"
    )


def network(architecture: Architecture, why: str) -> str:
    """What the network is, and why."""
    what = _FAMILIES.get(architecture.name, architecture.name)
    widths = architecture.arguments.get("channels")
    size = f" of {len(widths)} levels, {widths[0]} to {widths[-1]} channels" if widths else ""
    return f"network: {what}{size}; {why}"


def limit(machine: Machine) -> str:
    """Why patches are no larger."""
    if machine.device == "cpu":
        return "the most that this device does quickly"
    return "about as large as nnU-Net's on a card of such memory"


def width(machine: Machine) -> str:
    """Why a network that sees a scan whole is as wide as it is."""
    if machine.device == "cpu":
        return "small, for few scans and little time"
    return "as wide as a card of such memory does quickly"


def reckoned(gigabytes: float, batch: int, channels: int, machine: Machine) -> tuple[str, ...]:
    """What a training takes of a graphics card's memory; nothing to say of a processor's.

    Args:
        gigabytes: that the items of a step are reckoned to take.
        batch: how many these are.
        channels: at the finest level.
        machine: that it is planned for.
    """
    if machine.device == "cpu":
        return ()
    return (
        f"memory: {batch} a step and {channels} channels at the finest level, in the manner of "
        f"nnU-Net, are reckoned at {gigabytes:.2g} GB of the card's {machine.gigabytes:.0f}; this was "
        "not measured on a card: if memory runs out, make batch_size or window smaller in the plan",
    )


def loss(output: type[Output], fingerprint: Fingerprint) -> str:
    """What training makes small, and why."""
    kinds = (kind for kind in _LOSSES if issubclass(output, kind))
    text = _LOSSES.get(next(kinds, Output), "that of the kind which is learned")
    if len(fingerprint.answers) > 1:
        counts = sorted(fingerprint.answers, key=lambda pair: -pair[1])
        text += f" ({', '.join(f'{word} {count}' for word, count in counts)})"
    return f"loss: {text}"


def balance(fingerprint: Fingerprint, on_label: float) -> str:
    """How structures that are small or rare get their share of patches."""
    said = f"patches: {on_label:.0%} are about a structure, each structure as often"
    found = fingerprint.structures
    if not found:
        return said
    least = min(found, key=lambda one: one.share * one.scans)
    return (
        f"{said}, since {sum(one.share for one in found):.2g} of the voxels are labelled, the "
        f"least {least.name} with {least.share:.2g} (in {least.scans} scans)"
    )


def mirrored(names: Sequence[str]) -> str:
    """Why nothing is mirrored, by what the labels say of sides."""
    pairs, alone = sided_pairs(names)
    plain = "not mirrored, since left and right differ in patients"
    if alone:
        return f"{plain}; {', '.join(alone)} would become the wrong side"
    if pairs:
        said = ", ".join(f"{left} and {right}" for left, right in pairs[:3])
        return (
            f"{plain}, and what lies where tells {said} apart (a Flip from left to right, added "
            "to the plan, would exchange these names)"
        )
    return f"{plain}; no name says a side" if names and not sided_names(names) else plain


def looking(windows: int, looks: int) -> str:
    """How a scan is looked at in prediction.

    Args:
        windows: that the usual scan is looked at in.
        looks: how often.
    """
    said = "prediction: " + (
        "the usual scan fits into one window"
        if windows == 1
        else f"windows overlap by half, weighted towards their middles, {windows} for the usual scan"
    )
    if looks == 1:
        return f"{said}; looked at once, since each look takes as long"
    return (
        f"{said}; looked at {looks} times, turned and stretched a little, and the mean taken, which "
        "is nearer the truth (1 is quicker)"
    )


def pace(
    rate: float, minutes: float, batch_size: int, machine: Machine, *, steady: bool = False
) -> str:
    """How the rate goes, and how many items a step sees.

    Args:
        rate: at most.
        minutes: of the training.
        batch_size: items a step.
        machine: that it is planned for.
        steady: whether the rate stays up, since weights are averaged.
    """
    way = "after a warm-up, throughout" if steady else "at most, then down to nothing, once"
    return (
        f"rate: {rate:g} {way}; by the clock, {minutes:g} minutes, so that a slow machine takes fewer "
        f"steps of the same way; {batch_size} a step on {machine}"
    )
