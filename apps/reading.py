"""Scans and outlines read once, and remembered for as long as their files stay as they are.

They are remembered as Streamlit's resources, which are handed out as they are: as its data they
would be pickled, and copied at every touch of a slider. Nobody may change them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from medlib import io
from medlib.data.label_table import find_labels
from medlib.io.files import File
from medlib.planes import focus, upright
from medlib.space.grid import FloatArray
from medlib.types import SCAN_KINDS, Mask, Volume


@dataclass(frozen=True)
class Outlines:
    """The structures of a scan, ready to be looked at.

    Args:
        mask: with upright axes.
        volumes_ml: of each structure, by name.
        focus: LPS millimetres of where to look first.
    """

    mask: Mask
    volumes_ml: dict[str, float]
    focus: FloatArray


def digest(*parts: str) -> str:
    """Sixteen hexadecimal digits that stand for ``parts``."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def stamp(files: Iterable[File]) -> str:
    """Changes when a file comes, goes or is written."""
    paths = {Path(f.path) if f.archive is None else f.archive.path for f in files}
    states = ((str(path), path.stat() if path.exists() else None) for path in sorted(paths))
    return digest(*(f"{name} {s and (s.st_mtime_ns, s.st_size)}" for name, s in states))


@st.cache_resource(max_entries=4, show_spinner="Looking through the folder …")
def surveyed(root: Path, version: str) -> io.Survey:
    """What is at ``root``; here and below, ``version`` stands for what it was read from."""
    return io.survey(root)


@st.cache_resource(max_entries=2, show_spinner="Reading the scan …")
def scan_of(_stack: io.Stack, kind: str, version: str) -> tuple[Volume, tuple[str, ...]]:
    """The scan with upright axes, and what was mended in reading it."""
    volume, notes = _stack.read_with_notes(SCAN_KINDS.get(kind))
    return upright(volume), notes


@st.cache_resource(max_entries=2, show_spinner="Reading the outlines …")
def outlines_of(path: Path, _stack: io.Stack, version: str) -> Outlines:
    """The structures in a file, on the scan's grid.

    Raises:
        UnreadableError: when the file is no mask, or is not of this scan.
    """
    series = {uid for seg in io.survey(path).segmentations for uid in seg.references}
    if series and _stack.series_uid and _stack.series_uid not in series:
        raise io.UnreadableError(
            f"{path.name} outlines another series than {_stack.name}, and is not shown on it"
        )
    mask = io.read_mask(path, on=_stack.grid)
    # A file's own names come first. Only where it has none is a table beside it believed.
    unnamed = all(label.name == f"label {label.id}" for label in mask.labels)
    if unnamed and len(table := find_labels(path.parent, ())):
        mask = io.read_mask(path, labels=table, on=_stack.grid)
    mask = upright(mask)
    volumes = {name: mask.volume_ml(name) for name in mask.labels.names}
    return Outlines(mask, volumes, focus(mask.grid, mask))
