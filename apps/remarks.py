"""Remarks on a scan, by whoever labels it."""

from __future__ import annotations

import streamlit as st
from desk import Desk
from reviewing.queue import Turn, turn_of
from wording import plain


def remarks(here: Desk, scan: int) -> None:
    """What people say about a scan, and a line to say more."""
    for one in here.workspace.reviews.comments(scan):
        if one.author == here.person or not is_blind(here, scan):
            st.caption(plain(f"{one.author}: {one.text}"))
    if not here.may("comment"):
        return
    with st.form(f"remark {scan}", clear_on_submit=True, border=False):
        text = st.text_input(
            "Comment", placeholder="on this scan, for whoever opens it next"
        ).strip()
        if st.form_submit_button("Say it", width="stretch") and text:
            here.must("comment")
            here.workspace.reviews.comment(scan, text, by=here.person)
            st.rerun()


def is_blind(here: Desk, scan: int) -> bool:
    """Whether the person is to be the second reader, and may not know what others think."""
    if not here.may("review"):
        return False
    reviewed = here.workspace.reviews.by_prediction()
    given_up = here.workspace.second_reading.given_up(here.person)
    return any(
        turn_of(reviewed.get(row.id, []), here.person, gave_up=row.id in given_up) == Turn.SECOND
        for row in here.workspace.models.predictions(scan=scan)
    )
