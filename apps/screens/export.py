"""Export: what was outlined, answered and placed, for the archive, for figures, for others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import streamlit as st
from desk import Desk, choose_label_set, chosen_label_set, desk
from plainly import said_plainly
from serving.errands import Errand
from serving.exports import Ready
from watching import watch
from wording import plain

from medlib.workspace import Content, Form, NotAllowedError, Wish
from medlib.workspace.export import Item, exportable
from medlib.workspace.schema import LabelSet

_SET, _WHICH, _SCANS, _EARLIER = "export set", "export which", "export scans", "export key"
_FORMS: dict[Form, tuple[str, str]] = {
    "seg": (
        "For the archive (DICOM SEG)",
        "Outlines, and a report of what was measured, verified by the reviewers' names. They "
        "belong to the patient's study, and bear the patient's name.",
    ),
    "report": (
        "A report to read or print",
        "One page: pictures, sizes, who has reviewed it, and what is odd.",
    ),
    "csv": (
        "Tables (CSV)",
        "Sizes, answers and landmarks, for a spreadsheet or statistics, and what each column means.",
    ),
    "nifti": ("Outlines as NIfTI", "For other programs."),
    "nnunet": ("For nnU-Net", "Scans and outlines as its training takes them."),
}
_REVIEWED, _ALL, _CHOSEN = "reviewed", "all", "chosen"
_NEW = ""


def page(here: Desk) -> None:
    """What is to be exported; or how far an export has come, or what came of it."""
    errand = here.site.errands.get(_name(here))
    if errand is not None and errand.is_running:
        st.subheader("Exporting", anchor=False)
        watch(errand)
        return
    if errand is not None:
        tell(here, errand)
        return
    sets = {row.id: row for row in here.workspace.label_sets.list()}
    if not sets:
        st.info("There is nothing to export yet: say what is to be outlined, and label some scans.")
        return
    if st.session_state.get(_SET) not in sets:
        st.session_state[_SET] = chosen_label_set([*sets])
    what, how = st.columns([2, 3], gap="large")
    with what:
        label_set, scans, reviewed_only = choose(here, sets)
    with how:
        forms, with_scans = choose_forms(here)
        key = choose_names(here)
        count = "1 scan" if len(scans) == 1 else f"{len(scans) or 'no'} scans"
        is_empty = not (scans and forms)
        if st.button(f"Export {count}", type="primary", key="export", disabled=is_empty):
            wish = Wish(
                label_set.id, tuple(forms), scans, reviewed_only, with_scans=with_scans, key=key
            )
            begin(here, wish)


def choose(here: Desk, sets: dict[int, LabelSet]) -> tuple[LabelSet, frozenset[int], bool]:
    """Which scans."""
    number = st.selectbox(
        "Label set", [*sets], key=_SET, format_func=lambda one: plain(sets[one].name)
    )
    choose_label_set(number)
    items = exportable(here.workspace, sets[number])
    reviewed = [item for item in items if item.is_reviewed]
    words = {
        _REVIEWED: f"Reviewed ({len(reviewed)})",
        _ALL: f"All that are labelled, reviewed or not ({len(items)})",
        _CHOSEN: "Those that I choose",
    }
    which = st.radio("Scans", [*words], key=_WHICH, format_func=words.__getitem__)
    if not items:
        st.info("Nothing is labelled by it yet.")
    elif which == _REVIEWED and not reviewed:
        st.info("No reviewer has accepted one of them yet.")
    chosen = {_REVIEWED: reviewed, _ALL: items}.get(which)
    if chosen is None:
        names = {item.scan.id: _called(item) for item in items}
        picked = st.multiselect("Which", [*names], key=_SCANS, format_func=names.__getitem__)
        chosen = [item for item in items if item.scan.id in picked]
    say_gaps(chosen)
    return sets[number], frozenset(i.scan.id for i in chosen), which == _REVIEWED


def say_gaps(items: list[Item]) -> None:
    """What cannot be in every form."""
    part = sum(Content.MASK in item.heads and not item.seen.whole for item in items)
    if part:
        st.caption(
            f"{part} of them {'is' if part == 1 else 'are'} outlined in part: without sizes, and "
            "not for the archive."
        )
    others = sum(item.scan.source != "dicom" for item in items)
    if others:
        st.caption(
            f"{others} of them {'was' if others == 1 else 'were'} no DICOM: not for the archive."
        )


def choose_forms(here: Desk) -> tuple[list[Form], bool]:
    """As what."""
    st.markdown("**As**")
    forms: list[Form] = []
    why_not = _no_names(here)
    for form, (title, words) in _FORMS.items():
        is_barred = form == "seg" and bool(why_not)
        with st.container(gap=None):
            if st.checkbox(title, key=f"export {form}", disabled=is_barred) and not is_barred:
                forms.append(form)
            st.caption(why_not if is_barred else words)
    with_scans = "nifti" in forms and st.checkbox("With the scans themselves", key="export with")
    return forms, bool(with_scans)


def choose_names(here: Desk) -> Path | None:
    """Under which names."""
    if not st.checkbox(
        "Under made-up names", key="export names",
        help="Scans, patients and studies get names that tell nothing. Which is which is kept in "
        "the workspace, not in the export.",
    ):  # fmt: skip
        return None
    st.caption("What is written into the pixels stays, and a head scan shows a face.")
    keys = here.site.exports.keys
    earlier = sorted((path.stem for path in keys.glob("*.json")), reverse=True)
    chosen = _NEW
    if earlier:
        chosen = st.selectbox(
            "Names", [_NEW, *earlier], key=_EARLIER,
            format_func=lambda one: f"the same as on {plain(one)}" if one else "new ones",
        )  # fmt: skip
    return keys / f"{chosen or f'{datetime.now(UTC):%Y-%m-%d %H.%M.%S}'}.json"


def begin(here: Desk, wish: Wish) -> None:
    """Start it, if this person may."""
    here.must("export")
    if "seg" in wish.forms and (why_not := _no_names(here)):
        raise NotAllowedError(why_not)
    exports, person = here.site.exports, here.person
    here.site.errands.begin(_name(here), lambda report: exports.make(wish, person, report))
    st.rerun()


def tell(here: Desk, errand: Errand) -> None:
    """What came of it, until it was fetched."""
    ready = errand.result
    with st.container(border=True):
        if errand.error:
            st.warning(plain(errand.error), icon=":material/warning:")
        elif isinstance(ready, Ready):
            tell_ready(here, ready)
        if st.button("Done" if ready else "Back", key="export told"):
            if isinstance(ready, Ready):
                here.site.exports.remove(ready)
            here.site.errands.put_away(_name(here))
            st.rerun()


def tell_ready(here: Desk, ready: Ready) -> None:
    """How to fetch it, and what is not in it."""
    found = ready.exported
    if not here.site.exports.is_there(ready):
        st.warning("It has lain for a day and was removed: export it again.")
        return
    st.subheader("Ready", anchor=False)
    number = len(found.files)
    st.markdown(f"{number} file{'' if number == 1 else 's'}, {_size(ready.size)}.")
    link = here.site.exports.link(ready, here.person)
    st.html(f'{_LOOK}<a class="fetch" href="{link}" target="_self" download>Download</a>')
    st.caption("The link is yours alone, and good for an hour. Done removes the file from here.")
    if found.unreviewed:
        count = len(found.unreviewed)
        st.caption(f"{count} labelled scan{' waits' if count == 1 else 's wait'} for a reviewer.")
    if found.left_out:
        with st.expander(
            f"Not in it ({len(found.left_out)})", icon=":material/block:", expanded=True
        ):
            for name, reason in found.left_out[:200]:
                st.markdown(f"**{plain(name)}**: {plain(reason)}.")


def _no_names(here: Desk) -> str:
    """Why this person gets nothing that bears patients' names; empty where that is allowed."""
    if here.workspace.identities.hidden:
        return "Names are hidden in this workspace, and DICOM bears them."
    if not here.may("see names"):
        return "It bears patients' names, which a reader does not see; ask a reviewer."
    return ""


def _called(item: Item) -> str:
    return f"{plain(item.scan.name)}{'' if item.is_reviewed else ' (not reviewed)'}"


def _size(count: int) -> str:
    """Bytes in words.

    Example:
        >>> _size(12), _size(2_500_000)
        ('1 kB', '2.5 MB')
    """
    return f"{count / 1e6:.3g} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _name(here: Desk) -> str:
    return f"export by {here.person}"


_LOOK = """<style>
a.fetch { display: inline-block; padding: .6rem 1.6rem; border-radius: .5rem; font-weight: 600;
          background: #56B4E9; color: #101214 !important; text-decoration: none !important }
a.fetch:hover { background: #7CC6EF } a.fetch:focus-visible { outline: 3px solid #fff; outline-offset: 2px }
</style>"""


if (_here := desk()) is not None:
    with said_plainly():
        page(_here)
