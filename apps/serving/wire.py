"""Scans and outlines as the browser wants them: NIfTI whose axes run to the right, front, head.

The viewer's own order is that one, so that it turns nothing; a mask that comes back is turned
onto the scan's grid here, where it is tested. Nothing is interpolated either way.
"""

from __future__ import annotations

import zlib
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import torch
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from medlib.space import Grid
from medlib.transforms import Move, resample
from medlib.types import Labels, Mask, Volume

LARGEST = 64 * 2**20
"""Bytes of a compressed mask; a whole-body CT with a hundred structures has a tenth of it."""
_OFFSET = 352  # bytes before the voxels of a single-file NIfTI-1


class MaskRefusedError(ValueError):
    """A mask is not of this scan, or none that can be painted."""


def wire_grid(grid: Grid) -> Grid:
    """The same voxels with axes (to the head, to the front, to the right)."""
    return grid.reoriented("SAR")


def encode_volume(volume: Volume) -> bytes:
    """A scan as NIfTI, in whole numbers where it has no others.

    Raises:
        ValueError: for a volume of several channels.
    """
    if volume.data.shape[0] != 1:
        raise ValueError(f"a scan of {volume.data.shape[0]} channels cannot be shown as one")
    values = _turned(volume).data[0].numpy()
    whole = np.issubdtype(values.dtype, np.integer) or bool((values == np.rint(values)).all())
    if whole and values.min(initial=0) >= -32768 and values.max(initial=0) <= 32767:
        return _nifti(values.astype(np.int16), volume.grid, "")
    return _nifti(values.astype(np.float32), volume.grid, "")


def encode_mask(mask: Mask, case: str) -> bytes:
    """A mask as NIfTI, which says whose it is.

    Raises:
        MaskRefusedError: when structures overlap, or ids do not fit into a byte.
    """
    values = flat(mask)
    if values.numel() and int(values.max()) > 255:
        raise MaskRefusedError("the viewer paints ids up to 255; these structures have larger ones")
    turned = _turned(Mask(values, mask.grid))
    return _nifti(turned.data[0].numpy().astype(np.uint8), mask.grid, case)


def flat(mask: Mask) -> torch.Tensor:
    """A mask's ids in one layer: (1, slice, row, column).

    Raises:
        MaskRefusedError: when structures overlap.
    """
    if bool(((mask.data > 0).sum(0) > 1).any()):
        raise MaskRefusedError("structures of this outline overlap, and cannot be painted as one")
    return mask.data.amax(0, keepdim=True)


def decode_mask(packed: bytes, *, case: str, grid: Grid, labels: Labels) -> Mask:
    """The mask that a browser sent.

    Args:
        packed: gzipped NIfTI.
        case: whose it must be.
        grid: the scan's, or the coarse one that was served.
        labels: its ids must be of this table.

    Raises:
        MaskRefusedError: when it is no such mask, with what is wrong.
    """
    landing = wire_grid(grid)
    raw = _unpacked(packed, _OFFSET + int(np.prod(grid.shape)))
    values, affine, owner = _parsed(raw, landing)
    if owner != case:
        raise MaskRefusedError("this mask is of another scan")
    if not Grid.from_ras(landing.shape[::-1], affine).close_to(landing):
        raise MaskRefusedError("this mask lies elsewhere than the scan: it is of another one")
    if unknown := sorted(set(np.unique(values).tolist()) - {0, labels.ignored, *labels.ids}):
        raise MaskRefusedError(f"the mask holds ids without a structure: {unknown[:8]}")
    found = Mask(torch.from_numpy(values.copy())[None], landing, labels)
    turned: Mask = resample(found, Move(landing, grid))
    return turned


def _turned(value: Any) -> Any:
    return resample(value, Move(value.grid, wire_grid(value.grid)))


def _nifti(values: npt.NDArray[Any], grid: Grid, owner: str) -> bytes:
    affine = wire_grid(grid).to_ras()
    image = nibabel.Nifti1Image(values.T, affine, dtype=values.dtype)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(1.0, 0.0)
    image.header["descrip"] = owner.encode()
    image.set_sform(affine, code=1)
    image.set_qform(None if grid.is_sheared else affine, code=int(not grid.is_sheared))
    packed: bytes = image.to_bytes()
    return packed


def _unpacked(packed: bytes, size: int) -> bytes:
    """Exactly so many bytes; a bomb is not unpacked further than that."""
    stream = zlib.decompressobj(wbits=31)
    try:
        raw = stream.decompress(packed, size + 1)
    except zlib.error:
        raise MaskRefusedError("the mask was damaged on its way: it is no gzip") from None
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise MaskRefusedError("the mask has not as many voxels as the scan")
    return raw


def _parsed(
    raw: bytes, landing: Grid
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64], str]:
    try:
        header = nibabel.Nifti1Header(raw[:348], check=False)
        dtype, shape = header.get_data_dtype(), tuple(header.get_data_shape())
        affine = header.get_sform()
        owner = header["descrip"].item().decode()
        offset = float(header["vox_offset"])
    except (HeaderDataError, WrapStructError, KeyError, ValueError):
        raise MaskRefusedError("the mask is no NIfTI image") from None
    if dtype != np.uint8 or offset != _OFFSET:
        raise MaskRefusedError("a mask holds one byte a voxel")
    if shape != landing.shape[::-1]:
        raise MaskRefusedError(f"the mask has {shape} voxels, the scan {landing.shape[::-1]}")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise MaskRefusedError("the mask does not say where it lies")
    return np.frombuffer(raw, np.uint8, offset=_OFFSET).reshape(landing.shape), affine, owner
