"""The list on the left: what is looked at, and what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import streamlit as st
from desk import chosen_scan
from serving.shelf import Case
from wording import plain

from reviewing.queue import ByHand, Item, Turn

KEYS = "aeknpsx12345"
"""The page's keys, which the viewers on it leave to it."""
_TURN, _ITEM, _NEXT = "review turn", "review item", "review next"
_SHOWN = "review shown"


def choose(
    everything: Sequence[Item | ByHand], sets: Mapping[int, str]
) -> tuple[Item | ByHand, str | None]:
    """What to look at, and the key of what comes after it; ``sets`` has the label sets' names."""
    say_if_gone(everything)
    counts = Counter(item.turn for item in everything)
    turns = [turn for turn in Turn if counts[turn]]
    if st.session_state.get(_TURN) is None:  # on coming from another page
        last = chosen_scan([item.entry.scan.id for item in everything])
        of_last = {item.turn for item in everything if item.entry.scan.id == last}
        st.session_state[_TURN] = next(turn for turn in turns if turn in of_last)
    elif st.session_state[_TURN] not in turns:
        st.session_state[_TURN] = turns[0]
    turn = st.segmented_control(
        "Show", turns, key=_TURN, format_func=lambda one: f"{one} ({counts[one]})"
    )
    there = {item.key: item for item in everything if item.turn == turn}
    keys = list(there)
    if (wanted := st.session_state.pop(_NEXT, None)) in there:
        st.session_state[_ITEM] = wanted
    if st.session_state.get(_ITEM) not in there:
        # On coming from another page, its scan; on going through the list, the next one.
        comes = st.session_state.get(_ITEM) is None
        scan = chosen_scan([item.entry.scan.id for item in there.values()]) if comes else None
        of_scan = (key for key, item in there.items() if item.entry.scan.id == scan)
        st.session_state[_ITEM] = next(of_scan, keys[0])
    names = distinct(there, sets)
    chosen = st.selectbox("Scan", keys, key=_ITEM, format_func=names.__getitem__)
    place = keys.index(chosen)
    back, on = st.columns(2)
    for column, name, letter, to in (
        (back, "Previous", "P", place - 1),
        (on, "Next", "N", place + 1),
    ):
        if column.button(name, shortcut=letter, disabled=not 0 <= to < len(keys), width="stretch"):
            st.session_state[_NEXT] = keys[to]
            st.rerun()
    after = keys[place + 1] if place + 1 < len(keys) else None
    st.session_state[_SHOWN] = (chosen, turn, names[chosen])
    return there[chosen], after


def distinct(there: Mapping[str, Item | ByHand], sets: Mapping[int, str]) -> dict[str, str]:
    """What the list calls each: no two alike, since Streamlit tells what was chosen by its words."""
    names = {key: item.name for key, item in there.items()}
    counts = Counter(names.values())
    for key, item in there.items():
        if counts[names[key]] > 1:
            names[key] += f", {sets[item.case.label_set]}"
    seen: Counter[str] = Counter()
    for key, name in names.items():
        seen[name] += 1
        if seen[name] > 1:
            names[key] = f"{name}, number {seen[name]}"
    return names


def say_if_gone(everything: Sequence[Item | ByHand]) -> None:
    """Say so if what was just looked at is no longer what it was."""
    if _SHOWN in st.session_state:
        key, turn, name = st.session_state[_SHOWN]
        if (key, turn) not in {(item.key, item.turn) for item in everything}:
            st.info(
                f"Somebody decided on {plain(name)} meanwhile, or saved it, or a model looked at "
                "it again. What you pressed decided nothing."
            )


def go_on(after: str | None) -> None:
    """It is decided: the next one is shown."""
    st.session_state[_NEXT] = after
    del st.session_state[_SHOWN]
    st.rerun()


def leave() -> None:
    """Somebody goes to change what is shown: on coming back that it is another is no news."""
    st.session_state.pop(_SHOWN, None)


def to_labelling(case: Case) -> None:
    """Go on with a case on the Label page."""
    st.session_state["label scan"] = case.scan
    st.session_state["label set"] = case.label_set
    st.switch_page("screens/label.py")


def ask_why(shown: str, what: str, letter: str, reasons: Sequence[str]) -> str:
    """A button that opens the question for a reason, and what is answered.

    Args:
        shown: what it is about: a key counts for what was shown when it was pressed.
        what: the button says.
        letter: its key.
        reasons: to choose from; the last one needs words.

    Returns:
        The reason, when it is sent off and there is one; else nothing.
    """
    if not opened(shown, f"{what} …", letter):
        return ""
    with st.form(f"reject {shown}"):
        reason = st.selectbox("Why", reasons, index=None, placeholder="Choose")
        words = st.text_input("In your words", key=f"why {shown}").strip()
        if not st.form_submit_button(what, width="stretch"):
            return ""
        if reason is None or (reason == reasons[-1] and not words):
            st.error("Say why: choose a reason, or write one.")
            return ""
    return ": ".join(filter(None, (reason, words)))


def opened(shown: str, what: str, letter: str) -> bool:
    """A button that opens something below it, and closes it again; whether that is open.

    Args:
        shown: what it is about: for another it is closed.
        what: the button says.
        letter: its key.
    """
    key = f"{what} {shown}"
    is_open = f"open {key}"
    if st.button(what, shortcut=letter, width="stretch", key=key):
        st.session_state[is_open] = not st.session_state.get(is_open, False)
    return bool(st.session_state.get(is_open))
