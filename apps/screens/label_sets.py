"""Label sets: what is to be outlined, answered and placed."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import streamlit as st
from coding import coded, fields, show_codes
from desk import Desk, choose_label_set, chosen_label_set, desk
from plainly import said_plainly
from wording import plain

from medlib.types import Label, Labels
from medlib.types.naming import sided_pairs
from medlib.workspace import Question, questions_of, table_of
from medlib.workspace.schema import LabelSet

_SET, _NEW = "label sets set", 0
_KINDS = {"yes or no": "yes/no", "a choice of words": "choice", "a number": "number"}
_BOTH = "left/right "


def page(here: Desk) -> None:
    """A set that there is, to which more can be added, or a new one."""
    sets = {row.id: row for row in here.workspace.label_sets.list()}
    if not sets:
        begin(here)
        return
    if st.session_state.get(_SET) not in {_NEW, *sets}:
        st.session_state[_SET] = chosen_label_set([*sets])
    chosen = st.selectbox(
        "Label set",
        [*sets, _NEW],
        key=_SET,
        format_func=lambda number: sets[number].name if number else "A new one …",
    )
    if chosen == _NEW:
        begin(here)
    else:
        choose_label_set(chosen)
        change(here, sets[chosen])


def begin(here: Desk) -> None:
    """A new label set."""
    st.subheader("What do you want to outline?")
    with st.form("new label set"):
        name = st.text_input("Name of this list", value="structures", max_chars=100)
        structures, questions, landmarks = tables("new")
        made = st.form_submit_button("Begin", type="primary")
    if not made:
        return
    here.must("change label sets")
    row = here.workspace.label_sets.add(
        name.strip(),
        grown(Labels(()), structures),
        by=here.person,
        questions=questions,
        landmarks=landmarks,
    )
    choose_label_set(row.id)
    st.session_state.pop(_SET, None)
    st.switch_page("screens/worklist.py")


def change(here: Desk, row: LabelSet) -> None:
    """What a set asks, and more of it; what was asked before stays, since scans answer it."""
    labels, questions = table_of(row), questions_of(row)
    show(labels, [*questions.values()], row.landmarks)
    with st.form("label set", clear_on_submit=True):
        st.markdown("**Add**")
        more_structures, more_questions, more_landmarks = tables(f"{row.id}-{row.revision}")
        colours, codes = {}, {}
        if len(labels):
            with st.expander("Colours"), st.container(horizontal=True):
                for label in labels:
                    key = f"colour {row.id} {label.id} {row.revision}"
                    colours[label.id] = st.color_picker(plain(label.name), label.colour, key=key)
            with st.expander("SNOMED CT codes of what is not known by its name"):
                codes = fields(labels, f"code {row.id} {row.revision}")
                if not codes:
                    st.caption("All structures are known by their names.")
        if not st.form_submit_button("Keep", type="primary"):
            return
    here.must("change label sets")
    painted = [Label(one.id, one.name, one.code, colours[one.id]) for one in labels]
    kept = Labels(tuple(coded(painted, codes)), labels.ignored)
    here.workspace.label_sets.change(
        row.id,
        grown(kept, more_structures),
        by=here.person,
        questions=[*questions.values(), *more_questions],
        landmarks=[*row.landmarks, *more_landmarks],
    )
    st.rerun()


def show(labels: Labels, questions: Sequence[Question], landmarks: Sequence[str]) -> None:
    """What is asked."""
    chips = "".join(
        f'<span style="white-space:nowrap;margin-right:1.25em"><span style="color:{label.colour}">'
        f"&#9632;</span> {html.escape(label.name)}</span>"
        for label in labels
    )
    if chips:
        st.html(f'<p style="line-height:2"><b>Outlined:</b> {chips}</p>')
    if chips:
        show_codes(labels)
    for question in questions:
        how = {"yes/no": "yes or no", "choice": " / ".join(question.choices)}
        answer = how.get(question.kind, f"a number, {question.unit}")
        st.markdown(f"**Asked:** {plain(question.name)} — {plain(answer)}")
    if landmarks:
        st.markdown(f"**Placed:** {plain(', '.join(landmarks))}")
    for name in lone([*labels.names, *landmarks]):
        st.caption(f"There is {plain(name)}, and nothing of the other side.")


def lone(names: Sequence[str]) -> list[str]:
    """Names of one side, where the other side has none.

    Example:
        >>> lone(["left kidney", "left ventricle", "right ventricle"])
        ['left kidney']
    """
    sides = {"left": "right", "right": "left"}
    known = {name.casefold() for name in names}
    return [
        name
        for name in sided_pairs(names)[1]
        if re.sub("left|right", lambda side: sides[side[0]], name.casefold()) not in known
    ]


def tables(key: str) -> tuple[list[str], list[Question], list[str]]:
    """Structures, questions and landmarks, as they are being filled in."""
    structures = st.text_area(
        "Structures to outline, one a line",
        key=f"structures {key}",
        placeholder="liver\nleft/right kidney",
        help="'left/right kidney' makes two of it, the left and the right, kept apart.",
    )
    with st.expander("Questions about the whole study, and landmarks to place"):
        rows = st.data_editor(
            [{"question": "", "answer": "yes or no", "words to choose from": "", "unit": ""}],
            num_rows="dynamic",
            hide_index=True,
            key=f"questions {key}",
            column_config={
                "question": st.column_config.TextColumn("Question", width="large"),
                "answer": st.column_config.SelectboxColumn("Answered by", options=[*_KINDS]),
                "words to choose from": st.column_config.TextColumn(
                    "Words to choose from", help="With commas between them, for a choice."
                ),
                "unit": st.column_config.TextColumn("Unit", help="Of a number, such as mm; 1 for none."),
            },
        )  # fmt: skip
        landmarks = st.text_area(
            "Landmarks to place, one a line",
            key=f"landmarks {key}",
            placeholder="anterior commissure\nleft/right femoral head",
        )
    return lines(structures), asked(rows), lines(landmarks)


def lines(said: str) -> list[str]:
    r"""A name a line, once each; both sides of what is said to have them.

    Example:
        >>> lines("liver\nleft/right kidney\n\nliver")
        ['liver', 'left kidney', 'right kidney']
    """
    names: list[str] = []
    for line in filter(None, map(str.strip, said.splitlines())):
        if line.lower().startswith(_BOTH):
            names += [f"{side} {line[len(_BOTH) :].strip()}" for side in ("left", "right")]
        else:
            names.append(line)
    return list(dict.fromkeys(names))


def asked(rows: Sequence[Mapping[str, Any]]) -> list[Question]:
    """The questions of a table.

    Raises:
        WorkspaceError: for a choice of one word, or a number without a unit.
    """
    found = []
    for row in rows:
        if name := (row.get("question") or "").strip():
            words = (row.get("words to choose from") or "").split(",")
            kind = _KINDS[row.get("answer") or "yes or no"]
            chosen = tuple(filter(None, map(str.strip, words))) if kind == "choice" else ()
            unit = (row.get("unit") or "").strip() if kind == "number" else ""
            found.append(Question(name, kind, chosen, unit))  # type: ignore[arg-type]
    return found


def grown(labels: Labels, names: Sequence[str]) -> Labels:
    """The structures and more; those that there are keep their numbers."""
    free = (number for number in count(1) if number not in labels.ids)
    new = [Label(next(free), name) for name in names if name not in labels]
    return Labels((*labels, *new), labels.ignored)


if (_here := desk()) is not None:
    with said_plainly():
        page(_here)
