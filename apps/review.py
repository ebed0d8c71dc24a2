"""Review: look through scans and the structures outlined in them, in a browser.

Run ``streamlit run apps/review.py -- FOLDER``. The page is for the machine that it runs on; it
only reads, writes nothing, and shows no names, numbers or dates of patients but those that people
put into the names of folders and files.
"""

from __future__ import annotations

import dataclasses
import io as bytes_io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import streamlit as st
from matplotlib.figure import Figure
from reading import Outlines, digest, outlines_of, scan_of, stamp, surveyed
from wording import kind_of, oblique, plain, point, volume

from medlib import io
from medlib.io.files import FILE_ERRORS, File, walk
from medlib.pictures import show_plane
from medlib.planes import CT_WINDOWS, PLANES, default_window, focus, voxel_at
from medlib.types import SCAN_KINDS, CTVolume, Labels, Mask, Volume

# Which way the slices of each plane are counted, from 1.
_COUNTED = {
    "axial": "feet to head",
    "coronal": "front to back",
    "sagittal": "the patient's right to left",
}
_ENDINGS = (".dcm", ".nii.gz")  # of what `medlib predict` writes, named after its scan
_OWN_WINDOW = "own"


def main() -> None:
    """The page, from top to bottom."""
    st.set_page_config(page_title="medlib review", layout="wide")
    st.html("<style>.stMainBlockContainer { padding: 3rem 2.5rem 2rem }</style>")
    if st.context.ip_address is not None:  # None is this machine
        st.error("This page is only for the machine that it runs on.")
        return
    with st.sidebar:
        st.title("Review")
        st.caption("Not a medical device. What is shown is for a qualified person to judge.")
        source = st.text_input("Folder of scans", value="".join(sys.argv[1:2]), key="source")
        results = st.text_input(
            "Folder of outlines",
            key="results",
            placeholder="none",
            help="Predictions or labels, each named after its scan: NAME.nii.gz or NAME.dcm.",
        )
    if not source:
        st.info("Type the path of a folder of DICOM or NIfTI scans on the left.")
        return
    with said_plainly():
        root = Path(source).expanduser().resolve()
        version = stamp(walk(root))
        found = surveyed(root, version)
        show_survey(found, root)
        folder = Path(results).expanduser().resolve() if results else None
        stacks = [stack for stack in found.stacks if not is_outline(stack, folder, root)]
        if stacks:
            show_scan(choose_scan(stacks), folder, f"{root} {version}")


@contextmanager
def said_plainly() -> Iterator[None]:
    """What cannot be done is said in a sentence, and the page stays."""
    try:
        yield
    except FILE_ERRORS as error:
        missing = isinstance(error, FileNotFoundError) and error.filename is None  # our own words
        st.error(plain(str(error) if missing else "A file or folder there cannot be opened."))
    except ValueError as error:
        st.error(plain(str(error)))


def show_survey(found: io.Survey, root: Path) -> None:
    """What is in the folder, as a table, and what cannot be used and why."""
    st.markdown(plain(io.describe(found).splitlines()[0]))
    if found.stacks:
        rows = [
            {
                "scan": stack.name,
                "kind": kind_of(stack),
                "voxels": "×".join(map(str, stack.grid.shape)),
                "spacing, mm": " × ".join(f"{s:.3g}" for s in stack.grid.spacing),
                "warnings": "; ".join(stack.warnings),
                "mended": "; ".join(stack.repairs),
            }
            for stack in found.stacks
        ]
        st.dataframe(rows, hide_index=True, height=36 * min(len(rows) + 1, 6))
    if found.refusals:
        with st.expander(f"{len(found.refusals)} cannot be used", icon=":material/block:"):
            for refusal in found.refusals:
                where = Path(refusal.where)
                name = str(where.relative_to(root)) if where.is_relative_to(root) else where.name
                name = root.name if name == "." else name
                st.markdown(f"**{plain(name)}**: {plain(refusal.reason)}. {plain(refusal.remedy)}")


def is_outline(stack: io.Stack, folder: Path | None, root: Path) -> bool:
    """Whether what was found is an outline: it lies in their folder, which lies in the scans'."""
    return folder not in {None, root} and stack.files[0].folder.is_relative_to(folder)


def choose_scan(stacks: Sequence[io.Stack]) -> io.Stack:
    """The scan to look at."""
    by_name = {stack.name: stack for stack in stacks}
    return by_name[st.sidebar.selectbox("Scan", list(by_name), key="scan")]


def show_scan(stack: io.Stack, folder: Path | None, version: str) -> None:
    """A scan with its outlines, if there are any; ``version`` is its folder's."""
    st.subheader(plain(stack.name))
    key = digest(version, stack.name)
    kind = choose_kind(stack, key)
    scan, notes = scan_of(stack, kind, key)
    for text in (*stack.warnings, *notes):
        st.warning(plain(text), icon=":material/warning:")
    outlines = None
    with said_plainly():
        if path := choose_outlines(stack, folder, key):
            key = digest(key, str(path), stamp([File(path)]))
            outlines = outlines_of(path, stack, key)
    show_viewer(scan, outlines, digest(key, kind))


def choose_kind(stack: io.Stack, key: str) -> str:
    """The kind of a scan whose file does not say; empty where it does, or nobody does."""
    if stack.kind is not Volume or stack.modality:
        return ""
    kind: str = st.sidebar.selectbox(
        "Its kind, which NIfTI does not say",
        ["", *SCAN_KINDS],
        format_func=lambda name: name.upper() or "not stated",
        key=f"kind {key}",
    )
    return kind


def choose_outlines(stack: io.Stack, folder: Path | None, key: str) -> Path | None:
    """The file that holds the scan's outlines: the one of its name, or one of the two."""
    if folder is None:
        return None
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder at {folder}")
    own = {Path(file.path) for file in stack.files}
    paths = [folder / f"{stack.name}{ending}" for ending in _ENDINGS]
    there = {path.name: path for path in paths if path.is_file() and path not in own}
    if not there:
        names = " or ".join(path.name for path in paths)
        st.info(plain(f"There are no outlines of this scan: no {names} in {folder}."))
        return None
    if len(there) == 1:
        return next(iter(there.values()))
    return there[st.sidebar.selectbox("Outlines", list(there), key=f"outlines {key}")]


@st.fragment
def show_viewer(scan: Volume, outlines: Outlines | None, key: str) -> None:
    """Three planes and what governs them. A touch of a slider runs no more than this again.

    Args:
        scan: with upright axes.
        outlines: of its structures.
        key: of this scan and these outlines: other ones start afresh, with nothing hidden.
    """
    window_side, opacity_side = st.columns([3, 1], gap="large")
    with window_side:
        window = choose_window(scan, key)
    mask, opacity = None, 0.0
    pictures = st.container()
    if outlines is not None:
        with opacity_side:
            opacity = st.slider("Filling, %", 0, 100, 25, 5, key=f"opacity {key}") / 100
        mask = choose_structures(outlines, key)
    middle = focus(scan.grid) if outlines is None else outlines.focus
    with pictures:
        voxel = []
        columns = st.columns(len(PLANES))
        for column, name, start, n in zip(
            columns, PLANES, voxel_at(scan.grid, middle), scan.grid.shape, strict=True
        ):
            with column:
                voxel.append(choose_slice(name, start, n, key))
        at = scan.grid.to_patient(voxel)
        for column, name in zip(columns, PLANES, strict=True):
            drawn = () if mask is None else (mask,)
            figure = show_plane(name, scan, *drawn, at=at, window=window, opacity=opacity)
            column.image(png(figure), width="stretch")
        st.caption(
            f"Radiological convention: the patient's right is on your left. {oblique(scan.grid)}"
            f"Where the lines cross: {plain(point(scan, mask, voxel))}."
        )


def choose_window(scan: Volume, key: str) -> tuple[float, float]:
    """The values to be drawn black and white."""
    low, high = default_window(scan)
    if isinstance(scan, CTVolume):
        names = [*CT_WINDOWS, _OWN_WINDOW]
        chosen = st.radio("Window", names, format_func=str.capitalize, horizontal=True,
                          key=f"window {key}")  # fmt: skip
        if chosen != _OWN_WINDOW:
            return CT_WINDOWS[chosen]
    least, most = min(low, float(scan.data.min())), max(high, float(scan.data.max()))
    black, white = st.slider(
        f"Black and white, {scan.units}", least, most, (low, high), key=f"greys {key}"
    )
    return black, max(white, black + 1e-6)


def choose_slice(plane: str, start: int, n: int, key: str) -> int:
    """Which of a plane's ``n`` slices to cut at, counted from 0."""
    words = f"{plane.capitalize()}, {_COUNTED[plane]}"
    if n == 1:
        st.markdown(f"{words}: the only one")
        return 0
    return st.slider(words, 1, n, start + 1, key=f"{plane} {key}") - 1


def choose_structures(outlines: Outlines, key: str) -> Mask:
    """Switches for the structures, with their colours and volumes; a mask of those switched on."""
    shown = []
    styles = []
    with st.container(horizontal=True, gap="medium"):
        for label in outlines.mask.labels:
            ml = outlines.volumes_ml[label.name]
            own = f"structure-{key}-{label.id}"
            words = f"{plain(label.name)} · {volume(ml)}"
            if st.checkbox(words, value=True, disabled=not ml, key=own, width="content"):
                shown.append(label)
            styles.append(f".st-key-{own} p::before {{ background: {label.colour} }}")
    st.html(f"<style>{_SWATCH} {' '.join(styles)}</style>")
    return dataclasses.replace(outlines.mask, labels=Labels(tuple(shown)))


_SWATCH = """[class*="st-key-structure-"] p::before { content: ""; display: inline-block;
width: .75em; height: .75em; border-radius: 2px; margin-right: .5em }"""


def png(figure: Figure) -> bytes:
    """A figure as a picture of 720 by 720 points."""
    stream = bytes_io.BytesIO()
    figure.savefig(stream, format="png", dpi=144, pil_kwargs={"compress_level": 1})
    return stream.getvalue()


main()
