"""Passwords: sealed by argon2id, and checked in the same time whoever is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medlib.workspace.errors import WorkspaceError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_SHORTEST = 12  # characters of a password (NIST SP 800-63B-4 asks for 8 to 15, and no other rules)

# Of a password that nobody knows: an unknown name takes as long to refuse as a known one.
NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$elSeS8QO6VW4GkdfzIT6mA"
    "$b/H8xhpNszmWkJGkk7l5sEmCAu36VUL7GwAy9epDtIs"
)
"""What to check against where there is no such person."""


def sealed(password: str) -> str:
    """What is kept of a password.

    Raises:
        WorkspaceError: when it is too short.
    """
    if len(password) < _SHORTEST:
        raise WorkspaceError(f"a password has at least {_SHORTEST} characters")
    return str(_hasher().hash(password))


def fits(seal: str, password: str) -> bool:
    """Whether this is the password that was sealed."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return bool(_hasher().verify(seal, password))
    except (VerificationError, InvalidHashError):
        return False


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()  # argon2id with the parameters of RFC 9106
