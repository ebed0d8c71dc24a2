"""Several scans of the worklist at once: whose they are, their tags, how far they have come."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from desk import Desk

from medlib.workspace import Entry, Status

_BY_HAND = [Status.NEW, Status.IN_PROGRESS, Status.LABELLED, Status.SET_ASIDE]


def together(here: Desk, seen: Sequence[Entry], everything: Sequence[Entry]) -> None:
    """What can be done with the scans that are chosen."""
    chosen = [entry for entry in seen if st.session_state.get(box_of(entry))]
    with st.container(horizontal=True, vertical_alignment="center"):
        if not chosen:
            st.button(
                "Choose all on this page", key="choose all", on_click=_choose, args=(seen, True)
            )
            return
        st.markdown(f"**{len(chosen)} chosen**")
        if here.may("assign"):
            with st.popover("Reader"):
                assign(here, chosen, everything)
        if here.may("label"):
            with st.popover("Tags"):
                tag(here, chosen)
            with st.popover("Status"):
                set_status(here, chosen)
        st.button("Choose none", key="choose none", on_click=_choose, args=(seen, False))


def assign(here: Desk, chosen: Sequence[Entry], everything: Sequence[Entry]) -> None:
    """Give scans to a reader."""
    readers = {user.name for user in here.workspace.people.list() if user.active}
    known = sorted({*readers, here.person, *(e.scan.reader for e in everything if e.scan.reader)})
    reader = st.selectbox(
        "Whose", ["", *known], format_func=lambda n: n or "nobody's", key="assign"
    )
    if st.button("Give", key="assign now"):
        here.must("assign")
        for entry in chosen:
            here.workspace.scans.assign(entry.scan.id, reader or None, by=here.person)
        st.rerun()


def tag(here: Desk, chosen: Sequence[Entry]) -> None:
    """Put a word on scans, or take it off."""
    word = st.text_input("Tag", key="tag", max_chars=60, help="Scans tagged test are kept apart.")
    on, off = st.columns(2)
    if on.button("Put on", key="tag on", width="stretch") and word.strip():
        here.must("label")
        for entry in chosen:
            here.workspace.scans.tag(entry.scan.id, word.strip(), by=here.person)
        st.rerun()
    if off.button("Take off", key="tag off", width="stretch") and word.strip():
        here.must("label")
        for entry in chosen:
            if word.strip() in entry.tags:
                here.workspace.scans.untag(entry.scan.id, word.strip(), by=here.person)
        st.rerun()


def set_status(here: Desk, chosen: Sequence[Entry]) -> None:
    """Say how far scans have come; that they are reviewed comes of reviewing them."""
    status = st.selectbox("Status", _BY_HAND, format_func=str, key="status")
    reason = st.text_input("Why", key="status reason") if status == Status.SET_ASIDE else ""
    if st.button("Set", key="status now"):
        here.must("label")
        for entry in chosen:
            here.workspace.scans.set_status(entry.scan.id, status, by=here.person, reason=reason)
        st.rerun()


def _choose(seen: Sequence[Entry], value: bool) -> None:
    for entry in seen:
        st.session_state[box_of(entry)] = value


def box_of(entry: Entry) -> str:
    """Under which key its box is remembered."""
    return f"choose {entry.scan.id}"
