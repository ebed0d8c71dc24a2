"""A folder, and a zip of it, that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from medlib.workspace.errors import WorkspaceError

_CHUNK = 1 << 20


@contextmanager
def written_folder(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` that becomes ``target`` if all goes well, and else nothing.

    What a killed process has left half done there is removed first.

    Raises:
        WorkspaceError: when there is something at ``target``, or another process is writing it.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise WorkspaceError(f"{target} is not empty: export to a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    partial.mkdir(mode=0o700, exist_ok=True)
    with _alone(partial):
        try:
            for left in partial.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield partial
            if target.exists():
                target.rmdir()
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Make sure that no other process works in a folder; the system lets go of it if we die."""
    if os.name != "posix":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise WorkspaceError(
            "another export is being written there: wait for it, or name another folder"
        ) from None
    try:
        yield
    finally:
        os.close(handle)


def write_zip(folder: Path, target: Path, progress: Callable[[int, int], None]) -> None:
    """Everything in a folder as one zip archive, whole or not at all.

    Args:
        folder: to be packed; its own name is the first part of all paths.
        target: the archive.
        progress: called with how many files are in it, and of how many; may raise.
    """
    from medlib.io.files import written_whole

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with written_whole(target) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            for number, path in enumerate(files):
                progress(number, len(files))
                inside = str(path.relative_to(folder.parent))
                said = zipfile.ZipInfo.from_file(path, inside)
                packed = path.suffix == ".gz"
                said.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                said.external_attr = 0o644 << 16
                with path.open("rb") as source, archive.open(said, "w") as inner:
                    shutil.copyfileobj(source, inner, _CHUNK)
        partial.chmod(0o600)
