"""Worklist: all scans, how far each has come, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st
from bringing import bring_in, is_busy
from copying import back_up
from desk import Desk, choose_scan, desk
from plainly import said_plainly
from ranking import rank
from serving.errands import Errand
from sifting import Sieve, complaints_of, keep, kept
from together import box_of, together
from watching import watch
from which import Which, since_first
from whose import whose
from wording import plain

from medlib.space import Grid
from medlib.workspace import Entry, Status
from medlib.workspace.worklist import Order

_LENGTH = 20  # of a page
_ORDERS: dict[Order, str] = {
    "name": "name",
    "added": "newest first",
    "usefulness": "most useful to label next",
    "made": "by patient, the oldest study first",
}
_ANYBODY, _NOBODY = "anybody's", "nobody's"
_COLOURS = {
    Status.NEW: "#9AA4AE",
    Status.IN_PROGRESS: "#E69F00",
    Status.LABELLED: "#56B4E9",
    Status.REVIEWED: "#2FC08D",
    Status.SET_ASIDE: "#CC79A7",
}
_KINDS = {
    "CTVolume": "CT",
    "MRVolume": "MR",
    "PETVolume": "PET",
    "UltrasoundVolume": "ultrasound",
    "Radiograph": "radiograph",
}
_RANKING, _PAGE = "ranking", "worklist page"


def page(here: Desk) -> None:
    """The list; where there is none yet, the ways to bring scans in."""
    everything = here.workspace.scans.list()
    if not everything:
        begin(here)
        return
    st.html(_LOOK)
    with said_plainly():
        top(here)
    complaints = complaints_of(here.workspace)
    shown = sifted(here, everything, complaints)
    if not shown:
        st.info("No scan is like that: change what is searched for above.")
        return
    pages = -(-len(shown) // _LENGTH)
    number = min(max(1, st.session_state.get(_PAGE, 1)), pages)
    seen = shown[(number - 1) * _LENGTH :][:_LENGTH]
    with said_plainly():  # what is refused there leaves the list, and what is chosen in it
        together(here, seen, everything)
    to_review = {row.scan_id for row in here.workspace.models.predictions()}
    to_review |= {one.scan for one in here.workspace.signing.waiting() if one.signable(here.person)}
    which = Which.seen_by(here)
    for entry in seen:
        of_scan = complaints.get(entry.scan.id, ())
        line(here, entry, which, of_scan, is_open=entry.scan.id in to_review)
    turn(number, pages, len(shown))


def begin(here: Desk) -> None:
    """A workspace without scans."""
    if not here.may("import"):
        st.info("There are no scans yet. An administrator brings them in.")
        return
    st.title("Welcome")
    st.markdown("Bring scans in to begin. They stay on this machine.")
    bring_in(here)


def top(here: Desk) -> None:
    """More scans, a name for what is outlined, a copy of it all."""
    if is_busy(here):
        bring_in(here)
    if not here.workspace.label_sets.list() and here.may("change label sets"):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown("**What do you want to outline?** Nothing is named yet.")
            if st.button("Name it", type="primary", key="name it"):
                st.switch_page("screens/label_sets.py")
    if here.may("import") and not is_busy(here):
        with st.expander("Bring more scans in", icon=":material/add:"):
            bring_in(here)
    if here.may("back up"):
        with st.expander("Keep a copy of everything", icon=":material/save:"):
            back_up(here)


def sifted(
    here: Desk, everything: Sequence[Entry], complaints: Mapping[int, Sequence[str]]
) -> Sequence[Entry]:
    """The scans to be seen, in the order asked for."""
    readers = sorted({entry.scan.reader for entry in everything if entry.scan.reader})
    tags = sorted({tag for entry in everything for tag in entry.tags})
    recall(readers, tags)
    text, status, reader, tag, order = st.columns([3, 3, 2, 2, 3])
    whose = reader.selectbox("Reader", [_ANYBODY, _NOBODY, *readers], key="worklist reader")
    sieve = Sieve(
        text.text_input(
            "Search", key="worklist text", placeholder="name, patient, series, tag"
        ).strip(),
        tuple(status.multiselect("Status", [*Status], format_func=str, key="worklist status")),
        {_ANYBODY: None, _NOBODY: ""}.get(whose, whose),
        tuple(tag.multiselect("Tags", tags, key="worklist tags")),
        order.selectbox(
            "Sort by", [*_ORDERS], format_func=_ORDERS.__getitem__, key="worklist order"
        ),
    )
    keep(sieve)
    if sieve.order == "usefulness":
        offer_ranking(here, everything)
    say_sent_back(everything, complaints)
    return sieve.sifted(here.workspace, complaints)


def say_sent_back(everything: Sequence[Entry], complaints: Mapping[int, Sequence[str]]) -> None:
    """Labels that a reviewer sent back wait for whoever drew them, wherever they are in the list."""
    if count := sum(bool(complaints.get(entry.scan.id)) for entry in everything):
        scans = "The label of 1 scan was" if count == 1 else f"The labels of {count} scans were"
        st.warning(f"{scans} sent back to be mended: search for “sent back”.")


def recall(readers: Sequence[str], tags: Sequence[str]) -> None:
    """Fill the fields in again as they were before another page was shown."""
    chosen = kept()
    whose = {None: _ANYBODY, "": _NOBODY}.get(chosen.reader, chosen.reader)
    for name, value in {
        "text": chosen.text,
        "status": [*chosen.statuses],
        "reader": whose if whose in readers else _NOBODY if whose == _NOBODY else _ANYBODY,
        "tags": [tag for tag in chosen.tags if tag in tags],
        "order": chosen.order,
    }.items():
        st.session_state.setdefault(f"worklist {name}", value)


def offer_ranking(here: Desk, everything: Sequence[Entry]) -> None:
    """Work out anew what is the most useful, since it changes with each scan that is labelled."""
    errand = here.site.errands.get(_RANKING)
    if errand is not None and errand.is_running:
        watch(errand)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if errand is not None:
            told_of_ranking(errand)
        elif any(entry.scan.usefulness is not None for entry in everything):
            st.caption(
                "Scans come first that a model doubts, and that stand for many others that wait."
            )
        else:
            st.caption("Which scans would teach a model most has not been worked out yet.")
        if here.may("label") and st.button("Work it out", key="work out"):
            here.must("label")
            here.site.errands.begin(
                _RANKING, lambda report: rank(here.workspace, here.person, report)
            )
            st.rerun()


def told_of_ranking(errand: Errand) -> None:
    """What came of it."""
    if errand.error:
        st.warning(plain(errand.error))
    elif errand.result:
        st.caption(f"{errand.result} of the scans could not be read; they come last.")
    else:
        st.caption("Worked out.")


def line(
    here: Desk, entry: Entry, which: Which, complaints: Sequence[str], *, is_open: bool
) -> None:
    """A scan, to be chosen or opened."""
    scan = entry.scan
    with st.container(border=True):
        box, what, act = st.columns([0.3, 10, 2.4], vertical_alignment="center")
        box.checkbox(f"Choose {plain(scan.name)}", key=box_of(entry), label_visibility="collapsed")
        what.html(
            told(
                entry,
                here.site.thumbnails.link(scan.id, here.person),
                whose(here, entry),
                (since_first(entry), which.series(entry)),
                complaints,
            )
        )
        with act.container(horizontal=True, horizontal_alignment="right"):
            if here.may("label") and st.button("Label", key=f"label {scan.id}"):
                open_in(scan.id, "screens/label.py")
            if is_open and here.may("review") and st.button("Review", key=f"review {scan.id}"):
                open_in(scan.id, "screens/review.py")


def open_in(scan: int, where: str) -> None:
    """Go on with this scan."""
    choose_scan(scan)
    st.switch_page(where)


def told(
    entry: Entry, picture: str, patient: str, which: Sequence[str], complaints: Sequence[str]
) -> str:
    """A scan as HTML; whatever comes from files or people is but text in it."""
    scan, grid = entry.scan, Grid.from_dict(entry.scan.grid)
    tags = "".join(f'<span class="tag">{escape(tag)}</span>' for tag in entry.tags)
    voxels = "×".join(map(str, reversed(grid.shape)))
    spacing = "×".join(f"{mm:.3g}" for mm in reversed(grid.spacing))
    facts = f"{_KINDS.get(scan.kind, scan.modality or 'kind not stated')}, {voxels}, {spacing} mm"
    series = " · ".join(filter(None, which))
    notes = "".join(
        f'<div class="note">&#9888; {escape(str(warning))}</div>'
        for warning in (*complaints, *scan.warnings)
    )
    if scan.usefulness_reason:
        notes += f'<div class="why">{escape(scan.usefulness_reason)}</div>'
    reader = f"<div>{escape(scan.reader)}</div>" if scan.reader else ""
    return (
        f'<div class="scan"><img loading="lazy" src="{escape(picture)}" alt="">'
        f"<div><b>{escape(scan.name)}</b> {tags}<div>{escape(patient)}</div><div>{escape(series)}</div>"
        f'<div class="facts">{escape(facts)}</div>{notes}</div>'
        f'<div class="state"><span style="color:{_COLOURS[scan.status]}">&#9679;</span> '
        f"{escape(str(scan.status))}{reader}</div></div>"
    )


def turn(number: int, pages: int, count: int) -> None:
    """Which part of the list is seen."""
    words = f"{count} scan{'' if count == 1 else 's'}"
    if pages == 1:
        st.caption(words)
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center"):
        for text, to in (("Back", number - 1), ("On", number + 1)):
            if text == "On":
                st.caption(f"{words}, page {number} of {pages}")
            if st.button(text, key=f"worklist {text}", disabled=not 1 <= to <= pages):
                st.session_state[_PAGE] = to
                st.rerun()


_LOOK = """<style>
.scan { display: grid; grid-template-columns: 5.5rem 1fr 9rem; gap: 1rem; align-items: center;
        line-height: 1.5 }
.scan img { width: 5.5rem; height: 5.5rem; object-fit: contain; background: #000; border-radius: 4px }
.scan .facts, .scan .why { color: #AEB6BF; font-size: .95rem }
.scan .note { color: #FFC069; font-size: .95rem }
.scan .tag { border: 1px solid #6B747D; border-radius: 1em; padding: 0 .6em; margin-left: .4em;
             font-size: .9rem }
[data-testid="stVerticalBlock"]:has(> [data-testid="stLayoutWrapper"] .scan) { gap: .5rem }
</style>"""


if (_here := desk()) is not None:
    with said_plainly():
        page(_here)
