"""How far something slow has come, and a way to stop it."""

from __future__ import annotations

import streamlit as st
from serving.errands import Errand
from wording import plain


@st.fragment(run_every=1.0)
def watch(errand: Errand, *, can_stop: bool = True) -> None:
    """A bar and a button; the page runs anew when the errand has ended."""
    if not errand.is_running:
        st.rerun()
    step = errand.step
    counted = f"{step.done} of {step.of}" if step.of else f"{step.done}"
    words = plain(f"{step.what} … {counted}" if step.what else "It goes on …")
    st.progress(min(1.0, step.done / step.of) if step.of else 0.0, words)
    if errand.is_stopping:
        st.caption("Stopping …")
    elif can_stop and st.button("Stop", key=f"stop {id(errand)}"):
        errand.stop()
