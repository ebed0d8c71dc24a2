"""Train: what the data say, a model of them, how good it is, and what is to be said of it."""

from __future__ import annotations

import streamlit as st
from desk import Desk, choose_label_set, chosen_label_set, desk
from lasting import outlast
from plainly import said_plainly
from training import cards, data, live, results, starting
from wording import plain

from medlib.work import Asked, ask, asked_of, read_request
from medlib.workspace import Progress
from medlib.workspace.schema import Job, LabelSet, Model

_SET, _WHAT, _MODEL, _KEPT = "train set", "train what", "train model", "train kept"
_OPEN = {Progress.QUEUED, Progress.RUNNING}


def page(here: Desk) -> None:
    """The choice on the left; the data, the training and its results below one another."""
    sets = {row.id: row for row in here.workspace.label_sets.list()}
    if not sets:
        st.info("There is nothing to learn yet: say what is to be outlined, and label some scans.")
        if st.button("To the worklist", icon=":material/list:"):
            st.switch_page("screens/worklist.py")
        return
    with st.sidebar:
        label_set, asked = choose(sets)
    jobs = [job for job in here.workspace.jobs.list(limit=40) if job.kind in {"train", "predict"}]
    going = [job for job in jobs if job.status in _OPEN]
    for job in reversed(going):
        with st.container(border=True):
            live.watch(here, job.id)
    if jobs and not going:
        say_end(here, jobs[0])
    models = [
        model for model in here.workspace.models.list(label_set.id) if asked_of(model) == asked
    ]
    st.subheader("What there is to learn from", anchor=False)
    known = data.say_counts(here, label_set, asked)
    outlast(_KEPT, starting.USUAL)  # a training, or another page, hides them
    if known:
        if not any(job.kind == "train" for job in going):
            starting.begin(here, label_set, asked, models)
        with st.container(border=True):
            minutes = float(st.session_state[starting.MINUTES])
            data.say_closely(here, label_set, asked, minutes)
    else:
        st.info(
            "Nothing is labelled yet. Outline a scan, or a few slices of several, and mark them done."
        )
        if st.button("To labelling", icon=":material/edit:"):
            st.switch_page("screens/label.py")
    if models:
        say_models(here, label_set, models)


def choose(sets: dict[int, LabelSet]) -> tuple[LabelSet, Asked]:
    """What is to be learned."""
    if st.session_state.get(_SET) not in sets:
        st.session_state[_SET] = chosen_label_set([*sets])
    number = st.selectbox(
        "Label set", [*sets], key=_SET, format_func=lambda one: plain(sets[one].name)
    )
    choose_label_set(number)
    offered = Asked.all_of(sets[number])
    if st.session_state.get(_WHAT) not in offered:
        st.session_state.pop(_WHAT, None)
    asked = st.selectbox("What is to be learned", offered, key=_WHAT, format_func=_called)
    return sets[number], asked


def _called(asked: Asked) -> str:
    return f"the answer to: {asked.question}" if asked.question else f"the {asked.what}"


def say_end(here: Desk, job: Job) -> None:
    """How the last job ended, where that needs a word."""
    if job.status == Progress.FAILED:
        st.error(plain(job.error))
        if here.may("train") and st.button("Start it again", key=f"train again {job.id}"):
            here.must("train")
            ask(
                here.workspace,
                read_request(job.kind, job.request),
                by=here.person,
                device=job.device,
            )
            st.rerun()
    elif job.status == Progress.CANCELLED:
        st.info("It was stopped before anything was learned.")
    elif job.result.get("stopped"):
        st.info("It was stopped, and what was best by then is kept.")
    names = {entry.scan.id: entry.scan.name for entry in here.workspace.scans.list()}
    for refused in job.result.get("refused", [])[:5]:
        name = names.get(refused["scan"], f"scan {refused['scan']}")
        st.warning(f"{plain(name)} was passed over: {plain(refused['reason'])}")


def say_models(here: Desk, label_set: LabelSet, models: list[Model]) -> None:
    """A model, the newest unless another was chosen, and several beside one another."""
    st.subheader("Models", anchor=False)
    by_number = {model.id: model for model in models}
    if st.session_state.get(_MODEL) not in by_number:
        st.session_state[_MODEL] = models[0].id
    number = st.selectbox(
        "Model", [*by_number], key=_MODEL, format_func=lambda one: plain(by_number[one].name)
    )
    model = by_number[number]
    good, beside, card = st.tabs(["How good it is", "Compare", "Model card"])
    with good:
        results.say(here, label_set, model)
    with beside:
        if len(models) > 1:
            results.compare(models)
        else:
            st.caption("There is one model so far.")
    with card:
        cards.fill_in(here, model)
        cards.hand_over(here, model)


if (_here := desk()) is not None:
    with said_plainly():
        page(_here)
