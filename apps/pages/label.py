"""Label: outline structures on scans, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from serving.links import Right
from serving.shelf import Case
from serving.site import Site, site
from serving.wire import wire_grid
from viewer.component import Shown, Window, viewer, windows_of
from wording import plain

from medlib.io.files import FILE_ERRORS
from medlib.planes import focus
from medlib.types import Label, Labels

_CASE, _VIEWER = "label case", "label viewer"


def page(here: Site) -> None:
    """The list of scans on the left, the viewer beside it."""
    cases = here.shelf.cases()
    if not cases:
        st.info("There are no scans in this folder.")
        return
    with st.sidebar:
        case = choose(cases)
        name_structures(here, case)
    try:
        paint(here, case, cases)
    except (*FILE_ERRORS, ValueError) as error:
        st.error(plain(str(error)))


def choose(cases: Sequence[Case]) -> Case:
    """The scan to be labelled."""
    by_id = {case.id: case for case in cases}
    if st.session_state.get(_CASE) not in by_id:
        st.session_state[_CASE] = cases[0].id
    chosen = st.selectbox("Scan", list(by_id), key=_CASE, format_func=lambda key: by_id[key].name)
    place = list(by_id).index(chosen) + 1
    st.caption(f"{place} of {len(cases)}")
    return by_id[chosen]


def name_structures(here: Site, case: Case) -> None:
    """Structures can be added; their ids stay what they are."""
    labels = here.shelf.labels(case.id)
    with st.form("structure", clear_on_submit=True, border=False):
        name = st.text_input("Another structure", placeholder="liver").strip()
        added = st.form_submit_button("Add", width="stretch")
    if not (added and name):
        return
    if name in labels:
        st.warning(plain(f"There is a structure {name} already."))
        return
    number = max(labels.ids, default=0) + 1
    here.shelf.rename(Labels((*labels.entries, Label(number, name)), labels.ignored))
    st.rerun()


@st.fragment
def paint(here: Site, case: Case, cases: Sequence[Case]) -> None:
    """The viewer; its events run no more than this again, but the next scan runs the page."""
    drawing = here.shelf.drawing(case.id)
    windows, units, middle = facts(here, case.id)
    place = [other.id for other in cases].index(case.id)
    shown = Shown(
        case=case.id,
        link=here.link(case.id, Right.WRITE),
        revision=drawing.revision,
        labels=here.shelf.labels(case.id),
        windows=windows,
        units=units,
        focus=middle,
        has_next=place + 1 < len(cases),
    )
    events = viewer(shown, key=_VIEWER)
    if "next" in events and events["next"]["case"] == case.id:
        st.session_state[_NEXT] = cases[place + 1].id
        st.rerun()


_NEXT = "label next"


@st.cache_data(show_spinner="Reading the scan …", max_entries=64)
def facts(
    _here: Site, case: str
) -> tuple[tuple[Window, ...], str, tuple[float, float, float]]:
    """A scan's windows and units, and where to look first in it."""
    scan = _here.shelf.volume(case)
    mask = _here.shelf.drawing(case).mask
    grid = wire_grid(scan.grid)
    middle = grid.to_index(focus(scan.grid, mask))
    x, y, z = ((np.rint(middle) + 0.5) / grid.shape)[::-1].tolist()
    return windows_of(scan), scan.units, (x, y, z)


if _NEXT in st.session_state:  # before the list of scans is drawn, which would not take it after
    st.session_state[_CASE] = st.session_state.pop(_NEXT)
if (_here := site()) is not None:
    page(_here)
