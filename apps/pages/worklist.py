"""Worklist: all scans, how far each has come, and what to do next."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from bringing import bring_in, is_busy
from desk import Desk, choose_scan, desk
from plainly import said_plainly
from wording import plain

from medlib.workspace import Entry, Status

_PAGE_LENGTH = 20
_ORDERS = {"name": "name", "added": "newest first", "usefulness": "most useful to label next"}
_NOBODY, _ANY = "nobody", "anybody"
_DOTS = {
    Status.NEW: ("#9AA4AE", "new"),
    Status.IN_PROGRESS: ("#E69F00", "in progress"),
    Status.LABELLED: ("#56B4E9", "labelled"),
    Status.REVIEWED: ("#2FC08D", "reviewed"),
    Status.SET_ASIDE: ("#CC79A7", "set aside"),
}


def page(here: Desk) -> None:
    """The list; where there is none yet, the ways to bring scans in."""
    everything = here.workspace.scans.list()
    if not everything and not here.may("import"):
        st.info("There are no scans yet. An administrator brings them in.")
        return
    if not everything:
        st.title("Welcome")
        st.markdown("Bring scans in to begin. They stay on this machine.")
        bring_in(here)
        return
    if is_busy(here):
        bring_in(here)
    elif here.may("import"):
        with st.expander("Bring more scans in", icon=":material/add:"):
            bring_in(here)
    if not here.workspace.label_sets.list() and here.may("change label sets"):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown("**What do you want to outline?** Nothing is named yet.")
            if st.button("Name it", type="primary", key="name it"):
                st.switch_page("pages/label_sets.py")
    shown = sifted(here, everything)
    if not shown:
        st.info("No scan is like that.")
        return
    pages = -(-len(shown) // _PAGE_LENGTH)
    number = st.session_state.get("worklist page", 1)
    number = min(max(1, number), pages)
    here_now = shown[(number - 1) * _PAGE_LENGTH :][:_PAGE_LENGTH]
    chosen = [entry.scan.id for entry in here_now if row(here, entry)]
    turn(number, pages, len(shown))
    if chosen:
        with st.sidebar:
            together(here, chosen, everything)


@dataclass(frozen=True)
class Sieve:
    """Which scans are to be seen.

    Args:
        text: in the name, the patient's pseudonym or a warning.
        statuses: any of these; all if empty.
        reader: whose; None for anybody's, empty for nobody's.
        tags: all of these.
    """

    text: str = ""
    statuses: tuple[Status, ...] = ()
    reader: str | None = None
    tags: tuple[str, ...] = ()

    def passes(self, entry: Entry) -> bool:
        """Whether a scan is to be seen."""
        scan = entry.scan
        words = " ".join([scan.name, entry.patient, *entry.tags, *map(str, scan.warnings)])
        return (
            self.text.casefold() in words.casefold()
            and (not self.statuses or scan.status in self.statuses)
            and (self.reader is None or (scan.reader or "") == self.reader)
            and set(self.tags) <= set(entry.tags)
        )


def sifted(here: Desk, everything: Sequence[Entry]) -> Sequence[Entry]:
    """The scans to be seen, in the order asked for."""
    readers = sorted({entry.scan.reader for entry in everything if entry.scan.reader})
    tags = sorted({tag for entry in everything for tag in entry.tags})
    text, status, reader, tag, order = st.columns([3, 3, 2, 2, 3])
    sieve = Sieve(
        text=text.text_input("Search", key="worklist text", placeholder="name, patient, tag").strip(),
        statuses=tuple(status.multiselect("Status", [*Status], format_func=str, key="worklist status")),
        reader={_ANY: None, _NOBODY: ""}.get(
            who := reader.selectbox("Reader", [_ANY, _NOBODY, *readers], key="worklist reader"), who
        ),
        tags=tuple(tag.multiselect("Tags", tags, key="worklist tags")),
    )  # fmt: skip
    by = order.selectbox(
        "Sort by", [*_ORDERS], format_func=_ORDERS.__getitem__, key="worklist order"
    )
    ordered = everything if by == "name" else here.workspace.scans.list(order=by)
    return [entry for entry in ordered if sieve.passes(entry)]


def row(here: Desk, entry: Entry) -> bool:
    """A line of the list; whether it is chosen."""
    scan = entry.scan
    with st.container(border=True):
        box, picture, what, state, act = st.columns(
            [0.35, 1, 5, 2.2, 1.8], vertical_alignment="center"
        )
        chosen: bool = box.checkbox(
            f"Choose {plain(scan.name)}", key=f"choose {scan.id}", label_visibility="collapsed"
        )
        link = here.site.thumbnails.link(scan.id, here.person)
        picture.html(
            f'<img class="thumbnail" loading="lazy" src="{link}" alt="{html.escape(scan.name)}">'
        )
        with what:
            tags = "  ".join(f":gray-badge[{plain(tag)}]" for tag in entry.tags)
            st.markdown(f"**{plain(scan.name)}** · {plain(entry.patient)}  {tags}")
            st.caption(f"{plain(kind_of(entry))} · {extent_of(entry)}")
            for warning in scan.warnings:
                st.caption(f":orange[:material/warning: {plain(warning)}]")
            if scan.usefulness_reason:
                st.caption(plain(scan.usefulness_reason))
        colour, words = _DOTS[scan.status]
        reader = f"<br>{html.escape(scan.reader)}" if scan.reader else ""
        state.html(f'<span style="color:{colour}">&#9679;</span> {words}{reader}')
        with act.container():
            if here.may("label") and st.button("Label", key=f"label {scan.id}", width="stretch"):
                choose_scan(scan.id)
                st.switch_page("pages/label.py")
    return chosen


def kind_of(entry: Entry) -> str:
    """What a scan is, in a word."""
    kinds = {"CTVolume": "CT", "MRVolume": "MR", "PETVolume": "PET",
             "UltrasoundVolume": "ultrasound", "Radiograph": "radiograph"}  # fmt: skip
    return kinds.get(entry.scan.kind, entry.scan.modality or "kind not stated")


def extent_of(entry: Entry) -> str:
    """Voxels and spacing of a scan."""
    shape = "×".join(str(int(n)) for n in reversed(entry.scan.grid["shape"]))
    return f"{shape} voxels"


def turn(number: int, pages: int, count: int) -> None:
    """Which part of the list is seen."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center"):
        if pages > 1 and st.button("Back", disabled=number == 1, key="worklist back"):
            st.session_state["worklist page"] = number - 1
            st.rerun()
        words = f"{count} scan{'' if count == 1 else 's'}"
        st.caption(words if pages == 1 else f"{words}, page {number} of {pages}")
        if pages > 1 and st.button("On", disabled=number == pages, key="worklist on"):
            st.session_state["worklist page"] = number + 1
            st.rerun()


def together(here: Desk, chosen: Sequence[int], everything: Sequence[Entry]) -> None:
    """What can be done with several scans at once."""
    st.subheader(f"{len(chosen)} chosen")


if (_here := desk()) is not None:
    with said_plainly():
        page(_here)
