"""The pages, in the order in which one works. A page is a file in ``pages/``."""

from __future__ import annotations

import streamlit as st
from desk import desk

_PAGES = (st.Page("pages/label.py", title="Label", default=True),)


def main() -> None:
    """What all pages share, then the page."""
    st.set_page_config(page_title="medlib", layout="wide")
    page = st.navigation(list(_PAGES))
    st.html("<style>.stMainBlockContainer { padding: 3.25rem 1rem 1rem }</style>")
    if st.context.ip_address is not None:  # None is this machine
        st.error("These pages are only for the machine that they run on.")
        return
    if desk() is None:
        st.info("Start with a workspace: streamlit run apps/app.py -- FOLDER")
        return
    page.run()


main()
