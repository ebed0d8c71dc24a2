"""Series are told apart and put in time on every page, for who sees names and for who does not."""

import doctest
import sys

import pytest
from oracles import oracle
from pressing import press, told
from small_scans import ORGANS, painted
from studies import write_study

from medlib.resources import folder
from medlib.workspace import Role, Seen, Workspace

oracle("pydicom")
oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages

import which  # noqa: E402
from desk import Desk  # noqa: E402
from reviewing.priors import others_of  # noqa: E402
from reviewing.queue import everything  # noqa: E402
from serving.site import site  # noqa: E402

HOSTILE = "Roe^Jane <img src=x> portal"
STUDIES = {  # by series number: when, and what the sender called it
    1: ("20230830", HOSTILE),
    2: ("20230228", "arterial 1.25mm"),
    3: ("20240228", "venous"),
    4: ("20221231", "native"),
}


@pytest.fixture
def workspace(tmp_path):
    """Four studies of a patient; the outlines of all but the first are done, a model found that one's."""
    for number, (made, text) in STUDIES.items():
        write_study(
            tmp_path / "ct", number, made, SeriesNumber=number, SeriesDescription=text,
            ContrastBolusAgent="Ultravist",
        )  # fmt: skip
    with Workspace(tmp_path / "workspace") as it:
        it.scans.add(tmp_path / "ct", by="ada", named=True)
        it.label_sets.add("organs", ORGANS, by="ada")
        (tmp_path / "net").write_bytes(b"weights")
        it.models.add("net", tmp_path / "net", 1, by="worker")
        it.models.keep_mask(1, number_of(it, 1), painted(1), by="worker")
        yield it


def number_of(workspace, series):
    return next(e.scan.id for e in workspace.scans.list() if e.series.number == series)


def outline(workspace, *series):
    for one in series:
        workspace.versions.save_mask(
            number_of(workspace, one), 1, painted(1), base=None, by="bob", seen=Seen(whole=True)
        )


@pytest.fixture
def run(open_page):
    def running(page, role=Role.REVIEWER, **state):
        state = {key.replace("_", " "): value for key, value in state.items()}
        return open_page(page, role=role, state=state, timeout=120)

    return running


def shown(app):
    """All that is on a page, as text; Markdown without its escapes."""
    said = [told(app)]
    said += [option for box in app.selectbox for option in box.options]
    return "\n".join([*said, *(e.proto.body for e in app.main if e.type == "html")])


@pytest.mark.parametrize("page", ["screens/worklist.py", "screens/label.py"])
def test_readers_tell_series_apart_and_see_neither_names_nor_dates(workspace, run, page):
    said = shown(run(page, Role.READER, label_scan=number_of(workspace, 1)))
    for words in ("… portal, series 1", "contrast agent", "+242 days"):
        assert words in said
    if page == "screens/worklist.py":
        assert "axial, 4 slices of 3 mm" in said
        assert "arterial 1.25mm, series 2" in said
        assert "first study" in said
    for secret in ("Roe", "Jane", "2023", "2022", "2024", "Ultravist", "img src=x"):
        assert secret not in said


def test_who_may_see_names_sees_dates_and_what_was_sent_as_text(workspace, run):
    app = run("screens/label.py", label_scan=number_of(workspace, 1))
    (scans,) = [box for box in app.selectbox if box.label == "Scan"]
    assert any(
        "Roe Jane <img src=x> portal, series 1, 3 mm, contrast agent" in o for o in scans.options
    )
    assert any("2023-08-30, +242 days" in option for option in scans.options)
    assert "<img src=x>" not in "".join(one.value for one in app.markdown)
    listed = shown(run("screens/worklist.py"))
    assert "Roe Jane &lt;img src=x&gt; portal" in listed
    assert "<img src=x>" not in listed
    assert "study of 2023-08-30" in listed
    workspace.identities.hide(True, by="ada")
    for page in ("screens/worklist.py", "screens/label.py"):
        said = shown(run(page, Role.ADMINISTRATOR))
        assert "2023" not in said
        assert "Roe" not in said
        assert "… portal" in said


def test_the_worklist_goes_by_time_for_who_sees_no_date_too(workspace, run):
    app = run("screens/worklist.py", Role.READER)
    app.selectbox(key="worklist order").set_value("made").run()
    assert not app.exception
    rows = [e.proto.body for e in app.main if e.type == "html" and 'class="scan"' in e.proto.body]
    order = [next(n for n in STUDIES if f"series {n}" in row) for row in rows]
    assert order == [4, 2, 1, 3]
    app.text_input(key="worklist text").set_value("arterial").run()
    assert "series 2" in shown(app)
    assert "series 3" not in shown(app)


def others(workspace, role=Role.REVIEWER):
    here = Desk(site(), "ada", role)
    item = next(one for one in everything(here) if one.key == "found 1")
    return [
        (other.entry.series.number, other.said)
        for other in others_of(here, item, which.Which.seen_by(here))
    ]


def test_the_latest_prior_comes_first_and_what_came_later_last(workspace, run):
    outline(workspace, 4, 3, 2)
    run("screens/review.py")
    assert others(workspace) == [
        (2, "6 months (183 days) before"),
        (4, "8 months (242 days) before"),
        (3, "6 months (182 days) AFTER"),
    ]


def test_a_prior_is_dated_and_can_be_chosen(workspace, run):
    outline(workspace, 4, 3, 2)
    app = run("screens/review.py", desk_scan=number_of(workspace, 1), review_item="found 1",
              review_turn="Waiting")  # fmt: skip
    press(app, "Beside the patient's other scan")
    captions = [one.value.replace("\\", "") for one in app.caption]
    assert len([one for one in captions if "2023-02-28 · 6 months (183 days) before" in one]) == 2
    assert "AFTER" not in "".join(one.value for one in app.warning)
    (box,) = [one for one in app.selectbox if one.label == "Compare with"]
    box.set_value(number_of(workspace, 3)).run()
    assert not app.exception
    warned = [one.value.replace("\\", "") for one in app.warning]
    assert any("made later than the scan under review" in w and "AFTER" in w for w in warned)
    workspace.identities.hide(True, by="ada")
    app.run()
    assert "2023" not in shown(app)
    assert "6 months (182 days) AFTER" in shown(app)


def test_a_later_study_alone_is_never_called_a_prior_in_silence(workspace, run):
    outline(workspace, 3)
    app = run("screens/review.py", desk_scan=number_of(workspace, 1), review_item="found 1",
              review_turn="Waiting")  # fmt: skip
    assert any("made later than the scan under review" in one.value for one in app.warning)


def test_of_one_day_the_time_decides_and_nothing_is_guessed(workspace, run, tmp_path):
    for number, time in ((5, "070000"), (6, "235959"), (7, "")):
        write_study(tmp_path / "more", number, "20230830", time, SeriesNumber=number)
    workspace.scans.add(tmp_path / "more", by="ada", named=True)
    outline(workspace, 5, 6, 7, 2)
    run("screens/review.py")
    assert others(workspace) == [
        (5, "the same day, before"),
        (2, "6 months (183 days) before"),
        (7, "the same day; which was made first is not known"),
        (6, "the same day, after"),
    ]


def test_examples():
    assert not doctest.testmod(which).failed
