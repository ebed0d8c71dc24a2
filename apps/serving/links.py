"""Leave to read or write one scan, for a while: signed, so that nobody has to look it up."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from dataclasses import dataclass, field
from enum import StrEnum

_HOUR = 3600


class Right(StrEnum):
    """What a link allows; who may write may read."""

    READ = "read"
    WRITE = "write"


class NotAllowedError(PermissionError):
    """A link is forged, of another scan, expired, or allows less."""


@dataclass(frozen=True)
class Signer:
    """Signs links, and tells whether one is its own.

    Args:
        secret: known to this server only.
        hours: that a link is good for; up to one more, since links change by the full hour only
            (a page that is drawn again hands out the same one).

    Example:
        >>> signer = Signer(b"32 bytes that nobody can guess ...")
        >>> link = signer.sign("case-1", Right.READ)
        >>> signer.check(link, "case-1", Right.READ)
        >>> signer.check(link, "case-2", Right.READ)
        Traceback (most recent call last):
        serving.links.NotAllowedError: this link is not for this scan, or not ours
    """

    secret: bytes = field(repr=False)
    hours: int = 8

    def sign(self, case: str, right: Right, *, now: float | None = None) -> str:
        """Leave for one scan: ``expiry.right.signature``."""
        moment = time.time() if now is None else now
        expiry = (math.ceil(moment / _HOUR) + self.hours) * _HOUR
        return f"{expiry}.{right}.{self._signature(case, right, expiry)}"

    def check(self, link: str, case: str, right: Right, *, now: float | None = None) -> None:
        """Nothing, if a link allows this.

        Raises:
            NotAllowedError: if it does not.
        """
        match link.split("."):
            case [expiry, granted, signature] if expiry.isdecimal() and len(expiry) < 16:
                ours = self._signature(case, granted, int(expiry))
            case _:
                raise NotAllowedError("this is no link of ours")
        if not hmac.compare_digest(ours.encode(), signature.encode()):
            raise NotAllowedError("this link is not for this scan, or not ours")
        if int(expiry) <= (time.time() if now is None else now):
            raise NotAllowedError("this link has expired; load the page again")
        if right is Right.WRITE and granted != Right.WRITE:
            raise NotAllowedError("this link is for looking only")

    def _signature(self, case: str, right: str, expiry: int) -> str:
        said = f"{case}\n{right}\n{expiry}".encode()
        return hmac.new(self.secret, said, hashlib.sha256).hexdigest()
