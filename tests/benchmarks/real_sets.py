"""The real sets that models are trained on here, and how what they outline is measured: alike for all."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import torch

Pair = tuple[str, str]
"""File names of a scan and of its label map."""


@dataclass(frozen=True)
class RealSet:
    """A folder of scans with label maps; each patient has one scan.

    Args:
        name: by which it is called here.
        images: folder of the scans, below it.
        labels: folder of the label maps.
        parts: what the ids 1, 2, … stand for.
        tolerance: millimetres that a surface may be off, for the surface Dice.
        pairs: all scans that have labels.
    """

    name: str
    images: Path
    labels: Path
    parts: tuple[str, ...]
    tolerance: float
    pairs: tuple[Pair, ...]

    def dealt(self, kept_back: int, seed: int) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
        """Patients to learn from, and so many others."""
        chosen = {scan for scan, _ in random.Random(seed).sample(self.pairs, kept_back)}
        train, test = (
            tuple(pair for pair in self.pairs if (pair[0] in chosen) is kept)
            for kept in (False, True)
        )
        return train, test


def hippocampus(root: Path) -> RealSet:
    """200 crops of brain MR, 1 mm."""
    there = root / "hippocampus"
    names = sorted(path.name for path in (there / "labels").glob("*.nii.gz"))
    pairs = tuple((name, name) for name in names)
    parts = ("anterior", "posterior")
    return RealSet("hippocampus", there / "images", there / "labels", parts, 1.0, pairs)


def abdomen(root: Path) -> RealSet:
    """14 abdominal MR, slices of 7.7 mm."""
    there = root / "chaos_t2_mr"
    numbers = sorted(
        int(p.name.split(".")[0].removeprefix("label_")) for p in there.glob("label_*")
    )
    pairs = tuple((f"image_{k}.nii.gz", f"label_{k}.nii.gz") for k in numbers)
    parts = ("liver", "right kidney", "left kidney", "spleen")
    return RealSet("abdomen", there, there, parts, 3.0, pairs)


SETS = {"hippocampus": hippocampus, "abdomen": abdomen}


@dataclass(frozen=True)
class Agreement:
    """Of each structure of one scan; NaN where neither has it.

    Args:
        dice: overlap.
        surface: share of both surfaces that lie within the tolerance of each other (NSD).
    """

    dice: list[float]
    surface: list[float]


def agreement(found: Path, truth: Path, data: RealSet) -> Agreement:
    """What was outlined beside what is true, read by nibabel; surfaces are measured by MONAI.

    Raises:
        ValueError: when they do not have the same voxels.
    """
    from monai.metrics.surface_dice import compute_surface_dice

    there, known = (nibabel.load(path) for path in (found, truth))
    a, b = (np.asarray(image.dataobj) for image in (there, known))
    if a.shape != b.shape:
        raise ValueError(f"{found.name} has {a.shape} voxels, and its scan {b.shape}")
    both = [(a == k, b == k) for k in range(1, len(data.parts) + 1)]
    one, other = (
        torch.from_numpy(np.stack([pair[side] for pair in both]))[None].float() for side in (0, 1)
    )
    surfaces = compute_surface_dice(
        one,
        other,
        class_thresholds=[data.tolerance] * len(both),
        include_background=True,  # there is none among them
        spacing=[float(step) for step in known.header.get_zooms()[:3]],
    )[0].tolist()
    return Agreement([_dice(x, y) for x, y in both], surfaces)


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    either = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / either if either else float("nan")
