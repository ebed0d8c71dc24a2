"""The model card, filled in by questions, and the model as a file for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from wording import plain

from medlib.io.files import safe_name
from medlib.work.cards import QUESTIONS, hand_on

if TYPE_CHECKING:
    from desk import Desk

    from medlib.workspace.schema import Model


def fill_in(here: Desk, model: Model) -> None:
    """The questions, as they were last answered; who may not train reads the answers."""
    said: dict[str, str] = model.card.get("statements", {})
    if not here.may("train"):
        for heading, text in said.items():
            st.markdown(f"**{plain(heading)}**: {plain(text)}")
        return
    with st.form(f"train card {model.id}", border=False):
        answers = {
            one.heading: st.text_area(
                f"{one.heading}: {one.question}",
                said.get(one.heading, ""),
                placeholder=one.example,
                key=f"train card {model.id} {one.heading}",
            )
            for one in QUESTIONS
        }
        st.caption("Name no patient: whoever gets the model reads this.")
        if st.form_submit_button("Keep these answers", type="primary"):
            here.must("train")
            here.workspace.models.describe(model.id, answers, by=here.person)
            st.rerun()


def hand_over(here: Desk, model: Model) -> None:
    """The model as one file; written when asked for, since its weights are read."""
    if not here.may("export"):
        return
    if st.button("Make a file for others", key=f"train file {model.id}"):
        here.must("export")
        with st.spinner("Writing the model and its card …"):
            made = hand_on(here.workspace, model.id, here.workspace.derived / "handed.medlib")
            data = made.read_bytes()
            made.unlink()
        here.workspace.events.note("model handed on", f"model {model.id}", by=here.person)
        name = f"{safe_name(model.name)}.medlib"
        st.download_button("Save it", data, name, key=f"train save {model.id}")
