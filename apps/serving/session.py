"""Whose session a browser is in, and what its links open there.

The token is in a cookie that no script reads: that of our own login page or, where an OpenID provider
vouches, the one that Streamlit keeps the provider's statement in. A page that has checked the statement
begins a session by it; from then on both are tokens like any other, and end alike.

A link names what it opens and for whom. It is in pages and in histories, so it opens nothing by
itself: only in a session of the person that it was signed for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from medlib.workspace import NotAllowedError, Workspace, may
from medlib.workspace.schema import User

COOKIE = "medlib_session"
"""Holds the token of a session that was begun by password."""
_VOUCHED = re.compile(r"_streamlit_user(_\d+)?")  # in several, where it is too long for one


def vouched(cookies: Mapping[str, str]) -> str:
    """The provider's statement, signed by Streamlit; empty where there is none.

    Example:
        >>> vouched({"_streamlit_user_1": "b", "_streamlit_user": "a", "medlib_session": "c"})
        'ab'
    """
    return "".join(cookies[name] for name in sorted(cookies) if _VOUCHED.fullmatch(name))


def tokens(cookies: Mapping[str, str]) -> Sequence[str]:
    """What a browser shows of sessions, be they open or not."""
    return [token for token in (cookies.get(COOKIE, ""), vouched(cookies)) if token]


def user_of(workspace: Workspace, cookies: Mapping[str, str]) -> User:
    """Whose session a browser is in.

    Raises:
        NotAllowedError: when it is in none, or it has ended.
    """
    for token in tokens(cookies):
        try:
            return workspace.people.user(token)
        except NotAllowedError:
            continue
    raise NotAllowedError("the session has ended: log in again")


def owner(
    workspace: Workspace, cookies: Mapping[str, str], link: str, opens: str, *actions: str
) -> str:
    """For whom a link is good, in the browser that follows it.

    Args:
        workspace: that signed it.
        cookies: of the browser.
        link: as it was signed.
        opens: what is asked for, such as ``"thumbnail 3"``.
        actions: what the person must be allowed to do.

    Raises:
        NotAllowedError: when the link is not for this, the browser is in no session of that person,
            or the person may not. Without accounts the link alone counts.
    """
    person = workspace.links.read(link, opens)
    if not workspace.people.list():
        return person
    user = user_of(workspace, cookies)
    if user.name != person:
        raise NotAllowedError("this link is another person's")
    for action in actions:
        if not may(user.role, action):
            raise NotAllowedError(f"{person} may not {action} this")
    return person
