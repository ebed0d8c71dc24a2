"""The decision on what a model found: accept, correct or reject."""

from __future__ import annotations

import streamlit as st
from desk import Desk
from wording import plain

from medlib.workspace import Content, Decision
from medlib.workspace.landmarks import placed
from medlib.workspace.schema import Version
from reviewing.choosing import ask_why, go_on, opened
from reviewing.correcting import begin, correct_answers, label_of, mine_of, says_all, whole
from reviewing.entries import ask_answers
from reviewing.queue import Item, Turn

_REASONS = (
    *("structure missed", "outline wrong", "sides exchanged", "wrong structure"),
    *("answer wrong", "landmark misplaced", "scan not suitable", "other"),
)
_MINE = {
    Content.MASK: ("My outline is the correction", "You have drawn slices of it from nothing. Where "
                   "the whole scan is marked as done on the Label page (W), your outline can be the "
                   "correction."),
    Content.POINTS: ("My landmarks are the correction", "Landmarks that the model found are missing in "
                     "what you placed. Place them on the Label page, or reject."),
}  # fmt: skip
_DRAWN = {
    Content.MASK: "Correct opens what is drawn already; there, U shows what the model found.",
    Content.POINTS: "Correct opens what is placed already.",
}


def decide(here: Desk, item: Item, after: str | None) -> None:
    """Accept, correct or reject."""
    if item.turn == Turn.DISPUTED:
        st.markdown("**Two readers differ. Yours is the decision.**")
        say_decisions(item)
    elif item.is_blind:
        st.info("Somebody has decided on this. What, is shown when you have decided too.")
    label = label_of(here, item)
    if label is not None:
        say_what_stays(here, item, label)
    # A key counts for what was shown when it was pressed: each prediction and turn has its own.
    shown = f"{item.key} {item.turn}"
    if st.button("Accept", shortcut="A", type="primary", width="stretch", key=f"accept {shown}"):
        settle(here, item, Decision.ACCEPT, after)
    # What counts by now may be the first reader's correction: a second one does not begin with it.
    if not item.is_blind:
        correct(here, item, label, shown, after)
    if reason := ask_why(shown, "Reject", "X", _REASONS):
        settle(here, item, Decision.REJECT, after, reason=reason)
    if item.is_blind and st.button(
        "I do not read it second", width="stretch", key=f"give up {shown}",
        help="You are shown the label and what was decided, and another reads it second.",
    ):  # fmt: skip
        here.must("review")
        here.workspace.second_reading.give_up(item.prediction.id, by=here.person)
        go_on(after)


def say_what_stays(here: Desk, item: Item, label: Version) -> None:
    """What becomes of what people said already, if this is accepted."""
    who = plain(label.author)
    if here.workspace.signing.is_sent_back(label.id):
        st.caption(f"What {who} drew was sent back. If you accept, this counts.")
    elif item.turn == Turn.WAITING and label.origin != "accepted":
        said, found = placed(label), item.prediction.entries
        if item.is_mask or any(said.get(name, value) != value for name, value in found.items()):
            st.caption(f"{who} has labelled this. That stays the label if you accept.")
        elif said.keys() - found.keys():
            st.caption(f"What {who} said of the rest stays; a reviewer signs it once all is said.")


def correct(here: Desk, item: Item, label: Version | None, shown: str, after: str | None) -> None:
    """The ways to a correction: a form for answers, the Label page for all that lies in the scan."""
    content = item.prediction.content
    if content == Content.ANSWERS:
        if opened(shown, "Correct …", "E") and (said := ask_answers(here, item, shown)):
            here.must("label")
            version = correct_answers(here, item, said)
            settle(here, item, Decision.CORRECT, after, version=version.id)
        return
    title, why_not = _MINE[content]
    mine = mine_of(here, item)
    if mine and not says_all(here, item, mine):
        st.caption(why_not)
    elif mine and st.button(
        title, shortcut="K", width="stretch", key=f"mine {shown}"
    ):  # fmt: skip
        settle(here, item, Decision.CORRECT, after, version=whole(here, item, mine).id)
    if label is not None and label.origin != "accepted":
        st.caption(_DRAWN[content])
    if st.button("Correct", shortcut="E", width="stretch", key=f"correct {shown}"):
        begin(here, item)


def settle(
    here: Desk,
    item: Item,
    decision: Decision,
    after: str | None,
    *,
    reason: str = "",
    version: int | None = None,
) -> None:
    """Keep a decision, and go on with the next prediction."""
    here.must("adjudicate" if item.turn == Turn.DISPUTED else "review")
    here.workspace.reviews.decide(
        item.prediction.id, decision, by=here.person, reason=reason, version=version
    )
    go_on(after)


def say_decisions(item: Item) -> None:
    """Who decided what, and why."""
    words = {
        Decision.ACCEPT: "accepted",
        Decision.CORRECT: "corrected",
        Decision.REJECT: "rejected",
    }
    for review in item.reviews:
        why = f": {review.reason}" if review.reason else ""
        st.markdown(plain(f"{review.reviewer} {words[review.decision]} it{why}"))
