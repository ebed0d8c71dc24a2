"""Files known by what they hold: written once, whole, and never changed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from medlib.workspace.errors import WorkspaceError

_NAME = re.compile(r"[0-9a-f]{64}(\.[a-z0-9]{1,8}){0,2}")
_CHUNK = 1 << 20


class Files:
    """The files of a workspace, each named by its SHA-256 digest and its ending.

    A file is there before any row speaks of it, so no row ever speaks of a file that is not there.
    What a killed process leaves behind is a file that no row speaks of; :meth:`sweep` clears it.

    Args:
        folder: made if need be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._coming = folder / "coming"
        self._coming.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Where the file of this name lies.

        Raises:
            WorkspaceError: for what is no such name.
        """
        if not _NAME.fullmatch(name):
            raise WorkspaceError(f"{name!r} is no name of a file in a workspace")
        return self.folder / name[:2] / name

    def has(self, name: str) -> bool:
        """Whether it is there."""
        return self.path(name).is_file()

    def keep(self, write: Callable[[Path], object], ending: str) -> str:
        """Keep what ``write`` writes to the path that it is given.

        Args:
            write: called once.
            ending: of the file's name, such as ``".nii.gz"``.

        Returns:
            The file's name.

        Example:
            >>> import tempfile
            >>> files = Files(Path(tempfile.mkdtemp()))
            >>> name = files.keep(lambda path: path.write_text("seen"), ".txt")
            >>> files.path(name).read_text(), name == files.copy_bytes(b"seen", ".txt")
            ('seen', True)
        """
        coming = self._coming / f"{uuid.uuid4().hex}{ending}"
        try:
            write(coming)
            with coming.open("rb") as stream:
                name = f"{digest_of(stream)}{ending}"
                os.fsync(stream.fileno())
            target = self.path(name)
            if not target.is_file():
                target.parent.mkdir(exist_ok=True)
                coming.replace(target)
                _settle(target.parent)
            return name
        finally:
            coming.unlink(missing_ok=True)

    def copy_bytes(self, content: bytes, ending: str) -> str:
        """Keep these bytes; see :meth:`keep`."""
        return self.keep(lambda path: path.write_bytes(content), ending)

    def copy(self, stream: BinaryIO, ending: str) -> str:
        """Keep what is left in a stream; see :meth:`keep`."""

        def write(path: Path) -> None:
            with path.open("wb") as target:
                shutil.copyfileobj(stream, target, _CHUNK)

        return self.keep(write, ending)

    def names(self) -> Iterator[str]:
        """All files that there are."""
        for path in sorted(self.folder.glob("??/*")):
            if _NAME.fullmatch(path.name):
                yield path.name

    def is_sound(self, name: str) -> bool:
        """Whether the file is there and holds what its name says."""
        if not self.has(name):
            return False
        with self.path(name).open("rb") as stream:
            return digest_of(stream) == name[:64]

    def sweep(self, wanted: Collection[str], *, older_than: float) -> list[str]:
        """Remove what a killed process has left behind.

        Args:
            wanted: names of the files that rows speak of.
            older_than: seconds; younger files may be about to be spoken of.

        Returns:
            What was removed.
        """
        before = time.time() - older_than
        lost = [self.path(name) for name in self.names() if name not in wanted]
        swept = []
        for path in (*lost, *self._coming.iterdir()):
            if path.stat().st_mtime <= before:
                path.unlink(missing_ok=True)
                swept.append(path.name)
        return swept


def digest_of(stream: BinaryIO) -> str:
    """The SHA-256 digest of what is left in a stream."""
    hasher = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        hasher.update(chunk)
    return hasher.hexdigest()


def _settle(folder: Path) -> None:
    """Have the disk know the folder's entries, so that a power cut does not forget a name."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
