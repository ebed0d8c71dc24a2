"""Masks in: NIfTI label maps, DICOM segmentations, and PNG of radiographs, on the image's own grid
or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medlib.io import nifti, picture
from medlib.io.dicom.frames import SegmentationHeader
from medlib.io.dicom.headers import looks_like_dicom, read_header
from medlib.io.dicom.seg_read import read_segmentation
from medlib.io.files import File, UnreadableError, walk
from medlib.io.placing import placed
from medlib.io.projection import flat_grid
from medlib.space import Grid
from medlib.types import Labels, Mask


def read_mask(path: str | Path, *, labels: Labels | None = None, on: Grid | None = None) -> Mask:
    """The mask in a NIfTI label map, a DICOM segmentation (SEG), or the PNG of a radiograph.

    A NIfTI file's own label table (as :func:`medlib.io.write_nifti` writes it) or a SEG's
    segments name the structures; without either they are called "label 1" and so on. Ids of a SEG
    are its segment numbers, or, with ``labels``, those of the same names. A PNG says nothing of the
    patient: its pixels are those of the radiograph ``on`` whose grid it is read.

    Args:
        path: a .nii, .nii.gz, .png or DICOM SEG file, or a folder or .zip that holds just one.
        labels: the table to read it by.
        on: the grid it must lie on: its image's. A label map whose axes are stored in another
            order or direction, but whose voxels are the same, is turned to it; nothing is
            resampled. For a SEG, which leaves out empty slices, this is how they come back.

    Raises:
        UnreadableError: when the file is damaged or no mask; holds an id or name that ``labels``
            lacks; or lies on another grid than ``on``.
    """
    file, seg = _the_one(Path(path))
    if seg is not None:
        mask = read_segmentation(file, on=on)
        mask = mask if labels is None else _relabelled(mask, labels, file.name)
        return mask if on is None else placed(mask, on, file.name)
    values, grid, own = _label_map(file, on)
    ids = [int(i) for i in np.unique(values) if i]
    table = labels or own or Labels.of({i: f"label {i}" for i in ids})
    if own is not None:
        _same_names(table, own, ids, file.name)
    if unknown := sorted(set(ids) - {*table.ids, table.ignored}):
        raise UnreadableError(
            f"{file.name} holds the ids {', '.join(map(str, unknown))}, which its label table "
            f"does not know (it has {', '.join(map(str, table.ids)) or 'none'})"
        )
    mask = Mask(torch.from_numpy(np.ascontiguousarray(values)), grid, table)
    return mask if on is None else placed(mask, on, file.name)


def _label_map(file: File, on: Grid | None) -> tuple[np.ndarray[Any, Any], Grid, Labels | None]:
    """A label map's ids, its grid, and its own label table if it has one."""
    if not picture.is_picture(file.name):
        return nifti.read_label_map(file)
    ids = picture.read_label_picture(file)
    grid = on or flat_grid((ids.shape[2], ids.shape[3]), (1.0, 1.0))
    if grid.shape != ids.shape[1:]:
        raise UnreadableError(
            f"{file.name} has {ids.shape[2]}×{ids.shape[3]} pixels, and its image is {grid}"
        )
    return ids, grid, None


def _same_names(table: Labels, own: Labels, ids: Iterable[int], name: str) -> None:
    """Refuse to call a structure by another name than its file does."""
    for number in set(ids) & set(table.ids) & set(own.ids):
        wanted, found = table.by_id(number).name, own.by_id(number).name
        if found not in (wanted, f"label {number}", str(number)):  # a number is no name
            raise UnreadableError(
                f"{name} calls label {number} {found!r}, and the label table it is read by "
                f"{wanted!r}: one of the two is wrong"
            )
    if own.ignored in set(ids) and own.ignored != table.ignored:
        raise UnreadableError(
            f"{name} says of id {own.ignored} that nobody looked there, and the label table it is "
            "read by does not"
        )


def _the_one(path: Path) -> tuple[File, SegmentationHeader | None]:
    """The only mask file at a path."""
    found: list[tuple[File, SegmentationHeader | None]] = []
    for file in walk(path):
        if nifti.is_nifti(file.name) or picture.is_picture(file.name):
            found.append((file, None))
        elif looks_like_dicom(file.read(0, 132)):
            header = read_header(file)
            if isinstance(header, SegmentationHeader):
                found.append((file, header))
    if len(found) != 1:
        what = ", ".join(file.name for file, _ in found) or "none"
        raise UnreadableError(
            f"{path.name} should hold one mask (NIfTI, DICOM SEG or PNG), not {what}"
        )
    return found[0]


def _relabelled(mask: Mask, labels: Labels, name: str) -> Mask:
    """The same structures under the ids that ``labels`` gives their names."""
    if missing := [n for n in mask.labels.names if n not in labels]:
        raise UnreadableError(
            f"{name} holds {', '.join(missing)}, which the label table does not know "
            f"(it has {', '.join(labels.names)})"
        )
    lookup = torch.zeros(max(mask.labels.ids, default=0) + 1, dtype=torch.int32)
    for label in mask.labels:
        lookup[label.id] = labels[label.name].id
    dtype = torch.uint8 if max(labels.ids, default=0) < 256 else torch.int32
    return Mask(lookup[mask.data.long()].to(dtype), mask.grid, labels)
