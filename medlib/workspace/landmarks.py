"""Landmarks of a version: which of them somebody stands for, and whether they lie in the scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from medlib.workspace.database import found
from medlib.workspace.schema import Content, Prediction, Version

if TYPE_CHECKING:
    from medlib.space import Grid


def placed(version: Version) -> dict[str, list[float]]:
    """Landmarks (LPS millimetres) that somebody placed, or looked at where a model put them.

    Of answers it is all of them.
    """
    looked_at = version.entries if version.annotated is None else version.annotated
    return {name: place for name, place in version.entries.items() if name in looked_at}


def lies_in(grid: Grid, place: Sequence[float]) -> bool:
    """Whether LPS millimetres are in one of the voxels."""
    index = grid.to_index(place)
    return bool(((index >= -0.5) & (index <= [n - 0.5 for n in grid.shape])).all())


def taken_over(
    session: Session, line: Mapping[str, Any], said: Mapping[str, list[float]]
) -> set[str]:
    """Landmarks that lie where a model put them, and that nobody has looked at before."""
    query = select(Prediction).filter_by(scan_id=line["scan_id"], content=Content.POINTS)
    models = [*session.scalars(query.filter_by(label_set_id=line["label_set_id"]))]
    before = [found(session, Version, line[which]) for which in ("parent_id", "merges_id")
              if line[which] is not None]  # fmt: skip
    known = [placed(version) for version in before]
    return {
        name
        for name, place in said.items()
        if any(model.entries.get(name) == place for model in models)
        and not any(points.get(name) == place for points in known)
    }
