"""Which scans are to be seen, and in which order: the worklist and the Label page go by the same.

What was chosen on the worklist is kept beside its fields, which Streamlit forgets when another page is
shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from medlib.workspace import Entry, Status, Workspace
from medlib.workspace.worklist import Order

_CHOSEN = "worklist chosen"
Complaints = Mapping[int, Sequence[str]]
"""Why labels were sent back, by scan."""


@dataclass(frozen=True)
class Sieve:
    """Which scans are to be seen.

    Args:
        text: in the name, the patient's made-up name, what tells the series from others, a tag, a
            warning, or why it was sent back.
        statuses: any of these; all if empty.
        reader: whose; None for anybody's, empty for nobody's.
        tags: all of these.
        order: of what is left.
    """

    text: str = ""
    statuses: tuple[Status, ...] = ()
    reader: str | None = None
    tags: tuple[str, ...] = ()
    order: Order = "name"

    def passes(self, entry: Entry, complaints: Complaints) -> bool:
        """Whether a scan is to be seen."""
        scan = entry.scan
        said = [scan.name, entry.patient, entry.series.words, *entry.tags, *map(str, scan.warnings)]
        words = " ".join([*said, *complaints.get(scan.id, ())])
        return (
            self.text.casefold() in words.casefold()
            and (not self.statuses or scan.status in self.statuses)
            and (self.reader is None or (scan.reader or "") == self.reader)
            and set(self.tags) <= set(entry.tags)
        )

    def sifted(self, workspace: Workspace, complaints: Complaints) -> list[Entry]:
        """The scans to be seen, in order."""
        everything = workspace.scans.list(order=self.order)
        return [entry for entry in everything if self.passes(entry, complaints)]


def kept() -> Sieve:
    """What was chosen on the worklist; everything, as long as nothing was."""
    chosen: Sieve = st.session_state.get(_CHOSEN, Sieve())
    return chosen


def keep(sieve: Sieve) -> None:
    """Go by this from now on."""
    st.session_state[_CHOSEN] = sieve


def complaints_of(workspace: Workspace) -> dict[int, list[str]]:
    """Why labels were sent back, by scan; none once they are mended."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for version, why in workspace.signing.to_mend():
        said = f"sent back by {why.reviewer}: {why.reason}"
        if said not in found[version.scan_id]:
            found[version.scan_id].append(said)
    return dict(found)


def following(
    everything: Sequence[Entry],
    scan: int,
    sieve: Sieve,
    complaints: Complaints,
    *,
    finished: Collection[int],
    person: str,
) -> int | None:
    """The scan to be labelled after this one; at the end of the list it begins anew.

    Scans that are set aside or finished are passed over, and so is what was given to somebody else,
    unless it is that reader's scans that were asked for.

    Args:
        everything: all scans, in the order to go by.
        scan: the one in hand, which need not pass any longer: it has just been saved.
        sieve: what else is to be seen.
        complaints: why labels were sent back.
        finished: scans of which all has been said.
        person: who labels.

    Returns:
        Its number; None where none is left.
    """
    numbers = [entry.scan.id for entry in everything]
    place = numbers.index(scan) + 1 if scan in numbers else 0
    whose = {None, "", person} if sieve.reader is None else {None, "", sieve.reader}
    for entry in (*everything[place:], *everything[:place]):
        one = entry.scan
        if (
            one.id != scan
            and one.id not in finished
            and one.status != Status.SET_ASIDE
            and one.reader in whose
            and sieve.passes(entry, complaints)
        ):
            return one.id
    return None
