"""What cannot be done is said in a sentence, and the page stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from wording import plain

from medlib.io.files import FILE_ERRORS


@contextmanager
def said_plainly() -> Iterator[None]:
    """Shows what was refused in here. Fragments need one of their own: nothing leaves them."""
    try:
        yield
    except (*FILE_ERRORS, ValueError) as error:
        st.error(plain(str(error)))
