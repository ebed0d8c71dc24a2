"""What pages say of scans, in plain words and safe to show."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from medlib import io
from medlib.space import Grid
from medlib.types import SCAN_KINDS, Mask, Volume


def plain(text: str) -> str:
    """Text as Markdown that shows just its letters: no HTML, no links, no pictures from afar."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def kind_of(stack: io.Stack) -> str:
    """What a scan is, in a word."""
    names = (name.upper() for name, kind in SCAN_KINDS.items() if kind is stack.kind)
    return next(names, stack.modality or "not stated")


def volume(ml: float) -> str:
    """Millilitres, to three figures where there are few.

    Example:
        >>> volume(1432.06), volume(0.0421), volume(0.0)
        ('1432 ml', '0.0421 ml', 'not found')
    """
    if not ml:
        return "not found"
    return f"{ml:.0f} ml" if ml >= 100 else f"{ml:.3g} ml"


def point(scan: Volume, mask: Mask | None, voxel: Sequence[int]) -> str:
    """Where a voxel is in the patient, its value, and the structures shown there."""
    sides = (("L", "R"), ("P", "A"), ("S", "I"))  # towards + and towards - of x, y, z
    where = ", ".join(
        f"{plus if mm >= 0 else minus} {abs(mm):.1f}"
        for (plus, minus), mm in zip(sides, scan.grid.to_patient(voxel), strict=True)
    )
    i, j, k = voxel
    names = []
    if mask is not None:
        here = set(mask.data[:, i, j, k].tolist())
        names = [label.name for label in mask.labels if label.id in here]
    value = f"{float(scan.data[0, i, j, k]):.4g}"
    return ", ".join([f"{where} mm", f"{value} {scan.units}", *names])


def oblique(grid: Grid) -> str:
    """A sentence on axes that are not the patient's own; empty where they are."""
    angle = float(np.degrees(np.arccos(np.abs(grid.directions).max(0).clip(0, 1)).max()))
    if grid.is_sheared:
        return "The gantry was tilted: slices are drawn above one another as if it were not. "
    if angle < 1:
        return ""
    return (
        f"The scan is oblique: planes follow its own axes, up to {angle:.0f}° from the patient's. "
    )
