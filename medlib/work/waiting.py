"""How far labelling has come in what a model answers, and which scans it is still to look at.

A scan's status is one word for all label sets: it says nothing of whether what *this* model answers is
known already. A scan of which some slices are done still waits: where the model doubts it says which
slice is worth most next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medlib.work.asking import Asked
from medlib.workspace import Seen, Status
from medlib.workspace.landmarks import placed

if TYPE_CHECKING:
    from medlib.workspace import Workspace
    from medlib.workspace.schema import Model


@dataclass(frozen=True)
class Labelled:
    """The scans in which something is known, by their numbers.

    Args:
        whole: all of it is.
        begun: of an outline single slices are done; of landmarks some are placed.
    """

    whole: frozenset[int]
    begun: frozenset[int]


def labelled(workspace: Workspace, label_set: int, asked: Asked) -> Labelled:
    """How far labelling has come by one label set, in one thing that it asks."""
    whole, begun = set(), set()
    for version in workspace.versions.heads(label_set):
        if version.content != asked.content:
            continue
        seen = Seen.from_dict(version.seen)
        if seen.whole or asked.question in version.entries:
            whole.add(version.scan_id)
        elif seen.slices or (placed(version) and not asked.question):
            begun.add(version.scan_id)
    return Labelled(frozenset(whole), frozenset(begun))


def waiting(workspace: Workspace, model: Model) -> tuple[int, ...]:
    """The scans without a whole label of what the model answers, that it has not looked at yet.

    Scans that are set aside wait for nothing.
    """
    known = labelled(workspace, model.label_set_id, asked_of(model)).whole
    looked_at = {row.scan_id for row in workspace.models.predictions(model=model.id)}
    return tuple(
        entry.scan.id
        for entry in workspace.scans.list()
        if entry.scan.status != Status.SET_ASIDE and entry.scan.id not in known | looked_at
    )


def asked_of(model: Model) -> Asked:
    """What a model says of a scan."""
    return Asked(**model.card.get("asked", {}))
