"""The train page, run as Streamlit runs it: what it says, what it starts, who may."""

import json
import sys

import numpy as np
import pytest
import torch
from oracles import oracle
from phantoms import phantom

from medlib.resources import folder
from medlib.types import Mask
from medlib.work import Looking, Training, folder_of, read_request
from medlib.work.looking import state_of
from medlib.workspace import Progress, Question, Seen, Workspace

nibabel = oracle("nibabel")
oracle("streamlit")
AppTest = oracle("streamlit.testing.v1").AppTest

HOSTILE = "<img src=x onerror=alert(1)>"
LOOK = {
    "kind": "CTVolume", "scans": 1, "patients": 1, "kept back": 0, "too few": 3,
    "for the last test": 0, "set aside": [], "spacing": [[8, 8], [6, 6], [6, 6]],
    "structures": [{"name": HOSTILE, "scans": 1, "ml": [1.0, 2.0, 3.0]}],
    "answers": {}, "twins": [], "reasons": [HOSTILE],
    "doubtful": [{"scan": 1, "flag": "volume", "reason": HOSTILE}],
}  # fmt: skip
CARD = {
    "asked": {"what": "structures", "question": ""}, "seconds": 60.0, "measure": "Dice",
    "errors": False, "learned from": [1], "overall": {}, "set aside": [], "reasons": [],
}  # fmt: skip
UNMEASURED = {
    "patients": {"learned from": 1, "measured on": 0}, "measured on": [], "cases": {},
    "labels": {}, "intervals": {},
}  # fmt: skip


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "scans").mkdir()
    for number in range(2):
        image = phantom(number).slicer[::8, ::8, ::8]
        values = np.asarray(image.dataobj) + number
        nibabel.save(
            nibabel.Nifti1Image(values, image.affine), tmp_path / "scans" / f"case_{number}.nii.gz"
        )
    with Workspace(tmp_path / "workspace") as found:
        found.scans.add(tmp_path / "scans", by="ada", kind="ct", file_names=True)
        question = Question("motion", "yes/no")
        found.label_sets.add("organs", [HOSTILE], by="ada", questions=[question])
        yield found


@pytest.fixture
def page(workspace, monkeypatch):
    """``page()``: the page as it is after the first look."""
    monkeypatch.syspath_prepend(folder("apps"))
    monkeypatch.setattr(sys, "argv", ["app.py", str(workspace.folder)])

    def run():
        from serving.site import site

        site.cache_clear()
        app = AppTest.from_file(str(folder("apps") / "screens" / "train.py"), default_timeout=60)
        app.run()
        assert not app.exception, app.exception
        return app

    yield run
    from serving.site import site

    site.cache_clear()


def label(workspace, scan=1):
    grid = workspace.scans.grid(scan)
    data = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    data[0, 2:4, 2:4, 2:4] = 1
    mask = Mask(data, grid, workspace.versions.labels(1))
    workspace.versions.save_mask(scan, 1, mask, base=None, by="ada", seen=Seen.of([2, 3]))


def look(workspace):
    """What a worker would find."""
    (job,) = [job for job in workspace.jobs.list() if job.kind == "look"]
    asked = read_request(job.kind, job.request)
    assert isinstance(asked, Looking)
    workspace.jobs.claim(job.device, "w")
    state = state_of(workspace, 1, asked.asked)
    workspace.jobs.finish(job.id, "w", {"state": state} | LOOK)


def model(workspace, name="organs", **card):
    package = workspace.folder.parent / "net.medlib"
    package.write_bytes(name.encode())
    return workspace.models.add(name, package, 1, by="ada", card=CARD | card)


def said(app):
    parts = [*app.markdown, *app.caption, *app.info, *app.warning, *app.error]
    return "\n".join(part.value for part in parts)


def test_with_nothing_labelled_the_way_on_is_said(page, workspace):
    app = page()
    assert "Nothing is labelled yet" in app.info[0].value
    assert workspace.jobs.list() == []


def test_what_the_data_say_and_the_start(page, workspace):
    label(workspace)
    app = page()
    assert [(one.label, one.value) for one in app.metric] == [
        ("Scans to learn from", "1 of 2"),
        ("Patients among them", "1"),
        ("Outlined whole", "0"),
        ("Single slices in the others", "2"),
    ]
    app.run()
    look(workspace)  # asked for once, however often the page is looked at
    app.run()
    assert "nothing will say how good it is" in said(app)
    assert HOSTILE not in said(app)
    (opened,) = [b for b in app.button if b.key == "train open doubt 0"]
    assert opened.label == "Open"
    app.select_slider(key="train minutes").set_value(2)
    app.button(key="train start").click().run()
    job = workspace.jobs.list()[0]
    asked = read_request(job.kind, job.request)
    assert asked == Training(1, minutes=2.0, then_predict=True)
    assert (job.status, app.button(key=f"train stop {job.id}").label) == (
        Progress.QUEUED,
        "Stop, and keep the best",
    )
    assert not [b for b in app.button if b.key == "train start"]


def test_it_begins_with_what_is_chosen_and_each_choice_is_explained(page, workspace):
    label(workspace)
    page()
    look(workspace)
    about = {"what": "question", "question": "motion"}
    other = model(workspace, "answers", **UNMEASURED | {"asked": about})
    older = model(workspace, HOSTILE, **UNMEASURED)
    app = page()
    box = app.selectbox(key="train begin")
    assert box.options[1:] == ["What suits the scans", "Shapes, learned beforehand", "Nothing"]
    assert (box.value, len(box.options)) == (older.id, 4)
    assert not [option for option in box.options if other.name in option]
    assert "made up" in said(
        app.selectbox(key="train begin").set_value("medlib-synthetic-small").run()
    )
    app.selectbox(key="train begin").set_value(older.id).run()
    assert "has not learned from" in said(app)
    app.button(key="train start").click().run()
    job = workspace.jobs.list()[0]
    assert read_request(job.kind, job.request).begin == older.id


def _two_pages():
    import streamlit as st
    from lasting import outlast

    if not st.checkbox("Another page"):
        outlast("kept", {"minutes": 10})
        st.select_slider("How long", [2, 10], key="minutes")


def test_the_minutes_stay_as_chosen_when_another_page_was_looked_at(monkeypatch):
    monkeypatch.syspath_prepend(folder("apps"))
    app = AppTest.from_function(_two_pages).run()
    assert app.select_slider(key="minutes").value == 10
    app.select_slider(key="minutes").set_value(2).run()
    app.checkbox[0].check().run()
    app.checkbox[0].uncheck().run()
    assert app.select_slider(key="minutes").value == 2


def test_a_training_is_watched_and_stopped_and_found_again(page, workspace):
    label(workspace)
    page()
    look(workspace)
    from medlib.work import ask

    job = ask(workspace, Training(1, minutes=5), by="ada")
    workspace.jobs.claim(job.device, "w")
    workspace.jobs.beat(job.id, "w", {"phase": "learning", "done": 0.5, "left": 130.0})
    there = folder_of(workspace, job.id)
    (there / "pictures").mkdir(parents=True)
    lines = [{"step": n, "seconds": n, "loss": 1 / n, "score": n / 9} for n in (1, 2, 3)]
    (there / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"st')
    app = page()  # as after a reload
    assert "learning, 2 min left" in app.get("progress")[0].text
    assert "kept back" in said(app)
    app.button(key=f"train stop {job.id}").click().run()
    assert workspace.jobs.get(job.id).cancelling
    assert "what is best so far is kept" in said(app)


def test_a_failed_job_is_explained_and_started_again(page, workspace):
    label(workspace)
    page()
    look(workspace)
    from medlib.work import ask

    job = ask(workspace, Training(1, minutes=5), by="ada")
    workspace.jobs.claim(job.device, "w")
    workspace.jobs.stop(job.id, "w", "the machine's memory was full")
    app = page()
    assert "memory was full" in app.error[0].value
    app.button(key=f"train again {job.id}").click().run()
    again = workspace.jobs.list()[0]
    assert (again.id, again.request) == (job.id + 1, job.request)


def test_results_name_the_worst_first_and_what_is_not_known(page, workspace):
    label(workspace)
    page()
    look(workspace)
    model(
        workspace, patients={"learned from": 1, "measured on": 2}, cases={
            "1": {"liver": 0.9}, "2": {"liver": 0.4}}, labels={"liver": 0.65},
        intervals={"liver": [0.4, 0.9, 2]}, **{"measured on": [1, 2]},
    )  # fmt: skip
    app = page()
    assert [b.key for b in app.button if b.key.startswith("train open case")] == [
        "train open case 2",
        "train open case 1",
    ]
    assert "did not learn from" in said(app)
    model(workspace, "second", **UNMEASURED)
    app = page()
    assert "Nothing says how good it is" in said(app)
    assert "No scan was kept back from all of them" in said(app)


def test_what_is_said_of_a_model_is_kept_with_an_event(page, workspace):
    label(workspace)
    page()
    look(workspace)
    row = model(workspace, **UNMEASURED)
    app = page()
    app.text_area(key=f"train card {row.id} Intended use").set_value("Volumes of the liver.")
    next(b for b in app.button if b.label == "Keep these answers").click().run()
    (kept,) = workspace.models.list()
    assert kept.card["statements"] == {"Intended use": "Volumes of the liver."}
    event = workspace.events.newest(limit=1)[0]
    assert (event.what, json.loads(event.details)["statements"]) == (
        "model described",
        {"Intended use": "Volumes of the liver."},
    )
    assert workspace.verify() == ()


def test_a_reader_is_shown_and_starts_nothing(page, workspace, monkeypatch):
    label(workspace)
    page()
    look(workspace)
    import desk

    from medlib.workspace import Role

    whole = desk.desk
    monkeypatch.setattr(
        desk, "desk", lambda: (here := whole()) and desk.Desk(here.site, here.person, Role.READER)
    )
    app = page()
    assert not [b for b in app.button if b.key == "train start"]
    assert "administrator starts the training" in said(app)
