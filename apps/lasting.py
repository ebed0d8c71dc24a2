"""Choices that outlast their fields: Streamlit forgets a field that a run, of any page, does not show."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st


def outlast(where: str, usual: Mapping[str, object]) -> None:
    """Have fields say what they said last, however long they were not shown. Call it before them.

    Args:
        where: in the session it is remembered.
        usual: what each field says at first, by its key.
    """
    kept = st.session_state.setdefault(where, dict(usual))
    for key, before in kept.items():
        kept[key] = st.session_state[key] = st.session_state.get(key, before)
