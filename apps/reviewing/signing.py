"""The decision on what people drew: sign it, correct it, or send it back."""

from __future__ import annotations

import streamlit as st
from desk import Desk
from wording import plain

from medlib.figures import place
from medlib.workspace import Content, Decision, questions_of
from medlib.workspace.export.origins import Origin
from medlib.workspace.label_sets import in_words
from medlib.workspace.schema import Version
from reviewing.choosing import ask_why, go_on, leave, to_labelling
from reviewing.oddities import Oddities
from reviewing.queue import ByHand

_WHAT = {Content.MASK: "outline", Content.ANSWERS: "answers", Content.POINTS: "landmarks"}
_REASONS = (
    *("structure missed", "outline wrong", "sides exchanged", "wrong structure"),
    *("answer wrong", "landmark misplaced", "scan not suitable", "other"),
)


def tell_drawn(here: Desk, item: ByHand) -> None:
    """Who drew it, what of it is to be signed, and what is odd about it."""
    label_set = here.workspace.label_sets.get(item.case.label_set).name
    names = sorted({name for one in item.versions for name in item.drawn.authors[one.id]})
    st.markdown(f"**Drawn by people: {plain(', '.join(names))}**")
    what = ", ".join(_WHAT[version.content] for version in item.versions)
    outline = item.version(Content.MASK)
    made = "" if outline is None else f" The outline: {Origin.of(here.workspace, outline)}."
    st.caption(plain(f"{label_set}: {what}. Nobody has signed it.{made}"))
    for version in item.versions:
        if why := item.drawn.complaints.get(version.id):
            st.info(plain(f"{why.reviewer} sent an earlier one back: {why.reason}"))
    if outline is not None:
        tell_odd(here, outline)
    own = [_WHAT[one.content] for one in item.drawn.versions if one not in item.versions]
    if own:
        st.caption(f"The {' and '.join(own)} are yours alone: another reviewer signs them.")


def tell_odd(here: Desk, outline: Version) -> None:
    """What is odd about an outline; it is looked at now, if nobody has yet."""
    oddities = Oddities(here.workspace)
    if not oddities.has_seen(outline):
        with st.spinner("Looking at the outline …"):
            oddities.look([outline])
    if flags := oddities.of([outline])[outline.id]:
        st.warning("\n\n".join(plain(reason) for reason in flags))
    else:
        st.caption("Nothing is odd about its sizes and places. That does not make it right.")


def sign(here: Desk, item: ByHand, after: str | None) -> None:
    """Sign it, correct it, or send it back."""
    # A key counts for what was shown when it was pressed: each version has its own.
    if st.button("Sign", shortcut="A", type="primary", width="stretch", key=f"sign {item.key}"):
        _settle(here, item, Decision.ACCEPT, after)
    if st.button("Correct", shortcut="E", width="stretch", key=f"correct {item.key}"):
        here.must("label")
        leave()
        to_labelling(item.case)
    if reason := ask_why(item.key, "Send back", "X", _REASONS):
        _settle(here, item, Decision.REJECT, after, reason)


def _settle(
    here: Desk, item: ByHand, decision: Decision, after: str | None, reason: str = ""
) -> None:
    here.must("review")
    versions = [version.id for version in item.versions]
    here.workspace.signing.sign(versions, decision, by=here.person, reason=reason)
    go_on(after)


def said_of(here: Desk, item: ByHand) -> list[list[str]]:
    """Answers and landmarks, as far as they are to be signed."""
    rows = []
    asked = questions_of(here.workspace.label_sets.get(item.case.label_set))
    if answers := item.version(Content.ANSWERS):
        rows += [[name, in_words(one, asked.get(name))] for name, one in answers.entries.items()]
    if points := item.version(Content.POINTS):
        rows += [[name, place(mm)] for name, mm in points.entries.items()]
    return rows
