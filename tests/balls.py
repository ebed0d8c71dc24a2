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


def findings(number):
    """A scan with a bright ball, a dark one, both, or none, and the rows that say so."""
    draw = np.random.default_rng(number)
    grid = Grid.from_axes(
        (12, 16, 18), spacing=(2, 1.5, 1.5), directions=TURN, origin=(30, -20, 400)
    )
    data, rows = draw.normal(0, 10, grid.shape), []
    for look, here, start in (("bright", number % 2, 4), ("dark", number // 2 % 2, 12)):
        if not here:
            continue
        middle = grid.to_patient(np.array([6, 8, start]) + draw.uniform(-2, 2, 3))
        radius = draw.uniform(3.5, 5)
        inside = np.linalg.norm(voxels(grid) - middle, axis=-1) <= radius
        data[inside] = 100 if look == "bright" else -100
        rows.append((*middle.tolist(), 2 * radius, look))
    return MRVolume(torch.from_numpy(data[None].astype(np.float32)), grid), rows


def write_findings(folder, count):
    """Scans with such balls, and a table of them: where both are."""
    (folder / "scans").mkdir()
    with (folder / "boxes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["seriesuid", "coordX", "coordY", "coordZ", "diameter_mm", "label"])
        for number in range(count):
            scan, rows = findings(number)
            write_nifti(scan, folder / "scans" / f"case_{number}.nii.gz")
            table.writerows((f"case_{number}", *row) for row in rows or [("",) * 5])
    return folder / "scans", folder / "boxes.csv"
