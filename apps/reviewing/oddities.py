"""What is odd about outlines that people drew: each is looked at once, and what was seen is kept."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.errands import Report

from medlib.io.files import FILE_ERRORS, written_whole
from medlib.work.flags import mostly_in_pieces, odd_shapes, odd_sizes
from medlib.workspace import Content, Workspace
from medlib.workspace.schema import Version

_ENOUGH, _MOST = 3, 200  # others that say how large a structure usually is


@dataclass(frozen=True)
class Oddities:
    """What is odd about the outlines of a workspace, as far as they have been looked at.

    Args:
        workspace: an open one.
    """

    workspace: Workspace

    def of(self, versions: Sequence[Version]) -> dict[int, tuple[str, ...]]:
        """The reasons, in words, by version; of what has not been looked at there are none."""
        others = {number: self._others(number) for number in {v.label_set_id for v in versions}}
        usually = {number: _in_pieces([o for _, o in seen]) for number, seen in others.items()}
        found = {}
        for version in versions:
            if (seen := self._seen(version.id)) is None:
                continue
            usual: dict[str, list[float]] = {}
            for scan, other in others[version.label_set_id]:
                if scan != version.scan_id:
                    for structure, ml in other["ml"].items():
                        usual.setdefault(structure, []).append(ml)
            known = {name: sizes for name, sizes in usual.items() if len(sizes) >= _ENOUGH}
            odd = (flag.reason for flag in odd_sizes(seen["ml"], known))
            in_pieces = usually[version.label_set_id]
            apart = (reason for name, reason in seen["pieces"].items() if name not in in_pieces)
            found[version.id] = (*odd, *apart, *seen["odd"])
        return found

    def has_seen(self, version: Version) -> bool:
        """Whether an outline has been looked at."""
        return self._seen(version.id) is not None

    def unseen(self, label_sets: Iterable[int]) -> list[Version]:
        """Outlines by these label sets that have not been looked at; those beside them too."""
        return [
            version
            for label_set in sorted({*label_sets})
            for version in _outlines(self.workspace.versions.heads(label_set))
            if not self.has_seen(version)
        ]

    def look(self, versions: list[Version], report: Report = lambda *_: None) -> None:
        """Look at outlines, and keep what is seen."""
        for number, version in enumerate(versions):
            report(number, len(versions), "Looking at outlines")
            try:
                mask = self.workspace.versions.mask(version.id)
                volumes = mask.volumes_ml()
                flags = odd_shapes(mask, volumes)
                pieces = {flag.structure: flag.reason for flag in flags if flag.kind == "islands"}
                odd = [flag.reason for flag in flags if flag.kind != "islands"]
            except (*FILE_ERRORS, ValueError):
                volumes, pieces, odd = {}, {}, ["its outline cannot be read"]
            with written_whole(self._path(version.id)) as partial:
                partial.write_text(json.dumps({"ml": volumes, "pieces": pieces, "odd": odd}))

    def _others(self, label_set: int) -> list[tuple[int, dict[str, Any]]]:
        """Scans that were labelled whole, and nobody complained of, with what was seen of them."""
        outlines = _outlines(self.workspace.versions.heads(label_set))
        held_up = self.workspace.reviews.held_up([version.id for version in outlines])
        good = [version for version in outlines if version.id not in held_up][:_MOST]
        seen = ((version.scan_id, self._seen(version.id)) for version in good)
        return [(scan, said) for scan, said in seen if said is not None]

    def _seen(self, version: int) -> dict[str, Any] | None:
        path = self._path(version)
        if not path.is_file():
            return None
        kept: dict[str, Any] = json.loads(path.read_text())
        return kept if "pieces" in kept else None  # as it was seen by an older medlib

    def _path(self, version: int) -> Path:
        return self.workspace.derived / "oddities" / f"{version}.json"


def _in_pieces(outlines: Sequence[dict[str, Any]]) -> Collection[str]:
    """Structures that most of the outlines have in pieces; of one alone nobody knows."""
    if len(outlines) < 2:
        return ()
    return mostly_in_pieces(
        ([name for name, ml in seen["ml"].items() if ml], seen["pieces"]) for seen in outlines
    )


def _outlines(versions: Iterable[Version]) -> list[Version]:
    """Those of whole scans."""
    return [one for one in versions if one.content == Content.MASK and one.seen["whole"]]
