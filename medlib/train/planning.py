"""From what scans are like to a plan.

The rules follow the manner of nnU-Net (Isensee et al. 2021), with one more thing to respect: the
minutes that there are. On a processor a coarser look at the whole scan learns more in a few
minutes than a fine look at pieces of it. What can only be answered of a scan as a whole (a
diagnosis, a measurement, where landmarks are) is asked of a network that sees all of it at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
import numpy.typing as npt

from medlib.infer import MeasurementOutput, Output
from medlib.models import Architecture, best_device
from medlib.train.fingerprint import Fingerprint, triple
from medlib.train.plan import Plan
from medlib.transforms import (
    Brightness,
    Noise,
    Normalise,
    PadTo,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Reorient,
    Spacing,
)
from medlib.types import CTVolume, PETVolume, Volume

Triple = tuple[int, int, int]
_PATCH_VOXELS = {"cpu": 48 * 64 * 48, "cuda": 128**3}
_STUDY_VOXELS = {"cpu": 32**3, "cuda": 128**3}  # of a scan that gets one answer
_PLACE_VOXELS = {"cpu": 40**3, "cuda": 128**3}  # of a scan in which something is to be placed
_SMALLEST = 5  # voxels along any axis, at the coarsest level
_CHANNELS = 16  # at the finest level; each coarser one has twice as many
_SCAN_PATCHES = 5  # a whole scan should be no more than about this many patches
_ACROSS = 4  # voxels that a small finding has at least, where coarsening is up to us
_APPEARANCE = (
    Brightness(contrast=0.15, shift=0.15, probability=0.5),
    Noise(up_to=0.1, probability=0.5),
)
_NOT_MIRRORED = "not mirrored, since left and right differ in patients"


def plan_for(fingerprint: Fingerprint, output: type[Output], *, device: str | None = None) -> Plan:
    """Decide how to learn.

    Args:
        fingerprint: of the training scans.
        output: what is to be asked of the network.
        device: left out, the one that will be used.

    Example:
        >>> from medlib.infer import BeliefOutput
        >>> from medlib.types import MRVolume
        >>> millimetres = {"spacing": (2, 1, 1), "extent": (40, 60, 60), "largest": (48, 64, 64)}
        >>> knees = Fingerprint(MRVolume, **millimetres, low=0, high=9, mean=4, deviation=2)
        >>> plan = plan_for(knees, BeliefOutput, device="cpu")
        >>> plan.architecture.name, plan.window
        ('encoder', (24, 40, 40))
    """
    where = device or best_device().type
    if output.whole:
        room = _PLACE_VOXELS if output.voxelwise else _STUDY_VOXELS
        return _whole(fingerprint, output, room[where])
    return _patches(fingerprint, _PATCH_VOXELS[where])


def _patches(fingerprint: Fingerprint, room: int) -> Plan:
    """For structures: a window at a time."""
    limit = max(fingerprint.finding / _ACROSS, min(fingerprint.spacing))
    spacing = _affordable(fingerprint.spacing, fingerprint.extent, room * _SCAN_PATCHES, limit)
    largest = [round(e / s) for e, s in zip(fingerprint.largest, spacing, strict=True)]
    strides, window = _levels(largest, spacing, room)
    own, chosen = _in_words(fingerprint.spacing), _in_words(spacing)
    size = f"{chosen} mm a voxel: the scans have {own} mm (median)"
    if own != chosen:
        size += (
            f", coarsened so that a scan is about {_SCAN_PATCHES} patches"
            if min(spacing) < 0.98 * limit
            else f", coarsened, but no further than small findings are {_ACROSS} voxels across"
        )
    return Plan(
        kind=fingerprint.kind,
        preprocess=Pipeline((Reorient("SPL"), Spacing(spacing), _normalise(fingerprint))),
        augment=Pipeline(
            (
                RandomAffine(degrees=15.0, scale=0.1),
                RandomPatch(window, on_label=0.7),
                *_APPEARANCE,
            )
        ),
        window=window,
        batch_size=2,
        rate=4e-3,
        architecture=Architecture.residual_unet(channels=_channels(strides), strides=strides),
        reasons=(
            size,
            f"patches of {'×'.join(map(str, window))} voxels: the most that this device does "
            "quickly",
            _scale_in_words(fingerprint, "what is labelled"),
            "turned by up to 15 degrees, stretched by up to 10%, contrast and noise varied; "
            f"{_NOT_MIRRORED}",
        ),
    )


def _whole(fingerprint: Fingerprint, output: type[Output], room: int) -> Plan:
    """For answers, measurements and landmarks: the whole scan at once.

    Millimetres are kept, and space is added around smaller scans: a scan brought to a common
    number of voxels would no longer say how large anything in it is.
    """
    spacing = _affordable(fingerprint.spacing, fingerprint.largest, room)
    sizes = np.ceil(np.array(fingerprint.largest) / spacing - 1e-3).astype(int)
    sizes = np.maximum(sizes, 2 * _SMALLEST)  # so that there is something to halve
    strides, _ = _levels(sizes, spacing, int(np.prod(sizes)))
    divisor = np.prod(strides, axis=0)
    a, b, c = (int(n) for n in np.ceil(sizes / divisor) * divisor)
    measured = issubclass(output, MeasurementOutput)
    stretch = 0.0 if measured else 0.1
    # Where units mean something, and are measured, they have to stay what they are.
    appearance = (_APPEARANCE[1],) if measured and _absolute(fingerprint.kind) else _APPEARANCE
    levels = _channels(strides)
    own, chosen = _in_words(fingerprint.spacing), _in_words(spacing)
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
    return Plan(
        kind=fingerprint.kind,
        preprocess=Pipeline(
            (Reorient("SPL"), Spacing(spacing), PadTo((a, b, c)), _normalise(fingerprint))
        ),
        augment=Pipeline((RandomAffine(degrees=15.0, scale=stretch), *appearance)),
        window=(a, b, c),
        batch_size=2 if output.voxelwise else 4,
        rate=4e-3 if output.voxelwise else 2e-3,
        architecture=(
            Architecture.residual_unet(channels=levels, strides=strides)
            if output.voxelwise
            else Architecture.encoder(channels=levels, strides=strides)
        ),
        reasons=(
            size,
            f"{a}×{b}×{c} voxels: the largest scan as a whole, with empty space around smaller "
            "ones; a larger scan is refused, not cut",
            _scale_in_words(fingerprint, "all voxels"),
            f"{varied}; {_NOT_MIRRORED}",
        ),
    )


def _in_words(spacing: Sequence[float]) -> str:
    return " × ".join(f"{s:.3g}" for s in spacing)


def _scale_in_words(fingerprint: Fingerprint, voxels: str) -> str:
    if not _absolute(fingerprint.kind):
        return "intensities: each scan by its own mean and deviation, since units are arbitrary"
    return (
        f"intensities: clipped to {fingerprint.low:.4g} to {fingerprint.high:.4g} "
        f"{fingerprint.kind.default_units} (99% of {voxels}), then the same mean and deviation "
        "for all scans, since the units mean something"
    )


def _absolute(kind: type[Volume]) -> bool:
    return issubclass(kind, CTVolume | PETVolume)


def _normalise(fingerprint: Fingerprint) -> Normalise:
    if not _absolute(fingerprint.kind):
        return Normalise()
    return Normalise(fingerprint.mean, fingerprint.deviation, fingerprint.low, fingerprint.high)


def _channels(strides: Sequence[Triple]) -> tuple[int, ...]:
    return tuple(_CHANNELS * 2**level for level in range(len(strides) + 1))


def _affordable(
    spacing: Sequence[float], extent: Sequence[float], voxels: int, limit: float = inf
) -> tuple[float, float, float]:
    """A spacing, coarsened until a scan of this extent has at most so many voxels.

    No axis is coarsened beyond ``limit``, in millimetres.

    The finest axes are coarsened first, until they are as coarse as the others.
    """
    coarse, size = np.array(spacing), np.array(extent)
    for _ in range(1000):
        if np.prod(size / coarse) <= voxels or coarse.min() >= limit:
            break
        coarse = np.maximum(coarse, min(coarse.min() * 1.02, limit))
    return triple(np.round(coarse, 3))


def _levels(
    size: npt.ArrayLike, spacing: Sequence[float], voxels: int, *, most: int = 4
) -> tuple[tuple[Triple, ...], Triple]:
    """How to halve from level to level, and a window that can be halved so.

    As in nnU-Net, an axis is halved only while its voxels are not much larger than the finest
    ones, and while at least ``_SMALLEST`` of them remain.

    Args:
        size: of the largest scan, in voxels of ``spacing``.
        spacing: millimetres.
        voxels: that a window may have.
        most: how often to halve at most.
    """
    # A tiny scan is padded, so that there is something to halve at all.
    size = np.maximum(size, 2 * _SMALLEST)
    window = size.astype(np.float64)
    while np.prod(window) > voxels:
        window[np.argmax(window)] *= 0.99
    voxel, left = np.array(spacing, dtype=np.float64), window.copy()
    strides = []
    for _ in range(most):
        halve = (voxel < 2 * voxel.min()) & (np.round(left / 2) >= _SMALLEST)
        if not halve.any():
            break
        step = np.where(halve, 2, 1)
        voxel, left = voxel * step, left / step
        strides.append((int(step[0]), int(step[1]), int(step[2])))
    divisor = np.prod(strides, axis=0)
    whole = np.ceil(size / divisor) * divisor  # no need for more than the whole scan
    rounded = np.minimum(np.maximum(np.round(window / divisor), 1) * divisor, whole).astype(int)
    while np.prod(rounded) > 1.05 * voxels and (rounded > divisor).any():  # rounded up too often
        axis = np.argmax(np.where(rounded > divisor, rounded, 0))
        rounded[axis] -= divisor[axis]
    return tuple(strides), (int(rounded[0]), int(rounded[1]), int(rounded[2]))
