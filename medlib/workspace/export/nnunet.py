"""nnU-Net's raw layout (version 2), with folds that keep patients whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from medlib.workspace.errors import WorkspaceError
from medlib.workspace.export.batch import Batch, Item
from medlib.workspace.label_sets import table_of

if TYPE_CHECKING:
    from medlib.data import Case
    from medlib.io import Stack
    from medlib.types import Labels, Mask, Volume

_FOLDS = 5


def write_nnunet(batch: Batch) -> None:
    """``imagesTr``, ``labelsTr``, ``dataset.json`` and ``splits_final.json``.

    Ids become 1, 2, … in the table's order, as nnU-Net wants them; what nobody looked at becomes
    its label ``ignore``. Scans tagged ``test`` go to ``imagesTs`` and ``labelsTs``. nnU-Net looks
    for the splits in its folder of preprocessed data: copy the file there. With fewer than two
    patients there are none.

    Raises:
        WorkspaceError: for scans of several kinds, which are no one data set.
    """
    from medlib.data import Case
    from medlib.io import write_nifti
    from medlib.types import Labels

    names = table_of(batch.label_set).names
    table = Labels.of(names, ignored=len(names) + 1)
    channels: set[str] = set()
    training: list[Case] = []
    for item, (stack, scan, mask) in batch.read("nnU-Net", lambda item: _read(batch, item, table)):
        split = "Ts" if item.is_test else "Tr"
        write_nifti(scan, batch.folder / f"images{split}" / f"{item.name}_0000.nii.gz")
        write_nifti(mask, batch.folder / f"labels{split}" / f"{item.name}.nii.gz")
        channels.add(item.scan.modality or item.scan.kind)
        if not item.is_test:
            training.append(Case(item.name, item.patient, stack))
    if not channels:
        return
    if len(channels) > 1:
        raise WorkspaceError(
            f"scans of several kinds ({', '.join(sorted(channels))}) are no one data set of "
            "nnU-Net's: export the scans of each kind by themselves"
        )
    numbers = {"background": 0} | {label.name: label.id for label in table}
    said = {
        "channel_names": {"0": channels.pop()},
        "labels": numbers | {"ignore": table.ignored},
        "numTraining": len(training),
        "file_ending": ".nii.gz",
    }
    (batch.folder / "dataset.json").write_text(json.dumps(said, indent=1), encoding="utf-8")
    if splits := _splits(training):
        text = json.dumps(splits, indent=1)
        (batch.folder / "splits_final.json").write_text(text, encoding="utf-8")


def _splits(cases: list[Case]) -> list[dict[str, list[str]]]:
    """Five folds, or fewer where there are fewer patients."""
    from medlib.data import k_fold

    folds = min(_FOLDS, len({case.patient for case in cases}))
    if folds < 2:
        return []
    return [
        {"train": [case.name for case in train], "val": [case.name for case in valid]}
        for train, valid in k_fold(folds)(cases)
    ]


def _read(batch: Batch, item: Item, table: Labels) -> tuple[Stack, Volume, Mask]:
    mask = batch.learnable(item)
    if mask is None:
        raise WorkspaceError("no slice of it is done yet")
    if mask.annotated is not None and {*mask.annotated} != {*mask.labels.names}:
        raise WorkspaceError("not all structures were looked for, which nnU-Net cannot say")
    scans, number = batch.workspace.scans, item.scan.id
    return scans.stack(number), scans.volume(number), _renumbered(mask, table)


def _renumbered(mask: Mask, table: Labels) -> Mask:
    """The same structures by the numbers of another table of the same names.

    Raises:
        WorkspaceError: when structures overlap, of which a label map would lose one.
    """
    import torch

    if mask.overlaps:
        raise WorkspaceError("its structures overlap, and nnU-Net knows one for a voxel")
    lookup = torch.zeros(65536, dtype=torch.int32)
    lookup[[label.id for label in mask.labels]] = torch.arange(1, len(table) + 1).int()
    if mask.labels.ignored is not None and table.ignored is not None:
        lookup[mask.labels.ignored] = table.ignored
    return replace(mask, data=lookup[mask.data.long()], labels=table)
