"""Answers and landmarks that a model gave, beside what people say; and the form to correct an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import dist
from typing import Any

import streamlit as st
from desk import Desk
from wording import plain

from medlib.figures import place
from medlib.workspace import Content, Question, questions_of
from medlib.workspace.label_sets import in_words
from medlib.workspace.landmarks import placed
from medlib.workspace.schema import Version
from reviewing.queue import Item

_OPEN = "–"


def beside(here: Desk, item: Item, label: Version | None) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: each answer or landmark of a prediction, beside the label where there is one.

    What the label says of other things is in it too, since all of it may count afterwards.
    """
    found = item.prediction.entries
    if item.prediction.content == Content.POINTS:
        return _places(found, {} if label is None else placed(label), has_label=label is not None)
    asked = questions_of(here.workspace.label_sets.get(item.case.label_set))
    said = {} if label is None else label.entries
    rows = []
    for name in dict.fromkeys((*found, *said)):
        model = in_words(found[name], asked.get(name)) if name in found else _OPEN
        row = [name, model, in_words(said[name], asked.get(name)) if name in said else _OPEN]
        rows.append(row if label is not None else row[:2])
    return ["what", "the model says", *(["label"] if label is not None else [])], rows


def _places(
    found: Mapping[str, Sequence[float]], said: Mapping[str, Sequence[float]], *, has_label: bool
) -> tuple[list[str], list[list[str]]]:
    rows = []
    for name in dict.fromkeys((*found, *said)):
        row = [name, place(found[name]) if name in found else "not found"]
        if has_label:
            both = name in found and name in said
            row += [place(said[name]) if name in said else "not placed"]
            row += [f"{dist(found[name], said[name]):.1f} mm" if both else _OPEN]
        rows.append(row)
    return ["landmark", "model", *(["label", "apart"] if has_label else [])], rows


def ask_answers(here: Desk, item: Item, shown: str) -> dict[str, Any] | None:
    """A form for what the model answered, filled in as it did.

    Args:
        here: whose desk it is.
        item: a prediction of answers.
        shown: what it is about: the form counts for what was shown when it was opened.

    Returns:
        What this person says, once it was sent off and is another; else None.
    """
    asked = questions_of(here.workspace.label_sets.get(item.case.label_set))
    found = item.prediction.entries
    with st.form(f"answers {shown}", border=True):
        said = {
            name: _field(asked[name], answer, f"{name} {shown}") for name, answer in found.items()
        }
        if not st.form_submit_button("This is right", width="stretch"):
            return None
        if any(answer is None for answer in said.values()):
            st.error("Answer all that the model answered, or reject it.")
            return None
        if said == found:
            st.error("That is what the model says: change it, or accept it.")
            return None
    return said


def _field(question: Question, answer: Any, key: str) -> Any:
    """What is asked, with an answer to begin with."""
    unit = "" if question.unit in {"", "1"} else f", {question.unit}"
    name = plain(f"{question.name}{unit}")
    if question.kind == "number":
        return st.number_input(name, value=float(answer), step=None, format="%g", key=key)
    choices: list[Any] = [True, False] if question.kind == "yes/no" else [*question.choices]
    return st.radio(
        name,
        choices,
        index=choices.index(answer) if answer in choices else None,
        format_func=lambda one: plain(in_words(one, None)),
        key=key,
    )
