"""The pages, in the order in which one works. A page is a file in ``pages/``."""

from __future__ import annotations

import streamlit as st
from desk import desk

# With what one must be allowed to do, to see it.
_PAGES = (
    (st.Page("pages/worklist.py", title="Worklist", default=True), "view"),
    (st.Page("pages/label.py", title="Label"), "label"),
    (st.Page("pages/label_sets.py", title="Label sets"), "change label sets"),
)
_LOOK = """<style>
.stMainBlockContainer { padding: 4rem 1.25rem 1rem }
img.thumbnail { display: block; width: 100%; max-width: 8rem; aspect-ratio: 1; object-fit: contain;
                background: #000; border-radius: 4px }
</style>"""


def main() -> None:
    """What all pages share, then the page."""
    st.set_page_config(page_title="medlib", layout="wide")
    here = desk()
    shown = [page for page, action in _PAGES if here is None or here.may(action)]
    page = st.navigation(shown, position="top")
    st.html(_LOOK)
    if st.context.ip_address is not None:  # None is this machine
        st.error("These pages are only for the machine that they run on.")
        return
    if here is None:
        st.info("Start with a workspace: medlib app FOLDER")
        return
    page.run()


main()
