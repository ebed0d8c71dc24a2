"""Studies of one patient, a series each, made when one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from small_scans import grid_of
from tiny import write_series

from medlib.types import CTVolume


def write_study(
    folder: Path,
    number: int,
    made: str = "20230228",
    time: str = "101112",
    patient: str = "ROE-470",
    **said: Any,
) -> Path:
    """A series of a study of its own, with this in its headers."""
    from pydicom import dcmread

    values = torch.full((1, 4, 6, 8), 10.0 * number)
    values[0, 0, 0, 0] = -900
    where = write_series(
        folder / str(number), CTVolume(values, grid_of()), modality="CT", patient=patient
    )
    for path in where.iterdir():
        file = dcmread(path)
        file.StudyDate, file.StudyTime = made, time
        for keyword, value in said.items():
            setattr(file, keyword, value)
        file.save_as(path)
    return where
