"""A folder of scans as a shelf: outlines lie beside it, a file for each revision."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from serving.shelf import Case, Drawing, NotThereError, StaleError

from medlib import io
from medlib.io.files import written_whole
from medlib.space import Grid
from medlib.types import Labels, Mask, Volume

_REVISION = re.compile(r"(\d{6})\.nii\.gz")


class FolderShelf:
    """Scans of a folder, outlined into another one.

    ``outlines/CASE/000001.nii.gz`` is a scan's first outline, ``000002`` the next; none is ever
    written again. ``outlines/labels.json`` names the structures.

    Args:
        scans: a folder, a file or a zip of DICOM or NIfTI.
        outlines: a folder; made when the first outline is saved.
        labels: the structures, where ``outlines`` does not yet say which.
    """

    def __init__(self, scans: Path, outlines: Path, labels: Labels) -> None:
        self._scans, self._outlines, self._first = scans, outlines, labels
        self._volumes: OrderedDict[str, Volume] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def _stacks(self) -> dict[str, io.Stack]:
        return {
            hashlib.sha256(stack.name.encode()).hexdigest()[:16]: stack
            for stack in io.survey(self._scans).stacks
            if not stack.files[0].folder.is_relative_to(self._outlines)
        }

    def cases(self) -> Sequence[Case]:
        """The scans of the folder, by name."""
        found = (Case(key, stack.name) for key, stack in self._stacks.items())
        return sorted(found, key=lambda case: case.name)

    def labels(self, case: str) -> Labels:
        """The structures, which are the same for all scans of a folder."""
        table = self._outlines / "labels.json"
        if not table.is_file():
            return self._first
        return Labels.from_list(json.loads(table.read_text(encoding="utf-8")))

    def rename(self, labels: Labels) -> None:
        """Have other structures from now on; those that were outlined keep their ids."""
        with written_whole(self._outlines / "labels.json") as partial:
            partial.write_text(json.dumps(labels.to_list(), indent=2), encoding="utf-8")

    def volume(self, case: str) -> Volume:
        """A scan; the last two are remembered."""
        with self._lock:
            if case not in self._volumes:
                self._volumes[case] = self._stack(case).read()
                if len(self._volumes) > 2:
                    self._volumes.popitem(last=False)
            self._volumes.move_to_end(case)
            return self._volumes[case]

    def drawing(self, case: str) -> Drawing:
        """The newest outline; an empty one where there is none."""
        grid, labels = self._stack(case).grid, self.labels(case)
        if not (newest := self._newest(case)):
            return Drawing(_empty(grid, labels), 0)
        return Drawing(io.read_mask(self._path(case, newest), labels=labels, on=grid), newest)

    def save(self, case: str, mask: Mask, base: int) -> int:
        """Keep a mask as the next revision.

        Raises:
            NotThereError: when there is no scan of this id.
            StaleError: when ``base`` is not the newest; two who save at once cannot both succeed.
        """
        path = self._path(case, base + 1)
        partial = path.with_name(f".{uuid.uuid4().hex}.nii.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            io.write_nifti(replace(mask, labels=self.labels(case)), partial)
            if self._newest(case) != base:
                raise StaleError(self._newest(case))
            os.link(partial, path)  # fails where somebody was quicker; a rename would not
        except FileExistsError:
            raise StaleError(self._newest(case)) from None
        finally:
            partial.unlink(missing_ok=True)
        return base + 1

    def _stack(self, case: str) -> io.Stack:
        if case not in self._stacks:
            raise NotThereError("there is no such scan")
        return self._stacks[case]

    def _path(self, case: str, revision: int) -> Path:
        self._stack(case)  # so that no other name ever becomes a path
        return self._outlines / case / f"{revision:06d}.nii.gz"

    def _newest(self, case: str) -> int:
        folder = self._path(case, 0).parent
        names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
        return max((int(m[1]) for m in map(_REVISION.fullmatch, names) if m), default=0)


def _empty(grid: Grid, labels: Labels) -> Mask:
    return Mask(torch.zeros(1, *grid.shape, dtype=torch.uint8), grid, labels)
