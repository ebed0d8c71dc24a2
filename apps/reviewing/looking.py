"""What is seen of a scan that is reviewed: layers over it, and sizes beside one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from desk import Desk
from plainly import said_plainly
from serving.layers import LAYERS, OF_LABEL, Layer
from serving.shelf import Case, Shelf
from serving.turning import upright
from training.words import table
from viewer.component import Shown, Window, viewer, windows_of

from medlib.planes import focus
from medlib.space import Grid
from medlib.space.grid import FloatArray
from medlib.types import Labels
from medlib.workspace import Content, Seen
from medlib.workspace.schema import Version
from reviewing.choosing import KEYS
from reviewing.compared import heads, rows_of, sizes_of
from reviewing.correcting import label_of
from reviewing.entries import beside
from reviewing.priors import Other, say_other
from reviewing.queue import ByHand, Item
from reviewing.signing import said_of

_BESIDE = "review beside"


def compare(here: Desk, item: Item, other: Other | None) -> None:
    """The structures' sizes beside the label, and beside the patient's other scan."""
    if not item.is_mask:
        table(*beside(here, item, label_of(here, item)))
        return
    label, elsewhere = label_of(here, item), beside_of(here, item, other)
    if other is not None:
        say_other(other)
    version = label.id if label and is_begun(label) else 0
    rows = rows_of(here.shelf, item.case, item.prediction.id, version, elsewhere)
    table(heads(rows), [row.cells() for row in rows])
    if label and not version:
        st.caption("Nothing of the label is marked as done: it is not compared.")
    elif label and not Seen.from_dict(label.seen).whole:
        st.caption("Compared only in the slices of the label that are marked as done.")


def compare_drawn(here: Desk, item: ByHand, other: Other | None) -> None:
    """What people said: sizes, beside the model's where one has looked, answers, landmarks."""
    if outline := item.version(Content.MASK):
        elsewhere = beside_of(here, item, other)
        if other is not None:
            say_other(other)
        if found := here.shelf.predicted(item.case):
            rows = rows_of(here.shelf, item.case, found.id, outline.id, elsewhere)
            table(heads(rows), [row.cells() for row in rows])
        else:
            table(*sizes_of(here.shelf, item.case, outline.id, elsewhere))
    if said := said_of(here, item):
        table(("what", "people say"), said)


def beside_of(here: Desk, item: Item | ByHand, other: Other | None) -> tuple[Case, int] | None:
    """The patient's other scan, and the newest version of its label."""
    if other is None:
        return None
    case = Case(other.entry.scan.id, item.case.label_set)
    return case, here.shelf.newest(case)


def is_begun(label: Version) -> bool:
    """Some of it is marked as done."""
    seen = Seen.from_dict(label.seen)
    return seen.whole or bool(seen.slices)


@st.fragment
def look(here: Desk, item: Item | ByHand, other: Other | None) -> None:
    """The scan with one layer over it; the patient's other scan beside it, if wanted."""
    with said_plainly():
        layers = offered(here, item) if isinstance(item, Item) else offered_drawn(here, item)
        with st.container(horizontal=True, vertical_alignment="center"):
            layer = choose_layer(layers, f"review layer {item.key}")
            with_other = other is not None and beside_wanted()
        left, right = st.columns(2) if with_other else (st.container(), None)
        with left:
            show(here, item.case, laid_over(here, item, layer), "review viewer")
        if right is not None and other is not None:
            case = Case(other.entry.scan.id, item.case.label_set)
            with right:
                say_other(other)
                labels, version = here.shelf.labels(case), here.shelf.newest(case)
                show(here, case, Laid(str(case), labels, version), "review other")


def choose_layer(layers: Sequence[Layer], key: str) -> Layer:
    """One of the layers: a button and a key for each."""
    chosen: Layer = st.session_state.get(key, layers[0])
    if chosen not in layers:
        chosen = layers[0]
    for number, layer in enumerate(layers, 1):
        st.button(
            LAYERS[layer].title, shortcut=str(number), key=f"{key} {layer}",
            type="primary" if layer == chosen else "secondary", on_click=_keep, args=(key, layer),
        )  # fmt: skip
    return chosen


def beside_wanted() -> bool:
    """Whether the patient's other scan is to be shown too: a button and a key."""
    is_wanted = bool(st.session_state.get(_BESIDE))
    st.button(
        "Beside the patient's other scan", shortcut="S", key=f"{_BESIDE} button",
        type="primary" if is_wanted else "secondary", on_click=_keep, args=(_BESIDE, not is_wanted),
    )  # fmt: skip
    return is_wanted


def _keep(key: str, value: object) -> None:
    st.session_state[key] = value


def offered(here: Desk, item: Item) -> list[Layer]:
    """The layers that there are; none that shows a second reader what the first one decided."""
    content = item.prediction.content
    if content == Content.ANSWERS:
        return [Layer.NOTHING]
    layers = [Layer.FOUND]
    if label := label_of(here, item):
        layers.append(Layer.LABEL)
        if content == Content.MASK and is_begun(label):
            layers.append(Layer.DIFFERENCE)
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


@dataclass(frozen=True)
class Laid:
    """What lies over a scan.

    Args:
        at: where the viewer gets it.
        labels: how its structures are called.
        version: of the outline, where it may change meanwhile.
        landmarks: that lie on it.
        newest: version of these, where they may change meanwhile.
        focus: LPS millimetres of where to look first; None for the middle of what is outlined.
    """

    at: str
    labels: Labels
    version: int = 0
    landmarks: Sequence[str] = ()
    newest: int = 0
    focus: Sequence[float] | None = None


def laid_over(here: Desk, item: Item | ByHand, layer: Layer) -> Laid:
    """A layer, as the viewer is told of it."""
    labels = LAYERS[layer].labels or here.shelf.labels(item.case)
    newest = here.shelf.newest(item.case) if layer in OF_LABEL else 0
    if isinstance(item, Item):
        at = f"{item.case}/{layer}/{item.prediction.id}"
        return Laid(at, labels, newest) if item.is_mask else _with_landmarks(here, item, layer, at)
    found = here.shelf.predicted(item.case)
    if layer != Layer.LABEL and found is not None:
        return Laid(f"{item.case}/{layer}/{found.id}", labels, newest)
    last = max(here.shelf.newest(item.case, content) for content in Content)
    landmarks = here.workspace.label_sets.get(item.case.label_set).landmarks
    placed = landmarks if item.version(Content.POINTS) else ()
    return Laid(f"{item.case}/drawn/{last}", labels, newest, placed)


def _with_landmarks(here: Desk, item: Item, layer: Layer, at: str) -> Laid:
    """Landmarks on the bare scan, which is turned to the first of them; for answers nothing but that."""
    entries = item.prediction.entries
    is_placed = item.prediction.content == Content.POINTS and layer != Layer.NOTHING
    if not is_placed:
        return Laid(at, Labels(()))
    label = label_of(here, item) if layer == Layer.LABEL else None
    places = entries if label is None else label.entries
    return Laid(
        at, Labels(()), landmarks=[*places], newest=label.id if label else 0,
        focus=next(iter(places.values()), None),
    )  # fmt: skip


def show(here: Desk, case: Case, laid: Laid, key: str) -> None:
    """A viewer in which nothing can be drawn."""
    windows, units, middle = facts(here.shelf, case)
    link = here.shelf.sign(case, here.person, "view")
    if laid.focus is not None:
        grid = here.shelf.grid(case)
        middle = _fractions(grid, np.array(laid.focus))
    viewer(
        Shown(
            case=laid.at, link=link, version=laid.version, labels=laid.labels, windows=windows,
            units=units, focus=middle, readonly=True, page_keys=KEYS, landmarks=laid.landmarks,
            newest={"points": laid.newest} if laid.newest else {},
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
    middle = _fractions(scan.grid, focus(scan.grid, mask))
    return windows_of(scan), scan.units if scan.units != "arbitrary" else "", middle


def _fractions(grid: Grid, place: FloatArray) -> tuple[float, float, float]:
    """Of the volume to the right, front and head: where LPS millimetres are in the viewer."""
    shown = upright(grid)
    x, y, z = ((np.rint(shown.to_index(place)) + 0.5) / shown.shape)[::-1].tolist()
    return x, y, z
