"""What a model found beside what is labelled, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st
import torch
from serving.shelf import Case, Shelf
from wording import volume

from medlib.types import Mask


@dataclass(frozen=True)
class Other:
    """A structure in the label, or in the patient's other scan.

    Args:
        ml: of it; None where nobody looked for it.
        found: millilitres that the model outlined, where the two can be compared.
    """

    ml: float | None
    found: float

    def cells(self) -> list[str]:
        """As it is said."""
        if self.ml is None:
            return ["not looked for", "–"]
        return [volume(self.ml), against(self.found, self.ml)]


@dataclass(frozen=True)
class Row:
    """One structure.

    Args:
        name: of it.
        found: millilitres that the model outlined.
        label: the same structure in the label; None where there is none.
        shared: the share of both that they have in common (Dice), where both have something.
        elsewhere: the same structure in the patient's other scan; None where there is none.
    """

    name: str
    found: float
    label: Other | None = None
    shared: float | None = None
    elsewhere: Other | None = None

    def cells(self) -> list[str]:
        """As it is said."""
        said = [self.name, volume(self.found)]
        if self.label is not None:
            said += [*self.label.cells(), "–" if self.shared is None else f"{self.shared:.0%}"]
        if self.elsewhere is not None:
            said += self.elsewhere.cells()
        return said


def against(found: float, other: float) -> str:
    """How much larger or smaller something is than something else.

    Example:
        >>> against(110.0, 100.0), against(45.0, 90.0), against(3.0, 0.0), against(5.0, 5.01)
        ('10 ml larger (10%)', '45 ml smaller (50%)', '3 ml, not in the other', 'the same')
    """
    if not other:
        return volume(found) + ", not in the other" if found else "in neither"
    share = abs(found - other) / other
    if share < 0.005:
        return "the same"
    much = "larger" if found > other else "smaller"
    return f"{volume(abs(found - other))} {much} ({share:.0%})"


def heads(rows: Sequence[Row]) -> list[str]:
    """The columns of :meth:`Row.cells`."""
    said = ["structure", "model"]
    if rows and rows[0].label is not None:
        said += ["label", "model beside label", "in common"]
    if rows and rows[0].elsewhere is not None:
        said += ["other scan", "model beside other scan"]
    return said


@st.cache_data(show_spinner="Comparing …", max_entries=64)
def rows_of(
    _shelf: Shelf, case: Case, prediction: int, version: int, other: tuple[Case, int] | None
) -> list[Row]:
    """Each structure of a prediction, beside a version and a version of the patient's other scan.

    Args:
        case: that was looked at.
        prediction: of it.
        version: of its label, 0 for none; compared where it is finished.
        other: the other scan, and a version of its label that is finished.
    """
    found = _shelf.found(case, prediction)
    sizes = found.volumes_ml()
    label = done = None
    within: dict[str, float] = {}
    if version:
        drawing = _shelf.drawing(case, version)
        label, done = _inside(drawing.mask, drawing.done), _inside(found, drawing.done)
        within = done.volumes_ml()
    labelled = label.volumes_ml() if label else {}
    elsewhere = _shelf.drawing(*other).mask.volumes_ml() if other else {}
    return [
        Row(
            name,
            ml,
            Other(labelled.get(name), within[name]) if label else None,
            _shared(done, label, name) if label and done and name in labelled else None,
            Other(elsewhere.get(name), ml) if other else None,
        )
        for name, ml in sizes.items()
    ]


@st.cache_data(show_spinner="Measuring …", max_entries=64)
def sizes_of(
    _shelf: Shelf, case: Case, version: int, other: tuple[Case, int] | None
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: each structure of a label, beside the patient's other scan.

    Args:
        case: that was labelled.
        version: of its label, which is finished.
        other: as in :func:`rows_of`.
    """
    drawn = _shelf.drawing(case, version).mask
    sizes = drawn.volumes_ml()
    columns = ["structure", "label"]
    elsewhere = None
    if other:
        columns += ["other scan", "label beside other scan"]
        elsewhere = _shelf.drawing(*other).mask.volumes_ml()
    rows = []
    for name in drawn.labels.names:
        ml = sizes.get(name)
        rows.append([name, "not looked for" if ml is None else volume(ml)])
        if elsewhere is not None:
            beside = Other(elsewhere.get(name), ml).cells() if ml is not None else ["–", "–"]
            rows[-1] += beside
    return columns, rows


def _inside(mask: Mask, done: torch.Tensor) -> Mask:
    return replace(mask, data=mask.data.masked_fill(~done, 0))


def _shared(one: Mask, other: Mask, name: str) -> float | None:
    a, b = (mask.structure(name).cpu() for mask in (one, other))
    both = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / both if both and a.any() and b.any() else None
