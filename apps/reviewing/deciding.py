"""The decision on what a model found: accept, correct or reject."""

from __future__ import annotations

import streamlit as st
from desk import Desk
from wording import plain

from medlib.workspace import Decision, Seen
from medlib.workspace.schema import Version
from reviewing.choosing import KEYS, ask_why, go_on
from reviewing.queue import Item, Turn

_REASONS = (
    *("structure missed", "outline wrong", "sides exchanged", "wrong structure"),
    *("scan not suitable", "other"),
)


def decide(here: Desk, item: Item, after: str | None) -> None:
    """Accept, correct or reject."""
    if item.turn == Turn.DISPUTED:
        st.markdown("**Two readers differ. Yours is the decision.**")
        say_decisions(item)
    elif item.is_blind:
        st.info("Somebody has decided on this. What, is shown when you have decided too.")
    label = label_of(here, item)
    stays = label is not None and label.origin != "accepted"
    if label is not None and here.workspace.signing.is_sent_back(label.id):
        st.caption(f"What {plain(label.author)} drew was sent back. If you accept, this counts.")
    elif item.turn == Turn.WAITING and label is not None and stays:
        st.caption(f"{plain(label.author)} has labelled this. That stays the label if you accept.")
    # A key counts for what was shown when it was pressed: each prediction and turn has its own.
    shown = f"{item.key} {item.turn}"
    if st.button(
        "Accept", shortcut="A", type="primary", width="stretch", help=KEYS, key=f"accept {shown}"
    ):
        settle(here, item, Decision.ACCEPT, after)
    mine = mine_of(here, item)
    if mine and not says_all(here, item, mine):
        st.caption(
            "You have drawn slices of it from nothing. Where the whole scan is marked as done on the "
            "Label page (W), your outline can be the correction."
        )
    elif mine and st.button(
        "My outline is the correction",
        shortcut="K", width="stretch", help=KEYS, key=f"mine {shown}",
    ):  # fmt: skip
        settle(here, item, Decision.CORRECT, after, version=whole(here, item, mine).id)
    # What counts by now may be the first reader's correction: a second one does not begin with it.
    may_draw = item.is_mask and not item.is_blind
    if may_draw and label is not None and stays:
        st.caption("Correct opens what is drawn already; there, U shows what the model found.")
    if may_draw and st.button(
        "Correct", shortcut="E", width="stretch", help=KEYS, key=f"correct {shown}"
    ):
        begin(here, item)
    if reason := ask_why(shown, "Reject", _REASONS):
        settle(here, item, Decision.REJECT, after, reason=reason)


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


def label_of(here: Desk, item: Item) -> Version | None:
    """The label that counts, unless it may tell a second reader what the first one decided."""
    if item.is_blind:
        return None
    return here.workspace.versions.head(
        item.case.scan, item.case.label_set, item.prediction.content
    )


def begin(here: Desk, item: Item) -> None:
    """Go to the Label page, with the model's outline where nobody has drawn one yet."""
    here.must("label")
    workspace, case = here.workspace, item.case
    if workspace.versions.head(case.scan, case.label_set) is None:
        mask = workspace.models.mask(item.prediction.id)
        workspace.versions.save_mask(
            case.scan, case.label_set, mask, base=None, by=here.person, origin="corrected"
        )
    st.session_state["label scan"] = case.scan
    st.session_state["label set"] = case.label_set
    st.switch_page("pages/label.py")


def mine_of(here: Desk, item: Item) -> Version | None:
    """This person's outline, if it counts, is no older than the prediction, and unlike it."""
    if not item.is_mask:
        return None
    head = here.workspace.versions.head(item.case.scan, item.case.label_set)
    mine = head is not None and head.author == here.person and head.origin != "accepted"
    if not mine or head is None or head.made < item.prediction.made:
        return None
    if here.workspace.signing.is_sent_back(head.id):
        return None
    return head if head.file != item.prediction.file else None


def says_all(here: Desk, item: Item, version: Version) -> bool:
    """Whether an outline may stand for the whole scan.

    It does where all of the scan is done, or where it was begun with what the model found and mended.
    A few slices that were drawn from nothing say nothing of the others.
    """
    if Seen.from_dict(version.seen).whole:
        return True
    line = {one.id: one for one in here.workspace.versions.history(*_line(item))}
    before: Version | None = version
    while before is not None and before.file != item.prediction.file:
        before = line.get(before.parent_id) if before.parent_id is not None else None
    return before is not None


def _line(item: Item) -> tuple[int, int]:
    return item.case.scan, item.case.label_set


def whole(here: Desk, item: Item, version: Version) -> Version:
    """The version with the whole scan done: who corrects a prediction has looked at all of it."""
    if Seen.from_dict(version.seen).whole:
        return version
    return here.workspace.versions.save_mask(
        item.case.scan,
        item.case.label_set,
        here.workspace.versions.mask(version.id),
        base=version.id,
        by=here.person,
        seen=Seen(whole=True),
        origin="corrected",
    )


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
