"""What a model found beside what is labelled, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from serving.shelf import Case, Shelf
from wording import volume

from medlib.types import Mask


@dataclass(frozen=True)
class Row:
    """One structure.

    Args:
        name: of it.
        found: millilitres that the model outlined.
        labelled: millilitres of the label; None where there is none.
        shared: the share of both that they have in common (Dice), where both have something.
        before: millilitres in the patient's other scan; None where there is none.
    """

    name: str
    found: float
    labelled: float | None = None
    shared: float | None = None
    before: float | None = None

    def cells(self) -> list[str]:
        """As it is said."""
        said = [self.name, volume(self.found)]
        if self.labelled is not None:
            said += [volume(self.labelled), against(self.found, self.labelled)]
            said += ["–" if self.shared is None else f"{self.shared:.0%}"]
        if self.before is not None:
            said += [volume(self.before), against(self.found, self.before)]
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
    if rows and rows[0].labelled is not None:
        said += ["label", "model beside label", "in common"]
    if rows and rows[0].before is not None:
        said += ["before", "beside before"]
    return said


@st.cache_data(show_spinner="Comparing …", max_entries=64)
def rows_of(
    _shelf: Shelf, case: Case, prediction: int, version: int, prior: tuple[Case, int] | None
) -> list[Row]:
    """Each structure of a prediction, beside a version (0 for none) and the patient's other scan."""
    found = _shelf.found(case, prediction)
    sizes = found.volumes_ml()
    label = _shelf.drawing(case, version).mask if version else None
    labelled = label.volumes_ml() if label else {}
    before = _shelf.drawing(*prior).mask.volumes_ml() if prior else {}
    return [
        Row(
            name,
            ml,
            labelled.get(name, 0.0) if label else None,
            _shared(found, label, name) if label else None,
            before.get(name, 0.0) if prior else None,
        )
        for name, ml in sizes.items()
    ]


def _shared(one: Mask, other: Mask, name: str) -> float | None:
    a, b = (mask.structure(name).cpu() for mask in (one, other))
    both = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / both if both and a.any() and b.any() else None
