"""The way in and the worklist: what comes from files is only text, and nothing is lost on the way."""

import doctest
import re
import sys
import threading
import zipfile
from html.parser import HTMLParser

import pytest
from oracles import oracle
from small_scans import ORGANS, add_scan, painted

from medlib.datasets import samples
from medlib.resources import folder
from medlib.types import SCAN_KINDS
from medlib.workspace import Question, Seen, Status, Workspace, questions_of, table_of
from medlib.workspace.schema import Scan

pydicom = oracle("pydicom")
oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages

import bringing  # noqa: E402
from desk import Desk  # noqa: E402
from ranking import rank  # noqa: E402
from serving.errands import Errand  # noqa: E402
from serving.shelf import Shelf  # noqa: E402
from serving.site import Site, site  # noqa: E402
from streamlit.testing.v1 import AppTest  # noqa: E402

from medlib.workspace import Role  # noqa: E402

HOSTILE = "<img src=x onerror=alert(1)>**b**[l](http://evil)"
_TABLE = {"table", "thead", "tbody", "tr", "th", "td"}


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "workspace") as it:
        yield it


@pytest.fixture
def here(workspace):
    return Desk(Site(workspace, Shelf(workspace), "ada"), "ada", Role.ADMINISTRATOR)


@pytest.fixture
def run(workspace, monkeypatch):
    """Runs a page's file on the workspace."""

    def running(name="main.py"):
        monkeypatch.setattr(sys, "argv", ["app.py", str(workspace.folder)])
        site.cache_clear()
        return AppTest.from_file(str(APPS / name), default_timeout=60).run()

    yield running
    site.cache_clear()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A study of a patient who does not exist."""
    return samples(tmp_path_factory.mktemp("drawn") / "samples", studies=1)


def report(done, of, what):
    pass


# --- what is shown ---------------------------------------------------------------------------


class Markup(HTMLParser):
    """The tags of a piece of HTML, and the attributes that would do something."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.acting = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.acting += [name for name, _ in attrs if name.startswith("on")]


def shown(app):
    """All HTML and all Markdown of a page."""
    html, markdown = [], []
    for element in app.main:
        if element.type == "html":
            html.append(element.proto.body)
        elif element.type in {"markdown", "caption", "alert", "info", "warning", "error"}:
            markdown.append(element.value)
    return html, markdown


def test_what_dicom_says_of_a_patient_is_only_text(workspace, drawn, tmp_path, run):
    for path in (drawn.images / "PHANTOM-001").iterdir():
        file = pydicom.dcmread(path)
        for element in file:
            if element.VR in {"LO", "SH", "PN", "ST", "LT", "UT", "AE"}:
                element.value = HOSTILE[: 16 if element.VR in {"SH", "AE"} else 64]
        file.save_as(tmp_path / path.name)
    found = workspace.scans.add(tmp_path, by=HOSTILE, named=True)
    (scan,) = found.scans
    assert workspace.identities.who(workspace.scans.list()[0].patient).name.startswith("<img src=x")
    workspace.scans.tag(scan.id, HOSTILE, by="ada")
    workspace.scans.assign(scan.id, HOSTILE, by="ada")
    workspace.scans.rank({scan.id: (1.0, HOSTILE)}, by="ada")
    workspace.label_sets.add(HOSTILE, [HOSTILE], by="ada", questions=[Question(HOSTILE, "yes/no")])
    for page in ("main.py", "screens/label_sets.py", "screens/people.py"):
        app = run(page)
        assert not app.exception
        html, markdown = shown(app)
        for text in html:
            markup = Markup(text)
            assert markup.tags <= {"div", "img", "b", "span", "style", "p", *_TABLE}
            assert not markup.acting
        for text in markdown:
            assert not re.search(r"(?<!\\)[<\[]", text.replace(":orange[", "")), text
    html, _ = shown(run())
    said = "".join(html)
    assert said.count("&lt;img src=x") >= 4, "shown, as text"


def test_patients_names_go_when_they_are_hidden(workspace, drawn, run):
    workspace.scans.add(drawn.images, by="ada", named=True)
    assert "PHANTOM 001" in "".join(shown(run())[0])
    workspace.identities.hide(True, by="ada")
    assert "PHANTOM" not in "".join(map(str, shown(run())))


def test_a_long_list_is_shown_a_page_at_a_time(workspace, tmp_path, run):
    add_scan(workspace, tmp_path)
    with workspace._database.writing() as session:
        first = session.get(Scan, 1).said()
        for number in range(2, 501):
            row = {k: v for k, v in first.items() if k != "added"}
            session.add(
                Scan(**row | {"id": number, "name": f"case_{number:03}", "digest": f"{number:064}"})
            )
    app = run()
    assert sum("<img" in text for text in shown(app)[0]) == 20
    assert any("500 scans, page 1 of 25" in text for text in shown(app)[1])
    app.button(key="worklist On").click().run()
    assert any("page 2 of 25" in text for text in shown(app)[1])
    app.text_input(key="worklist text").set_value("CASE_499").run()
    (line,) = [text for text in shown(app)[0] if "<img" in text]
    assert "case_499" in line


def test_scans_are_given_tagged_and_set_aside_together(workspace, tmp_path, run):
    ids = [add_scan(workspace, tmp_path, name) for name in ("case_1", "case_2", "case_3")]
    app = run()
    for scan in ids[:2]:
        app.checkbox(key=f"choose {scan}").check()
    app.run()
    me = site().person
    app.selectbox(key="assign").select(me)
    app.button(key="assign now").click().run()
    app.text_input(key="tag").set_value("test")
    app.button(key="tag on").click().run()
    app.selectbox(key="status").select(Status.SET_ASIDE)
    app.run()
    app.button(key="status now").click().run()
    assert "say why" in app.error[0].value
    app.text_input(key="status reason").set_value("moved")
    app.button(key="status now").click().run()
    rows = [(e.scan.reader, e.tags, e.scan.status) for e in workspace.scans.list()]
    assert rows == [(me, ("test",), Status.SET_ASIDE)] * 2 + [(None, (), Status.NEW)]


# --- bringing in ---------------------------------------------------------------------------------


def test_every_kind_of_scan_can_be_said():
    assert bringing._KINDS.keys() == SCAN_KINDS.keys()


def test_nifti_is_asked_what_it_is_and_nothing_is_guessed(here, tmp_path):
    with Workspace(tmp_path / "other") as other:
        add_scan(other, tmp_path / "scans")
    asking = bringing._look(here, tmp_path / "scans", bringing._Wish(), report)
    assert isinstance(asking, bringing._Asking)
    assert not here.workspace.scans.list()
    done = bringing._add(here, asking.found, asking.wish, "pet", report)
    assert [scan.kind for scan in done.scans] == ["PETVolume"]


def test_a_file_called_by_its_patient_is_not_called_so_unless_somebody_says_so(
    here, tmp_path, monkeypatch
):
    """The page that asks shows the files' names, and has made-up ones chosen."""
    with Workspace(tmp_path / "other") as other:
        add_scan(other, tmp_path / "scans", "doe_jane_1950")
    asking = bringing._look(here, tmp_path / "scans", bringing._Wish(named=True), report)

    begin = []
    monkeypatch.setattr(bringing, "_begin", lambda here, work: begin.append(work))

    def begun(page, *, called=None):
        page.session_state["here"], page.session_state["asking"] = here, asking
        page.run()
        assert "doe" in page.warning[0].value
        page.radio(key="bring kind").set_value("mr")
        if called is not None:
            page.radio(key="bring called").set_value(called)
        page.run()
        page.button(key="bring asked").click().run()
        assert not page.exception
        begin.pop()(report)

    begun(AppTest.from_function(_asking))
    (entry,) = here.workspace.scans.list()
    assert entry.scan.name == f"{entry.patient}-MR-1"
    assert here.workspace.identities.who(entry.patient).name == "doe_jane_1950"
    here.workspace.identities.hide(True, by="ada")
    assert here.workspace.identities.who(entry.patient) is None
    with Workspace(tmp_path / "named") as named:
        here = Desk(Site(named, Shelf(named), "ada"), "ada", Role.ADMINISTRATOR)
        begun(AppTest.from_function(_asking), called=True)
        assert [entry.scan.name for entry in named.scans.list()] == ["doe_jane_1950"]


def _asking():
    import bringing
    import streamlit as st

    bringing.ask(st.session_state["here"], st.session_state["asking"])


@pytest.mark.parametrize(
    "member", ["../out.nii.gz", "/etc/out.nii.gz", "..\\out.nii.gz", "C:/out.nii"]
)
def test_an_archive_that_reaches_out_is_refused_whole(here, tmp_path, member):
    add_scan(here.workspace, tmp_path / "scans")
    content = (tmp_path / "scans" / "case_1.nii.gz").read_bytes()
    put_down = here.workspace.derived / "dropped-1"
    put_down.mkdir()
    with zipfile.ZipFile(put_down / "scans.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(member), content)
    wish = bringing._Wish(folder=put_down)
    errand = Errand(lambda report: bringing._look(here, put_down / "scans.zip", wish, report))
    errand.wait()
    assert "points outside the archive" in errand.error
    assert len(here.workspace.scans.list()) == 1
    assert not put_down.exists(), "what was dropped does not stay"
    assert not [*tmp_path.rglob("out.nii*")]


def test_names_of_dropped_files_lead_nowhere():
    for name in ("../../x.nii.gz", "..\\x.nii.gz", "/etc/x.nii.gz"):
        assert re.fullmatch(r"[\w.-]*x\.nii\.gz", bringing._file_name(name))
    assert bringing._file_name("Müller CT.nii.gz") == "Müller_CT.nii.gz"


def test_an_import_that_is_stopped_keeps_what_is_in(here, tmp_path):
    with Workspace(tmp_path / "other") as other:
        for number in range(4):
            add_scan(other, tmp_path / "scans", f"case_{number}")
    found = bringing._look(here, tmp_path / "scans", bringing._Wish(), report).found

    def work(report):
        def stopping(done, of, what):
            if done == 2:
                errand.stop()
            report(done, of, what)

        return bringing._add(here, found, bringing._Wish(), "mr", stopping)

    begun = threading.Event()
    errand = Errand(lambda report: begun.wait() and work(report))
    begun.set()
    errand.wait()
    assert "Stopped" in errand.error
    assert len(here.workspace.scans.list()) == 2
    assert not here.workspace.verify()


def test_sample_scans_come_with_what_to_outline(here):
    done = bringing.sample_scans(here.workspace, "ada", report, studies=1)
    assert len(done.scans) == 1
    assert not done.refusals
    row = here.workspace.label_sets.get(bringing.SAMPLES)
    assert {"left kidney", "right kidney"} <= set(table_of(row).names)
    again = bringing.sample_scans(here.workspace, "ada", report, studies=1)
    assert (len(again.scans), len(again.known)) == (0, 1)


# --- what to outline, what next -----------------------------------------------------------------


def test_a_label_set_grows_and_keeps_its_numbers(workspace, run):
    app = run("screens/label_sets.py")
    app.text_area(key="structures new").set_value("liver\nleft/right kidney\n\nliver")
    app.text_area(key="landmarks new").set_value("left/right femoral head")
    app.button[0].click().run()
    row = workspace.label_sets.get("structures")
    assert [*table_of(row).names] == ["liver", "left kidney", "right kidney"]
    assert row.landmarks == ["left femoral head", "right femoral head"]
    app = run("screens/label_sets.py")
    app.text_area(key=f"structures {row.id}-1").set_value("spleen")
    app.button[0].click().run()
    labels = table_of(workspace.label_sets.get("structures"))
    assert [(one.id, one.name) for one in labels][:1] == [(1, "liver")]
    assert labels["spleen"].id == 4
    assert not questions_of(workspace.label_sets.get("structures"))


def test_codes_are_seen_and_a_mistyped_one_is_refused(workspace, run):
    row = workspace.label_sets.add("organs", ["left kidney", "Milz"], by="ada")
    app = run("screens/label_sets.py")
    html, _ = shown(app)
    (codes,) = [one for one in html if "is written as" in one]
    assert "64033007 Kidney, 7771000 Left" in codes
    assert "none: DICOM calls it a tissue of this name" in codes
    key = f"code {row.id} {row.revision}"
    app.text_input(key=f"{key} 2").set_value("78961090")  # two digits are exchanged
    app.text_input(key=f"{key} said 2").set_value("Spleen")
    app.button[0].click().run()
    assert "no code of SNOMED CT" in app.error[0].value.replace("\\", "")
    assert workspace.label_sets.get(row.id).revision == row.revision
    app.text_input(key=f"{key} 2").set_value("78961009")
    app.text_input(key=f"{key} said 2").set_value("Spleen")
    app.button[0].click().run()
    assert not app.exception
    labels = table_of(workspace.label_sets.get(row.id))
    assert (labels["Milz"].code.value, labels["left kidney"].code) == ("78961009", None)
    html, _ = shown(app)
    assert "78961009 Spleen (given here)" in "".join(html)


def test_check_digits_hold_for_every_code_that_is_known():
    import coding

    from medlib.types.anatomy import code_for, known_names

    assert not doctest.testmod(coding).failed
    for name in known_names():
        code = code_for(name)
        assert coding.code_of(name, code.value, code.meaning) == code


def test_questions_are_made_of_a_table(monkeypatch):
    # Imported, a page would run, and leave Streamlit with a form that never ends.
    monkeypatch.setattr("desk.desk", lambda: None)
    from screens import label_sets
    from screens.label_sets import asked

    assert not doctest.testmod(label_sets).failed

    row = {"question": "grade", "answer": "a choice of words", "words to choose from": "low, high"}
    size = {"question": "size", "answer": "a number", "words to choose from": None, "unit": "mm"}
    assert asked([row, size, {"question": None, "answer": "yes or no"}]) == [
        Question("grade", "choice", ("low", "high")),
        Question("size", "number", unit="mm"),
    ]
    with pytest.raises(ValueError, match="needs a unit"):
        asked([size | {"unit": ""}])


def test_the_most_useful_come_first_with_a_reason_and_labelled_ones_do_not(workspace, tmp_path):
    ids = [add_scan(workspace, tmp_path, name) for name in ("case_1", "case_2", "case_3")]
    organs = workspace.label_sets.add("organs", ORGANS, by="ada")
    workspace.versions.save_mask(
        ids[0], organs.id, painted(), base=None, by="ada", seen=Seen(whole=True)
    )
    workspace.scans.set_status(ids[0], Status.LABELLED, by="ada")
    assert rank(workspace, "ada", report) == 0
    ordered = workspace.scans.list(order="usefulness")
    assert ordered[-1].scan.id == ids[0]
    assert [bool(entry.scan.usefulness_reason) for entry in ordered] == [True, True, False]
    assert "model" not in ordered[0].scan.usefulness_reason, "there is none"
    assert ordered[0].scan.usefulness > ordered[1].scan.usefulness > 0
