"""Corrections of what a model found: how they begin, and what may count as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from desk import Desk

from medlib.workspace import Content, Seen
from medlib.workspace.landmarks import lies_in
from medlib.workspace.schema import Version
from reviewing.choosing import to_labelling
from reviewing.queue import Item


def label_of(here: Desk, item: Item) -> Version | None:
    """The label that counts, unless it may tell a second reader what the first one decided."""
    return None if item.is_blind else _head(here, item)


def begin(here: Desk, item: Item) -> None:
    """Go to the Label page, with what the model found where nobody has drawn or placed it yet."""
    here.must("label")
    case, found = item.case, item.prediction
    if _head(here, item) is None:
        if found.content == Content.MASK:
            here.workspace.versions.save_mask(
                case.scan, case.label_set, here.workspace.models.mask(found.id),
                base=None, by=here.person, origin="corrected",
            )  # fmt: skip
        else:  # a model may put one beside the scan: that is then to be placed
            grid = here.workspace.scans.grid(case.scan)
            places = {name: mm for name, mm in found.entries.items() if lies_in(grid, mm)}
            here.workspace.versions.save_points(
                case.scan, case.label_set, places, base=None, by=here.person, origin="corrected"
            )
    to_labelling(case)


def mine_of(here: Desk, item: Item) -> Version | None:
    """This person's label, if it counts, is no older than the prediction, and unlike it."""
    head = _head(here, item)
    mine = head is not None and head.author == here.person and head.origin != "accepted"
    if not mine or head is None or head.made < item.prediction.made:
        return None
    if here.workspace.signing.is_sent_back(head.id):
        return None
    found = item.prediction
    return head if (head.file, head.entries) != (found.file, found.entries) else None


def says_all(here: Desk, item: Item, version: Version) -> bool:
    """Whether a label may stand for all that the model said.

    Landmarks do where none is missing. An outline does where all of the scan is done, or where it
    was begun with what the model found and mended: a few slices that were drawn from nothing say
    nothing of the others.
    """
    if not item.is_mask:
        return item.prediction.entries.keys() <= version.entries.keys()
    if Seen.from_dict(version.seen).whole:
        return True
    line = {one.id: one for one in here.workspace.versions.history(*_line(item))}
    before: Version | None = version
    while before is not None and before.file != item.prediction.file:
        before = line.get(before.parent_id) if before.parent_id is not None else None
    return before is not None


def whole(here: Desk, item: Item, version: Version) -> Version:
    """The version with all of it done: who corrects a prediction has looked at all that it says."""
    versions = here.workspace.versions
    if not item.is_mask:
        if version.annotated is None:
            return version
        return versions.save_points(
            *_line(item), version.entries, base=version.id, by=here.person, origin="corrected",
            looked_at=True,
        )  # fmt: skip
    if Seen.from_dict(version.seen).whole:
        return version
    return versions.save_mask(
        *_line(item), versions.mask(version.id), base=version.id, by=here.person,
        seen=Seen(whole=True), origin="corrected",
    )  # fmt: skip


def correct_answers(here: Desk, item: Item, said: Mapping[str, Any]) -> Version:
    """Keep what this person answers instead; what is known of other questions stays beside it."""
    head = _head(here, item)
    is_refused = head is not None and here.workspace.signing.is_sent_back(head.id)
    others = {} if head is None or is_refused else head.entries
    return here.workspace.versions.save_answers(
        *_line(item), {**others, **said}, base=head.id if head else None, by=here.person,
        origin="corrected",
    )  # fmt: skip


def _head(here: Desk, item: Item) -> Version | None:
    return here.workspace.versions.head(*_line(item), item.prediction.content)


def _line(item: Item) -> tuple[int, int]:
    return item.case.scan, item.case.label_set
