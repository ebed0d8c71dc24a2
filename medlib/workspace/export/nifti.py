"""NIfTI: outlines, scans if they are wanted, landmarks, and a table of it all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from medlib.workspace.errors import WorkspaceError
from medlib.workspace.export.batch import Batch, Item
from medlib.workspace.export.sheets import write_sheet
from medlib.workspace.label_sets import spoken, table_of
from medlib.workspace.landmarks import placed
from medlib.workspace.schema import Content
from medlib.workspace.source import learned_table

if TYPE_CHECKING:
    from medlib.types import Mask, Points, Volume


class _Part(NamedTuple):
    scan: Volume | None
    mask: Mask | None
    points: Points | None


def write_nifti_form(batch: Batch) -> None:
    """``labels``, ``scans``, ``points`` and ``cases.csv``.

    With the scans, :func:`medlib.data.from_table` reads the table as a source of cases.
    """
    from medlib import io

    folder, asked = batch.folder, [question["name"] for question in batch.label_set.questions]
    rows: list[dict[str, object]] = []
    for item, part in batch.read("NIfTI", lambda item: _read(batch, item)):
        row: dict[str, object] = {
            "name": item.name,
            "patient": item.patient,
            "split": "test" if item.is_test else "",
        }
        if part.scan is not None:
            row["scan"] = f"scans/{item.name}.nii.gz"
            io.write_nifti(part.scan, folder / str(row["scan"]))
        if part.mask is not None:
            row["label"] = f"labels/{item.name}.nii.gz"
            io.write_nifti(part.mask, folder / str(row["label"]))
        mask = item.heads.get(Content.MASK)
        if mask is not None and mask.annotated is not None:
            row["annotated"] = ";".join(mask.annotated)
        if part.points is not None:
            row["points"] = f"points/{item.name}.mrk.json"
            io.save(part.points, folder / str(row["points"]))
        answers = item.heads[Content.ANSWERS].entries if Content.ANSWERS in item.heads else {}
        row |= {name: spoken(answers[name]) for name in asked if name in answers}
        rows.append(row)
    if not rows:
        return
    table = learned_table(table_of(batch.label_set)).to_list()
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    (folder / "labels" / "labels.json").write_text(json.dumps(table, indent=1), encoding="utf-8")
    write_sheet(folder / "cases.csv", [*dict.fromkeys(c for row in rows for c in row)], rows)


def _read(batch: Batch, item: Item) -> _Part:
    points = item.heads.get(Content.POINTS)
    part = _Part(
        batch.workspace.scans.volume(item.scan.id) if batch.with_scans else None,
        batch.learnable(item),
        batch.workspace.versions.points(points.id) if points and placed(points) else None,
    )
    if part == (None, None, None) and Content.ANSWERS not in item.heads:
        raise WorkspaceError("no slice of it is done yet")
    return part
