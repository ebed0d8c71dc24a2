"""Scans with one ball in them, and a table that says of each how bright and how large it is."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch
from strategies import voxels

from medlib.io import write_nifti
from medlib.io.markups import write_points
from medlib.space import Grid
from medlib.types import MRVolume, Points, Volume

# Not along the patient's axes, and not the same in all directions.
TURN = np.array([[0.0, 0.0, -1.0], [-0.6, 0.8, 0.0], [0.8, 0.6, 0.0]])


def ball(number: int, *, kind: type[Volume] = MRVolume) -> tuple[Volume, dict[str, object]]:
    """A scan, and what is true of it: every other ball is bright, and the others dark."""
    draw = np.random.default_rng(number)
    shape = [int(n) for n in (12 + number % 2, 16, 18 - number % 3)]
    grid = Grid.from_axes(shape, spacing=(2.0, 1.5, 1.5), directions=TURN, origin=(30, -20, 400))
    centre, radius = grid.centre + draw.uniform(-3, 3, 3), draw.uniform(4, 8)
    inside = np.linalg.norm(voxels(grid) - centre, axis=-1) <= radius
    bright = number % 2 == 0
    data = 100.0 * (1 if bright else -1) * inside + draw.normal(0, 15, inside.shape)
    truth = {
        "look": "bright" if bright else "dark",
        "volume": 4 / 3 * np.pi * radius**3 / 1000,
        "large": "yes" if radius > 6 else "no",
        "bright": "yes" if bright else "no",
        "centre": centre,
    }
    return kind(torch.from_numpy(data[None].astype(np.float32)), grid), truth


def write_balls(folder: Path, count: int) -> Path:
    """``scans/``, ``points/`` and ``table.csv``."""
    rows = []
    for part in ("scans", "points"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        scan, truth = ball(number)
        name = f"Secret-Name_{number}"
        write_nifti(scan, folder / "scans" / f"{name}.nii.gz")
        centre = Points([truth.pop("centre")], ("centre",))
        write_points(centre, folder / "points" / f"{name}.mrk.json")
        rows.append({"name": name, "scan": f"scans/{name}.nii.gz", "patient": name} | truth)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder
