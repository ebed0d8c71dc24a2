"""How a training is begun: one dial, what it begins with, and a button."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st
from wording import plain

from medlib.shipped import card_of, shipped
from medlib.work import Asked, Training, ask
from training.words import lasting

if TYPE_CHECKING:
    from desk import Desk

    from medlib.workspace.schema import LabelSet, Model

MINUTES, REST, BEGIN = "train minutes", "train rest", "train begin"
USUAL: Mapping[str, object] = {MINUTES: 10, REST: True}
"""What the fields say at first."""
_LENGTHS = (1, 2, 5, 10, 20, 30, 60, 120, 240, 480)
_OFFERED = 5  # models, the newest

PLANNED = "planned"
_PLANNED = (
    "What suits the scans",
    "Shapes, learned beforehand, where few scans are labelled and the network sees a part of each at a "
    "time; else nothing. The plan below says which.",
)
_NOTHING = ("Nothing", "All that it knows will be from what is labelled here.")


def begin(here: Desk, label_set: LabelSet, asked: Asked, models: Sequence[Model]) -> None:
    """The row in which a training is begun.

    Args:
        here: who begins it.
        label_set: by which is learned.
        asked: what of it.
        models: that have learned the same, the newest first.
    """
    if not here.may("train"):
        st.caption("A reviewer or an administrator starts the training.")
        return
    dial, what, start = st.columns([3, 2.4, 1.2], vertical_alignment="bottom", gap="large")
    minutes = dial.select_slider(
        "How long it may take", _LENGTHS, key=MINUTES,
        format_func=lambda minutes: lasting(60 * minutes),
    )  # fmt: skip
    offered = offered_to(asked, models)
    if st.session_state.get(BEGIN) not in offered:
        st.session_state.pop(BEGIN, None)
    source = what.selectbox(
        "What it begins with", [*offered], key=BEGIN, format_func=lambda one: offered[one][0]
    )
    st.caption(plain(offered[source][1]))
    then = st.checkbox("Then look at the scans that are not labelled whole", key=REST)
    if start.button("Start", type="primary", key="train start", width="stretch"):
        here.must("train")
        request = Training(
            label_set.id,
            asked,
            minutes=float(minutes),
            then_predict=then,
            begin=None if source == PLANNED else source,
        )
        ask(here.workspace, request, by=here.person)
        st.rerun()


def offered_to(asked: Asked, models: Sequence[Model]) -> dict[str | int, tuple[str, str]]:
    """What a training may begin with, what is usually best first: its name, and a sentence about it."""
    offered: dict[str | int, tuple[str, str]] = {
        model.id: _goes_on(model) for model in models[:_OFFERED]
    }
    if asked.what == "structures":
        offered[PLANNED] = _PLANNED
        offered |= {
            name: ("Shapes, learned beforehand", card_of(name)["in short"]) for name in shipped()
        }
    return offered | {"nothing": _NOTHING}


def _goes_on(model: Model) -> tuple[str, str]:
    return (
        f"The model {model.name}",
        "It goes on where that model stood, and is measured on patients whom that has not learned from; "
        "where there are none, nothing will say how good it is.",
    )
