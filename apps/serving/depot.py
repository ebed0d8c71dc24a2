"""Scans made ready for the browser: encoded and gzipped once, kept on disk, read many times."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from medlib.io.files import written_whole


class Depot:
    """A folder for this process alone, emptied at its end: patients' scans outlive no server.

    Args:
        most: files kept; those not asked for longest give way.
    """

    def __init__(self, most: int = 16) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="medlib-depot-")
        self._most = most
        self._kept: OrderedDict[str, threading.Lock] = OrderedDict()
        self._lock = threading.Lock()

    def file(self, key: str, make: Callable[[], bytes]) -> Path:
        """The gzipped file of this name; made once, however many ask at the same time.

        Args:
            key: stands for all that the bytes depend on.
            make: gives them.
        """
        name = hashlib.sha256(key.encode()).hexdigest()
        path = Path(self._folder.name) / f"{name}.gz"
        with self._lock:
            own = self._kept.setdefault(name, threading.Lock())
            self._kept.move_to_end(name)
        with own:
            if not path.is_file():
                with written_whole(path) as partial:
                    partial.write_bytes(gzip.compress(make(), compresslevel=1, mtime=0))
        self._sweep()
        return path

    def _sweep(self) -> None:
        with self._lock:
            while len(self._kept) > self._most:
                name, _ = self._kept.popitem(last=False)
                (Path(self._folder.name) / f"{name}.gz").unlink(missing_ok=True)
