"""A store of prepared items on disk: made once, read by memory mapping ever after."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from medlib import io
from medlib.data.digests import digest, files_digest
from medlib.data.written import packed, unpacked
from medlib.io.files import File, walk
from medlib.io.tensors import write_tensors
from medlib.transforms import Item

_VERSION = 1  # of the form of entries
_ITEM, _NOTE, _PARTIAL = ".safetensors", ".txt", ".part"
# Only what a store has named itself is ever counted or removed, whatever else lies in the folder.
_OWN = re.compile(r"[0-9a-f]{40}(?:\.safetensors|\.txt|-[0-9a-f]{32}\.part)")
_ABANDONED_SECONDS = 600.0  # after which a half-written file is nobody's
_RACY_NS = 2_000_000_000  # a file changed so lately may change again unseen
_UNCOUNTED = 1 / 4  # of the room that is left, to be filled before the folder is counted anew
_CLEARED = 1 / 16  # of the whole, which is cleared once there is no room, so that it lasts a while
# Backup programs pass over a folder with this file in it (bford.info/cachedir).
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Prepared scans; they can be made again.\n"


class Store:
    """A folder of prepared items.

    An entry is one file, safetensors with a JSON header, and nothing in it is ever run. It is
    written under another name, flushed, and renamed: it is there whole or not at all, whenever
    the writer or the machine stops, and of several writers of one entry one wins. A note is not
    flushed, since that would take longer than all else, and says its own digest. Entries are
    mapped into memory, so that any number of scans cost no more than the patches that are read;
    changing a tensor changes nothing on disk.

    The folder holds patients' scans: it is made readable for its owner only, and files are named
    by digests.

    Args:
        folder: is made where there is none. Several processes may share it.
        limit_bytes: how large it may become; more than four processes that fill it together may
            go beyond that for a while. What was not used for longest goes first.
        in_use_seconds: an entry used within this time is in use and stays. When nothing else can
            go, new items are handed out without being kept, with a warning: to throw out what is
            needed again in a minute would cost more than it saves.

    Example:
        >>> import tempfile, torch
        >>> from medlib.space import Grid
        >>> from medlib.transforms import Normalise, Pipeline
        >>> from medlib.types import MRVolume
        >>> prepare = Pipeline((Normalise(),))
        >>> scan = MRVolume(torch.rand(1, 4, 5, 6), Grid.from_axes((4, 5, 6)))
        >>> store = Store(tempfile.mkdtemp(), limit_bytes=1 << 30)
        >>> key = digest(scan.data, prepare)
        >>> first = store.item(key, lambda: prepare(Item((scan,), name="a")))
        >>> again = store.item(key, lambda: 1 / 0)  # is not called
        >>> torch.equal(first.values[0].data, again.values[0].data)
        True
    """

    def __init__(
        self, folder: str | Path, *, limit_bytes: int = 100 << 30, in_use_seconds: float = 3600.0
    ) -> None:
        self.folder = Path(folder).resolve()
        self.limit_bytes = limit_bytes
        self.in_use_seconds = in_use_seconds
        self._uncounted = 0  # bytes that may be written before the folder is counted
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "CACHEDIR.TAG").write_text(_TAG, encoding="utf-8")
        self._sweep()

    def item(self, key: str, make: Callable[[], Item]) -> Item:
        """The item of this key; made, and kept, if it is not there.

        Args:
            key: says all that the item depends on; see :meth:`digest`.
            make: makes it. What it raises is raised here, and nothing is kept.
        """
        path = self._path(key, _ITEM)
        if (found := self._read(path)) is not None:
            return found
        made = make()
        said, tensors = packed(made)
        header = {"medlib_item": json.dumps(said)}
        size = sum(tensor.nbytes for tensor in tensors.values()) + len(header["medlib_item"])

        def write(partial: Path) -> None:
            write_tensors(partial, tensors, header)
            _flush(partial)

        kept = self._keep(path, size, write)
        return (self._read(path) if kept else None) or made

    def text(self, key: str, make: Callable[[], str]) -> str:
        """A few words that took long to find out, such as a digest; kept as items are."""
        path = self._path(key, _NOTE)
        with suppress(OSError, UnicodeDecodeError):
            said, _, found = path.read_text(encoding="utf-8").partition("\n")
            if said == _sum(found):  # else the machine stopped before it was on the disk
                self._touch(path)
                return found
        made = make()
        written = f"{_sum(made)}\n{made}".encode()
        self._keep(path, len(written), lambda partial: partial.write_bytes(written))
        return made

    def digest(self, *parts: object) -> str:
        """As :func:`medlib.data.digest`; files and stacks among ``parts`` are read only once.

        Their digests are kept, and hold as long as names, sizes and times of change stay the same.
        """
        return digest(*(self._of_files(part) for part in parts))

    def __contains__(self, key: str) -> bool:
        """Whether there is an item of this key."""
        return self._path(key, _ITEM).exists()

    def size(self) -> int:
        """Bytes in the folder."""
        return sum(entry.stat.st_size for entry in self._entries())

    def clear(self) -> int:
        """Remove all entries, and nothing else in the folder; the bytes that were freed.

        Whoever has an entry mapped keeps it until he lets go.
        """
        freed = 0
        for entry in self._entries():
            with suppress(OSError):  # another process was quicker; Windows keeps what is mapped
                entry.path.unlink()
                freed += entry.stat.st_size
        return freed

    # --- files that were read -------------------------------------------------------------

    def _of_files(self, part: object) -> object:
        if not isinstance(part, Path | io.Stack):
            return part
        files = tuple(walk(part)) if isinstance(part, Path) else part.files
        stats = [_on_disk(file).stat() for file in files]
        lately = time.time_ns() - _RACY_NS
        if any(stat.st_mtime_ns > lately for stat in stats):
            return files_digest(files)
        seen = [
            (str(file), stat.st_size, stat.st_mtime_ns)
            for file, stat in zip(files, stats, strict=True)
        ]
        return self.text(digest("files", seen), lambda: files_digest(files))

    # --- entries --------------------------------------------------------------------------

    def _path(self, key: str, ending: str) -> Path:
        name = hashlib.blake2b(f"{_VERSION} {key}".encode(), digest_size=20).hexdigest()
        return self.folder / (name + ending)

    def _read(self, path: Path) -> Item | None:
        """The entry's item; None where there is none, or none that this version understands."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                said: Any = json.loads(file.metadata()["medlib_item"])
                # Mapped, not read; a private mapping, so that writes stay in this process.
                item = unpacked(said, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        # RuntimeError is torch's word for a file that another process has removed since.
        except (OSError, RuntimeError, SafetensorError, ValueError, KeyError, TypeError):
            return None
        self._touch(path)
        return item

    def _keep(self, path: Path, size: int, write: Callable[[Path], object]) -> bool:
        """Write an entry, if there is room for it."""
        if not self._make_room(size):
            self._warn("nothing in it can go, since all of it is in use")
            return False
        try:
            with _whole(path) as partial:
                write(partial)
        except OSError as error:  # a full disk, or a file that this system will not replace
            if not path.exists():
                self._warn(f"it could not be written ({error.strerror or error})")
        return path.exists()

    def _warn(self, why: str) -> None:
        warnings.warn(
            f"the store {self.folder} holds {self.size() / 1e9:.1f} of {self.limit_bytes / 1e9:.1f} "
            f"GB and keeps no more: {why}. Items are made anew each time; give it more room",
            stacklevel=4,
        )

    def _make_room(self, size: int) -> bool:
        # Counting takes longer the more there is: done for each entry it would take hours of a
        # large archive.
        if size <= self._uncounted:
            self._uncounted -= size
            return True
        entries = sorted(self._entries(), key=lambda entry: entry.stat.st_mtime_ns)
        total = size + sum(entry.stat.st_size for entry in entries)
        idle = [entry for entry in entries if self._is_idle(entry)]
        if total - sum(entry.stat.st_size for entry in idle) > self.limit_bytes:
            return False
        wanted = self.limit_bytes
        if total > wanted:
            wanted -= int(wanted * _CLEARED)
        for entry in idle:
            if total <= wanted:
                break
            # Whoever has it mapped keeps it until he lets go; Windows refuses to remove it.
            with suppress(OSError):
                entry.path.unlink()
                total -= entry.stat.st_size
        self._uncounted = int(max(0, self.limit_bytes - total) * _UNCOUNTED)
        return total <= self.limit_bytes

    def _entries(self) -> Iterator[_Entry]:
        with os.scandir(self.folder) as found:
            for entry in found:
                if _OWN.fullmatch(entry.name):
                    with suppress(FileNotFoundError):  # another process was quicker
                        yield _Entry(Path(entry.path), entry.stat())

    def _is_idle(self, entry: _Entry) -> bool:
        """Whether it may go: nobody has used it lately, or its writer was killed."""
        half_written = entry.path.suffix == _PARTIAL
        age = time.time() - entry.stat.st_mtime
        return age > (_ABANDONED_SECONDS if half_written else self.in_use_seconds)

    def _sweep(self) -> None:
        """Remove what writers that were killed have left half-written."""
        for entry in self._entries():
            if entry.path.suffix == _PARTIAL and self._is_idle(entry):
                entry.path.unlink(missing_ok=True)

    @staticmethod
    def _touch(path: Path) -> None:
        with suppress(OSError):  # it went, or the folder is read-only: it was read all the same
            os.utime(path)


class _Entry:
    """A file in the store."""

    def __init__(self, path: Path, stat: os.stat_result) -> None:
        self.path, self.stat = path, stat


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes ``path`` once it is written."""
    partial = path.with_name(f"{path.stem}-{uuid.uuid4().hex}{_PARTIAL}")
    try:
        yield partial
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Until all bytes are on the disk; its new name need not be, for an entry can be made again."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sum(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def _on_disk(file: File) -> Path:
    return Path(file.path) if file.archive is None else file.archive.path
