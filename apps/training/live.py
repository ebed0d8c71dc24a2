"""A training as it goes: the curve, the time left, what it finds by now, and a way to stop it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from wording import plain

from medlib.work import folder_of
from medlib.work.telling import PICTURES, read_curve
from medlib.workspace import Progress
from training.data import say_nobody_works
from training.words import figure, lasting, measure_of

if TYPE_CHECKING:
    from desk import Desk

    from medlib.workspace.schema import Job

_WIDE, _HIGH = 640, 180
_SHOWN = 5  # pictures
_TITLES = {"train": "Learning", "predict": "Looking at scans that are not labelled whole"}


@st.fragment(run_every=2.0)  # drawing it takes from the training, where processors are few
def watch(here: Desk, number: int) -> None:
    """A job that is not over; the page runs anew when it is."""
    job = here.workspace.jobs.get(number)
    if job.status not in {Progress.QUEUED, Progress.RUNNING}:
        st.rerun()
    said = job.progress
    title = _TITLES.get(job.kind, job.kind)
    left = f", {lasting(said['left'])} left" if said.get("left") else ""
    words = said.get("phase", "waiting for its turn")
    st.subheader(title, anchor=False)
    st.progress(min(1.0, float(said.get("done", 0.0))), f"{plain(words)}{left} …")
    if said.get("resumed"):
        st.caption("It goes on from where an earlier start had come to.")
    if job.status == Progress.QUEUED:
        say_nobody_works(here, job)
    stop(here, job)
    if job.kind == "train":
        show(here, job)


def stop(here: Desk, job: Job) -> None:
    """A button, and what it will do."""
    if job.cancelling:
        st.caption("Stopping … what is best so far is kept.")
        return
    keeps = "Stop, and keep the best" if job.kind == "train" else "Stop"
    if here.may("train") and st.button(keeps, key=f"train stop {job.id}", icon=":material/stop:"):
        here.must("train")
        here.workspace.jobs.cancel(job.id, by=here.person)
        st.rerun()


def show(here: Desk, job: Job) -> None:
    """The curve and the pictures of a training, whether it goes on or is over."""
    folder = folder_of(here.workspace, job.id)
    lines = read_curve(folder)
    scores = [(line["seconds"], line["score"]) for line in lines if line.get("score") is not None]
    losses = [(line["seconds"], line["loss"]) for line in lines if line.get("loss") is not None]
    measure = next((line["measure"] for line in lines if line.get("measure")), "")
    left, right = st.columns(2)
    with left:
        st.markdown("**How far off it is** while it learns (lower is better)")
        draw(losses)
    if scores:
        with right:
            st.markdown(f"**On scans kept back**: {plain(measure_of(measure))}")
            draw(scores)
    pictures(folder, lines)


def draw(points: Sequence[tuple[float, float]]) -> None:
    """A curve over time."""
    if len(points) < 2:
        st.caption(f"{figure(points[0][1])} so far" if points else "Nothing yet.")
        return
    picture = base64.b64encode(curve(points).encode()).decode()
    words = f"From {figure(points[0][1])} to {figure(points[-1][1])}"
    st.html(f'<img alt="{words}" style="width:100%" src="data:image/svg+xml;base64,{picture}">')


def curve(points: Sequence[tuple[float, float]]) -> str:
    """An SVG of (seconds, value), its ends written beside it.

    Example:
        >>> curve([(0, 1.0), (60, 0.5)]).count("<text")
        4
    """
    xs, ys = zip(*points, strict=True)
    low, high, last = min(ys), max(ys), max(xs) or 1.0
    span = (high - low) or 1.0
    left, top, wide, high_px = 50, 12, _WIDE - 66, _HIGH - 40
    places = " ".join(
        f"{left + wide * x / last:.1f},{top + high_px * (1 - (y - low) / span):.1f}"
        for x, y in points
    )
    style = 'fill="#C9D1D9" font-family="sans-serif" font-size="14"'
    bottom = top + high_px
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}">'
        f'<path d="M{left} {top}V{bottom}H{left + wide}" stroke="#4A525B" fill="none"/>'
        f'<polyline points="{places}" fill="none" stroke="#56B4E9" stroke-width="2.5"/>'
        f'<text x="{left - 6}" y="{top + 6}" text-anchor="end" {style}>{figure(high)}</text>'
        f'<text x="{left - 6}" y="{bottom}" text-anchor="end" {style}>{figure(low)}</text>'
        f'<text x="{left}" y="{bottom + 20}" {style}>0</text>'
        f'<text x="{left + wide}" y="{bottom + 20}" text-anchor="end" {style}>{lasting(last)}</text>'
        "</svg>"
    )


def pictures(folder: Path, lines: Sequence[dict[str, Any]]) -> None:
    """The same slice over time, the label last; or the same answers."""
    seen = [line for line in lines if "seen" in line]
    if not seen:
        return
    kept = seen[-1]["kept"]
    whose = "a scan that it does not learn from" if kept else "a scan that it learns from"
    st.markdown(f"**What it finds** in {whose}, from the first look to the last")
    drawn = sorted((folder / PICTURES).glob("step_*.png"))
    if not drawn:
        st.markdown("\n".join(f"- {plain(line['seen'])}" for line in seen[-_SHOWN:]))
        return
    step = max(1, (len(drawn) - 1) // (_SHOWN - 1))
    chosen = [*drawn[:-1:step][: _SHOWN - 1], drawn[-1]]
    titles = [f"look {drawn.index(path) + 1}" for path in chosen]
    reference = folder / PICTURES / "reference.png"
    if reference.exists():
        chosen, titles = [*chosen, reference], [*titles, "the label"]
    boxes = "".join(
        f'<figure style="margin:0;flex:1 1 0;max-width:16rem"><img style="width:100%" alt="{title}" '
        f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
        f'<figcaption style="text-align:center;color:#AEB6BF">{title}</figcaption></figure>'
        for path, title in zip(chosen, titles, strict=True)
    )
    st.html(f'<div style="display:flex;gap:0.6rem">{boxes}</div>')
