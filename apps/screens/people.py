"""People: one's own account; for administrators, everybody's, names, and what happened."""

from __future__ import annotations

import streamlit as st
from desk import Desk, desk, leave
from happened import happened
from plainly import said_plainly
from serving.openid import is_configured
from wording import plain

from medlib.workspace import Role
from medlib.workspace.schema import User

_DOES = {
    Role.READER: "labels, comments and exports",
    Role.REVIEWER: "also reviews, trains, and gives scans to readers",
    Role.ADMINISTRATOR: "also brings scans in, and manages label sets and people",
}
_MAY = {
    Role.READER: "You may label, comment and export",
    Role.REVIEWER: "You may label and review, train, and give scans to readers",
    Role.ADMINISTRATOR: "You may do everything",
}


def page(here: Desk) -> None:
    """What the person may see of it."""
    if here.site.has_accounts:
        own(here)
    if not here.may("manage people"):
        return
    accounts, log = st.tabs(["Accounts", "What happened"], on_change="rerun", key="people tabs")
    if accounts.open:
        with accounts:
            everybody(here)
            names(here)
    if log.open:  # to verify it takes a moment
        with log:
            happened(here)


def own(here: Desk) -> None:
    """The way out, and a new password for oneself."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(here.person), width="stretch")
        if st.button("Log out", key="log out"):
            leave()
    article = "an" if here.role == Role.ADMINISTRATOR else "a"
    st.markdown(f"You are {article} {here.role}. {_MAY[here.role]}.")
    with (
        st.expander("Change your password"),
        st.form("own password", clear_on_submit=True, border=False),
    ):
        before = st.text_input("The one you have", type="password")
        new = st.text_input("A new one, of at least 12 characters", type="password")
        again = st.text_input("The new one again", type="password")
        if not st.form_submit_button("Change"):
            return
    if new != again:
        st.warning("The new password was not typed twice alike.")
        return
    people = here.workspace.people
    people.log_out(people.log_in(here.person, before))  # refuses a wrong one
    people.change(here.person, by=here.person, password=new)
    st.rerun()  # all sessions have ended


def everybody(here: Desk) -> None:
    """Accounts: who there is, and one more."""
    st.subheader("People")
    users = here.workspace.people.list()
    if not users:
        st.markdown(
            "Nobody has an account: the workspace is yours alone, and opens on this machine only. "
            "With the first account, an administrator's, everybody has to log in."
        )
    for user in users:
        with st.container(border=True):
            account(here, user)
    roles = [*Role] if users else [Role.ADMINISTRATOR]
    with st.form("new person", clear_on_submit=True):
        st.markdown("**A new account**")
        name = st.text_input("Name", max_chars=80)
        role = st.selectbox("Role", roles, format_func=lambda r: f"{r}: {_DOES[r]}")
        password = st.text_input("Password, at least 12 characters", type="password")
        subject = ask_subject()
        if not st.form_submit_button("Add", type="primary"):
            return
    here.must("manage people")
    if not (password or subject):
        st.warning("Give a password: without one nobody can log in to the account.")
        return
    here.workspace.people.add(
        name.strip(), role, by=here.person, password=password, subject=subject
    )
    st.rerun()


def ask_subject() -> str:
    """What the OpenID provider calls a person, where there is one."""
    if not is_configured():
        return ""
    said: str = st.text_input(
        "At the provider: issuer and subject",
        placeholder="https://id.example.org 4711",
        help="The claims iss and sub of the person's ID token, with a space between them.",
    )
    return said.strip()


def account(here: Desk, user: User) -> None:
    """An account, and what can be changed of it."""
    who, role, password, act = st.columns([3, 3, 3, 2], vertical_alignment="bottom")
    gone = "" if user.active else " · let in no more"
    who.markdown(f"**{plain(user.name)}**{gone}")
    who.caption(f"since {user.made:%d %b %Y}")
    chosen = role.selectbox("Role", [*Role], [*Role].index(user.role), key=f"role {user.id}")
    new = password.text_input("New password", type="password", key=f"password {user.id}")
    if act.button("Keep", key=f"keep {user.id}", disabled=chosen == user.role and not new,
                  width="stretch"):  # fmt: skip
        here.must("manage people")
        here.workspace.people.change(user.name, by=here.person, role=chosen, password=new)
        st.rerun()
    words = "Shut out" if user.active else "Let in"
    if act.button(words, key=f"active {user.id}", width="stretch"):
        here.must("manage people")
        here.workspace.people.change(user.name, by=here.person, active=not user.active)
        st.rerun()


def names(here: Desk) -> None:
    """Whether patients' names are shown to those who may see them."""
    st.subheader("Patients' names")
    identities = here.workspace.identities
    hidden = st.toggle("Hide them from everybody", value=identities.hidden, key="names hidden")
    if hidden != identities.hidden:
        here.must("hide names")
        identities.hide(hidden, by=here.person)
        st.rerun()
    st.caption(
        "Names are there only for scans that were brought in with them; reviewers and "
        "administrators see them. Everybody else sees made-up ones."
    )
    if st.checkbox("Remove all names for good", key="forget sure") and st.button(
        "Remove them", key="forget"
    ):
        here.must("hide names")
        identities.forget(by=here.person)
        st.success("No name is left in the workspace. Backups made before still hold them.")


if (_here := desk()) is not None:
    with said_plainly():
        page(_here)
