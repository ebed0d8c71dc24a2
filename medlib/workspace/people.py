"""People: accounts, passwords, sessions, and what each may do."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from medlib.workspace.database import Database
from medlib.workspace.errors import NotAllowedError, NotThereError, WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.schema import Login, Role, User, now

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_READER = frozenset({"view", "label", "comment", "export"})
_REVIEWER = _READER | {"review", "adjudicate", "train", "predict", "assign", "see names"}
_ADMINISTRATOR = _REVIEWER | {
    *("import", "change label sets", "manage people", "hide names", "back up", "restore"),
}
ACTIONS: Final = MappingProxyType(
    {Role.READER: _READER, Role.REVIEWER: _REVIEWER, Role.ADMINISTRATOR: _ADMINISTRATOR}
)
"""What each role may do; nothing else decides it."""

_SHORTEST = 12  # characters of a password (NIST SP 800-63B-4 asks for 8 to 15, and no other rules)
_TRIES, _REST = 5, timedelta(minutes=1)
_REFUSED = "the name or the password is wrong, or there were too many tries: wait a minute"


def may(role: Role, action: str) -> bool:
    """Whether somebody of this role may do this.

    Raises:
        WorkspaceError: for an action that there is not: a route that asks for one is wrong.

    Example:
        >>> may(Role.READER, "label"), may(Role.READER, "review")
        (True, False)
    """
    if action not in _ADMINISTRATOR:
        raise WorkspaceError(f"there is no action {action!r}: {', '.join(sorted(_ADMINISTRATOR))}")
    return action in ACTIONS[role]


class People:
    """The accounts of a workspace. A workspace without any is one person's own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, role: Role, *, by: str, password: str = "", subject: str = "") -> User:
        """Give a person an account.

        Args:
            name: unique; what the event log calls the person.
            role: what the person is there for.
            by: who does so.
            password: at least twelve characters; left out, no password lets in.
            subject: what an OpenID provider calls the person: issuer and ``sub``.

        Raises:
            WorkspaceError: when the name is taken or empty, or the password too short.
        """
        if not name.strip():
            raise WorkspaceError("a person needs a name")
        sealed = _sealed(password) if password else None
        with self._database.writing() as session:
            if _named(session, name) is not None:
                raise WorkspaceError(f"there is somebody called {name!r} already")
            user = User(name=name, role=role, password=sealed, subject=subject or None)
            session.add(user)
            session.flush()
            record(session, by, "person added", f"person {user.id}", name=name, role=role)
        return user

    def change(
        self,
        name: str,
        *,
        by: str,
        role: Role | None = None,
        password: str = "",
        active: bool | None = None,
    ) -> User:
        """Change a person's role or password, or whether he is let in. All his sessions end.

        Raises:
            NotThereError: when there is nobody of this name.
            WorkspaceError: for a password that is too short, and where nobody would be left to
                manage people.
        """
        sealed = _sealed(password) if password else None
        with self._database.writing() as session:
            user = _named(session, name)
            if user is None:
                raise NotThereError(f"there is nobody called {name!r}")
            user.role = user.role if role is None else role
            user.active = user.active if active is None else active
            user.password = sealed or user.password
            session.flush()
            _check_administered(session)
            session.execute(delete(Login).filter_by(user_id=user.id))
            record(
                session, by, "person changed", f"person {user.id}",
                role=user.role, active=user.active, password_changed=bool(sealed),
            )  # fmt: skip
        return user

    def list(self) -> Sequence[User]:
        """Everybody, by name."""
        with self._database.reading() as session:
            return [*session.scalars(select(User).order_by(User.name))]

    # --- sessions ----------------------------------------------------------------------------

    def log_in(self, name: str, password: str, *, hours: float = 12) -> str:
        """Begin a session by password.

        Args:
            name: the person's.
            password: likewise.
            hours: until it ends.

        Returns:
            A token for the browser to keep; the workspace keeps only its digest.

        Raises:
            NotAllowedError: the same, in the same time, whatever is wrong.
        """
        with self._database.reading() as session:
            user = _named(session, name)
        held = user.password if user and user.password else _NOBODY
        fits = _fits(held, password)
        with self._database.writing() as session:
            user = _named(session, name)
            fits = fits and user is not None and user.active and user.password == held
            if user is not None and fits and not _resting(user):
                user.failures = 0
                return _begun(session, user, hours)
            if user is not None and not _resting(user):  # else somebody could lock others out
                user.failures = 1 if _rested(user) else user.failures + 1
                user.failed = now()
            whose = f"person {user.id}" if user else "people"
            record(session, user.name if user else "unknown", "log in refused", whose)
        raise NotAllowedError(_REFUSED)

    def log_in_by(self, subject: str, *, hours: float = 12) -> str:
        """Begin a session for whom an OpenID provider vouches.

        Args:
            subject: as the account has it. Check the provider's signature first.
            hours: until it ends.

        Returns:
            A token, as :meth:`log_in`.

        Raises:
            NotAllowedError: when nobody has it.
        """
        with self._database.writing() as session:
            user = session.scalars(select(User).filter_by(subject=subject, active=True)).first()
            if user is not None and subject:
                return _begun(session, user, hours)
            record(session, "unknown", "log in refused", "people")
        raise NotAllowedError("nobody in this workspace has this account")

    def user(self, token: str) -> User:
        """Whose session it is.

        Raises:
            NotAllowedError: when it has ended, or never was.
        """
        with self._database.reading() as session:
            login = session.get(Login, _digest(token))
            user = session.get(User, login.user_id) if login else None
        if login is None or user is None or login.expires <= now() or not user.active:
            raise NotAllowedError("the session has ended: log in again")
        return user

    def require(self, token: str, action: str) -> User:
        """Whose session it is, if he may do this.

        Raises:
            NotAllowedError: when he may not, or the session has ended.
        """
        user = self.user(token)
        if not may(user.role, action):
            raise NotAllowedError(f"{user.name} is a {user.role}, who may not {action}")
        return user

    def log_out(self, token: str) -> None:
        """End a session."""
        user = self.user(token)
        with self._database.writing() as session:
            session.execute(delete(Login).filter_by(digest=_digest(token)))
            record(session, user.name, "logged out", f"person {user.id}")


def _named(session: Session, name: str) -> User | None:
    return session.scalars(select(User).filter_by(name=name)).first()


def _begun(session: Session, user: User, hours: float) -> str:
    token = secrets.token_urlsafe(32)
    session.execute(delete(Login).where(Login.expires <= now()))
    session.add(
        Login(digest=_digest(token), user_id=user.id, expires=now() + timedelta(hours=hours))
    )
    record(session, user.name, "logged in", f"person {user.id}")
    return token


def _resting(user: User) -> bool:
    return user.failures >= _TRIES and not _rested(user)


def _rested(user: User) -> bool:
    """Whether the last wrong password is long enough ago."""
    before: datetime | None = user.failed
    return before is None or now() - before > _REST


def _check_administered(session: Session) -> None:
    left = select(User).filter_by(role=Role.ADMINISTRATOR, active=True)
    if session.scalars(left).first() is None:
        raise WorkspaceError("somebody has to manage people: keep one active administrator")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _sealed(password: str) -> str:
    if len(password) < _SHORTEST:
        raise WorkspaceError(f"a password has at least {_SHORTEST} characters")
    return str(_hasher().hash(password))


def _fits(sealed: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return bool(_hasher().verify(sealed, password))
    except (VerificationError, InvalidHashError):
        return False


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()  # argon2id with the parameters of RFC 9106


# Of a password that nobody knows: an unknown name takes as long to refuse as a known one.
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$elSeS8QO6VW4GkdfzIT6mA"
    "$b/H8xhpNszmWkJGkk7l5sEmCAu36VUL7GwAy9epDtIs"
)
