"""A few scans on a clinician's desk, and something painted on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from medlib.io import write_nifti
from medlib.space import Grid
from medlib.types import Labels, Mask, MRVolume
from medlib.workspace import Workspace

ORGANS = Labels.of(["liver", "spleen"])
SHAPE = (4, 6, 8)


def grid_of(shape: tuple[int, int, int] = SHAPE) -> Grid:
    return Grid.from_axes(shape, spacing=(3.0, 1.0, 1.0), origin=(5.0, -7.0, 11.0))


def add_scan(workspace: Workspace, folder: Path, name: str = "case_1", **how: Any) -> int:
    """A scan a few voxels wide, brought in from a NIfTI file, and called by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = torch.Generator().manual_seed(sum(name.encode()))
    write_nifti(
        MRVolume(torch.randn(1, *SHAPE, generator=draw), grid_of()), folder / f"{name}.nii.gz"
    )
    how = {"kind": "mr", "file_names": True} | how
    (scan,) = workspace.scans.add(folder / f"{name}.nii.gz", by="ada", **how).scans
    return scan.id


def painted(value: int = 1, at: int = 0, grid: Grid | None = None, labels: Labels = ORGANS) -> Mask:
    """A mask with one row painted."""
    grid = grid or grid_of()
    data = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    data[0, at % grid.shape[0], at // grid.shape[0] % grid.shape[1]] = value
    return Mask(data, grid, labels)
