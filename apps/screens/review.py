"""Review: what models found and what people drew; accept or sign it, correct it, or refuse it."""

from __future__ import annotations

import streamlit as st
from desk import Desk, choose_label_set, choose_scan, desk
from plainly import said_plainly
from reviewing.choosing import choose
from reviewing.deciding import decide, say_decisions
from reviewing.looking import compare, compare_drawn, look
from reviewing.priors import choose_other
from reviewing.queue import Item, Turn, everything
from reviewing.signing import sign, tell_drawn
from which import Which
from whose import say_whose
from wording import plain


def page(here: Desk) -> None:
    """The list on the left; the scan, what is odd about it, and the decision beside it."""
    if not here.may("review"):
        st.info(f"You are a {here.role}: reviewers and administrators review.")
        return
    found = everything(here)
    if not found:
        say_nothing_waits(here)
        return
    with st.sidebar:
        sets = {row.id: row.name for row in here.workspace.label_sets.list()}
        item, after = choose(found, sets)
    choose_scan(item.entry.scan.id)
    choose_label_set(item.case.label_set)
    with st.sidebar:
        if isinstance(item, Item):
            tell(here, item)
            if item.turn != Turn.DECIDED:
                decide(here, item, after)
            else:
                say_decisions(item)
        else:
            tell_drawn(here, item)
            sign(here, item, after)
        is_blind = isinstance(item, Item) and item.is_blind
        comments(here, item.entry.scan.id, is_blind=is_blind)
    which = Which.seen_by(here)
    say_whose(here, item.entry, which)
    other = choose_other(here, item, which)
    look(here, item, other)
    if isinstance(item, Item):
        compare(here, item, other)
    else:
        compare_drawn(here, item, other)


def say_nothing_waits(here: Desk) -> None:
    """Why there is nothing to look at, and what to do."""
    if own := len(here.workspace.signing.waiting()):
        scans = "1 scan waits" if own == 1 else f"{own} scans wait"
        st.info(f"{scans} for another reviewer: nobody signs what he alone has drawn.")
        return
    st.info(
        "Nothing waits: no scan has been labelled whole, and no model has looked at one. Train "
        "one, and let it predict."
    )
    st.page_link("screens/train.py", label="To training", icon=":material/model_training:")


def tell(here: Desk, item: Item) -> None:
    """What is odd about it, and who found it."""
    models = {model.id: model.name for model in here.workspace.models.list()}
    label_set = here.workspace.label_sets.get(item.case.label_set).name
    st.caption(plain(f"{label_set}, found by {models.get(item.prediction.model_id, 'a model')}"))
    if item.flags:  # in one box: the decision below it is to be on the screen
        st.warning("\n\n".join(plain(reason) for reason in item.flags))
    if not item.flags and item.is_mask:
        st.caption("Nothing is odd about its sizes and places. That does not make it right.")


def comments(here: Desk, scan: int, *, is_blind: bool) -> None:
    """What people say about the scan."""
    said = [] if is_blind else here.workspace.reviews.comments(scan)
    for one in said:
        st.caption(plain(f"{one.author}: {one.text}"))
    with st.form(f"comment {scan}", clear_on_submit=True, border=False):
        text = st.text_input("Comment").strip()
        if st.form_submit_button("Say it", width="stretch") and text:
            here.must("comment")
            here.workspace.reviews.comment(scan, text, by=here.person)
            st.rerun()


if (_here := desk()) is not None:
    with said_plainly():
        page(_here)
