"""NIfTI files in and out (NIfTI-1 and NIfTI-2, single file, plain or gzipped).

NIfTI stores RAS millimetres over (i, j, k) = (column, row, slice); it becomes medlib's LPS over
(slice, row, column) here and nowhere else. Label tables travel in a header extension.
"""

from __future__ import annotations

import gzip
import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medlib.io.files import FILE_ERRORS, File, UnreadableError, written_whole
from medlib.io.stack import Stack, narrowest
from medlib.space import Grid
from medlib.types import Labels, Mask, Volume

if TYPE_CHECKING:
    from nibabel import Nifti1Header

SUFFIXES = (".nii", ".nii.gz")
_COMMENT = 6  # the extension code for text (NIfTI-1 specification, nifti1_io.h)
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # by the spatial bits of xyzt_units
_UNIT_NAMES = {1: "metres", 3: "micrometres"}
_FORMS_AGREE_MM = 1e-3
_DAMAGE = (*FILE_ERRORS, struct.error, ValueError)


@dataclass(frozen=True, kw_only=True)
class NiftiStack(Stack):
    """A volume in a NIfTI file; its kind is for the reader to say."""

    @property
    def source(self) -> Literal["nifti"]:
        """Always ``"nifti"``."""
        return "nifti"

    def _voxels(self, kind: type[Volume]) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
        (file,) = self.files
        values = narrowest(_values(file))[0]
        if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
            values = np.where(finite, values, np.float32(kind.default_background))
            count = int(finite.size - np.count_nonzero(finite))
            note = f"{count} voxels that were no numbers became {kind.default_background:g}"
            return values, (note,)
        return values, ()


def is_nifti(name: str) -> bool:
    """Whether a file of this name should be NIfTI."""
    return name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """A NIfTI file's name without its ending.

    Example:
        >>> stem("hippocampus_001.nii.gz")
        'hippocampus_001'
    """
    lower = name.lower()
    ending = next((s for s in reversed(SUFFIXES) if lower.endswith(s)), "")
    return name[: len(name) - len(ending)]


def read_stack(file: File) -> NiftiStack:
    """The volume in a NIfTI file, from its header alone.

    Raises:
        UnreadableError: when the file is damaged, its place in the patient is not stated, or it
            is not one 3-D image of real numbers.
    """
    header = _header(file)
    shape = tuple(int(n) for n in header.get_data_shape())
    if len(shape) < 3 or any(n > 1 for n in shape[3:]):
        what = "×".join(map(str, shape))
        raise UnreadableError(
            f"{file.name} is {what}, not one 3-D image. Save each 3-D image on its own."
        )
    grid, warnings, repairs = _grid(header, file.name)
    name = stem(file.name)
    return NiftiStack(
        name=name,
        files=(file,),
        kind=Volume,
        grid=grid,
        patient=name,
        study=name,
        warnings=tuple(warnings),
        repairs=tuple(repairs),
    )


def read_label_map(file: File) -> tuple[np.ndarray[Any, Any], Grid, Labels | None]:
    """Whole numbers (layer, slice, row, column), their grid, and the label table if it has one.

    Raises:
        UnreadableError: as :func:`read_stack`, and when a voxel is not a whole number from 0 to
            65535.
    """
    header = _header(file)
    if len(header.get_data_shape()) < 3:
        raise UnreadableError(f"{file.name} is a single picture, not a 3-D label map")
    grid, _, _ = _grid(header, file.name)
    values = _values(file)
    if values.dtype.kind == "f":
        whole = np.rint(values)
        if not np.array_equal(whole, values):
            raise UnreadableError(
                f"{file.name} is no label map: it holds numbers that are not whole. "
                "Resample label maps by nearest neighbour only."
            )
        values = whole
    if values.min() < 0 or values.max() > 65535:
        raise UnreadableError(f"{file.name} is no label map: ids run from 0 to 65535")
    dtype = np.uint8 if values.max() < 256 else np.int32
    return values.astype(dtype, copy=False), grid, _label_table(header)


def write_nifti(value: Volume | Mask, path: str | Path) -> None:
    """Write a volume or a mask as ``.nii`` or ``.nii.gz``.

    The affine is stored as sform, and as qform too unless the grid is sheared, which a qform
    cannot say. Masks take the narrowest unsigned type; their label table goes into a header
    extension, which :func:`medlib.io.read_mask` finds again. Several layers make a 4-D file.
    Nothing half-written is left behind, and equal values give equal bytes.

    Args:
        value: the volume (of one channel) or mask.
        path: the file; an existing one is replaced.

    Raises:
        ValueError: when the path ends otherwise, or the volume has several channels.
    """
    path = Path(path)
    if not is_nifti(path.name):
        raise ValueError(f"{path.name}: a NIfTI file's name ends in .nii or .nii.gz")
    if isinstance(value, Volume) and value.data.shape[0] != 1:
        raise ValueError(f"{path.name}: a volume of {value.data.shape[0]} channels; write each")
    import nibabel

    voxels = _stored(value)
    data = voxels[0].T if len(voxels) == 1 else np.moveaxis(voxels.T, -1, 3)
    affine = value.grid.to_ras()
    image = nibabel.Nifti1Image(data, affine, dtype=voxels.dtype)
    header = image.header
    header.set_xyzt_units("mm")
    header.set_slope_inter(1.0, 0.0)
    image.set_sform(affine, code=1)
    image.set_qform(None if value.grid.is_sheared else affine, code=int(not value.grid.is_sheared))
    if isinstance(value, Mask):
        text = json.dumps({"medlib": {"labels": value.labels.to_list()}})
        header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, text.encode()))
    raw = image.to_bytes()
    if path.name.lower().endswith(".gz"):
        raw = gzip.compress(raw, compresslevel=1, mtime=0)
    with written_whole(path) as partial:
        partial.write_bytes(raw)


def _stored(value: Volume | Mask) -> np.ndarray[Any, Any]:
    voxels: np.ndarray[Any, Any] = value.data.detach().cpu().numpy()
    if not isinstance(value, Mask):
        return voxels.astype(np.float32) if voxels.dtype in (np.float16, np.bool_) else voxels
    if voxels.size and (voxels.min() < 0 or voxels.max() > 65535):
        raise ValueError("a mask's ids run from 0 to 65535")
    return voxels.astype(np.uint8 if voxels.max(initial=0) < 256 else np.uint16)


# --- reading ------------------------------------------------------------------------------


def _header(file: File) -> Nifti1Header:
    import nibabel
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        with file.open() as raw:
            stream = gzip.GzipFile(fileobj=raw) if _is_gzipped(file) else raw
            start = stream.read(4)
            sizes = {struct.unpack(order + "i", start)[0] for order in "<>"}
            kind = nibabel.Nifti2Header if 540 in sizes else nibabel.Nifti1Header
            stream.seek(0)
            header = kind.from_fileobj(stream, check=False)  # its check only writes to the log
        numbers = header.get_data_dtype().kind
    except (*_DAMAGE, HeaderDataError, WrapStructError, KeyError):
        raise UnreadableError(
            f"{file.name} is damaged or no NIfTI file. Fetch or export it again."
        ) from None
    if header["magic"].item() not in (b"n+1", b"n+2"):
        raise UnreadableError(f"{file.name} is no single-file NIfTI image")
    if numbers not in "iuf":
        raise UnreadableError(f"{file.name} holds colours or complex numbers, not one number each")
    _check_length(file, header)
    return header


def _is_gzipped(file: File) -> bool:
    return file.read(0, 2) == b"\x1f\x8b"


def _check_length(file: File, header: Nifti1Header) -> None:
    """Refuse a file that is cut short.

    gzip ends with the length of what is inside, so a sound file need not be unpacked; only where
    that differs (the file is cut, or in several parts) is it.
    """
    offset = float(header["vox_offset"])
    if not 348 <= offset < 1 << 31:
        raise UnreadableError(f"{file.name} is damaged: its voxels cannot start at byte {offset:g}")
    size = math.prod(int(n) for n in header.get_data_shape())
    expected = int(offset) + size * header.get_data_dtype().itemsize
    length = file.size()
    if _is_gzipped(file):
        (stated,) = struct.unpack("<L", file.read(length - 4, 4))
        length = expected if stated == expected % (1 << 32) else len(_unpacked(file))
    if length < expected:
        raise UnreadableError(
            f"{file.name} is cut short: {length} of {expected} bytes. Fetch it again."
        )


def _unpacked(file: File) -> bytes:
    try:
        return gzip.decompress(file.read()) if _is_gzipped(file) else file.read()
    except _DAMAGE:
        raise UnreadableError(f"{file.name} is cut short or damaged. Fetch it again.") from None


def _values(file: File) -> np.ndarray[Any, Any]:
    """All voxels, scaled: (volume, slice, row, column)."""
    header = _header(file)
    raw = _unpacked(file)
    shape = tuple(int(n) for n in header.get_data_shape())
    stored = np.frombuffer(
        raw, header.get_data_dtype(), math.prod(shape), offset=int(header["vox_offset"])
    )
    # NIfTI's first axis runs fastest, which is C order of the axes reversed.
    values = stored.reshape(shape[:2:-1] + shape[2::-1]).reshape(-1, *shape[2::-1])
    values = values.astype(values.dtype.newbyteorder("="))
    slope, intercept = (float(header[k]) for k in ("scl_slope", "scl_inter"))
    if not np.isfinite(slope) or slope == 0.0 or (slope, intercept) == (1.0, 0.0):
        return values
    if not np.isfinite(intercept):
        raise UnreadableError(f"{file.name} states a scl_inter that is no number")
    scaled: np.ndarray[Any, Any] = values * np.float64(slope) + np.float64(intercept)
    return scaled


def _grid(header: Nifti1Header, name: str) -> tuple[Grid, list[str], list[str]]:
    """The grid, with warnings and repairs; sform before qform, as the standard advises."""
    warnings, repairs = [], []
    shape = tuple(int(n) for n in header.get_data_shape())[:3]
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    if sform <= 0 and qform <= 0:
        raise UnreadableError(
            f"{name} does not say where it is in the patient (sform and qform codes are 0), so "
            "left and right are unknown. Convert the original images again."
        )
    unit = int(header["xyzt_units"]) & 7
    scale = _MILLIMETRES.get(unit, 1.0)
    if unit in _UNIT_NAMES:
        repairs.append(f"geometry in {_UNIT_NAMES[unit]} was turned into millimetres")
    elif unit != 2:
        warnings.append("units are not stated and taken as millimetres")
    to_mm = np.diag([scale, scale, scale, 1.0])
    try:
        grid = Grid.from_ras(shape, to_mm @ (header.get_sform() if sform > 0 else _qform(header)))
    except ValueError as error:
        raise UnreadableError(f"{name} has an impossible geometry: {error}") from None
    if sform > 0 and qform > 0 and (difference := _other_form(header, grid, to_mm)):
        warnings.append(f"sform and qform disagree ({difference}); the sform is used")
    return grid, warnings, repairs


def _qform(header: Nifti1Header) -> np.ndarray[Any, Any]:
    from nibabel.spatialimages import HeaderDataError

    if header["pixdim"][0] == 0:  # "if it is 0, it is taken as 1", says nifti1.h of qfac
        header["pixdim"][0] = 1
    try:
        return np.asarray(header.get_qform())
    except HeaderDataError as error:
        raise ValueError(f"qform: {error}") from None


def _other_form(header: Nifti1Header, grid: Grid, to_mm: np.ndarray[Any, Any]) -> str:
    """How the qform differs from the sform's grid; empty where it does not."""
    try:
        other = Grid.from_ras(grid.shape[::-1], to_mm @ _qform(header))
    except ValueError as error:
        return str(error)
    agree = grid.close_to(other, tolerance_mm=_FORMS_AGREE_MM)
    return "" if agree else grid.difference(other)


def _label_table(header: Nifti1Header) -> Labels | None:
    for extension in header.extensions:
        if extension.get_code() != _COMMENT:
            continue
        try:
            table = json.loads(extension.get_content())["medlib"]["labels"]
            return Labels.from_list(table)
        except (ValueError, KeyError, TypeError):
            continue  # a comment of someone else's
    return None
