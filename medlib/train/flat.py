"""Plans for radiographs: one slice, seen as a whole by networks that see in two dimensions."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from medlib.infer import MeasurementOutput, Output
from medlib.models import Architecture
from medlib.train import wording
from medlib.train.fingerprint import Fingerprint
from medlib.train.levels import SMALLEST, channels
from medlib.train.machine import Machine
from medlib.train.plan import Plan
from medlib.transforms import (
    Brightness,
    Fit,
    Noise,
    Normalise,
    PadTo,
    Pipeline,
    RandomAffine,
    Reorient,
    Spacing,
    Transform,
)

_SIDE = {"cpu": 256, "cuda": 512}  # pixels of the longer side
_MULTIPLE = 32  # of which a side is one: backbones halve five times
_LEVELS = 5
_BACKBONE = "resnet18"


def plan_radiographs(
    fingerprint: Fingerprint, output: type[Output], machine: Machine, minutes: float
) -> Plan:
    """Decide how to learn from radiographs.

    Each is fitted into one size, whole, its sides in proportion. A radiograph is magnified by an
    amount that it does not state, and its borders are where somebody put the collimator, so that
    there is no common scale to keep; but where something is measured, pixels of one size are kept.
    """
    most, measured = _SIDE[machine.device], issubclass(output, MeasurementOutput)
    pixel = "mm" if fingerprint.sized else "pixels"
    sampling: Transform
    if measured:
        largest = np.array(fingerprint.largest[1:])
        side = round(float(max(*fingerprint.spacing[1:], largest.max() / most)), 4)
        sides = np.ceil(largest / side - 1e-3)
        sampling = Spacing((0.0, side, side))
        size = (
            f"pixels of {side:.3g} {pixel}, the same in all radiographs, since something is "
            "measured; a larger radiograph is refused, not cut"
        )
    else:
        own = np.array(fingerprint.largest[1:]) / fingerprint.spacing[1:]
        sides = np.full(2, min(most, max(own)))
        sampling = Fit((0, *_window(sides)[1:]))
        size = (
            f"{'×'.join(map(str, _window(sides)[1:]))} pixels, into which each radiograph is "
            "fitted whole, its sides in proportion: how much larger it shows the patient is not "
            "known, so that there is no scale to keep"
        )
    window = _window(sides)
    architecture, why = _network(output)
    batch, rate = (4, 2e-3) if output.voxelwise else (8, 1e-3)
    if machine.device == "cuda":
        batch *= 2
    turned = (Reorient(fingerprint.orientation),) if fingerprint.orientation else ()
    stretch = 0.0 if measured else 0.1
    reasons = [
        size,
        "sides: "
        + (
            "each is turned to lie as most do, and never mirrored beyond that"
            if turned
            else "views from several directions, each left as it is hung"
        ),
        wording.scale(fingerprint, "all pixels"),
        wording.network(architecture, why),
        wording.loss(output, fingerprint),
        f"turned by up to 10 degrees in its plane{', stretched by up to 10%' if stretch else ''}, "
        f"contrast and noise varied; {wording.mirrored(_names(fingerprint))}",
        wording.pace(rate, minutes, batch, machine),
    ]
    if not fingerprint.sized:
        reasons.append("no pixel size is stated, so that nothing is known in millimetres")
    return Plan(
        kind=fingerprint.kind,
        preprocess=Pipeline((*turned, sampling, PadTo(window), Normalise())),
        augment=Pipeline(
            (
                RandomAffine(degrees=(10.0, 0.0, 0.0), scale=stretch),
                Brightness(contrast=0.2, shift=0.2, probability=0.5),
                Noise(up_to=0.1, probability=0.5),
            )
        ),
        window=window,
        batch_size=batch,
        rate=rate,
        architecture=architecture,
        minutes=minutes,
        workers=min(8, machine.cores - 1) if machine.device == "cuda" else 0,
        reasons=tuple(reasons),
    )


def _names(fingerprint: Fingerprint) -> list[str]:
    return [
        *(one.name for one in fingerprint.structures),
        *(word for word, _ in fingerprint.answers),
    ]


def _window(sides: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[int, int, int]:
    """One slice of so many rows and columns, rounded up to what networks can halve."""
    least = _MULTIPLE * -(-2 * SMALLEST // _MULTIPLE)
    rows, columns = (max(least, _MULTIPLE * int(np.ceil(n / _MULTIPLE))) for n in sides)
    return 1, rows, columns


def _network(output: type[Output]) -> tuple[Architecture, str]:
    """A network that sees in two dimensions, and why it."""
    strides = ((1, 2, 2),) * (_LEVELS - 1)
    widths = channels(strides)
    if output.voxelwise:
        kernels = ((1, 3, 3),) * _LEVELS
        made = Architecture.dynunet(channels=widths, strides=strides, kernels=kernels)
        return made, "its kernels are flat, since there is one slice"
    if find_spec("torchvision") is None:
        return (
            Architecture.encoder(channels=widths, strides=strides),
            "torchvision is not installed (pip install medlib[models]), or it would be a ResNet",
        )
    why = f"{_BACKBONE} of torchvision with random weights: nothing is downloaded unasked"
    return Architecture.radiograph(f"torchvision/{_BACKBONE}"), why
