"""A data set on disk, in the one layout that all of them are brought into."""

from __future__ import annotations

import contextlib
import csv
import fnmatch
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from medlib.datasets.cards import CARD_FILE, Card, Split

Progress = Callable[[int, int, str], None]
"""Called with how much is done, of how much (0: not known), and what is being done."""

CLASSES_FILE = "classes.csv"
_SPLIT_FILE = "split.json"
_ENDINGS = ("", ".nii.gz", ".nii", ".dcm", ".zip")


@dataclass(frozen=True)
class Prepared:
    """A data set that is ready to be used.

    Its folder holds ``images/`` (a file, or a folder of DICOM files, a case), ``labels/`` (a file
    a case; for classification ``classes.csv`` alone), ``card.toml`` and ``split.json``.

    Args:
        folder: where it is.
        card: what it is.
        train: cases to learn from.
        validation: cases to choose a model by, where the owners name them.
        test: cases kept back.
    """

    folder: Path
    card: Card
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def images(self) -> Path:
        """The folder of images."""
        return self.folder / "images"

    @property
    def labels(self) -> Path:
        """The folder of labels."""
        return self.folder / "labels"

    @property
    def cases(self) -> tuple[str, ...]:
        """All cases, sorted."""
        return tuple(sorted((*self.train, *self.validation, *self.test)))

    def image(self, case: str) -> Path:
        """A case's image: a file, or a folder of DICOM files."""
        return self._only(self.images, case)

    def label(self, case: str) -> Path:
        """The file of a case's labels."""
        return self._only(self.labels, case)

    def classes(self) -> dict[str, str]:
        """Each case's class, for classification."""
        with (self.labels / CLASSES_FILE).open(newline="", encoding="utf-8") as file:
            return {row["case"]: row["class"] for row in csv.DictReader(file)}

    def _only(self, folder: Path, case: str) -> Path:
        found = [folder / (case + ending) for ending in _ENDINGS]
        for path in found:
            if path.exists():
                return path
        raise FileNotFoundError(f"{self.card.name} has nothing for {case!r} in {folder.name}/")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Find a prepared data set in its folder.

        Raises:
            FileNotFoundError: when there is none.
        """
        if not (folder / CARD_FILE).is_file() or not (folder / _SPLIT_FILE).is_file():
            raise FileNotFoundError(f"{folder} holds no prepared data set")
        split = json.loads((folder / _SPLIT_FILE).read_text(encoding="utf-8"))
        return cls(
            folder,
            Card.read(folder / CARD_FILE),
            **{part: tuple(split[part]) for part in ("train", "validation", "test")},
        )


def finish(folder: Path, card: Card, cases: Sequence[str]) -> None:
    """Write the card and the split beside a set's images and labels."""
    shutil.copyfile(card.folder / CARD_FILE, folder / CARD_FILE)
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for case in sorted(cases):
        parts[_part(case, card.split)].append(case)
    text = json.dumps({"source": card.split.source, **parts}, indent=1)
    (folder / _SPLIT_FILE).write_text(text + "\n", encoding="utf-8")


def _part(case: str, split: Split) -> str:
    digest = hashlib.sha256(f"{split.salt}/{case}".encode()).digest()
    if int.from_bytes(digest[:8], "big") < split.test_share * 2**64:
        return "test"
    for part, patterns in (("test", split.test), ("validation", split.validation)):
        if any(fnmatch.fnmatchcase(case, pattern) for pattern in patterns):
            return part
    return "train"


@contextlib.contextmanager
def fresh_folder(to: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``to`` when all went well and vanishes when not.

    Raises:
        FileExistsError: when ``to`` exists and is not an empty folder.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise FileExistsError(f"{to} exists already: choose another folder, or remove that one")
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{to.name}.", suffix=".partial", dir=to.parent))
    try:
        partial.chmod(0o755)  # mkdtemp's own is for its owner alone
        yield partial
        if to.exists():
            to.rmdir()
        partial.replace(to)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def data_home() -> Path:
    """Where data sets are kept unless the caller says: ``MEDLIB_DATA``, or the user's data folder."""
    if chosen := os.environ.get("MEDLIB_DATA"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "medlib" / "datasets"
