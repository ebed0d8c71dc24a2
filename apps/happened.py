"""What happened: the event log, for administrators, and whether it is as it was written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import streamlit as st
from plainly import said_plainly
from wording import plain

from medlib.workspace.schema import Event

if TYPE_CHECKING:
    from desk import Desk

_ANYBODY, _ANYTHING = "", 0
_FIRST, _MORE = 100, 400  # lines
_WHO, _SCAN, _LENGTH = "happened who", "happened scan", "happened length"


def happened(here: Desk) -> None:
    """Who did what when, the newest first."""
    here.must("read the log")
    with st.spinner("Checking the log …"):
        say_whole(here)
    choose(here)


@st.fragment  # the log need not be checked again for each choice
def choose(here: Desk) -> None:
    """Whose lines are shown, and of what."""
    with said_plainly():
        here.must("read the log")
        show(here)


def show(here: Desk) -> None:
    """The lines that are asked for."""
    scans = {entry.scan.id: entry.scan.name for entry in here.workspace.scans.list()}
    people = here.workspace.events.who()
    left, right = st.columns(2)
    who = left.selectbox(
        "Who", [_ANYBODY, *people], key=_WHO, format_func=lambda one: plain(one) or "anybody"
    )
    scan = right.selectbox(
        "Scan", [_ANYTHING, *scans], key=_SCAN,
        format_func=lambda one: plain(scans[one]) if one else "everything, scans or not",
    )  # fmt: skip
    length = st.session_state.get(_LENGTH, _FIRST)
    events = here.workspace.events.newest(
        f"scan {scan}" if scan else None, by=who or None, limit=length + 1
    )
    if not events:
        st.info("Nothing of that is in the log.")
        return
    table(events[:length], {f"scan {number}": name for number, name in scans.items()})
    if len(events) > length:
        st.button("Show more", key="happened more", on_click=_show_more)


def _show_more() -> None:
    st.session_state[_LENGTH] = st.session_state.get(_LENGTH, _FIRST) + _MORE


def say_whole(here: Desk) -> None:
    """Whether each line still follows the one before."""
    faults = here.workspace.events.verify()
    number = here.workspace.events.head().split()[0]
    if not faults:
        st.success(
            f"The log is whole: {number} events, each sealed by the one before.",
            icon=":material/verified:",
        )
        return
    st.error(
        "The log is not as it was written: somebody has changed the database past medlib. Keep it as "
        "it is, and compare it with a backup.",
        icon=":material/gpp_bad:",
    )
    for fault in faults[:20]:
        st.markdown(plain(str(fault)))
    if len(faults) > 20:
        st.caption(f"and {len(faults) - 20} more")


def table(events: Iterable[Event], names: dict[str, str]) -> None:
    """The lines; cells are text, whatever is in them."""
    st.dataframe(
        [
            {
                "When (UTC)": f"{event.made:%Y-%m-%d %H:%M:%S}",
                "Who": event.who,
                "What": event.what,
                "Of": names.get(event.subject, event.subject),
                "More": event.details if event.details != "{}" else "",
                "Event": event.number,
            }
            for event in events
        ],
        hide_index=True,
        width="stretch",
    )
