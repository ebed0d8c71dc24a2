"""The SNOMED CT codes of structures: what DICOM calls them, seen and set."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from training.words import table
from wording import plain

from medlib.types import Code, Label, Labels
from medlib.types.anatomy import concept_for
from medlib.workspace import WorkspaceError

_NONE = "none: DICOM calls it a tissue of this name"


def show_codes(labels: Labels) -> None:
    """The code of each structure, or that it has none."""
    rows = [(label.name, said_of(label)) for label in labels]
    bare = sum(said == _NONE for _, said in rows)
    words = f"{bare} of {len(rows)} have none" if bare else "all have one"
    with st.expander(f"Codes in DICOM (SNOMED CT): {words}"):
        table(("structure", "is written as"), rows)
        st.caption(
            "A code is known by a structure's usual English name. Without one, other programs that "
            "read the segmentation cannot tell what it is but by its name; give it one below."
        )


def said_of(label: Label) -> str:
    """What DICOM says that a structure is.

    Example:
        >>> said_of(Label(1, "left kidney")), said_of(Label(2, "Milz"))
        ('64033007 Kidney, 7771000 Left', 'none: DICOM calls it a tissue of this name')
    """
    concept = concept_for(label.name, label.code)
    if concept is None:
        return _NONE
    place = () if concept.region is None else (concept.region,)
    said = ", ".join(f"{one.value} {one.meaning}" for one in (concept.type, *concept.modifiers))
    where = "".join(f", in {one.value} {one.meaning}" for one in place)
    return f"{said}{where}{'' if label.code is None else ' (given here)'}"


def fields(labels: Labels, key: str) -> dict[int, tuple[str, str]]:
    """Code and meaning, as they are being filled in, of what is not known by its name."""
    said = {}
    for label in labels:
        if concept_for(label.name) is None:
            code, meaning = st.columns([1, 2])
            given = label.code or Code("", "SCT", "")
            said[label.id] = (
                code.text_input(
                    f"Code of {plain(label.name)}", given.value, key=f"{key} {label.id}"
                ),
                meaning.text_input(
                    "What it stands for", given.meaning, key=f"{key} said {label.id}"
                ),
            )
    return said


def coded(labels: Sequence[Label], said: dict[int, tuple[str, str]]) -> list[Label]:
    """The structures with the codes that were filled in.

    Raises:
        WorkspaceError: for what is no code of SNOMED CT, or does not say what it stands for.
    """
    return [
        Label(one.id, one.name, code_of(one.name, *said[one.id]), one.colour)
        if one.id in said
        else one
        for one in labels
    ]


def code_of(name: str, value: str, meaning: str) -> Code | None:
    """A code that somebody typed; None where nothing was.

    Raises:
        WorkspaceError: where it was mistyped: its last digit checks the others.

    Example:
        >>> code_of("Milz", "78961009", "Spleen")
        Code(value='78961009', scheme='SCT', meaning='Spleen')
    """
    value, meaning = value.strip(), meaning.strip()
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and 6 <= len(value) <= 18 and _checks(value)):
        raise WorkspaceError(
            f"{value} of {name} is no code of SNOMED CT: a digit is wrong or missing"
        )
    if not meaning:
        raise WorkspaceError(f"say what {value} of {name} stands for")
    return Code(value, "SCT", meaning)


_SHIFT = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _checks(digits: str) -> bool:
    """Verhoeff's check digit, as SNOMED CT has it: J. Verhoeff, Error detecting decimal codes, 1969."""
    found = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit)
        for _ in range(place % 8):
            number = _SHIFT[number]
        found = _turned(found, number)
    return found == 0


def _turned(a: int, b: int) -> int:
    """One turn or mirroring of a pentagon after the other."""
    if a < 5:
        return (a + b) % 5 if b < 5 else (a + b - 5) % 5 + 5
    return (a - 5 - b) % 5 + 5 if b < 5 else (a - b) % 5
