"""Label: outline structures on scans, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from desk import Desk, choose_label_set, choose_scan, chosen_label_set, chosen_scan, desk
from plainly import said_plainly
from serving.shelf import Case, Shelf
from serving.turning import upright
from viewer.component import Shown, Window, viewer, windows_of
from wording import plain

from medlib.planes import focus
from medlib.types import Label, Labels
from medlib.workspace import Content, Entry, questions_of

_SCAN, _SET, _NEXT, _VIEWER = "label scan", "label set", "label next", "label viewer"
_MENDED = {  # what may be sent back, and how one says that it is mended
    Content.MASK: ("outline", "when all of it is right, press W: the whole scan is done"),
    Content.ANSWERS: ("answers", "what you answer anew is saved by itself"),
    Content.POINTS: ("landmarks", "where you place them anew is saved by itself"),
}


def page(here: Desk) -> None:
    """The list of scans on the left, the viewer beside it."""
    worklist = here.workspace.scans.list()
    sets = here.workspace.label_sets.list()
    if not (worklist and sets):
        st.info("There is nothing to label yet: bring scans in, and say what is to be outlined.")
        st.page_link("pages/worklist.py", label="To the worklist", icon=":material/list:")
        return
    with st.sidebar:
        scan = choose(worklist)
        names = {row.id: row.name for row in sets}
        if st.session_state.get(_SET) not in names:
            st.session_state[_SET] = chosen_label_set([*names])
        label_set = st.selectbox("Outlined", [*names], key=_SET, format_func=names.__getitem__)
        choose_label_set(label_set)
        name_structures(here, label_set)
    ids = [entry.scan.id for entry in worklist]
    after = ids[ids.index(scan) + 1 :]
    say_sent_back(here, Case(scan, label_set))
    paint(here, Case(scan, label_set), after[0] if after else None)


def say_sent_back(here: Desk, case: Case) -> None:
    """Why a reviewer sent the label back, until it is mended."""
    for version, why in here.workspace.signing.to_mend():
        if (version.scan_id, version.label_set_id) == (case.scan, case.label_set):
            what, ends = _MENDED[version.content]
            st.warning(
                f"{plain(why.reviewer)} sent the {what} back on {why.made:%d %B %Y}: "
                f"**{plain(why.reason)}**  \nMend it; {ends}. Then it is looked at again. Until "
                "then nothing is learned from it."
            )


def choose(worklist: Sequence[Entry]) -> int:
    """The number of the scan to be labelled."""
    names = {entry.scan.id: entry.scan.name for entry in worklist}
    if _NEXT in st.session_state:
        st.session_state[_SCAN] = st.session_state.pop(_NEXT)
    if st.session_state.get(_SCAN) not in names:
        st.session_state[_SCAN] = chosen_scan([*names])
    chosen: int = st.selectbox("Scan", [*names], key=_SCAN, format_func=names.__getitem__)
    choose_scan(chosen)
    st.caption(f"{list(names).index(chosen) + 1} of {len(names)}")
    return chosen


def name_structures(here: Desk, label_set: int) -> None:
    """Structures can be added; those that there are stay what they are."""
    row = here.workspace.label_sets.get(label_set)
    labels = here.workspace.versions.labels(label_set)
    with st.form("structure", clear_on_submit=True, border=False):
        name = st.text_input("Another structure").strip()
        added = st.form_submit_button("Add", width="stretch")
    if not (added and name):
        return
    if name in labels:
        st.warning(plain(f"There is a structure {name} already."))
        return
    more = Labels((*labels, Label(max(labels.ids, default=0) + 1, name)), labels.ignored)
    asked = {"questions": [*questions_of(row).values()], "landmarks": row.landmarks}
    here.workspace.label_sets.change(label_set, more, by=here.person, **asked)
    st.rerun()


@st.fragment
def paint(here: Desk, case: Case, after: int | None) -> None:
    """The viewer; its events run no more than this again, but the next scan runs the page."""
    with said_plainly():
        if desk() is None:  # the session has ended meanwhile
            st.rerun()
        windows, units, middle = facts(here.shelf, case)
        asked = here.workspace.label_sets.get(case.label_set)
        may_label = here.may("label")
        shown = Shown(
            case=str(case),
            link=here.shelf.sign(case, here.person, "label" if may_label else "view"),
            version=here.shelf.newest(case),
            labels=here.shelf.labels(case),
            windows=windows,
            units=units,
            focus=middle,
            readonly=not may_label,
            has_next=after is not None,
            questions=[*questions_of(asked).values()],
            landmarks=asked.landmarks,
            has_model=here.shelf.predicted(case) is not None,
        )
        events = viewer(shown, key=_VIEWER)
        if after is not None and events.get("next", {}).get("case") == str(case):
            st.session_state[_NEXT] = after
            st.rerun()


@st.cache_data(show_spinner="Reading the scan …", max_entries=64)
def facts(_shelf: Shelf, case: Case) -> tuple[tuple[Window, ...], str, tuple[float, float, float]]:
    """A scan's windows and units, and where to look first in it."""
    scan = _shelf.volume(case)
    outline = _shelf.drawing(case, _shelf.newest(case)).mask
    grid = upright(scan.grid)
    middle = np.rint(grid.to_index(focus(scan.grid, outline)))
    x, y, z = ((middle + 0.5) / grid.shape)[::-1].tolist()
    return windows_of(scan), scan.units if scan.units != "arbitrary" else "", (x, y, z)


if (_here := desk()) is not None:
    with said_plainly():
        page(_here)
