"""A mask put on its image's grid: turned and flipped if need be, never resampled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from medlib.io.files import UnreadableError
from medlib.space import Grid
from medlib.types import Mask

_SAME_MM = 0.01  # NIfTI's float32 affines and DICOM's decimal strings round below this


def placed(mask: Mask, on: Grid, name: str) -> Mask:
    """The mask on ``on``, its axes turned and flipped if need be, its voxels untouched.

    Raises:
        UnreadableError: when its voxels are not those of ``on``, saying how they differ.
    """
    turned = mask.grid.reoriented(on.orientation)
    if not turned.close_to(on, tolerance_mm=_SAME_MM):
        raise UnreadableError(
            f"{name} lies on another grid than its image: {turned.difference(on)}. "
            "Draw or resample the mask on the image it belongs to."
        )
    return replace(mask, data=_turned(mask.data, mask.grid, turned), grid=on)


def _turned(data: torch.Tensor, old: Grid, new: Grid) -> torch.Tensor:
    """The tensor with its axes in the order and direction that ``new`` has."""
    step = np.rint(np.linalg.inv(old.affine)[:3, :3] @ new.affine[:3, :3]).astype(int)
    order = [int(np.argmax(np.abs(step[:, k]))) for k in range(3)]
    flips = [k + 1 for k in range(3) if step[order[k], k] < 0]
    turned = data.permute(0, *(axis + 1 for axis in order))
    return (turned.flip(flips) if flips else turned).contiguous()
