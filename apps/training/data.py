"""What the data say, before anything is pressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st
from desk import Desk, choose_label_set, choose_scan
from wording import plain

from medlib.work import Asked, Looking, ask
from medlib.work.looking import state_of
from medlib.workspace import Progress
from medlib.workspace.landmarks import placed
from medlib.workspace.schema import now
from medlib.workspace.seen import Seen
from training.words import lasting, millilitres, table

if TYPE_CHECKING:
    from medlib.workspace.schema import Job, LabelSet


def say_counts(here: Desk, label_set: LabelSet, asked: Asked) -> int:
    """How far labelling has come; how many scans something is known of."""
    heads = [
        version
        for version in here.workspace.versions.heads(label_set.id)
        if version.content == asked.content
    ]
    held_up = here.workspace.reviews.held_up([version.id for version in heads])
    heads = [version for version in heads if version.id not in held_up]
    if asked.what == "question":
        heads = [version for version in heads if asked.question in version.entries]
    if asked.what == "landmarks":
        heads = [version for version in heads if placed(version)]
    entries = here.workspace.scans.list()
    patients = {entry.scan.id: entry.patient for entry in entries}
    seen = {version.scan_id: Seen.from_dict(version.seen) for version in heads}
    if asked.what == "structures":
        seen = {scan: one for scan, one in seen.items() if one.whole or one.slices}
    columns = st.columns(4)
    columns[0].metric("Scans to learn from", f"{len(seen)} of {len(entries)}")
    columns[1].metric("Patients among them", len({patients[scan] for scan in seen}))
    if asked.what == "structures":
        whole = sum(one.whole for one in seen.values())
        columns[2].metric("Outlined whole", whole)
        slices = sum(len(one.slices) for one in seen.values() if not one.whole)
        columns[3].metric("Single slices in the others", slices)
    return len(seen)


@st.fragment(run_every=1.5)
def say_closely(here: Desk, label_set: LabelSet, asked: Asked, minutes: float) -> None:
    """What a close look has found; it is taken by the worker, and remembered."""
    state = state_of(here.workspace, label_set.id, asked)
    looks = [job for job in here.workspace.jobs.list(limit=40) if job.kind == "look"]
    mine = [job for job in looks if _is_about(job, label_set, asked)]
    done = next((job for job in mine if job.status == Progress.DONE), None)
    if done is not None and done.result["state"] == state:
        st.session_state["train look"] = done.result
        say_found(here, label_set, done.result)
        return
    newest = mine[0] if mine else None
    if newest is not None and newest.status in {Progress.QUEUED, Progress.RUNNING}:
        words = newest.progress.get("phase", "waiting for its turn")
        st.progress(float(newest.progress.get("done", 0.0)), f"A closer look: {plain(words)} …")
        return
    if newest is not None and newest.status == Progress.FAILED:
        st.warning(plain(newest.error))
        if not st.button("Look again", key="train look again"):
            return
    ask(here.workspace, Looking(label_set.id, asked, minutes), by=here.person)
    st.caption("A closer look at the data begins …")


def _is_about(job: Job, label_set: LabelSet, asked: Asked) -> bool:
    said = job.request
    return bool(said["label_set"] == label_set.id and Asked(**said["asked"]) == asked)


def say_found(here: Desk, label_set: LabelSet, look: Mapping[str, Any]) -> None:
    """All of a look."""
    if look["kept back"]:
        st.markdown(
            f"**{look['kept back']}** of these scans will be kept back from learning, so that "
            "it can be said how good the model is."
        )
    else:
        st.warning(
            f"There are fewer than {look['too few']} patients, so none can be kept back: the model "
            "learns from all of them, and **nothing will say how good it is**. Look at what it "
            "finds in other scans before you trust it."
        )
    if look["structures"]:
        rows = [
            (one["name"], f"{one['scans']} of {look['scans']}", millilitres(one["ml"]))
            for one in look["structures"]
        ]
        table(("structure", "is in scans", "volume where outlined whole, middle and range"), rows)
    if look["answers"]:
        table(("answer", "scans"), [(word, str(n)) for word, n in look["answers"].items()])
    ends = [
        f"{low:.3g}" if low == high else f"{low:.3g}–{high:.3g}" for low, high in look["spacing"]
    ]
    st.caption(f"Voxels are {' × '.join(ends)} mm (slice × row × column).")
    names = {entry.scan.id: entry.scan.name for entry in here.workspace.scans.list()}
    for twin in look["twins"]:
        called = plain(", ".join(names.get(scan, str(scan)) for scan in twin["scans"]))
        if twin["what"] == "picture":
            more = (
                " under **different patients**: what is kept back would be learned from"
                if twin["several patients"]
                else ""
            )
            st.warning(f"These scans show the very same{more}: {called}. Set all but one aside.")
        else:
            st.caption(f"Scans of one patient, always kept together: {called}.")
    for aside in look["set aside"]:
        st.caption(f":orange[:material/warning: {plain(aside['name'])}: {plain(aside['reason'])}]")
    if look["doubtful"]:
        st.markdown("**Worth another look before learning** (they may well be right):")
    for number, doubtful in enumerate(look["doubtful"]):
        scan = doubtful["scan"]
        open_row(
            here,
            label_set,
            scan,
            f"{names.get(scan, scan)}: {doubtful['reason']}",
            f"doubt {number}",
        )
    with st.expander("The plan, in words"):
        st.markdown("\n".join(f"- {plain(reason)}" for reason in look["reasons"]))


def open_row(here: Desk, label_set: LabelSet, scan: int, words: str, key: str) -> None:
    """A line about a scan, and a button that opens it."""
    said, button = st.columns([6, 1], vertical_alignment="center")
    said.markdown(plain(words))
    if button.button("Open", key=f"train open {key}", width="stretch"):
        choose_scan(scan)
        choose_label_set(label_set.id)
        st.switch_page("screens/label.py")


def waiting_long(job: Job) -> bool:
    """Whether a job has waited so long that nobody may be working."""
    return job.status == Progress.QUEUED and (now() - job.queued).total_seconds() > 20


def say_nobody_works(here: Desk, job: Job) -> None:
    """Why a job that waits may wait for ever."""
    others = here.workspace.jobs.list(ended=False)
    if waiting_long(job) and not any(
        one.status == Progress.RUNNING and one.device == job.device for one in others
    ):
        st.warning(
            "Nothing has taken it up yet. Without medlib app, a worker is started by hand: "
            "`python -m medlib.work WORKSPACE`"
        )
    elif job.status == Progress.QUEUED:
        waits = sum(one.id < job.id and one.device == job.device for one in others)
        st.caption(f"It waits for {waits} before it." if waits else f"Waiting {lasting(1)} …")
