"""A data set on disk, in the one layout that all of them are brought into."""

from __future__ import annotations

import contextlib
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

_SPLIT_FILE = "split.json"


@dataclass(frozen=True)
class Prepared:
    """A data set that is ready to be used.

    Its folder holds ``images/`` (a file, or a folder of DICOM files, a case), ``labels/`` (a file
    a case; for classification ``classes.csv``), ``card.toml`` and ``split.json``.

    Args:
        folder: where it is.
        card: what it is.
        train: cases to learn from.
        test: cases kept back.
    """

    folder: Path
    card: Card
    train: tuple[str, ...]
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
        return tuple(sorted((*self.train, *self.test)))

    def image(self, case: str) -> Path:
        """A case's image: a file, or a folder of DICOM files."""
        return self._only(self.images, case)

    def label(self, case: str) -> Path:
        """The file of a case's labels."""
        return self._only(self.labels, case)

    def _only(self, folder: Path, case: str) -> Path:
        found = [p for p in folder.iterdir() if p.name == case or p.name.startswith(f"{case}.")]
        if len(found) != 1:
            raise FileNotFoundError(
                f"{self.card.name}: {len(found)} files for {case!r} in {folder.name}/, expected one"
            )
        return found[0]

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
            folder, Card.read(folder / CARD_FILE), tuple(split["train"]), tuple(split["test"])
        )


def finish(folder: Path, card: Card, cases: Sequence[str]) -> None:
    """Write the card and the split beside a set's images and labels."""
    shutil.copyfile(card.folder / CARD_FILE, folder / CARD_FILE)
    test = [case for case in sorted(cases) if _kept_back(case, card.split)]
    train = sorted(set(cases) - set(test))
    text = json.dumps({"source": card.split.source, "train": train, "test": test}, indent=1)
    (folder / _SPLIT_FILE).write_text(text + "\n", encoding="utf-8")


def _kept_back(case: str, split: Split) -> bool:
    digest = hashlib.sha256(f"{split.salt}/{case}".encode()).digest()
    return case in split.test or int.from_bytes(digest[:8], "big") < split.test_share * 2**64


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
