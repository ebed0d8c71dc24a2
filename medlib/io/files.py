"""Files on disk or inside a zip archive, found and read in one manner, and written whole."""

from __future__ import annotations

import os
import tempfile
import unicodedata
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

FILE_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError)
"""What reading bytes raises, from a disk or out of a damaged archive."""


class UnreadableError(ValueError):
    """What was found cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Archive:
    """A zip archive whose members are read in place: nothing is unpacked to disk."""

    path: Path
    _opened: list[zipfile.ZipFile] = field(default_factory=list, compare=False, repr=False)

    def open(self) -> zipfile.ZipFile:
        """The archive, opened once.

        Raises:
            UnreadableError: when it is no zip archive, or a damaged one.
        """
        if not self._opened:
            try:
                self._opened.append(zipfile.ZipFile(self.path))
            except (zipfile.BadZipFile, OSError) as error:
                raise UnreadableError(f"{self.path.name} is not a readable zip archive") from error
        return self._opened[0]

    def __reduce__(self) -> tuple[type[Archive], tuple[Path]]:
        return Archive, (self.path,)  # an open handle does not travel to another process


@dataclass(frozen=True)
class File:
    """A file on disk, or a member of a zip archive.

    Args:
        path: where it is: on disk, or inside ``archive``.
        archive: the archive that holds it, if one does.
    """

    path: Path | PurePosixPath
    archive: Archive | None = None

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.name

    @property
    def folder(self) -> Path:
        """The folder that holds it; inside an archive, as if the archive were a folder."""
        if self.archive is None:
            return Path(self.path).parent
        return self.archive.path.with_suffix("") / self.path.parent

    def __str__(self) -> str:
        return str(self.path if self.archive is None else self.archive.path / self.path)

    def open(self) -> BinaryIO:
        """The file, opened to read bytes; it can seek."""
        if self.archive is None:
            return Path(self.path).open("rb")
        return cast(BinaryIO, self.archive.open().open(str(self.path)))

    def size(self) -> int:
        """Its length in bytes, uncompressed."""
        if self.archive is None:
            return Path(self.path).stat().st_size
        return self.archive.open().getinfo(str(self.path)).file_size

    def read(self, offset: int = 0, length: int = -1) -> bytes:
        """``length`` bytes from ``offset``; by default all."""
        with self.open() as stream:
            stream.seek(offset)
            return stream.read(length)

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """A path on disk for readers that need one; a temporary copy if it lies in an archive."""
        if self.archive is None:
            yield Path(self.path)
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "member"
            copy.write_bytes(self.read())
            yield copy


def walk(path: Path) -> Iterator[File]:
    """Every file at or under ``path`` (a file, a folder, or a .zip), in a stable order.

    Raises:
        FileNotFoundError: when there is nothing at ``path``.
        UnreadableError: when a zip archive is damaged, or holds a member that points outside it.
    """
    if path.is_dir():
        visited: set[str] = set()
        for folder, folders, files in os.walk(path, followlinks=True):
            if (real := os.path.realpath(folder)) in visited:  # links may run in circles
                folders.clear()
                continue
            visited.add(real)
            folders.sort()
            yield from (File(Path(folder) / name) for name in sorted(files))
    elif not path.exists():
        raise FileNotFoundError(f"there is no file or folder at {path}")
    elif path.suffix.lower() == ".zip":
        yield from _members(path)
    else:
        yield File(path)


def _members(path: Path) -> Iterator[File]:
    archive = Archive(path)
    for member in sorted(archive.open().infolist(), key=lambda m: m.filename):
        inside = PurePosixPath(member.filename.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in inside.parts[0]:
            raise UnreadableError(
                f"{path.name} holds a member whose name points outside the archive; "
                "it is not read. Make the archive anew."
            )
        if member.flag_bits & 0x1:
            raise UnreadableError(f"{path.name} is encrypted: unpack it first")
        if not member.is_dir():
            yield File(PurePosixPath(member.filename), archive)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that becomes ``path`` if all goes well, and else nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".part-{uuid.uuid4().hex}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def safe_name(text: str) -> str:
    """``text`` as a file name that every file system takes and people can still read.

    Example:
        >>> safe_name("Patient 01/CT: thorax?")
        'Patient_01_CT_thorax'
    """
    kept = "".join(
        c if c.isalnum() or c in "-." else "_" for c in unicodedata.normalize("NFC", text)
    )
    while "__" in kept:
        kept = kept.replace("__", "_")
    kept = kept.strip("_.")[:80].rstrip("_.") or "scan"
    reserved = {"CON", "PRN", "AUX", "NUL"} | {f"{p}{i}" for p in ("COM", "LPT") for i in range(10)}
    return f"{kept}_" if kept.split(".")[0].upper() in reserved else kept
