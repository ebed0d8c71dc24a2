"""Who works at this browser, and on what: the pages share it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import streamlit as st
from serving.openid import is_configured, issued, subject_of
from serving.session import tokens, user_of, vouched
from serving.shelf import Shelf
from serving.site import Site, site

from medlib.workspace import NotAllowedError, Role, Workspace, may

_SCAN, _LABEL_SET = "desk scan", "desk label set"


@dataclass(frozen=True)
class Desk:
    """A person at a workspace.

    Args:
        site: what the server serves.
        person: who works here; what the event log calls him.
        role: what he is there for.
    """

    site: Site
    person: str
    role: Role

    @property
    def workspace(self) -> Workspace:
        """What all but scans and outlines on the wire is called by."""
        return self.site.workspace

    @property
    def shelf(self) -> Shelf:
        """Scans and outlines, as the viewer has them."""
        return self.site.shelf

    def may(self, action: str) -> bool:
        """Whether the person may do this: what a page offers."""
        return may(self.role, action)

    def must(self, action: str) -> None:
        """Make sure that the person still may, right before it is done.

        Raises:
            NotAllowedError: if not.
        """
        now = desk()
        if now is None or now.person != self.person:
            raise NotAllowedError("Your session has ended: log in again.")
        if not now.may(action):
            raise NotAllowedError(f"A {now.role} may not {action}; ask an administrator.")


def desk() -> Desk | None:
    """The desk of this browser; None where the server has no workspace, or nobody is logged in.

    Without accounts the workspace belongs to whoever sits at the machine.
    """
    here = site()
    if here is None:
        return None
    if not here.has_accounts:
        return Desk(here, here.person, Role.ADMINISTRATOR)
    try:
        user = user_of(here.workspace, st.context.cookies)
    except NotAllowedError:
        return None
    return Desk(here, user.name, user.role)


def enter_vouched() -> None:
    """Begin a session for whom the OpenID provider vouches, if Streamlit has asked it.

    Raises:
        NotAllowedError: when nobody in the workspace has the account, or a session that began by
            the same statement of the provider has ended.
    """
    if (here := site()) and is_configured() and st.user.is_logged_in:
        claims = st.user.to_dict()
        here.workspace.people.log_in_by(
            subject_of(claims), token=vouched(st.context.cookies), issued=issued(claims)
        )


def leave() -> None:
    """End this browser's session, at the provider too; nothing of the page is drawn after it."""
    if here := site():
        for token in tokens(st.context.cookies):
            with suppress(NotAllowedError):
                here.workspace.people.log_out(token)
    if is_configured() and st.user.is_logged_in:
        st.logout()
        st.stop()  # to run anew would drop what tells the browser to go there
    st.rerun()


def chosen_scan(among: list[int]) -> int | None:
    """The scan that was last worked on, if it is among these; else the first of them."""
    last = st.session_state.get(_SCAN)
    return last if last in among else next(iter(among), None)


def choose_scan(scan: int) -> None:
    """Work on this scan, whatever the page."""
    st.session_state[_SCAN] = scan


def chosen_label_set(among: list[int]) -> int | None:
    """The label set that was last worked by, if it is among these; else the first of them."""
    last = st.session_state.get(_LABEL_SET)
    return last if last in among else next(iter(among), None)


def choose_label_set(label_set: int) -> None:
    """Work by this label set, whatever the page."""
    st.session_state[_LABEL_SET] = label_set
