"""Bringing scans in: made-up samples, a folder of this machine, or what is dropped on the page."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from serving.errands import Errand, Report
from watching import watch
from wording import plain

from medlib import datasets, io
from medlib.io.files import safe_name
from medlib.types import Labels, Volume
from medlib.workspace import Imported, Workspace

if TYPE_CHECKING:
    from desk import Desk

_SOURCE, _COPY, _NAMED, _DROPPED, _KIND, _CALLED = (
    *("bring source", "bring copy", "bring named", "bring dropped", "bring kind", "bring called"),
)
_FEW = 5  # names in a sentence
_ENDINGS = ["zip", "nii", "gz", "dcm", "png", "jpg", "jpeg"]
_KINDS = {"ct": "CT", "mr": "MR", "pet": "PET", "us": "ultrasound", "xr": "radiographs"}
SAMPLES = "abdominal organs"
"""The label set that comes with the sample scans."""
# Of what is in them: enough to begin with.
_FIRST = ("liver", "spleen", "left kidney", "right kidney")


@dataclass(frozen=True)
class _Wish:
    """What is to be brought in, and how.

    Args:
        copy: keep a copy of the files in the workspace.
        named: keep patients' names.
        file_names: call scans that are no DICOM by their files' names.
        folder: to be removed afterwards.
    """

    copy: bool = True
    named: bool = False
    file_names: bool = False
    folder: Path | None = None


@dataclass(frozen=True)
class _Asking:
    """What was found, some of which does not say what it is, or whose."""

    found: io.Survey
    wish: _Wish


def bring_in(here: Desk) -> None:
    """The offer, or how far the import has come that is going on."""
    errand = here.site.errands.get(_name(here))
    if errand is None:
        offer(here)
    elif errand.is_running:
        watch(errand)
    elif isinstance(errand.result, _Asking):
        ask(here, errand.result)
    else:
        tell(here, errand)


def is_busy(here: Desk) -> bool:
    """Whether this person's import has something to say or to ask."""
    return here.site.errands.get(_name(here)) is not None


def offer(here: Desk) -> None:
    """Three ways in."""
    samples, folder, drop = st.columns(3, gap="medium", border=True)
    with samples:
        st.subheader("Sample scans")
        st.markdown("Eight made-up CT scans of the abdomen, to try everything on. No download.")
        if st.button("Use sample scans", key="bring samples", type="primary", width="stretch"):
            _begin(here, lambda report: sample_scans(here.workspace, here.person, report))
    with folder:
        st.subheader("A folder")
        source = st.text_input(
            "Folder, file or zip of DICOM or NIfTI, on this machine",
            key=_SOURCE,
            placeholder="/data/scans",
        )
        copy = st.checkbox(
            "Copy the files into the workspace", value=True, key=_COPY,
            help="Else they are read where they lie, and have to stay there unchanged.",
        )  # fmt: skip
        named = _ask_named("folder")
        if st.button("Bring in", key="bring folder", width="stretch") and source.strip():
            path = Path(source.strip()).expanduser()
            _begin(here, lambda report: _look(here, path, _Wish(copy, named), report))
    with drop:
        st.subheader("Drop files")
        dropped = st.file_uploader(
            "A zip of DICOM or NIfTI, or single files",
            type=_ENDINGS,
            accept_multiple_files=True,
            key=_DROPPED,
        )
        named = _ask_named("dropped")
        wanted = st.button("Bring in", key="bring dropped files", width="stretch")
        if wanted and len(dropped) > 1 and any(f.name.lower().endswith(".zip") for f in dropped):
            st.warning("Drop a zip by itself, or files that are not zipped.")
        elif wanted and dropped:
            put_down = _put_down(here.workspace, dropped)
            wish = _Wish(named=named, folder=put_down)
            _begin(here, lambda report: _look(here, _only(put_down), wish, report))


def ask(here: Desk, asking: _Asking) -> None:
    """What the scans are, where their files do not say; what they are to be called."""
    with st.container(border=True):
        kind = ask_kind([stack for stack in asking.found.stacks if _is_unsaid(stack)])
        others = [stack for stack in asking.found.stacks if _says_nobody(stack)]
        wish = replace(asking.wish, file_names=ask_called(others, named=asking.wish.named))
        with st.container(horizontal=True):
            go = st.button("Bring in", type="primary", disabled=kind is None, key="bring asked")
            if st.button("Leave it", key="bring leave"):
                _clear(asking.wish)
                here.site.errands.put_away(_name(here))
                st.rerun()
        if go and kind is not None:
            _begin(here, lambda report: _add(here, asking.found, wish, kind, report))


def ask_kind(unsaid: Sequence[io.Stack]) -> str | None:
    """What the scans are, where their files do not say; None until somebody has said."""
    if not unsaid:
        return ""
    st.subheader("What are these scans?")
    count = "One scan does" if len(unsaid) == 1 else f"{len(unsaid)} scans do"
    st.markdown(plain(f"{count} not say what made them (NIfTI never does): {_names(unsaid)}"))
    kind: str | None = st.radio(
        "They are", [*_KINDS], format_func=_KINDS.__getitem__, index=None,
        key=_KIND, horizontal=True,
    )  # fmt: skip
    return kind


def ask_called(others: Sequence[io.Stack], *, named: bool) -> bool:
    """Whether scans that are no DICOM are to be called by their files' names."""
    if not others:
        return False
    st.subheader("What shall they be called?")
    st.warning(
        f"Files are often called by their patient. These are: {plain(_names(others))}. Everybody who "
        "may look at scans sees what they are called, also while names are hidden.",
        icon=":material/badge:",
    )
    if len(others) > _FEW:
        with st.expander(f"All {len(others)} names"):
            st.text("\n".join(stack.name for stack in others))
    words = {
        False: "By made-up names, such as P4ZK2QX7-MR-1",
        True: "By their files' names: I have looked, and they name nobody",
    }
    chosen: bool = st.radio("Call them", [*words], format_func=words.__getitem__, key=_CALLED)
    if named and not chosen:
        st.caption("What the files' names say is kept with patients' names, since you keep those.")
    return chosen


def tell(here: Desk, errand: Errand) -> None:
    """What came of it, until it has been read."""
    done = errand.result
    with st.container(border=True):
        if errand.error:
            st.warning(plain(errand.error), icon=":material/warning:")
        if isinstance(done, Imported):
            known = f"; {len(done.known)} were here already" if done.known else ""
            st.markdown(f"**{_count(len(done.scans), 'new scan')}**{known}.")
            if not (done.scans or done.known or done.refusals):
                st.warning("There are no scans there: no DICOM, NIfTI, PNG or JPEG.")
            if done.refusals:
                show_refusals(done.refusals)
        with st.container(horizontal=True):
            to_label = _is_ready(here, done) and st.button(
                "Label the first", type="primary", key="bring to label"
            )
            if st.button("Good", key="bring told") or to_label:
                here.site.errands.put_away(_name(here))
                if to_label:
                    st.switch_page("screens/label.py")
                st.rerun()


def _is_ready(here: Desk, done: object) -> bool:
    """There are scans that were not here before, and it has been said what to outline."""
    is_new = isinstance(done, Imported) and bool(done.scans)
    return is_new and here.may("label") and bool(here.workspace.label_sets.list())


def show_refusals(refusals: tuple[io.Refusal, ...]) -> None:
    """What cannot be used, why, and what to do."""
    with st.expander(
        f"{_count(len(refusals), 'thing')} could not be used",
        icon=":material/block:",
        expanded=True,
    ):
        for refusal in refusals[:200]:
            name = Path(refusal.where).name
            st.markdown(f"**{plain(name)}**: {plain(refusal.reason)}. {plain(refusal.remedy)}")
        if len(refusals) > 200:
            st.caption(f"and {len(refusals) - 200} more")


def sample_scans(
    workspace: Workspace, person: str, report: Report, *, studies: int = 8
) -> Imported:
    """Bring made-up scans in, with a label set for them."""
    report(0, studies, "Drawing scans")
    with tempfile.TemporaryDirectory(dir=workspace.derived) as there:
        drawn = datasets.samples(
            Path(there) / "samples",
            studies=studies,
            progress=lambda done, of, what: report(done, of, "Drawing scans"),
        )
        found = workspace.scans.add(
            drawn.images, by=person, progress=lambda done, of: report(done, of, "Bringing in")
        )
    if SAMPLES not in {row.name for row in workspace.label_sets.list()}:
        organs = Labels(tuple(drawn.card.table[name] for name in _FIRST))
        workspace.label_sets.add(SAMPLES, organs, by=person)
    return found


def _look(here: Desk, path: Path, wish: _Wish, report: Report) -> _Asking | Imported:
    """What is there; DICOM, which says what it is and whose, is brought in at once."""
    try:
        found = io.survey(path, progress=lambda number: report(number, 0, "Looking through files"))
    except BaseException:
        _clear(wish)
        raise
    if any(_is_unsaid(stack) or _says_nobody(stack) for stack in found.stacks):
        return _Asking(found, wish)
    return _add(here, found, wish, "", report)


def _add(here: Desk, found: io.Survey, wish: _Wish, kind: str, report: Report) -> Imported:
    try:
        return here.workspace.scans.add(
            found,
            by=here.person,
            kind=kind,
            copy=wish.copy,
            named=wish.named,
            file_names=wish.file_names,
            progress=lambda done, of: report(done, of, "Bringing in"),
        )
    finally:
        _clear(wish)


def _begin(here: Desk, work: Callable[[Report], Any]) -> None:
    here.must("import")
    here.site.errands.begin(_name(here), work)
    st.rerun()


def _ask_named(where: str) -> bool:
    wanted: bool = st.checkbox(
        "Keep patients' names",
        key=f"{_NAMED} {where}",
        help="In a table of their own, which can be hidden and emptied, and which readers do not "
        "see. Else patients are known by made-up names only.",
    )
    return wanted


def _put_down(workspace: Workspace, dropped: list[Any]) -> Path:
    """What was dropped, in a folder of the workspace that only its owner may open."""
    there = Path(tempfile.mkdtemp(prefix="dropped-", dir=workspace.derived))
    for number, file in enumerate(dropped, start=1):
        name = _file_name(file.name)
        target = there / name
        if target.exists():  # from another folder
            target = there / f"{number}_{name}"
        with target.open("wb") as stream:
            shutil.copyfileobj(file, stream)
    return there


def _file_name(said: str) -> str:
    stem, dot, ending = Path(said).name.partition(".")
    return f"{safe_name(stem)}{dot}{'.'.join(safe_name(e) for e in ending.split('.'))}".rstrip(".")


def _only(folder: Path) -> Path:
    """The one file in a folder; the folder where there are several."""
    files = [*folder.iterdir()]
    return files[0] if len(files) == 1 else folder


def _clear(wish: _Wish) -> None:
    if wish.folder is not None:
        shutil.rmtree(wish.folder, ignore_errors=True)


def _is_unsaid(stack: io.Stack) -> bool:
    return stack.kind is Volume and not stack.modality


def _says_nobody(stack: io.Stack) -> bool:
    """All that says whose it is, is what its file is called."""
    return stack.source != "dicom"


def _names(stacks: Sequence[io.Stack]) -> str:
    more = " …" if len(stacks) > _FEW else ""
    return ", ".join(stack.name for stack in stacks[:_FEW]) + more


def _name(here: Desk) -> str:
    return f"import by {here.person}"


def _count(number: int, what: str) -> str:
    return f"{number or 'No'} {what}{'' if number == 1 else 's'}"
