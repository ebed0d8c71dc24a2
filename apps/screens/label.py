"""Label: outline structures on scans, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from desk import Desk, choose_label_set, choose_scan, chosen_label_set, chosen_scan, desk
from history import history, looked_at
from plainly import said_plainly
from remarks import remarks
from serving.older import address
from serving.shelf import Case, Shelf
from serving.turning import upright
from sifting import Sieve, complaints_of, following, kept
from viewer.component import Shown, Window, viewer, windows_of
from which import Which
from whose import say_whose
from wording import plain

from medlib.planes import focus
from medlib.types import Label, Labels
from medlib.workspace import Content, Entry, questions_of
from medlib.workspace.landmarks import placed
from medlib.workspace.line import wanted_of
from medlib.workspace.schema import Version

_SCAN, _SET, _NEXT, _VIEWER = "label scan", "label set", "label next", "label viewer"
_HEIGHT = "calc(100vh - 9rem)"  # below the line that says whose the scan is
_MENDED = {  # what may be sent back, and how one says that it is mended
    Content.MASK: ("outline", "when all of it is right, press W: the whole scan is done"),
    Content.ANSWERS: ("answers", "what you answer anew is saved by itself"),
    Content.POINTS: ("landmarks", "where you place them anew is saved by itself"),
}


def page(here: Desk) -> None:
    """The list of scans on the left, the viewer beside it."""
    sieve = kept()
    everything = here.workspace.scans.list(order=sieve.order)
    sets = here.workspace.label_sets.list()
    if not (everything and sets):
        st.info("There is nothing to label yet: bring scans in, and say what is to be outlined.")
        st.page_link("screens/worklist.py", label="To the worklist", icon=":material/list:")
        return
    which = Which.seen_by(here)
    with st.sidebar:
        scan = choose(here, everything, sieve, which)
        names = {row.id: row.name for row in sets}
        if st.session_state.get(_SET) not in names:
            st.session_state[_SET] = chosen_label_set([*names])
        label_set = st.selectbox("Outlined", [*names], key=_SET, format_func=names.__getitem__)
        choose_label_set(label_set)
        case = Case(scan, label_set)
        # A second reader is not told either who has labelled it before.
        is_due = here.shelf.blind.is_due(case, here.person)
        looked = None if is_due else looked_at(here, case)
        name_structures(here, label_set)
        remarks(here, scan)
        if not is_due:
            history(here, case)
    say_whose(here, next(entry for entry in everything if entry.scan.id == scan), which)
    if is_due and any(
        here.shelf.blind.hides(case, here.person, one) for one in asked_of(here, case)
    ):
        say_due(here, case)
        return
    say_sent_back(here, case)
    say_taken_over(here, case)
    paint(here, case, looked)


def asked_of(here: Desk, case: Case) -> list[Content]:
    """What the label set asks for: an outline, which the viewer always reads, answers, landmarks."""
    asked = wanted_of(here.workspace.label_sets.get(case.label_set))
    return [content for content, said in asked.items() if said or content == Content.MASK]


def say_due(here: Desk, case: Case) -> None:
    """That nothing of the label is shown to a second reader, and what he can do."""
    st.info(
        "Another reader has decided on what a model found here. What he made of it is not shown to "
        "you before you have decided too, so that your judgement is your own. Decide on the Review "
        "page, under “Second reading”. If you are not to read it second, say so there: then you see "
        "everything. Other label sets of this scan are open to you."
    )
    if st.button("To the review", type="primary"):
        choose_scan(case.scan)
        st.switch_page("screens/review.py")


def say_taken_over(here: Desk, case: Case) -> None:
    """Which landmarks are a model's, and nobody's word as yet."""
    head = here.workspace.versions.head(case.scan, case.label_set, Content.POINTS)
    left = [] if head is None else sorted(head.entries.keys() - placed(head).keys())
    if left:
        st.info(
            f"Just where a model put them: {plain(', '.join(left))}. They do not count before they "
            "are moved, or before whoever corrects says on the Review page (K) that these landmarks "
            "are the correction."
        )


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


def choose(here: Desk, everything: Sequence[Entry], sieve: Sieve, which: Which) -> int:
    """The number of the scan to be labelled, of those that the worklist shows."""
    complaints = complaints_of(here.workspace)
    names = {entry.scan.id: which.name(entry) for entry in everything}
    shown = [entry.scan.id for entry in everything if sieve.passes(entry, complaints)]
    if _NEXT in st.session_state:
        st.session_state[_SCAN] = st.session_state.pop(_NEXT)
    if st.session_state.get(_SCAN) not in names:
        st.session_state[_SCAN] = chosen_scan([*shown, *names])
    # Who has come from elsewhere, or has just finished it, goes on with what the list leaves out.
    there = [n for n in names if n in shown or n == st.session_state[_SCAN]]
    chosen: int = st.selectbox("Scan", there, key=_SCAN, format_func=names.__getitem__)
    choose_scan(chosen)
    words = f"{there.index(chosen) + 1} of {len(there)}"
    if len(there) < len(names):
        words += f" that the worklist shows; {len(names)} in all"
    st.caption(f"{words}, the most useful first" if sieve.order == "usefulness" else words)
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
def paint(here: Desk, case: Case, looked: Version | None) -> None:
    """The viewer; its events run no more than this again, but the next scan runs the page."""
    with said_plainly():
        if desk() is None:  # the session has ended meanwhile
            st.rerun()
        if looked is not None:
            viewer(older(here, case, looked), key=_VIEWER)
            return
        after = next_one(here, case)
        events = viewer(shown(here, case, has_next=after is not None), key=_VIEWER)
        if after is not None and events.get("next", {}).get("case") == str(case):
            st.session_state[_NEXT] = after
            st.rerun()


def next_one(here: Desk, case: Case) -> int | None:
    """The scan that comes after this one, as things stand now."""
    sieve, sent_back = kept(), complaints_of(here.workspace)
    return following(
        here.workspace.scans.list(order=sieve.order), case.scan, sieve, sent_back,
        finished=here.workspace.versions.finished(case.label_set) - sent_back.keys(),
        person=here.person,
    )  # fmt: skip


def shown(here: Desk, case: Case, *, has_next: bool) -> Shown:
    """What counts, to be gone on with."""
    windows, units, middle = facts(here.shelf, case)
    asked = here.workspace.label_sets.get(case.label_set)
    may_label = here.may("label")
    return Shown(
        case=str(case),
        link=here.shelf.sign(case, here.person, "label" if may_label else "view"),
        version=here.shelf.newest(case),
        labels=here.shelf.labels(case),
        windows=windows,
        height=_HEIGHT,
        units=units,
        focus=middle,
        readonly=not may_label,
        has_next=has_next,
        questions=[*questions_of(asked).values()],
        landmarks=asked.landmarks,
        has_model=here.shelf.predicted(case) is not None,
        newest={
            "answers": here.shelf.newest(case, Content.ANSWERS),
            "points": here.shelf.newest(case, Content.POINTS),
        },
    )


def older(here: Desk, case: Case, looked: Version) -> Shown:
    """What was, to be looked at."""
    windows, units, middle = facts(here.shelf, case)
    return Shown(
        case=address(case, looked.id),
        link=here.shelf.sign(case, here.person, "view"),
        version=looked.id,
        labels=here.shelf.labels(case),
        windows=windows,
        height=_HEIGHT,
        units=units,
        focus=middle,
        readonly=True,
        notice=f"An older outline, by {looked.author}: nothing can be drawn in it. On the left you "
        "go back to what counts, or make this one count again.",
    )


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
