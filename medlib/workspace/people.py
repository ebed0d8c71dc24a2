"""People: accounts, passwords, sessions, and what each may do."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from medlib.workspace.database import Database
from medlib.workspace.errors import NotAllowedError, NotThereError, WorkspaceError
from medlib.workspace.events import record
from medlib.workspace.passwords import NOBODY, fits, sealed
from medlib.workspace.schema import Event, Login, Role, User, now

_READER = frozenset({"view", "label", "comment", "export"})
_REVIEWER = _READER | {"review", "adjudicate", "train", "predict", "assign", "see names"}
_ADMINISTRATOR = _REVIEWER | {
    *("import", "change label sets", "manage people", "read the log", "hide names", "back up"),
    "restore",
}
ACTIONS: Final = MappingProxyType(
    {Role.READER: _READER, Role.REVIEWER: _REVIEWER, Role.ADMINISTRATOR: _ADMINISTRATOR}
)
"""What each role may do; nothing else decides it."""

SESSION: Final = timedelta(hours=12)
"""Until a session ends, however much is done in it: a working day."""
IDLE: Final = timedelta(minutes=60)
"""Until a session ends in which nothing is done (NIST SP 800-63B-4 asks for an hour at most). Shorter,
it would end while a scan is only looked at: the server hears of what is opened, drawn and pressed, not
of the slices that are passed."""
_STEP = timedelta(minutes=1)  # so often at most it is noted that a session goes on
_ENDED = "the session has ended: log in again"
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
        seal = sealed(password) if password else None
        with self._database.writing() as session:
            if _named(session, name) is not None:
                raise WorkspaceError(f"there is somebody called {name!r} already")
            user = User(name=name, role=role, password=seal, subject=subject or None)
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
        seal = sealed(password) if password else None
        with self._database.writing() as session:
            user = _named(session, name)
            if user is None:
                raise NotThereError(f"there is nobody called {name!r}")
            user.role = user.role if role is None else role
            user.active = user.active if active is None else active
            user.password = seal or user.password
            session.flush()
            _check_administered(session)
            session.execute(delete(Login).filter_by(user_id=user.id))
            record(
                session, by, "person changed", f"person {user.id}",
                role=user.role, active=user.active, password_changed=bool(seal),
            )  # fmt: skip
        return user

    def list(self) -> Sequence[User]:
        """Everybody, by name."""
        with self._database.reading() as session:
            return [*session.scalars(select(User).order_by(User.name))]

    # --- sessions ----------------------------------------------------------------------------

    def log_in(self, name: str, password: str) -> str:
        """Begin a session by password.

        Args:
            name: the person's.
            password: likewise.

        Returns:
            A token for the browser to keep; the workspace keeps only its digest.

        Raises:
            NotAllowedError: the same, in the same time, whatever is wrong.
        """
        with self._database.reading() as session:
            user = _named(session, name)
        held = user.password if user and user.password else NOBODY
        is_right = fits(held, password)
        with self._database.writing() as session:
            user = _named(session, name)
            is_right = is_right and user is not None and user.active and user.password == held
            if user is not None and is_right and not _resting(user):
                user.failures = 0
                token = secrets.token_urlsafe(32)
                _begin(session, user, token)
                return token
            if user is not None and not _resting(user):  # else somebody could lock others out
                user.failures = 1 if _rested(user) else user.failures + 1
                user.failed = now()
            whose = f"person {user.id}" if user else "people"
            record(session, user.name if user else "unknown", "log in refused", whose)
        raise NotAllowedError(_REFUSED)

    def log_in_by(self, subject: str, *, token: str, issued: int) -> None:
        """Begin a session for whom an OpenID provider vouches.

        Each of the provider's statements begins one session: where that has ended, by itself or by
        an administrator, the browser that still holds the statement does not get in by it again.

        Args:
            subject: as the account has it. Check the provider's signature first.
            token: what the browser shows from now on; the workspace keeps only its digest.
            issued: when the provider said so, in seconds since 1970 (the claim ``iat``).

        Raises:
            NotAllowedError: when nobody has the account, or the statement is not newer than the one
                that began the person's last session, or older than a session may be.
        """
        reason, who, whose = "nobody in this workspace has this account", "unknown", "people"
        with self._database.writing() as session:
            user = session.scalars(select(User).filter_by(subject=subject, active=True)).first()
            if user is not None and subject and token:
                reason, who, whose = _ENDED, user.name, f"person {user.id}"
                login = session.get(Login, _digest(token))
                if login is not None and login.user_id == user.id and login.expires > now():
                    return  # by another page of the same browser
                is_fresh = now() - datetime.fromtimestamp(issued, UTC) < SESSION
                if is_fresh and issued > _vouched(session, user):
                    _begin(session, user, token, vouched=issued)
                    return
            record(session, who, "log in refused", whose)
        raise NotAllowedError(reason)

    def user(self, token: str) -> User:
        """Whose session it is; it goes on for as long as it is asked for.

        Raises:
            NotAllowedError: when it has ended, or never was.
        """
        digest = _digest(token)
        with self._database.reading() as session:
            login = session.get(Login, digest)
            user = session.get(User, login.user_id) if login else None
        if login is None or user is None or login.expires <= now() or not user.active:
            raise NotAllowedError(_ENDED)
        until = min(now() + IDLE, login.made + SESSION)
        if until - login.expires > _STEP:
            with self._database.writing() as session:  # nothing, if it was ended meanwhile
                session.execute(update(Login).filter_by(digest=digest).values(expires=until))
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


def _begin(session: Session, user: User, token: str, **details: int) -> None:
    session.execute(delete(Login).where(Login.expires <= now()))
    made = now()
    session.add(Login(digest=_digest(token), user_id=user.id, made=made, expires=made + IDLE))
    record(session, user.name, "logged in", f"person {user.id}", **details)


def _vouched(session: Session, user: User) -> int:
    """When the provider made the statement that began a person's last session; the log knows."""
    query = select(Event.details).filter_by(subject=f"person {user.id}", what="logged in")
    query = query.where(Event.details.contains("vouched")).order_by(Event.number.desc())
    said = session.scalars(query.limit(1)).first()
    return int(json.loads(said)["vouched"]) if said else 0


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
