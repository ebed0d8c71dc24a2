"""Scans made ready for the browser: encoded and gzipped once, kept on disk, read many times."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from medlib.io.files import written_whole


class Depot:
    """A folder of files that can be made again.

    Args:
        folder: made if need be; what lies there from before is used.
        most: files kept; those not asked for longest give way.
    """

    def __init__(self, folder: Path, most: int = 32) -> None:
        self._folder, self._most = folder, most
        folder.mkdir(parents=True, exist_ok=True)
        there = sorted(folder.glob("*.gz"), key=lambda path: path.stat().st_mtime)
        self._locks = OrderedDict((path.name, threading.Lock()) for path in there)
        self._lock = threading.Lock()

    def file(self, key: str, make: Callable[[], bytes]) -> Path:
        """The gzipped file of this key; made once, however many ask at the same time.

        Args:
            key: stands for all that the bytes depend on.
            make: gives them.
        """
        path = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.gz"
        with self._lock:
            own = self._locks.setdefault(path.name, threading.Lock())
            self._locks.move_to_end(path.name)
            while len(self._locks) > self._most:
                name, _ = self._locks.popitem(last=False)
                (self._folder / name).unlink(missing_ok=True)
        with own:
            if not path.is_file():
                with written_whole(path) as partial:
                    partial.write_bytes(gzip.compress(make(), compresslevel=1, mtime=0))
        return path
