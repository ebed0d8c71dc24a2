"""What is seen of a scan that is reviewed: layers over it, and sizes beside one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from desk import Desk
from plainly import said_plainly
from serving.layers import LAYERS, OF_LABEL, Layer
from serving.shelf import Case, Shelf
from serving.turning import upright
from training.words import table
from viewer.component import Shown, Window, viewer, windows_of
from wording import plain

from medlib.planes import focus
from medlib.types import Labels
from medlib.workspace import Content, Entry, Seen
from medlib.workspace.schema import Version
from reviewing.compared import heads, rows_of, sizes_of
from reviewing.deciding import label_of
from reviewing.queue import ByHand, Item
from reviewing.signing import said_of


def compare(here: Desk, item: Item, other: Entry | None) -> None:
    """The structures' sizes beside the label, and beside the patient's other scan."""
    if not item.is_mask:
        table(("what", "the model says"), [(k, str(v)) for k, v in item.prediction.entries.items()])
        return
    label, beside = label_of(here, item), beside_of(here, item, other)
    version = label.id if label and is_begun(label) else 0
    rows = rows_of(here.shelf, item.case, item.prediction.id, version, beside)
    table(heads(rows), [row.cells() for row in rows])
    if label and not version:
        st.caption("Nothing of the label is marked as done: it is not compared.")
    elif label and not Seen.from_dict(label.seen).whole:
        st.caption("Compared only in the slices of the label that are marked as done.")


def compare_drawn(here: Desk, item: ByHand, other: Entry | None) -> None:
    """What people said: sizes, beside the model's where one has looked, answers, landmarks."""
    if outline := item.version(Content.MASK):
        beside = beside_of(here, item, other)
        if found := here.shelf.predicted(item.case):
            rows = rows_of(here.shelf, item.case, found.id, outline.id, beside)
            table(heads(rows), [row.cells() for row in rows])
        else:
            table(*sizes_of(here.shelf, item.case, outline.id, beside))
    if said := said_of(here, item):
        table(("what", "people say"), said)


def beside_of(here: Desk, item: Item | ByHand, other: Entry | None) -> tuple[Case, int] | None:
    """The patient's other scan, and the newest version of its label."""
    if other is None:
        return None
    case = Case(other.scan.id, item.case.label_set)
    return case, here.shelf.newest(case)


def is_begun(label: Version) -> bool:
    """Some of it is marked as done."""
    seen = Seen.from_dict(label.seen)
    return seen.whole or bool(seen.slices)


@st.fragment
def look(here: Desk, item: Item | ByHand, other: Entry | None) -> None:
    """The scan with one layer over it; the patient's other scan beside it, if wanted."""
    with said_plainly():
        layers = offered(here, item) if isinstance(item, Item) else offered_drawn(here, item)
        chosen, beside = st.columns([3, 1], vertical_alignment="bottom")
        layer = chosen.segmented_control(
            "Over the scan", layers, default=layers[0], format_func=lambda one: LAYERS[one].title,
            key=f"review layer {item.key}",
        ) or layers[0]  # fmt: skip
        with_other = other is not None and beside.toggle("Beside the patient's other scan")
        left, right = st.columns(2) if with_other else (st.container(), None)
        with left:
            labels = LAYERS[layer].labels or here.shelf.labels(item.case)
            version = here.shelf.newest(item.case) if layer in OF_LABEL else 0
            at, landmarks = address_of(here, item, layer)
            show(here, item.case, at, labels, "review viewer", version, landmarks)
        if right is not None and other is not None:
            case = Case(other.scan.id, item.case.label_set)
            with right:
                st.caption(plain(other.scan.name))
                labels, version = here.shelf.labels(case), here.shelf.newest(case)
                show(here, case, str(case), labels, "review other", version)


def offered(here: Desk, item: Item) -> list[Layer]:
    """The layers that there are; none that shows a second reader what the first one decided."""
    if not item.is_mask:
        return [Layer.NOTHING]
    layers = [Layer.FOUND]
    if label := label_of(here, item):
        layers += [Layer.LABEL, *([Layer.DIFFERENCE] if is_begun(label) else [])]
    if item.prediction.uncertainty is not None:
        layers.append(Layer.DOUBT)
    return [*layers, Layer.NOTHING]


def offered_drawn(here: Desk, item: ByHand) -> list[Layer]:
    """What people drew; where a model has looked at the scan, what that found too."""
    found = here.shelf.predicted(item.case)
    if found is None or item.version(Content.MASK) is None:
        return [Layer.LABEL]
    doubt = [Layer.DOUBT] if found.uncertainty is not None else []
    return [Layer.LABEL, Layer.FOUND, Layer.DIFFERENCE, *doubt, Layer.NOTHING]


def address_of(here: Desk, item: Item | ByHand, layer: Layer) -> tuple[str, Sequence[str]]:
    """Where the viewer gets a layer, and the landmarks that lie on it."""
    if isinstance(item, Item):
        at = f"{item.case}/{layer}/{item.prediction.id}" if item.is_mask else str(item.case)
        return at, ()
    found = here.shelf.predicted(item.case)
    if layer != Layer.LABEL and found is not None:
        return f"{item.case}/{layer}/{found.id}", ()
    newest = max(here.shelf.newest(item.case, content) for content in Content)
    landmarks = here.workspace.label_sets.get(item.case.label_set).landmarks
    return f"{item.case}/drawn/{newest}", landmarks if item.version(Content.POINTS) else ()


def show(
    here: Desk,
    case: Case,
    at: str,
    labels: Labels,
    key: str,
    version: int,
    landmarks: Sequence[str] = (),
) -> None:
    """A viewer in which nothing can be drawn."""
    windows, units, middle = facts(here.shelf, case)
    link = here.shelf.sign(case, here.person, "view")
    viewer(
        Shown(
            case=at, link=link, version=version, labels=labels, windows=windows, units=units,
            focus=middle, readonly=True, landmarks=landmarks,
        ),
        key=key,
    )  # fmt: skip


@st.cache_data(show_spinner="Reading the scan …", max_entries=64)
def facts(_shelf: Shelf, case: Case) -> tuple[tuple[Window, ...], str, tuple[float, float, float]]:
    """A scan's windows and units, and where to look first in it."""
    scan = _shelf.volume(case)
    found = _shelf.predicted(case)
    newest = _shelf.newest(case)
    mask = _shelf.found(case, found.id) if found else _shelf.drawing(case, newest).mask
    grid = upright(scan.grid)
    middle = np.rint(grid.to_index(focus(scan.grid, mask)))
    x, y, z = ((middle + 0.5) / grid.shape)[::-1].tolist()
    return windows_of(scan), scan.units if scan.units != "arbitrary" else "", (x, y, z)
