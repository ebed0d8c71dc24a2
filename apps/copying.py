"""A copy of a whole workspace, in one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import streamlit as st
from desk import Desk
from watching import watch
from wording import plain

_BACKUP = "backup"


def back_up(here: Desk) -> None:
    """Everything into one file."""
    errand = here.site.errands.get(_BACKUP)
    if errand is not None and errand.is_running:
        watch(errand, can_stop=False)
        return
    if errand is not None:
        st.markdown(plain(errand.error or f"The copy is in {errand.result}."))
    folder = here.workspace.folder
    usual = folder.parent / f"{folder.name}-{datetime.now(UTC):%Y-%m-%d}.zip"
    with st.form("back up", border=False):
        path = st.text_input("File to write, on this machine", value=str(usual))
        st.caption(
            "It holds patients' scans, and their names where these were kept: keep it as safe as "
            "the workspace. Scans that were not copied into the workspace are not in it."
        )
        if not st.form_submit_button("Write it"):
            return
    here.must("back up")
    target = Path(path).expanduser()
    if target.exists():
        st.warning("There is a file of that name already: give another.")
        return
    here.site.errands.begin(_BACKUP, lambda report: here.workspace.backup(target, by=here.person))
    st.rerun()
