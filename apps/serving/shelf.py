"""A workspace as the viewer sees it: a scan, what is said of it by one label set, and who may."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import time
from typing import Any

import torch

from medlib.space import Grid
from medlib.types import Labels, Mask, Volume
from medlib.workspace import (
    Conflict,
    Content,
    NotAllowedError,
    NotThereError,
    Seen,
    Workspace,
)
from medlib.workspace.merging import keep_both
from medlib.workspace.schema import Event, Prediction
from serving.blind import Blind
from serving.drawing import Drawing
from serving.recent import Recent
from serving.reduced import Blocks
from serving.session import owner
from serving.wire import MaskRefusedError

_CASE = re.compile(r"([1-9]\d{0,8})-([1-9]\d{0,8})")


@dataclass(frozen=True)
class Case:
    """A scan, and what is to be outlined in it.

    Args:
        scan: its number in the workspace.
        label_set: by which it is labelled.

    Example:
        >>> Case.named("3-1"), str(Case(3, 1))
        (Case(scan=3, label_set=1), '3-1')
    """

    scan: int
    label_set: int

    def __str__(self) -> str:
        return f"{self.scan}-{self.label_set}"

    @classmethod
    def named(cls, name: str) -> Case:
        """The case of an address.

        Raises:
            NotThereError: for what is no name of one.
        """
        if not (said := _CASE.fullmatch(name)):
            raise NotThereError("there is no such case")
        return cls(int(said[1]), int(said[2]))


class Shelf:
    """Reads scans and outlines of a workspace, and keeps outlines.

    Args:
        workspace: an open one.

    Attributes:
        blind: what a second reader may not know yet.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.blind = Blind(workspace, self.newest)
        self._volumes: Recent[int, Volume] = Recent(2)
        self._drawings: Recent[tuple[Case, int], Drawing] = Recent(4)
        self._views: Recent[tuple[int, str, int], Event] = Recent(10_000)

    # --- who may -----------------------------------------------------------------------------

    def sign(self, case: Case, person: str, action: str) -> str:
        """Leave for a browser, for an hour or two; the same one for the whole hour.

        Args:
            case: that it opens.
            person: for whom.
            action: ``"view"``, or ``"label"``, which allows to view too.
        """
        return self._workspace.links.sign(f"{action} {case}", person)

    def person(self, link: str, case: Case, action: str, cookies: Mapping[str, str]) -> str:
        """For whom a link is good, if it allows this and he still may.

        Args:
            link: as :meth:`sign` gave it.
            case: that is asked for.
            action: likewise.
            cookies: of the browser, which must be in a session of the person.

        Raises:
            NotAllowedError: if not.
        """
        try:
            return owner(self._workspace, cookies, link, f"label {case}", action)
        except NotAllowedError:
            if action == "label":
                raise
        return owner(self._workspace, cookies, link, f"view {case}", action)

    def note_view(self, case: Case, person: str) -> None:
        """Write down that somebody is shown a scan: once an hour, for each person and scan.

        It is to come before anything is handed out: what cannot be written down is not shown.
        """
        seen = (case.scan, person, int(time() // 3600))
        events, subject = self._workspace.events, f"scan {case.scan}"
        self._views.get(seen, lambda: events.note("viewed", subject, by=person))

    # --- the scan ----------------------------------------------------------------------------

    def labels(self, case: Case) -> Labels:
        """The structures to be outlined."""
        return self._workspace.versions.labels(case.label_set)

    def digest(self, case: Case) -> str:
        """Of the scan's files."""
        return self._workspace.scans.get(case.scan).digest

    def mark(self, case: Case, blocks: Blocks) -> str:
        """Tells what was drawn on this scan, on this grid of it, from all else."""
        grid = json.dumps(blocks.coarse.to_dict())
        said = f"{self.digest(case)} {case} {grid}"
        return hashlib.sha256(said.encode()).hexdigest()[:24]

    def drawer(self, case: Case, person: str) -> str:
        """Where a browser keeps what one person has not saved yet of this case."""
        label_set = self._workspace.label_sets.get(case.label_set).name
        said = f"{self._workspace.folder.resolve()} {self.digest(case)} {label_set} {person}"
        return hashlib.sha256(said.encode()).hexdigest()[:24]

    def volume(self, case: Case) -> Volume:
        """The scan; the last two are remembered."""
        return self._volumes.get(case.scan, lambda: self._workspace.scans.volume(case.scan))

    def grid(self, case: Case) -> Grid:
        """Where the scan's voxels are."""
        return self._workspace.scans.grid(case.scan)

    # --- outlines ----------------------------------------------------------------------------

    def newest(self, case: Case, content: Content = Content.MASK) -> int:
        """The version that counts; 0 where there is none."""
        head = self._workspace.versions.head(case.scan, case.label_set, content)
        return head.id if head else 0

    def drawing(self, case: Case, version: int) -> Drawing:
        """A version of the outline; version 0 is an empty one. The last few are remembered.

        Raises:
            NotThereError: when the version is of another case.
            MaskRefusedError: when its structures overlap.
        """
        found = self._drawings.get((case, version), lambda: self._read(case, version))
        labels = self.labels(case)  # more may be asked than when it was remembered
        return replace(found, mask=replace(found.mask, labels=labels))

    def _read(self, case: Case, version: int) -> Drawing:
        if not version:
            grid = self.grid(case)
            empty = torch.zeros(1, *grid.shape, dtype=torch.uint8)
            return Drawing(Mask(empty, grid, self.labels(case)), 0)
        row = self._workspace.versions.get(version)
        if (row.scan_id, row.label_set_id) != (case.scan, case.label_set):
            raise NotThereError("there is no such version of this scan")
        mask = self._workspace.versions.mask(version)
        return Drawing(replace(mask, data=flat(mask)), version, Seen.from_dict(row.seen))

    def begun(self, case: Case, version: int) -> Drawing:
        """A version to go on from: what was sent back is not done any more, until that is said anew.

        Raises:
            NotThereError: as :meth:`drawing`; likewise MaskRefusedError.
        """
        found = self.drawing(case, version)
        return replace(found, seen=Seen()) if self.is_sent_back(version) else found

    def is_sent_back(self, version: int) -> bool:
        """Whether a reviewer sent this version back."""
        return self._workspace.signing.is_sent_back(version)

    def save(self, case: Case, drawn: Drawing, *, by: str, merges: int | None = None) -> int:
        """Keep an outline as the newest version, and give its number.

        Args:
            case: that it is of.
            drawn: with the version that it was drawn on; 0 where there was none.
            by: the author.
            merges: a version set aside that this one takes the place of.

        Raises:
            Conflict: when somebody saved meanwhile; the mask is kept aside.
        """
        saved = self._workspace.versions.save_mask(
            case.scan, case.label_set, drawn.mask,
            base=drawn.version or None, by=by, seen=drawn.seen, merges=merges,
        )  # fmt: skip
        self._drawings.put((case, saved.id), replace(drawn, version=saved.id))
        return saved.id

    def disputed(self, case: Case, mine: int) -> int:
        """On how many slices a version aside changes the same voxels as the one that counts.

        Raises:
            NotThereError: for a version of another case.
        """
        self.drawing(case, mine)
        both = self._workspace.versions.merge(self.newest(case), mine)
        return int(both.disputed.any((1, 2)).sum())

    def save_both(self, case: Case, drawn: Drawing, *, by: str) -> int:
        """Keep an outline together with the one that counts, and give the number of both in one.

        Args:
            case: that it is of.
            drawn: with the version aside that it was drawn on.
            by: the author.

        Raises:
            Conflict: where both changed the same voxels; the outline is kept aside.
        """
        versions = self._workspace.versions
        aside, kept = versions.get(drawn.version), self.drawing(case, drawn.version)
        theirs, mine = self.newest(case), aside.id
        if drawn.seen != kept.seen or not torch.equal(drawn.mask.data, kept.mask.data):
            try:  # more was drawn since: it is kept as it is, too
                return self.save(
                    case, replace(drawn, version=aside.parent_id or 0), by=by, merges=aside.id
                )
            except Conflict as conflict:
                theirs, mine = conflict.theirs.id, conflict.mine.id
        return keep_both(versions, theirs, mine, by=by).id

    def predicted(self, case: Case) -> Prediction | None:
        """What a model outlined here last; None where none did."""
        rows = self._workspace.models.predictions(scan=case.scan)
        of_case = (r for r in rows if (r.label_set_id, r.content) == (case.label_set, Content.MASK))
        return next(of_case, None)

    def prediction(self, case: Case, prediction: int) -> Prediction:
        """What a model said of this case: an outline, answers or landmarks.

        Raises:
            NotThereError: for a prediction of another case.
        """
        row = self._workspace.models.prediction(prediction)
        if (row.scan_id, row.label_set_id) != (case.scan, case.label_set):
            raise NotThereError("there is no such prediction of this scan")
        return row

    def found(self, case: Case, prediction: int) -> Mask:
        """What a model outlined in this case, in one layer.

        Raises:
            NotThereError: for a prediction of another case, and for one that outlines nothing.
            MaskRefusedError: when its structures overlap.
        """
        self.prediction(case, prediction)
        return self.predicted_mask(prediction)

    def predicted_mask(self, prediction: int) -> Mask:
        """Its outline, in one layer."""
        mask = self._workspace.models.mask(prediction)
        return replace(mask, data=flat(mask))

    def doubt(self, prediction: int) -> Volume | None:
        """How unsure the model was of each voxel, if it said."""
        return self._workspace.models.uncertainty(prediction)

    # --- answers and landmarks -----------------------------------------------------------------

    def entries(self, case: Case, content: Content) -> tuple[dict[str, Any], int]:
        """What is said of the study (or where landmarks lie, LPS millimetres), and its version."""
        head = self._workspace.versions.head(case.scan, case.label_set, content)
        return (dict(head.entries), head.id) if head else ({}, 0)

    def save_entries(
        self,
        case: Case,
        content: Content,
        entries: Mapping[str, Any],
        *,
        base: int,
        by: str,
        merges: int | None = None,
    ) -> int:
        """Keep answers or landmarks as the newest version, and give its number.

        Raises:
            Conflict: when somebody saved meanwhile; these are kept aside.
            WorkspaceError: for what was not asked, and what is no answer to it.
        """
        versions = self._workspace.versions
        keep = versions.save_answers if content == Content.ANSWERS else versions.save_points
        saved = keep(case.scan, case.label_set, entries, base=base or None, by=by, merges=merges)
        return saved.id


def flat(mask: Mask) -> torch.Tensor:
    """A mask's ids in one layer: (1, slice, row, column).

    Raises:
        MaskRefusedError: when structures overlap.
    """
    if len(mask.data) > 1 and bool(((mask.data > 0).sum(0) > 1).any()):
        raise MaskRefusedError("structures of this outline overlap, and cannot be painted as one")
    return mask.data.amax(0, keepdim=True)
