"""The viewer as a Streamlit component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import streamlit as st

from medlib.planes import CT_WINDOWS, default_window
from medlib.types import CTVolume, Labels, Volume
from medlib.workspace import Question
from viewer.script import address

Event = Literal["saved", "next"]
# Streamlit runs this text as a module; all it does is to load the real one. The line breaks
# tell Streamlit that it is no path.
_LOADER = """
export default async (component) => {
  const module = await import(new URL(component.data.script, location.origin).href);
  return module.default(component);
};
"""


@dataclass(frozen=True)
class Window:
    """Values to be drawn black and white.

    Args:
        name: for people.
        low: drawn black.
        high: drawn white.
    """

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Shown:
    """A scan in the viewer.

    Args:
        case: its id.
        link: leave for it, from :meth:`serving.shelf.Shelf.sign`.
        version: the newest of its outline; one newer than the browser's is loaded by it.
        labels: the structures.
        windows: the first is taken at first.
        units: of its intensities.
        focus: where to look first, as fractions of the volume to the right, front and head.
        may_reduce: whether a browser without a graphics card gets a coarser grid.
        readonly: nothing can be painted.
        has_next: there is a scan after it.
        questions: to be answered about the study.
        landmarks: to be placed.
        has_model: a model has outlined this scan.
        newest: versions of what is said beside the outline, as ``version`` is of that.
        page_keys: letters and digits that the page keeps for itself.
        notice: said over the picture when it is opened.
        height: of the viewer, as CSS has it; empty for all of the page.
    """

    case: str
    link: str
    version: int
    labels: Labels
    windows: Sequence[Window]
    units: str = ""
    focus: tuple[float, float, float] | None = None
    may_reduce: bool = True
    readonly: bool = False
    has_next: bool = False
    questions: Sequence[Question] = ()
    landmarks: Sequence[str] = ()
    has_model: bool = False
    newest: Mapping[Literal["answers", "points"], int] = field(default_factory=dict)
    page_keys: str = ""
    notice: str = ""
    height: str = ""


def viewer(
    shown: Shown, *, key: str, on_event: Callable[[], None] = lambda: None
) -> Mapping[Event, Mapping[str, Any]]:
    """Show a scan, and let its outline be painted.

    What was drawn survives runs of the page, and is saved by the browser itself. Call it in an
    ``st.fragment``, always at the same place of the page.

    Args:
        shown: the scan; with another ``case`` the viewer saves, and turns to that one.
        key: of this viewer, unique in the app.
        on_event: called before the page runs because of an event.

    Returns:
        What the browser said in this run: ``saved`` (case, version) or ``next`` (case).
    """
    data = asdict(shown) | {
        "instance": key,
        "script": address(),
        "height": shown.height or None,
        "at": f"/medlib/cases/{shown.case}",
        "labels": [{"id": e.id, "name": e.name, "colour": e.colour} for e in shown.labels],
    }
    found = _component()(
        key=key,
        data=data,
        on_saved_change=on_event,
        on_next_change=on_event,
        on_renew_change=lambda: None,  # the run itself brings the new link
    )
    events: tuple[Event, ...] = ("saved", "next")
    return {name: found[name] for name in events if found.get(name)}


@st.cache_resource
def _component() -> Any:
    # Not at import: there is no runtime yet that would remember it.
    return st.components.v2.component("medlib-viewer", js=_LOADER)


def windows_of(scan: Volume) -> tuple[Window, ...]:
    """Windows to choose from; the one to begin with is the first."""
    if isinstance(scan, CTVolume) and scan.units == "HU":
        return tuple(Window(name, *greys) for name, greys in CT_WINDOWS.items())
    low, high = default_window(scan)
    values = scan.data.flatten()[:: max(1, scan.data.numel() // 200_000)].float().numpy()
    darker, brighter = (float(value) for value in np.percentile(values, [60, 99.9]))
    return (
        Window("standard", low, high),
        Window("wide", float(scan.data.min()), max(float(scan.data.max()), low + 1e-6)),
        Window("dark parts", low, max(darker, low + 1e-6)),
        Window("bright parts", darker, max(brighter, darker + 1e-6)),
    )
