"""What was predicted so far: a line a scan, added as soon as it is done, and a table of them all."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medlib import io
from medlib.io.files import written_whole
from medlib.types import (
    Belief,
    Boxes,
    Kind,
    Mask,
    Measurement,
    MultiVolume,
    Points,
    Radiograph,
    Volume,
    verb,
)

LINES, TABLE = "predictions.jsonl", "predictions.csv"


@dataclass(frozen=True)
class Entry:
    """One cell of the table.

    Args:
        name: what it says something of.
        value: a number or a word.
        unit: of the number; empty where it has none.

    Example:
        >>> Entry("liver volume", 1403.24, "ml").title, str(Entry("liver volume", 1403.24, "ml"))
        ('liver volume, ml', 'liver volume 1403 ml')
    """

    name: str
    value: float | str
    unit: str = ""

    @property
    def title(self) -> str:
        """Of the column."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else f"{self.value:.4g}"
        return " ".join(part for part in (self.name, value, self.unit) if part)


@verb
def entries(value: Kind, scan: Volume | MultiVolume) -> tuple[Entry, ...]:
    """What a table says of a prediction; nothing for kinds that only a picture can show.

    Structures have their volumes (in a radiograph, the area of their shadow), landmarks their
    places, boxes their number, answers their probabilities, measurements their number.

    Args:
        value: the prediction.
        scan: that it was made of.

    Example:
        >>> import torch
        >>> from medlib.space import Grid
        >>> scan = Volume(torch.zeros(1, 2, 2, 2), Grid.from_axes((2, 2, 2)))
        >>> [str(entry) for entry in entries(Belief((0.2, 0.8), ("benign", "malignant")), scan)]
        ['likeliest malignant', 'probability of benign 0.2', 'probability of malignant 0.8']
    """
    raise AssertionError


@entries.register
def _(value: Kind, scan: Volume | MultiVolume) -> tuple[Entry, ...]:
    return ()


@entries.register
def _(value: Mask, scan: Volume | MultiVolume) -> tuple[Entry, ...]:
    return tuple(Entry(f"{name} volume", ml, "ml") for name, ml in value.volumes_ml().items())


@entries.register
def _(value: Mask, scan: Radiograph) -> tuple[Entry, ...]:
    thickness = value.grid.spacing[0]  # a convention: a shadow has none
    areas = {name: 10 * ml / thickness for name, ml in value.volumes_ml().items()}
    return tuple(Entry(f"{name} area", area, "cm2") for name, area in areas.items())


@entries.register
def _(value: Points, scan: Volume | MultiVolume) -> tuple[Entry, ...]:
    return tuple(
        Entry(f"{name} {axis} (LPS)", place, "mm")
        for name, at in zip(value.names, value.coordinates.tolist(), strict=True)
        for axis, place in zip("xyz", at, strict=True)
    )


@entries.register
def _(value: Boxes, scan: Volume | MultiVolume) -> tuple[Entry, ...]:
    found = [Entry("boxes", len(value))]
    for label in value.labels:
        which = [k for k, label_id in enumerate(value.ids) if label_id == label.id]
        found.append(Entry(f"{label.name} boxes", len(which)))
        if value.scores:
            surest = [max(value.scores[k] for k in which)] if which else []
            found += [Entry(f"{label.name} highest score", score) for score in surest]
    return tuple(found)


@entries.register
def _(value: Belief, scan: Volume | MultiVolume) -> tuple[Entry, ...]:
    said = value.category.name if value.exclusive else "; ".join(value.categories().names) or "none"
    shares = zip(value.vocabulary, value.shares, strict=True)
    return (
        Entry("likeliest" if value.exclusive else "at least 50 %", said),
        *(Entry(f"probability of {word}", share) for word, share in shares),
    )


@entries.register
def _(value: Measurement, scan: Volume | MultiVolume) -> tuple[Entry, ...]:
    return (Entry(value.name or "measurement", value.value, "" if value.unit == "1" else value.unit),)  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """One scan that was predicted.

    Args:
        name: of the scan.
        scan: stands for its files as they were, see :func:`state_of`.
        model: digest of the weights.
        files: what was written; nothing for answers, which are in the table.
        found: what the table says of it.
        warnings: about the scan and what was written: what to know before relying on it.
    """

    name: str
    scan: str
    model: str
    files: tuple[Path, ...]
    found: tuple[Entry, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; files by their names."""
        return {
            "name": self.name,
            "scan": self.scan,
            "model": self.model,
            "files": [path.name for path in self.files],
            "found": [{"what": e.name, "value": e.value, "unit": e.unit} for e in self.found],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_dict(cls, line: dict[str, Any], folder: Path) -> Prediction:
        """What :meth:`to_dict` wrote."""
        return cls(
            line["name"],
            line["scan"],
            line["model"],
            tuple(folder / name for name in line["files"]),
            tuple(Entry(e["what"], e["value"], e["unit"]) for e in line["found"]),
            tuple(line["warnings"]),
        )

    def __str__(self) -> str:
        return f"{self.name}: {', '.join(map(str, self.found)) or 'done'}"


class Ledger:
    """The predictions in a folder: ``predictions.jsonl``, a line a scan, and ``predictions.csv``.

    A line is added as soon as its scan is done, so that what was done outlives whatever happens to
    the process; of several lines of one scan the last counts. The table is written anew, whole.

    Args:
        folder: of the results.

    Raises:
        ValueError: when the lines are none that medlib has written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._path = folder, folder / LINES
        if self._path.exists() and not (whole := self._path.read_bytes()).endswith(b"\n"):
            with self._path.open("rb+") as file:  # a line that was cut short is none
                file.truncate(whole.rfind(b"\n") + 1)
        self._known = {done.name: done for done in self._read()}

    def get(self, name: str) -> Prediction | None:
        """The prediction of the scan of this name, if there is one."""
        return self._known.get(name)

    def add(self, done: Prediction) -> None:
        """Add a line."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(done.to_dict(), ensure_ascii=False) + "\n")
        self._known[done.name] = done

    def write_table(self) -> None:
        """Write the table, if there is anything to be said in it."""
        rows = {done.name: done for done in self._read()}.values()
        if not rows:
            return
        titles = list(dict.fromkeys(entry.title for done in rows for entry in done.found))
        with (
            written_whole(self.folder / TABLE) as partial,
            # The mark at the beginning tells spreadsheets that it is UTF-8.
            partial.open("w", encoding="utf-8-sig", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["scan", *titles, "files", "warnings", "model"])
            writer.writerows(_row(done, titles) for done in rows)

    def _read(self) -> Iterator[Prediction]:
        if not self._path.exists():
            return
        try:
            for line in self._path.read_text(encoding="utf-8").splitlines():
                yield Prediction.from_dict(json.loads(line), self.folder)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self._path} is damaged, or was not written by medlib; name another folder"
            ) from error


def _row(done: Prediction, titles: Sequence[str]) -> list[str]:
    told = {e.title: e.value if isinstance(e.value, str) else f"{e.value:.6g}" for e in done.found}
    files = " ".join(path.name for path in done.files)
    cells = [told.get(title, "") for title in titles]
    return [done.name, *cells, files, "; ".join(done.warnings), done.model]


def state_of(stack: io.Stack) -> str:
    """Sixteen hexadecimal digits for the files of a scan as they are now.

    They change when a file is written anew, and another scan of the same name has others. Files
    are not read for it: their names, lengths and times tell, and where their voxels lie.
    """
    hasher = hashlib.sha256(repr((stack.grid.shape, stack.grid.affine.tolist())).encode())
    for file in stack.files:
        path = Path(file.path) if file.archive is None else file.archive.path
        hasher.update(repr((file.name, file.size(), path.stat().st_mtime_ns)).encode())
    return hasher.hexdigest()[:16]
