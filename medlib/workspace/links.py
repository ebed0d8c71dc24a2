"""Links that open one case for one person for a while: what a browser fetches by itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

from medlib.workspace.errors import NotAllowedError

_HOUR = 3600


class Links:
    """Signs and reads links by a secret that only this workspace's folder holds (RFC 2104).

    Args:
        key: the file of the secret, readable by its owner alone; made if need be. It is in no
            backup: links do not outlive their day anyway.

    Example:
        >>> import tempfile
        >>> links = Links(Path(tempfile.mkdtemp()) / "links.key")
        >>> token = links.sign("scan 3", "reader", at=7200.0)
        >>> token == links.sign("scan 3", "reader", at=7300.0)
        True
        >>> links.read(token, "scan 3", at=7300.0)
        'reader'
        >>> links.read(token, "scan 4", at=7300.0)
        Traceback (most recent call last):
            ...
        medlib.workspace.errors.NotAllowedError: this link is not for scan 4
    """

    def __init__(self, key: Path) -> None:
        if not key.exists():
            coming = key.with_name(f".{secrets.token_hex(8)}")
            handle = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_hex(32))
            try:
                os.link(coming, key)  # whoever comes first: the others read his
            except FileExistsError:
                pass
            finally:
                coming.unlink()
        self._secret = bytes.fromhex(key.read_text())

    def sign(self, case: str, person: str, *, at: float | None = None) -> str:
        """A token for a link.

        It is the same for the whole hour, so that browsers may keep what they fetched, and is good
        until the end of the next.

        Args:
            case: what it opens, such as ``"scan 3"``.
            person: for whom.
            at: seconds since 1970; left out, now.
        """
        ends = int((time.time() if at is None else at) // _HOUR + 2) * _HOUR
        said = f"{ends}\n{case}\n{person}".encode()
        return f"{_text(said)}.{_text(self._seal(said))}"

    def read(self, token: str, case: str, *, at: float | None = None) -> str:
        """For whom the token is good; whether he may see the case still is to be asked.

        Raises:
            NotAllowedError: when it was forged or has expired, or is for another case.
        """
        said, _, seal = token.partition(".")
        try:
            plain, mark = _bytes(said), _bytes(seal)
        except ValueError:
            raise NotAllowedError("this is no link of this workspace") from None
        if not hmac.compare_digest(self._seal(plain), mark):
            raise NotAllowedError("this is no link of this workspace")
        ends, theirs, person = plain.decode().split("\n", 2)
        if int(ends) <= (time.time() if at is None else at):
            raise NotAllowedError("this link has expired: open the case again")
        if theirs != case:
            raise NotAllowedError(f"this link is not for {case}")
        return person

    def _seal(self, said: bytes) -> bytes:
        return hmac.digest(self._secret, said, hashlib.sha256)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    if not text.isascii():
        raise ValueError("no base64")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
