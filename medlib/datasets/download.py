"""Fetching a file whose checksum is known, and unpacking it without harm."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from medlib.datasets.cards import Download
from medlib.datasets.prepared import Progress

_CHUNK = 1 << 20
_TIMEOUT = 60.0  # seconds without a byte


class DownloadError(RuntimeError):
    """A data set could not be fetched; the message says why and what to do."""


def download(wanted: Download, folder: Path, *, progress: Progress | None = None) -> Path:
    """Fetch a file into ``folder``, taking its checksum on the way.

    Raises:
        DownloadError: when the card knows no checksum, the server cannot be reached or breaks
            off, or what came is not what the card says. Nothing is left behind.
    """
    name = wanted.file_name
    if not wanted.checksum:
        raise DownloadError(
            f"{name} is not downloaded, for no checksum of it is known ({wanted.checksum_source}). "
            f"Fetch it yourself from {wanted.url}, unpack it, and give its folder as the source."
        )
    algorithm, _, expected = wanted.checksum.partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    path = folder / name
    try:
        with (
            urllib.request.urlopen(wanted.url, timeout=_TIMEOUT) as reply,  # noqa: S310  # cards hold https alone
            path.open("wb") as file,
        ):
            size = int(reply.headers.get("Content-Length") or wanted.size or 0)
            while chunk := reply.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                if progress is not None:
                    progress(file.tell(), size, f"downloading {name}")
            got = file.tell()
        if got < size:
            raise DownloadError(f"{name}: the connection broke after {got:,} of {size:,} bytes")
        if digest.hexdigest() != expected:
            raise DownloadError(
                f"{name} is not the file that the card describes: its {algorithm} is "
                f"{digest.hexdigest()}, not {expected}. It may have been changed on the server; "
                "do not use it before you know why."
            )
    except (urllib.error.URLError, OSError) as error:
        path.unlink(missing_ok=True)
        raise DownloadError(f"{name} could not be fetched from {wanted.url}: {error}") from error
    except DownloadError:
        path.unlink(missing_ok=True)
        raise
    return path


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .tar (also compressed) or .zip into ``folder``; any other file is moved there.

    Raises:
        DownloadError: when a member would land outside ``folder``, or is a link or a device.
            Nothing is unpacked then.
    """
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
            _check(archive, ((m.name, m.isfile() or m.isdir()) for m in members))
            tar.extractall(folder, members, filter="data")
    elif archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            _check(archive, ((m.filename, not _is_special(m)) for m in packed.infolist()))
            packed.extractall(folder)  # noqa: S202  # the members have been looked at
    else:
        shutil.move(archive, folder / archive.name)


def _check(archive: Path, members: Iterable[tuple[str, bool]]) -> None:
    for name, plain in members:
        path = PurePosixPath(name.replace("\\", "/"))
        outside = path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0]
        if outside or not plain:
            what = "would be written outside its folder" if outside else "is a link or a device"
            raise DownloadError(f"{archive.name} is not unpacked: its member {name!r} {what}")


def _is_special(member: zipfile.ZipInfo) -> bool:
    mode = member.external_attr >> 16
    return bool(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or not stat.S_IFMT(mode))
