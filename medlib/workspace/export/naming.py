"""What scans, patients and studies are called in an export."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medlib.workspace.errors import WorkspaceError
from medlib.workspace.worklist import Entry

_FORM = "medlib export key"
_LENGTH = 10  # of 32 letters each: none is met twice by chance among millions


class Names(Protocol):
    """Gives names for files and tables."""

    def scan(self, entry: Entry) -> str:
        """Of a scan; different for each."""

    def patient(self, entry: Entry) -> str:
        """Of a scan's patient."""

    def study(self, entry: Entry) -> str:
        """Of a scan's study."""


class OwnNames:
    """The names that all have in the workspace, as file systems take them.

    Args:
        entries: all scans there are, since two names may look the same to a file system.
    """

    def __init__(self, entries: Collection[Entry]) -> None:
        from medlib.io.files import safe_name

        self._scans: dict[int, str] = {}
        taken: set[str] = set()
        for entry in sorted(entries, key=lambda entry: entry.scan.id):
            plain = name = safe_name(entry.scan.name)
            number = 1
            while name.casefold() in taken:
                number += 1
                name = f"{plain}-{number}"
            taken.add(name.casefold())
            self._scans[entry.scan.id] = name

    def scan(self, entry: Entry) -> str:
        """Of a scan."""
        return self._scans[entry.scan.id]

    def patient(self, entry: Entry) -> str:
        """The workspace's pseudonym."""
        return entry.patient

    def study(self, entry: Entry) -> str:
        """The workspace's pseudonym."""
        return entry.study


@dataclass(frozen=True)
class Pseudonyms:
    """Names made up from a secret key (RFC 2104): nobody without it can tell whose they are.

    Args:
        key: at least 32 random bytes.
    """

    key: bytes

    def scan(self, entry: Entry) -> str:
        """Of a scan."""
        return self._made("scan-", entry.scan.digest)

    def patient(self, entry: Entry) -> str:
        """Of a scan's patient."""
        return self._made("patient-", entry.patient)

    def study(self, entry: Entry) -> str:
        """Of a scan's study."""
        return self._made("study-", entry.study)

    def _made(self, kind: str, of: str) -> str:
        found = hmac.digest(self.key, f"{kind}{of}".encode(), hashlib.sha256)
        return kind + base64.b32encode(found)[:_LENGTH].decode()


def read_key(path: Path) -> Pseudonyms:
    """The names of a key file; new ones where there is no such file yet.

    Raises:
        WorkspaceError: for what is no key file.
    """
    if not path.exists():
        return Pseudonyms(secrets.token_bytes(32))
    try:
        key = bytes.fromhex(json.loads(path.read_text(encoding="utf-8"))[_FORM])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(f"{path.name} is no key of an export: name another file") from error
    if len(key) < 32:
        raise WorkspaceError(f"{path.name} is no key of an export: it is too short")
    return Pseudonyms(key)


def write_key(path: Path, names: Pseudonyms, whose: Mapping[str, str]) -> None:
    """Keep a key, and whose each name is, for the file's owner alone.

    Args:
        path: of the key file; what it said before is kept.
        names: with the key.
        whose: by made-up name, the one in the workspace.
    """
    before = json.loads(path.read_text(encoding="utf-8"))["names"] if path.exists() else {}
    said = {_FORM: names.key.hex(), "names": before | dict(whose)}
    path.parent.mkdir(parents=True, exist_ok=True)
    coming = path.with_name(f".{secrets.token_hex(8)}")
    try:
        handle = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(said, file, indent=1)
        coming.replace(path)
    finally:
        coming.unlink(missing_ok=True)
