"""Where prepared scans are kept, unless somebody says otherwise."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path

from medlib.data.store import Store

_MOST = 50 << 30  # bytes
_OFF = "off"


def cache_folder() -> Path | None:
    """The folder of prepared scans: below ``MEDLIB_CACHE``, or the user's own cache folder.

    They are copies of patients' scans. Where none may be left on a machine, set ``MEDLIB_CACHE``
    to ``off``: then there is no folder, and this is None.

    Example:
        >>> folder = cache_folder()
        >>> folder is None or folder.name == "prepared"
        True
    """
    chosen = os.environ.get("MEDLIB_CACHE", "")
    if chosen.lower() == _OFF:
        return None
    return (Path(chosen).expanduser() if chosen else _of_the_user() / "medlib") / "prepared"


def usual_store() -> Store | None:
    """The store in :func:`cache_folder`; None, and a warning, where it cannot be used.

    It takes up to 50 GB, and never more than half of what the disk has left.
    """
    folder = cache_folder()
    if folder is None:
        return None
    try:
        store = Store(folder)
        folder.chmod(0o700)  # also where an older one was open to others
        free = shutil.disk_usage(folder).free
    except OSError as error:
        warnings.warn(
            f"prepared scans cannot be kept in {folder} ({error.strerror or error}), so they are "
            "kept in memory; name another folder in MEDLIB_CACHE",
            stacklevel=2,
        )
        return None
    store.limit_bytes = min(_MOST, store.size() + free // 2)
    return store


def _of_the_user() -> Path:
    """As the system has it: XDG's base directories, Apple's Library, Windows' local data."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    name, usual = (
        ("LOCALAPPDATA", "AppData/Local") if os.name == "nt" else ("XDG_CACHE_HOME", ".cache")
    )
    said = Path(os.environ.get(name, ""))
    return said if said.is_absolute() else Path.home() / usual  # XDG: others are not to be used
