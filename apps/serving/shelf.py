"""A workspace as the viewer sees it: a scan, its outline by one label set, and who may do what."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import torch

from medlib.space import Grid
from medlib.types import Labels, Mask, Volume
from medlib.workspace import NotAllowedError, NotThereError, Seen, Workspace, may
from serving.wire import flat

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


@dataclass(frozen=True)
class Drawing:
    """An outline of a scan.

    Args:
        mask: on the scan's grid, in one layer.
        version: its number in the workspace; 0 where nothing has been saved yet.
    """

    mask: Mask
    version: int


class Shelf:
    """Reads scans and outlines of a workspace, and keeps outlines.

    Args:
        workspace: an open one.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._volumes: OrderedDict[int, Volume] = OrderedDict()
        self._lock = threading.Lock()

    def sign(self, case: Case, person: str, action: str) -> str:
        """Leave for a browser, for an hour or two; the same one for the whole hour.

        Args:
            case: that it opens.
            person: for whom.
            action: ``"view"``, or ``"label"``, which allows to view too.
        """
        return self._workspace.links.sign(f"{action} {case}", person)

    def person(self, link: str, case: Case, action: str) -> str:
        """For whom a link is good, if it allows this and he still may.

        Raises:
            NotAllowedError: if not.
        """
        try:
            person = self._workspace.links.read(link, f"label {case}")
        except NotAllowedError:
            if action == "label":
                raise
            person = self._workspace.links.read(link, f"view {case}")
        people = {user.name: user for user in self._workspace.people.list()}
        user = people.get(person)
        if people and not (user and user.active and may(user.role, action)):
            raise NotAllowedError(f"{person} may not {action} this")
        return person

    def labels(self, case: Case) -> Labels:
        """The structures to be outlined."""
        return self._workspace.versions.labels(case.label_set)

    def digest(self, case: Case) -> str:
        """Of the scan's files."""
        return self._workspace.scans.get(case.scan).digest

    def volume(self, case: Case) -> Volume:
        """The scan; the last two are remembered."""
        with self._lock:
            if case.scan not in self._volumes:
                self._volumes[case.scan] = self._workspace.scans.volume(case.scan)
                if len(self._volumes) > 2:
                    self._volumes.popitem(last=False)
            self._volumes.move_to_end(case.scan)
            return self._volumes[case.scan]

    def grid(self, case: Case) -> Grid:
        """Where the scan's voxels are."""
        return self._workspace.scans.grid(case.scan)

    def newest(self, case: Case) -> int:
        """The version that counts; 0 where there is none."""
        head = self._workspace.versions.head(case.scan, case.label_set)
        return head.id if head else 0

    def drawing(self, case: Case, version: int) -> Drawing:
        """A version of the outline; version 0 is an empty one.

        Raises:
            NotThereError: when the version is of another case.
            MaskRefusedError: when its structures overlap.
        """
        labels = self.labels(case)
        if not version:
            grid = self.grid(case)
            return Drawing(Mask(torch.zeros(1, *grid.shape, dtype=torch.uint8), grid, labels), 0)
        row = self._workspace.versions.get(version)
        if (row.scan_id, row.label_set_id) != (case.scan, case.label_set):
            raise NotThereError("there is no such version of this scan")
        mask = self._workspace.versions.mask(version)
        return Drawing(replace(mask, data=flat(mask)), version)

    def save(self, case: Case, mask: Mask, *, base: int, by: str, merges: int | None = None) -> int:
        """Keep a mask as the newest version, and give its number.

        What the version that was drawn on says of slices that are done, and of structures that
        were looked for, still holds.

        Args:
            case: that it is of.
            mask: on the scan's grid.
            base: the version that was drawn on; 0 where there was none.
            by: the author.
            merges: a version set aside that this one takes the place of.

        Raises:
            Conflict: when somebody saved meanwhile; the mask is kept aside.
        """
        seen = Seen()
        if base:
            row = self._workspace.versions.get(base)
            seen = Seen.from_dict(row.seen)
            mask = replace(mask, annotated=None if row.annotated is None else tuple(row.annotated))
        saved = self._workspace.versions.save_mask(
            case.scan, case.label_set, mask, base=base or None, by=by, seen=seen, merges=merges
        )
        return saved.id
