"""Masks of a version: on the scan's own grid, by the label set's table, kept as a file."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from medlib.workspace.errors import WorkspaceError
from medlib.workspace.files import Files
from medlib.workspace.label_sets import table_of
from medlib.workspace.schema import LabelSet, Scan

if TYPE_CHECKING:
    from medlib.types import Mask

ENDING = ".nii.gz"


def fitted(mask: Mask, scan: Scan, label_set: LabelSet) -> Mask:
    """The mask on the scan's own grid, by the label set's table.

    Raises:
        UnreadableError: when it lies on another grid.
        WorkspaceError: when it bears ids or names that the label set has not, or says of voxels
            that nobody looked there.
    """
    from medlib.io.placing import placed
    from medlib.space import Grid

    table = table_of(label_set)
    present = mask.present_ids()
    if strange := [number for number in present if number not in table.ids]:
        raise WorkspaceError(
            f"the mask bears the ids {', '.join(map(str, strange))}, and {label_set.name!r} has "
            f"{', '.join(map(str, table.ids)) or 'none'}"
        )
    for label in mask.labels:
        if label.id in present and label.name != table.by_id(label.id).name:
            raise WorkspaceError(
                f"the mask calls {label.id} {label.name!r}, and {label_set.name!r} calls it "
                f"{table.by_id(label.id).name!r}"
            )
    if mask.labels.ignored is not None and bool(mask.unseen().any()):
        raise WorkspaceError("say by slices what was looked at (seen=…), not by an id")
    on_grid = placed(mask, Grid.from_dict(scan.grid), f"the mask for {scan.name}")
    return replace(on_grid, labels=table)


def keeping(files: Files, mask: Mask) -> partial[str]:
    """Call it to keep the mask as a file, and to have the file's name."""
    from medlib.io import write_nifti

    return partial(files.keep, partial(write_nifti, mask), ENDING)
