"""Whose a scan is, is over it wherever somebody works on it; and nobody sees who may not."""

import doctest
import sys

import pytest
import torch
from oracles import oracle
from pressing import told
from small_scans import ORGANS, add_scan, grid_of, painted
from tiny import write_series

from medlib.resources import folder
from medlib.types import CTVolume
from medlib.workspace import Role, Workspace, timing

pydicom = oracle("pydicom")
oracle("streamlit")
APPS = folder("apps")
sys.path.append(str(APPS))  # as Streamlit does for the pages

import whose  # noqa: E402
from desk import Desk  # noqa: E402
from serving.site import site  # noqa: E402

HOSTILE = "<img src=x>^**b**"
PAGES = ("screens/label.py", "screens/review.py", "main.py")


@pytest.fixture
def workspace(tmp_path):
    """Two patients' scans, the names kept, that a model has looked at."""
    for number, name in enumerate(("Roe^Jane", HOSTILE)):
        values = torch.full((1, 4, 6, 8), 100.0 * number)
        values[0, 0, 0, 0] = -900
        where = tmp_path / "ct" / str(number)
        write_series(
            where,
            CTVolume(values, grid_of()),
            modality="CT",
            patient=("ROE-470", "OTHER-471")[number],
        )
        for path in where.iterdir():
            file = pydicom.dcmread(path)
            file.PatientName, file.PatientBirthDate = name, "19500301"
            file.PatientSex, file.StudyDate, file.PatientAge = "F", "20230228", "072Y"
            file.save_as(path)
    with Workspace(tmp_path / "workspace") as it:
        it.scans.add(tmp_path / "ct", by="ada", named=True)
        it.label_sets.add("organs", ORGANS, by="ada")
        (tmp_path / "net").write_bytes(b"weights")
        it.models.add("net", tmp_path / "net", 1, by="worker")
        for scan in (1, 2):
            it.models.keep_mask(1, scan, painted(1), by="worker")
        yield it


@pytest.fixture
def run(open_page):
    def running(page, role=Role.REVIEWER, scan=1):
        return open_page(page, role=role, state={"label scan": scan, "desk scan": scan})

    return running


def shown(app):
    """All that is on a page, as text; Markdown without its escapes."""
    said = [told(app)]
    return "\n".join([*said, *(e.proto.body for e in app.main if e.type == "html")])


def scan_of(workspace, number):
    who = {workspace.identities.who(e.patient).number: e.scan.id for e in workspace.scans.list()}
    return who[number]


@pytest.mark.parametrize("page", PAGES)
def test_the_patient_is_named_to_who_may_see_names(workspace, run, page):
    app = run(page, scan=scan_of(workspace, "ROE-470"))
    said = "Roe Jane, ID ROE-470, female, born 1950-03-01, 72 years old then, study of 2023-02-28"
    assert said in shown(app)
    if page != "main.py":
        assert "ID OTHER-471" not in shown(app), "of no other patient"
        other = run(page, scan=scan_of(workspace, "OTHER-471"))
        assert "ID OTHER-471" in shown(other)
        assert "<img src=x>" not in "".join(one.value for one in other.markdown), "only text"


@pytest.mark.parametrize("page", PAGES)
def test_names_are_kept_from_readers_and_from_all_when_they_are_hidden(workspace, run, page):
    scan = scan_of(workspace, "ROE-470")
    patient = next(e.patient for e in workspace.scans.list() if e.scan.id == scan)
    secret = ("Roe Jane", "ROE-470", "1950-03-01", "2023-02-28", "female")
    if page != "screens/review.py":
        said = shown(run(page, Role.READER, scan))
        assert f"patient {patient} (names are hidden)" in said
        assert not any(word in said for word in secret)
    workspace.identities.hide(True, by="ada")
    said = shown(run(page, Role.ADMINISTRATOR, scan))
    assert f"patient {patient} (names are hidden)" in said
    assert not any(word in said for word in secret)
    workspace.identities.hide(False, by="ada")
    workspace.identities.forget(by="ada")
    said = shown(run(page, Role.ADMINISTRATOR, scan))
    assert f"patient {patient} (no name was kept)" in said
    assert not any(word in said for word in secret), "nor what the files say beside the name"


def test_what_is_not_known_is_left_out_and_the_page_stays(workspace, run, tmp_path):
    scan = add_scan(workspace, tmp_path, "doe_john", named=True)
    said = shown(run("screens/label.py", scan=scan))
    assert "doe_john" in said
    assert "study of" not in said
    whose._examination.clear()
    for file in (workspace.folder / "files").rglob("*.dcm"):
        file.unlink()
    number = next(e.scan.id for e in workspace.scans.list() if e.scan.id != scan)
    here = Desk(site(), "ada", Role.REVIEWER)
    entry = next(e for e in workspace.scans.list() if e.scan.id == number)
    assert "born 1950-03-01" in whose.whose(here, entry)
    assert not doctest.testmod(timing).failed
