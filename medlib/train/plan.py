"""A plan made from the data: how scans are prepared, and what network sees them.

The fingerprint and the rules follow the manner of nnU-Net (Isensee et al. 2021), with one more
thing to respect: the minutes that there are. On a processor a coarser look at the whole scan
learns more in a few minutes than a fine look at pieces of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medlib.data import Dataset
from medlib.models import Architecture, best_device
from medlib.transforms import (
    Brightness,
    Noise,
    Normalise,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Reorient,
    Spacing,
)
from medlib.types import CTVolume, PETVolume, Volume

Triple = tuple[int, int, int]
_PATCH_VOXELS = {"cpu": 48 * 64 * 48, "cuda": 128**3}
_SMALLEST = 5  # voxels along any axis, at the coarsest level
_CHANNELS = 16  # at the finest level; each coarser one has twice as many
_SCAN_PATCHES = 5  # a whole scan should be no more than about this many patches


@dataclass(frozen=True)
class Fingerprint:
    """What the training scans are like.

    Args:
        kind: of scan.
        spacing: median millimetres along (slice, row, column), axes as in ``SPL``.
        extent: median size of a scan in millimetres, likewise.
        largest: largest extent of any scan, likewise.
        low, high: 0.5th and 99.5th percentile of voxels inside labels.
        mean, deviation: of voxels inside labels, after clipping to these.
    """

    kind: type[Volume]
    spacing: tuple[float, float, float]
    extent: tuple[float, float, float]
    largest: tuple[float, float, float]
    low: float
    high: float
    mean: float
    deviation: float

    @classmethod
    def of(cls, data: Dataset, *, most: int = 30) -> Fingerprint:
        """Look at ``most`` of the cases, evenly spread.

        Raises:
            ValueError: when no label has a voxel in any of them, or scans have several series.
        """
        count = min(most, len(data))
        numbers = np.linspace(0, len(data) - 1, count).round().astype(int)
        spacings, extents, inside = [], [], []
        for number in numbers:
            scan, mask = data.raw(int(number)).values
            assert isinstance(scan, Volume)
            grid = scan.grid.reoriented("SPL")
            spacings.append(grid.spacing)
            extents.append(np.array(grid.spacing) * grid.shape)
            found = scan.data[:, (mask.data > 0).any(0)].flatten()  # type: ignore[attr-defined]
            inside.append(found[:: max(1, len(found) // 20_000)].float().numpy())
        voxels = np.concatenate(inside)
        if len(voxels) == 0:
            raise ValueError("no scan that was looked at has a single labelled voxel")
        kind = data.blocks[0].kind
        if not issubclass(kind, Volume):
            raise ValueError("plans are made for scans of one series")
        low, high = np.percentile(voxels, [0.5, 99.5])
        clipped = voxels.clip(low, high)
        return cls(
            kind=kind,
            spacing=_triple(np.median(spacings, axis=0)),
            extent=_triple(np.median(extents, axis=0)),
            largest=_triple(np.max(extents, axis=0)),
            low=float(low),
            high=float(high),
            mean=float(clipped.mean()),
            deviation=float(max(clipped.std(), 1e-6)),
        )


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Args:
        preprocess: to every scan, also those predicted later.
        augment: to those trained on, anew each time.
        window: patch size, and window of prediction.
        batch_size: patches a step.
        architecture: of the network.
        reasons: why, in words.
    """

    preprocess: Pipeline
    augment: Pipeline
    window: Triple
    batch_size: int
    architecture: Architecture
    reasons: tuple[str, ...]

    @classmethod
    def make(cls, fingerprint: Fingerprint, *, device: str | None = None) -> Plan:
        """Decide from the fingerprint and the device (left out: the one that will be used)."""
        device = device or best_device().type
        room = _PATCH_VOXELS[device]
        spacing = _affordable(fingerprint, room * _SCAN_PATCHES)
        largest = [round(e / s) for e, s in zip(fingerprint.largest, spacing, strict=True)]
        strides, window = _levels(largest, spacing, room)
        channels = tuple(_CHANNELS * 2**level for level in range(len(strides) + 1))
        architecture = Architecture.residual_unet(channels=channels, strides=strides)
        preprocess = Pipeline((Reorient("SPL"), Spacing(spacing), _normalise(fingerprint)))
        augment = Pipeline(
            (
                RandomAffine(degrees=15.0, scale=0.1),
                RandomPatch(window, on_label=0.7),
                Brightness(contrast=0.15, shift=0.15, probability=0.5),
                Noise(up_to=0.1, probability=0.5),
            )
        )
        return cls(
            preprocess, augment, window, 2, architecture, _reasons(fingerprint, spacing, window)
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "preprocess": self.preprocess.to_list(),
            "augment": self.augment.to_list(),
            "window": list(self.window),
            "batch_size": self.batch_size,
            "architecture": {
                "name": self.architecture.name,
                "arguments": dict(self.architecture.arguments),
            },
            "reasons": list(self.reasons),
        }


def _reasons(
    fingerprint: Fingerprint, spacing: Sequence[float], window: Sequence[int]
) -> tuple[str, ...]:
    """Why, in words."""
    own, chosen = (" × ".join(f"{s:.3g}" for s in mm) for mm in (fingerprint.spacing, spacing))
    size = f"{chosen} mm a voxel: the scans have {own} mm (median)"
    if own != chosen:
        size += f", coarsened so that a scan is about {_SCAN_PATCHES} patches"
    scale = "intensities: each scan by its own mean and deviation, since units are arbitrary"
    if _absolute(fingerprint.kind):
        scale = (
            f"intensities: clipped to {fingerprint.low:.4g} to {fingerprint.high:.4g} "
            f"{fingerprint.kind.default_units} (99% of what is labelled), then the same mean and "
            "deviation for all scans, since the units mean something"
        )
    return (
        size,
        f"patches of {'×'.join(map(str, window))} voxels: the most that this device does quickly",
        scale,
        "turned by up to 15 degrees, stretched by up to 10%, contrast and noise varied; not "
        "mirrored, since left and right differ in patients",
    )


def _absolute(kind: type[Volume]) -> bool:
    return issubclass(kind, CTVolume | PETVolume)


def _normalise(fingerprint: Fingerprint) -> Normalise:
    if not _absolute(fingerprint.kind):
        return Normalise()
    return Normalise(fingerprint.mean, fingerprint.deviation, fingerprint.low, fingerprint.high)


def _affordable(fingerprint: Fingerprint, voxels: int) -> tuple[float, float, float]:
    """The scans' own spacing, coarsened until a median scan has at most so many voxels.

    The finest axes are coarsened first, until they are as coarse as the others.
    """
    spacing = np.array(fingerprint.spacing)
    extent = np.array(fingerprint.extent)
    for _ in range(1000):
        if np.prod(extent / spacing) <= voxels:
            break
        spacing = np.maximum(spacing, spacing.min() * 1.02)
    return _triple(np.round(spacing, 3))


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


def _triple(values: Any) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c
