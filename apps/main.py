"""The pages, in the order in which one works. A page is a file in ``screens/``.

Not in ``pages/``: what lies there Streamlit shows by itself, past this file, to the first who opens its
address after the server has started.
"""

from __future__ import annotations

import streamlit as st
from desk import desk, enter_vouched
from plainly import said_plainly
from serving.entrance import LOGIN
from serving.openid import is_configured
from serving.site import site

# With what one must be allowed to do, to see it.
_PAGES = (
    (st.Page("screens/worklist.py", title="Worklist", default=True), "view"),
    (st.Page("screens/label.py", title="Label"), "label"),
    (st.Page("screens/train.py", title="Train"), "train"),
    (st.Page("screens/review.py", title="Review"), "review"),
    (st.Page("screens/export.py", title="Export"), "export"),
    (st.Page("screens/label_sets.py", title="Label sets"), "change label sets"),
    (st.Page("screens/people.py", title="People"), "view"),
)
# On the theme's light blue Streamlit writes white, which is too faint to read (2.3:1); this is 8:1.
_LOOK = """<style>
.stMainBlockContainer { padding: 4rem 1.25rem 1rem }
button[data-testid^="stBaseButton-primary"], button[data-testid^="stBaseButton-primary"] *,
[data-testid="stMultiSelectTagsContainer"] span span { color: #101214 !important }
</style>"""


def main() -> None:
    """What all pages share, then the page."""
    st.set_page_config(page_title="medlib", layout="wide")
    if site() is None:
        st.info("Start with a workspace: medlib app FOLDER")
        return
    here = desk()
    if here is None:
        log_in()
        return
    page = st.navigation([one for one, action in _PAGES if here.may(action)], position="top")
    st.html(_LOOK)
    page.run()


def log_in() -> None:
    """For whom no session is open, or no longer."""
    st.navigation([st.Page(log_in_here, title="Log in")], position="hidden").run()


def log_in_here() -> None:
    """By password on a page of its own, or by an OpenID provider."""
    st.title("medlib")
    with said_plainly():
        enter_vouched()
    if desk() is not None:
        st.rerun()
    if is_configured():
        st.button("Log in", on_click=st.login, type="primary", key="log in")
    st.html(f'<a href="{LOGIN}" target="_self">Log in by name and password</a>')


main()
