"""One mask out of a folder or archive that holds a series or file for each structure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medlib.io.files import UnreadableError
from medlib.io.placing import placed
from medlib.io.stack import Stack
from medlib.io.survey import survey
from medlib.space import Grid
from medlib.types import Label, Labels, Mask, Volume
from medlib.types.anatomy import code_for
from medlib.types.ids import layered


def read_structures(path: str | Path, *, on: Grid | None = None) -> Mask:
    """The structures that lie apart, together in one mask.

    Each sub-folder with a DICOM series of two values (0 and 1, 0 and 255), and each NIfTI file of
    two values, is a structure, called as the folder or file is. Structures that overlap go into
    different layers, so that nothing is lost; empty ones keep their label.

    Args:
        path: a folder or .zip archive.
        on: the grid of the image they were drawn on. Left out: that of the first structure.

    Raises:
        UnreadableError: when there is none, one cannot be read, holds more than two values, or
            lies on another grid.
    """
    found = survey(path)
    name = Path(path).name
    if found.refusals:
        raise UnreadableError(f"{name}: {found.refusals[0].reason}")
    if not found.stacks:
        raise UnreadableError(f"{name} holds no structures (DICOM series or NIfTI files)")
    stacks = sorted(found.stacks, key=lambda stack: stack.name)
    labels = Labels(
        tuple(Label(i, s.name, code_for(s.name)) for i, s in enumerate(stacks, start=1))
    )
    grid = stacks[0].grid if on is None else on
    voxels = layered(_each(stacks, grid), grid.shape, top=len(stacks))
    return Mask(torch.from_numpy(voxels), grid, labels)


def _each(stacks: Sequence[Stack], grid: Grid) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    for label_id, stack in enumerate(stacks, start=1):
        inside = torch.from_numpy(_inside(stack))[None]
        mask = Mask(inside, stack.grid, Labels.of([stack.name]))
        yield label_id, placed(mask, grid, stack.name).data[0].numpy().astype(bool)


def _inside(stack: Stack) -> np.ndarray[Any, Any]:
    """Where the structure is, as 0 and 1."""
    values = stack.read(Volume).data[0].numpy()
    high = values.max()
    inside: np.ndarray[Any, Any] = values == high
    if values.min() < 0 or not (inside | (values == 0)).all():
        raise UnreadableError(
            f"{stack.name} holds more than a structure and its background: its values should be 0 "
            "and one other number"
        )
    return np.asarray(inside & (high > 0), np.uint8)
