"""Whose a scan is, for those who may know it; the same words on every page."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from desk import Desk
from which import Which, since_first
from wording import plain

from medlib.io.files import FILE_ERRORS
from medlib.workspace import Entry, Examination, Person, Workspace
from medlib.workspace.timing import date_of, date_said

_SEXES = {"F": "female", "M": "male", "O": "other sex"}
_AGES = {"Y": "years", "M": "months", "W": "weeks", "D": "days"}


def whose(here: Desk, entry: Entry) -> str:
    """Whose a scan is: by name where that may be seen, else as the workspace calls him.

    What files say is the sender's own text: escape it before it is shown.
    """
    identities = here.workspace.identities
    if not here.may("see names") or identities.hidden:
        return f"patient {entry.patient} (names are hidden)"
    who = identities.who(entry.patient)
    if who is None:
        return f"patient {entry.patient} (no name was kept)"
    in_files = _examination(here.workspace, entry.scan.id, entry.scan.digest)
    then = replace(in_files, made=identities.made(entry.study))
    said = [who.name or "no name", f"ID {who.number}" if who.number else ""]
    said += [_SEXES.get(then.sex, then.sex), *_ages(who, then)]
    if then.made:
        said.append(f"study of {date_said(then.made)}")
    return ", ".join(filter(None, said))


def say_whose(here: Desk, entry: Entry, which: Which) -> None:
    """A line over the scan: whoever compares it with the archive sees whom and what he has before him."""
    said = [entry.scan.name, since_first(entry), which.series(entry)]
    more = " · ".join(plain(part) for part in said if part)
    st.markdown(f"**{plain(whose(here, entry))}** · {more}")


@st.cache_data(max_entries=512, show_spinner=False)
def _examination(_workspace: Workspace, scan: int, digest: str) -> Examination:
    """Of the scan whose files have this digest: so it is another in another workspace."""
    try:
        return _workspace.scans.examination(scan)
    except (*FILE_ERRORS, ValueError):  # that is said where the scan itself cannot be read
        return Examination()


def _ages(who: Person, then: Examination) -> list[str]:
    """When the patient was born, and how old he was when the study was made, as far as is known."""
    born, made = date_of(who.born), date_of(then.made)
    said = [f"born {date_said(who.born)}"] if who.born else []
    if born and made and born <= made:
        years = made.year - born.year - ((made.month, made.day) < (born.month, born.day))
        return [*said, f"{years} years old then"]
    number, unit = then.age[:-1], _AGES.get(then.age[-1:], "")
    if number.isdecimal() and unit:
        return [*said, f"{int(number)} {unit} old then"]
    return said
