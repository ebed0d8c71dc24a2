"""From what scans are like, the machine and the minutes to a plan.

The rules follow the manner of nnU-Net (Isensee et al. 2021), with one more thing to respect: the
minutes that there are. On a processor a coarser look at the whole scan learns more in a few
minutes than a fine look at pieces of it. What can only be answered of a scan as a whole (a
diagnosis, a measurement, where landmarks are) is asked of a network that sees all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, prod

import numpy as np

from medlib.infer import MaskOutput, MeasurementOutput, Output, window_count
from medlib.models import Architecture
from medlib.train import wording
from medlib.train.fingerprint import Fingerprint, Intensities
from medlib.train.flat import plan_radiographs
from medlib.train.levels import SMALLEST, Triple, affordable, channels, levels
from medlib.train.machine import Machine
from medlib.train.plan import Plan
from medlib.train.room import Room, gigabytes_of
from medlib.train.variation import APPEARANCE, varied_patches
from medlib.transforms import (
    Normalise,
    Only,
    PadTo,
    Pipeline,
    RandomAffine,
    Reorient,
    Spacing,
    Transform,
)

_PATCH_VOXELS = {"cpu": 48 * 64 * 48, "cuda": 128**3}
_STUDY_VOXELS = {"cpu": 32**3, "cuda": 128**3}  # of a scan that gets one answer
_PLACE_VOXELS = {"cpu": 40**3, "cuda": 128**3}  # of a scan in which something is to be placed
_SCAN_PATCHES = 5  # a whole scan should be no more than about this many patches, in ...
_USUAL_MINUTES = 20.0
_ACROSS = 4  # voxels that a small finding has at least, where coarsening is up to us
_THINNEST = 2  # voxels of a structure's shortest side, likewise
_GLANCES = {
    "cpu": 16,
    "cuda": 64,
}  # windows to look through for a prediction, unless one look is more
_MOST_LOOKS = 8
_AVERAGE = 0.1  # of the steps so far, over which weights are averaged; see docs/benchmarks.md
_MOST_LABELLED = 0.5  # of the voxels, up to which patches are led to structures


def plan_for(
    fingerprint: Fingerprint,
    output: type[Output],
    *,
    machine: Machine | None = None,
    minutes: float = _USUAL_MINUTES,
) -> Plan:
    """Decide how to learn.

    Args:
        fingerprint: of the training scans.
        output: what is to be asked of the network.
        machine: that it will run on; left out, this one.
        minutes: that there will be.

    Example:
        >>> from medlib.infer import BeliefOutput
        >>> from medlib.train.fingerprint import Intensities
        >>> from medlib.types import MRVolume
        >>> voxels = (Intensities(MRVolume, low=0, high=9, mean=4, deviation=2),)
        >>> knees = Fingerprint(MRVolume, (2, 1, 1), (40, 60, 60), (48, 64, 64), voxels)
        >>> plan = plan_for(knees, BeliefOutput, machine=Machine("cpu"))
        >>> plan.architecture.name, plan.window
        ('encoder', (24, 40, 40))
    """
    machine = machine or Machine.here()
    if fingerprint.flat:
        return plan_radiographs(fingerprint, output, machine, minutes)
    return (_whole if output.whole else _patches)(fingerprint, output, machine, minutes)


@dataclass(frozen=True)
class _Sight:
    """A way to look at scans: how coarse, how much at once, halved how often, by how wide levels."""

    spacing: tuple[float, float, float]
    window: Triple
    strides: tuple[Triple, ...]
    channels: tuple[int, ...]
    classes: int

    @property
    def gigabytes(self) -> float:
        """What an item takes in training."""
        return gigabytes_of(self.channels, self.strides, self.window, self.classes)


def _fewer(voxels: float) -> Iterator[float]:
    """So many voxels at once, and then ever fewer, for when memory is too little for them."""
    yield from (voxels * 0.8**times for times in range(24))


def _patches(
    fingerprint: Fingerprint, output: type[Output], machine: Machine, minutes: float
) -> Plan:
    """For structures: a window at a time."""
    room = Room.on(machine)
    patches = _SCAN_PATCHES * max(1.0, minutes / _USUAL_MINUTES)
    thinnest = min((min(one.extent) for one in fingerprint.structures), default=inf)
    finest = min(fingerprint.finding / _ACROSS, thinnest / _THINNEST)
    limit = max(finest, min(fingerprint.spacing))
    classes = _classes(fingerprint)

    def sight(voxels: float) -> _Sight:
        spacing = affordable(fingerprint.spacing, fingerprint.extent, voxels * patches, limit)
        largest = [round(e / s) for e, s in zip(fingerprint.largest, spacing, strict=True)]
        strides, window = levels(largest, spacing, voxels, most=room.halvings)
        widths = channels(strides, finest=room.channels, most=room.most_channels)
        return _Sight(spacing, window, strides, widths, classes)

    at_once = _PATCH_VOXELS[machine.device] * room.share
    seen = room.first(map(sight, _fewer(at_once)), 2, lambda one: one.gigabytes)
    spacing, window = seen.spacing, seen.window
    own, chosen = wording.sizes(fingerprint.spacing), wording.sizes(spacing)
    size = f"{chosen} mm a voxel: the scans have {own} mm (median)"
    if own != chosen:
        small = (
            f"small findings are {_ACROSS} voxels across"
            if fingerprint.finding < inf
            else f"the thinnest structure is {_THINNEST} voxels across"
        )
        size += (
            f", coarsened so that a scan is about {patches:.0f} patches, as many as "
            f"{minutes:g} minutes are for"
            if min(spacing) < 0.98 * limit
            else f", coarsened, but no further than {small}"
        )
    labelled = sum(one.share for one in fingerprint.structures)
    on_label = 0.7 if labelled < _MOST_LABELLED else 0.33
    augment, varied = varied_patches(fingerprint, window, on_label)
    usual = [round(e / s) for e, s in zip(fingerprint.extent, spacing, strict=True)]
    of_all = prod(window) / max(1, prod(usual) * fingerprint.cases)
    batch, rate = room.items(2, seen.gigabytes, of_all), room.rate(4e-3)
    architecture = Architecture.residual_unet(channels=seen.channels, strides=seen.strides)
    names = [one.name for one in fingerprint.structures]
    windows = window_count(usual, window, overlap=0.5)
    looks = max(1, min(_MOST_LOOKS, _GLANCES[machine.device] // windows))
    looks = looks if issubclass(output, MaskOutput) else 1
    return Plan(
        kind=fingerprint.kind,
        preprocess=Pipeline((Reorient("SPL"), Spacing(spacing), *_normalised(fingerprint))),
        augment=augment,
        window=window,
        batch_size=batch,
        rate=rate,
        architecture=architecture,
        schedule={"name": "constant"},
        average=_AVERAGE,
        looks=looks,
        minutes=minutes,
        workers=_workers(machine),
        reasons=(
            size,
            f"patches of {'×'.join(map(str, window))} voxels: {wording.limit(machine)}"
            f"{_seen_whole(fingerprint, spacing, window)}",
            wording.scale(fingerprint, "what is labelled"),
            wording.network(
                architecture,
                f"an axis is halved while {SMALLEST} voxels remain and its voxels are not yet "
                "larger than the others'",
            ),
            wording.loss(output, fingerprint),
            wording.balance(fingerprint, on_label),
            f"{varied}; {wording.mirrored(names)}",
            wording.pace(rate, minutes, batch, machine, steady=True),
            f"kept is the average of the weights over the last {_AVERAGE:.0%} of the steps, which "
            "wavers less than those of the last step, and learns at full pace to the end",
            wording.looking(windows, looks),
            *wording.reckoned(batch * seen.gigabytes, batch, room.channels, machine),
        ),
    )


def _whole(
    fingerprint: Fingerprint, output: type[Output], machine: Machine, minutes: float
) -> Plan:
    """For answers, measurements and landmarks: the whole scan at once.

    Millimetres are kept, and space is added around smaller scans: a scan brought to a common
    number of voxels would no longer say how large anything in it is.
    """
    room, classes = Room.on(machine), _classes(fingerprint)

    def sight(voxels: float) -> _Sight:
        spacing = affordable(fingerprint.spacing, fingerprint.largest, voxels)
        extent = np.ceil(np.array(fingerprint.largest) / spacing - 1e-3).astype(int)
        extent = np.maximum(extent, 2 * SMALLEST)  # so that there is something to halve
        strides, _ = levels(extent, spacing, int(np.prod(extent)), most=room.halvings)
        divisor = np.prod(strides, axis=0)
        a, b, c = (int(n) for n in np.ceil(extent / divisor) * divisor)
        widths = channels(strides, finest=room.channels, most=room.most_channels)
        return _Sight(spacing, (a, b, c), strides, widths, classes)

    voxels = (_PLACE_VOXELS if output.voxelwise else _STUDY_VOXELS)[machine.device] * room.share
    least, measured_rate = (2, 4e-3) if output.voxelwise else (4, 2e-3)
    seen = room.first(map(sight, _fewer(voxels)), least, lambda one: one.gigabytes)
    spacing, (a, b, c) = seen.spacing, seen.window
    measured = issubclass(output, MeasurementOutput)
    stretch = 0.0 if measured else 0.1
    # Where units mean something, and are measured, they have to stay what they are.
    fixed = any(wording.absolute(found.kind) for found in fingerprint.intensities)
    appearance = APPEARANCE[1:] if measured and fixed else APPEARANCE
    own, chosen = wording.sizes(fingerprint.spacing), wording.sizes(spacing)
    size = f"{chosen} mm a voxel: the scans have {own} mm (median)"
    if own != chosen:
        size += ", coarsened so that the network sees the largest of them at once"
    varied = "turned by up to 15 degrees"
    varied += (
        ", not stretched, since that would change what is measured"
        if measured
        else ", stretched by up to 10%"
    )
    varied += ", contrast and noise varied" if len(appearance) > 1 else ", noise varied"
    make = Architecture.residual_unet if output.voxelwise else Architecture.encoder
    architecture = make(channels=seen.channels, strides=seen.strides)
    batch = room.items(least, seen.gigabytes, 1 / max(1, fingerprint.cases))
    rate = room.rate(measured_rate)
    return Plan(
        kind=fingerprint.kind,
        preprocess=Pipeline(
            (Reorient("SPL"), Spacing(spacing), PadTo((a, b, c)), *_normalised(fingerprint))
        ),
        augment=Pipeline((RandomAffine(degrees=15.0, scale=stretch), *appearance)),
        window=(a, b, c),
        batch_size=batch,
        rate=rate,
        architecture=architecture,
        looks=_MOST_LOOKS,
        minutes=minutes,
        workers=_workers(machine),
        reasons=(
            size,
            f"{a}×{b}×{c} voxels: the largest scan as a whole, with empty space around smaller "
            "ones; a larger scan is refused, not cut",
            wording.scale(fingerprint, "all voxels"),
            wording.network(architecture, wording.width(machine)),
            wording.loss(output, fingerprint),
            f"{varied}; {wording.mirrored([word for word, _ in fingerprint.answers])}",
            wording.pace(rate, minutes, batch, machine),
            wording.looking(1, _MOST_LOOKS),
            *wording.reckoned(batch * seen.gigabytes, batch, room.channels, machine),
        ),
    )


def _classes(fingerprint: Fingerprint) -> int:
    """Maps that a network gives, about: one a structure and one for all else, or those of a box."""
    return 1 + max(3, len(fingerprint.structures))


def _seen_whole(
    fingerprint: Fingerprint, spacing: tuple[float, ...], window: tuple[int, ...]
) -> str:
    """Whether a patch holds the largest structure, in words."""
    if not fingerprint.structures:
        return ""
    largest = max(fingerprint.structures, key=lambda one: float(np.prod(one.extent)))
    fits = all(e <= s * n for e, s, n in zip(largest.extent, spacing, window, strict=True))
    how = "whole" if fits else "in parts"
    return f"; {largest.name}, the largest ({wording.sizes(largest.extent)} mm), is seen {how}"


def _normalised(fingerprint: Fingerprint) -> tuple[Transform, ...]:
    """The recipes for intensities: of several kinds of series, one for each."""
    recipes = [(found.kind.__name__, _normalise(found)) for found in fingerprint.intensities]
    if len(recipes) == 1:
        return (recipes[0][1],)
    return tuple(Only((kind,), recipe) for kind, recipe in recipes)


def _normalise(found: Intensities) -> Normalise:
    if not wording.absolute(found.kind):
        return Normalise()
    return Normalise(found.mean, found.deviation, found.low, found.high)


def _workers(machine: Machine) -> int:
    """Processes that prepare batches: a graphics card would wait for a single one."""
    return min(8, machine.cores - 1) if machine.device == "cuda" else 0
