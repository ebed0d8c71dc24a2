"""The patient's other scans, to be seen beside the one under review: earlier ones first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
from serving.shelf import Case
from which import Which, apart
from wording import plain

from medlib.workspace import Entry, Seen, Status
from medlib.workspace.schema import Content
from reviewing.queue import ByHand, Item

if TYPE_CHECKING:
    from desk import Desk


@dataclass(frozen=True)
class Other:
    """Another scan of the patient.

    Args:
        entry: the scan.
        which: tells scans apart for whoever looks.
        is_before: whether its study was made before the one under review; None where nobody knows.
        days: between the two, never negative; None where nobody knows.
    """

    entry: Entry
    which: Which
    is_before: bool | None
    days: int | None

    @classmethod
    def of(cls, entry: Entry, reviewed: Entry, which: Which) -> Other:
        """How a scan lies to the one under review."""
        days = entry.when.days_until(reviewed.when)
        is_before = entry.when.is_before(reviewed.when)
        return cls(entry, which, is_before, None if days is None else abs(days))

    @property
    def said(self) -> str:
        """When it was made, from the scan under review."""
        if self.days is None:
            return "which of the two was made first is not known"
        if self.is_before is None:
            return "the same day; which was made first is not known"
        word = "before" if self.is_before else "AFTER"
        return f"the same day, {word.lower()}" if self.days == 0 else f"{apart(self.days)} {word}"

    def rank(self, reviewed: Entry) -> tuple[object, ...]:
        """The latest of the earlier ones first, later ones last; of one study what is most alike."""
        place = {True: 0, None: 1, False: 2}[self.is_before]
        ways = -1 if self.is_before else 1  # of two earlier ones on one day the later one is nearer
        scan, series = self.entry.scan, self.entry.series
        return (
            place,
            self.days or 0,
            ways * (self.entry.when.second or 0),
            scan.modality != reviewed.scan.modality,
            series.words != reviewed.series.words,
            -scan.id,
        )


def others_of(here: Desk, item: Item | ByHand, which: Which) -> list[Other]:
    """Scans of the patient's other studies that are outlined as a whole by this label set.

    The latest before the scan under review comes first; those made later, which are no priors, come
    last. None of them is one that this person is still to judge as a second reader.
    """
    reviewed = item.entry
    found = [
        Other.of(entry, reviewed, which)
        for entry in here.workspace.scans.list()
        if entry.patient == reviewed.patient
        and entry.study != reviewed.study
        and entry.scan.status != Status.SET_ASIDE
        and _is_outlined(here, Case(entry.scan.id, item.case.label_set))
    ]
    return sorted(found, key=lambda other: other.rank(reviewed))


def choose_other(here: Desk, item: Item | ByHand, which: Which) -> Other | None:
    """The one to be compared with: by default the latest prior; with several one can choose."""
    others = others_of(here, item, which)
    if len(others) < 2:
        return next(iter(others), None)
    names = {other.entry.scan.id: f"{other.said}: {which.name(other.entry)}" for other in others}
    chosen = st.selectbox(
        "Compare with", [*names], format_func=names.__getitem__, key=f"review other {item.key}"
    )
    return next(other for other in others if other.entry.scan.id == chosen)


def say_other(other: Other) -> None:
    """Which scan is beside the one under review; that it was made later cannot be overlooked."""
    entry, which = other.entry, other.which
    said = [entry.scan.name, which.date(entry), other.said, which.series(entry)]
    text = " · ".join(plain(part) for part in said if part)
    if other.is_before is False:
        st.warning(f"**No prior: made later than the scan under review.** {text}")
    else:
        st.caption(text)


def _is_outlined(here: Desk, case: Case) -> bool:
    workspace = here.workspace
    head = workspace.versions.head(case.scan, case.label_set)
    if head is None or not Seen.from_dict(head.seen).whole or workspace.reviews.held_up([head.id]):
        return False
    return not here.shelf.blind.hides(case, here.person, Content.MASK)
