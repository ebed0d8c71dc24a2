"""What was said of a scan before: who, when and how much; to be looked at, and to count again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import streamlit as st
from desk import Desk
from plainly import said_plainly
from serving.shelf import Case
from training.words import table
from wording import plain, volume

from medlib.workspace import Content, Seen
from medlib.workspace.schema import Version

_SHOWN, _LOOKED = "label history", "label looked at"
_PAUSE = timedelta(minutes=15)  # whoever saves again later has sat down anew
_MOST = 30  # sittings that are listed
_NAMES = {Content.MASK: "Outline", Content.ANSWERS: "Answers", Content.POINTS: "Landmarks"}
_CAME = {
    "accepted": "a model's",
    "imported": "brought in",
    "restored": "from before",
    "merged": "both together",
}


@dataclass(frozen=True)
class Sitting:
    """What one person saved in one go: an outline is saved every few strokes.

    Args:
        versions: the oldest first.
    """

    versions: tuple[Version, ...]

    @property
    def last(self) -> Version:
        """What it came to."""
        return self.versions[-1]


def sittings(versions: Sequence[Version]) -> list[Sitting]:
    """Versions of one scan, label set and content, together where they were saved in one go.

    Args:
        versions: the oldest first.

    Returns:
        The newest first.
    """
    found: list[list[Version]] = []
    for version in versions:
        before = found[-1][-1] if found else None
        goes_on = (
            before is not None
            and (before.author, before.aside) == (version.author, version.aside)
            and version.origin not in _CAME
            and version.made - before.made < _PAUSE
        )
        if goes_on:
            found[-1].append(version)
        else:
            found.append([version])
    return [Sitting(tuple(one)) for one in reversed(found)]


def amount(version: Version) -> str:
    """How much a version says."""
    if version.content != Content.MASK:
        return "; ".join(f"{name}: {_word(said)}" for name, said in version.entries.items())
    seen = Seen.from_dict(version.seen)
    if seen.whole:
        return "the whole scan is done"
    count = len(seen.slices)
    return f"{count or 'no'} slice{'' if count == 1 else 's'} done"


def _word(said: object) -> str:
    if isinstance(said, list):
        return ", ".join(f"{one:.1f}" for one in said)
    return {True: "yes", False: "no"}[said] if isinstance(said, bool) else str(said)


def looked_at(here: Desk, case: Case) -> Version | None:
    """The version that is looked at, told of beside what counts; None as long as that is what counts."""
    looked = _looked(here, case)
    if looked is not None:
        _tell(here, case, looked)
    return looked


def history(here: Desk, case: Case) -> None:
    """The list, where it is asked for."""
    if st.toggle("Older versions", key=_SHOWN):
        _list(here, case)


def _looked(here: Desk, case: Case) -> Version | None:
    number = st.session_state.get(_LOOKED)
    looked = None if number is None else here.workspace.versions.get(number)
    if looked is None or (looked.scan_id, looked.label_set_id) != (case.scan, case.label_set):
        st.session_state.pop(_LOOKED, None)
        return None
    return looked


@st.fragment(run_every=5.0)
def _list(here: Desk, case: Case) -> None:
    with said_plainly():
        versions, count = here.workspace.versions, 0
        for content in Content:
            head = versions.head(case.scan, case.label_set, content)
            for sitting in sittings(versions.history(case.scan, case.label_set, content))[:_MOST]:
                count += 1
                _row(here, case, sitting, head)
        if not count:
            st.caption("Nothing has been saved of this scan yet.")


def _row(here: Desk, case: Case, sitting: Sitting, head: Version | None) -> None:
    last = sitting.last
    counts = head is not None and head.id == last.id
    with st.container(border=True):
        state = "counts" if counts else "kept aside" if last.aside else ""
        notes = ", ".join(filter(None, (_CAME.get(last.origin, ""), state)))
        st.markdown(
            f"**{_NAMES[last.content]}**, {plain(last.author)}, {_when(last)}"
            f"{f' ({notes})' if notes else ''}  \n{plain(amount(last))}"
        )
        if last.content == Content.MASK:
            chosen = last.id
            if len(sitting.versions) > 1:
                saves = {one.id: one for one in reversed(sitting.versions)}
                chosen = st.selectbox(
                    "Saved", [*saves], key=f"save of {sitting.versions[0].id}",
                    format_func=lambda n: f"{_when(saves[n])}, {amount(saves[n])}, number {n}",
                )  # fmt: skip
            if st.button("Look", key=f"look {last.id}", width="stretch"):
                st.session_state[_LOOKED] = chosen
                st.rerun()
        elif not counts and here.may("label"):
            _offer(here, case, last)


def _offer(here: Desk, case: Case, version: Version) -> None:
    if st.button("Make it count again", key=f"restore {version.id}", width="stretch"):
        here.must("label")
        restore(here, case, version)
        st.session_state.pop(_LOOKED, None)
        st.rerun()


def _tell(here: Desk, case: Case, version: Version) -> None:
    """The version that is looked at, beside the one that counts."""
    head = here.workspace.versions.head(case.scan, case.label_set)
    with st.container(border=True):
        st.markdown(
            f"**You look at an older outline**, by {plain(version.author)}, {_when(version)}"
        )
        then = here.shelf.drawing(case, version.id).mask.volumes_ml()
        now = here.shelf.drawing(case, head.id if head else 0).mask.volumes_ml()
        table(
            ("", "then", "now"),
            [(name, volume(ml), volume(now[name])) for name, ml in then.items()],
        )
        if st.button("Back", key="look no more", type="primary", width="stretch"):
            st.session_state.pop(_LOOKED, None)
            st.rerun()
        if here.may("label") and not (head and head.id == version.id):
            _offer(here, case, version)
            st.caption("It becomes the newest version. What counts now stays among the older ones.")


def restore(here: Desk, case: Case, version: Version) -> Version:
    """Say again what was said before: as a new version, on top of the one that counts.

    Raises:
        Conflict: when somebody saves at that moment; both are kept.
    """
    versions, content = here.workspace.versions, version.content
    head = versions.head(case.scan, case.label_set, content)
    base, merges = head.id if head else None, version.id if version.aside else None
    if content == Content.MASK:
        return versions.save_mask(
            case.scan, case.label_set, versions.mask(version.id), base=base, by=here.person,
            seen=Seen.from_dict(version.seen), origin="restored", merges=merges,
        )  # fmt: skip
    if content == Content.POINTS:
        return versions.save_points(
            case.scan, case.label_set, version.entries, base=base, by=here.person,
            origin="restored", merges=merges, looked_at=version.seen["whole"],
        )  # fmt: skip
    return versions.save_answers(
        case.scan, case.label_set, version.entries,
        base=base, by=here.person, origin="restored", merges=merges,
    )  # fmt: skip


def _when(version: Version) -> str:
    made = version.made.astimezone()
    return f"{made:%d %b %H:%M:%S}"
