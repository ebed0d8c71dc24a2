"""The review page, run as Streamlit runs it: right pictures, plain refusals, nobody's name."""

import json
import os
import sys
import tomllib

import numpy as np
import pytest
import torch
from oracles import oracle
from tiny import scan_of, structures, write_series

from medlib.io import survey, write_nifti, write_seg
from medlib.resources import folder
from medlib.space import Grid
from medlib.types import CTVolume, Labels, Mask, MRVolume

st = oracle("streamlit")  # an optional extra
AppTest = oracle("streamlit.testing.v1").AppTest

GRID = Grid.from_axes((20, 24, 24), spacing=(2.0, 1.5, 1.5), origin=(-10, 20, 300))


@pytest.fixture
def page(monkeypatch):
    """``page(folder, outlines)``: the page as it is after the first look."""
    monkeypatch.syspath_prepend(folder("apps"))
    # AppTest has no connection: whoever asks is told a mock's address. Here it is this machine.
    monkeypatch.setattr(type(st.context), "ip_address", None)

    def run(scans="", outlines=""):
        monkeypatch.setattr(sys, "argv", ["review.py", *([str(scans)] if scans else [])])
        app = AppTest.from_file(str(folder("apps") / "review.py"), default_timeout=60).run()
        if outlines:
            app.text_input(key="results").set_value(str(outlines)).run()
        assert not app.exception
        return app

    return run


@pytest.fixture
def scans(tmp_path):
    """A folder with a CT series and, in NIfTI, an MR scan."""
    mask = structures(GRID)
    write_series(tmp_path / "scans" / "first", scan_of(mask, kind=CTVolume), modality="CT")
    write_nifti(scan_of(mask), tmp_path / "scans" / "second.nii.gz")
    return tmp_path / "scans"


def pictures(app) -> list[str]:
    """Where the three planes' pictures are found: their names are digests of what is drawn."""
    urls = [image.proto.imgs[0].url for image in app.get("image")]
    assert len(urls) == 3
    return urls


def everything(app) -> str:
    """All that the page sends to the browser, pictures apart."""
    return str(app.main) + str(app.sidebar)


def said(app, kind: str) -> str:
    return " ".join(element.value for element in app.get(kind)).replace("\\", "")


def slider(app, words: str):
    return next(s for s in app.slider if s.label.startswith(words))


def choice(app, words: str):
    return next(box for box in app.selectbox if box.label.startswith(words))


def test_it_asks_for_a_folder(page):
    app = page()
    assert "path of a folder" in said(app, "info")
    assert not app.get("image")


def test_it_says_what_is_there(page, scans):
    app = page(scans)
    assert "2 volumes (1 CT, 1 volume of unstated kind)" in said(app, "markdown")
    table = app.dataframe[0].value.set_index("scan")
    assert list(table.index) == ["second", "first"] or list(table.index) == ["first", "second"]
    assert table.loc["first", "kind"] == "CT"
    assert table.loc["second", "kind"] == "not stated"
    assert table.loc["first", "voxels"] == "20×24×24"
    assert table.loc["first", "spacing, mm"] == "2 × 1.5 × 1.5"
    assert pictures(app)
    assert "the patient's right is on your left" in said(app, "caption")


def test_the_folder_may_be_typed(page, scans):
    app = page()
    app.text_input(key="source").set_value(str(scans)).run()
    assert pictures(app)


@pytest.mark.parametrize("plane", ["Axial", "Coronal", "Sagittal"])
def test_sliders_go_through_the_slices(page, scans, plane):
    app = page(scans)
    before = pictures(app)
    slider(app, plane).set_value(3).run()
    assert not app.exception
    after = pictures(app)
    number = ["Axial", "Coronal", "Sagittal"].index(plane)
    assert before[number] != after[number]
    assert slider(app, plane).value == 3


def test_what_is_at_the_lines_is_read_from_the_scan(page, tmp_path):
    """The value and the place that are said are those of the file, whichever way it is stored."""
    grid = GRID.reoriented("PRI")
    values = torch.arange(grid.shape[0] * grid.shape[1] * grid.shape[2]).reshape(1, *grid.shape)
    write_nifti(MRVolume(values.float(), grid), tmp_path / "scan.nii.gz")
    app = page(tmp_path)
    for plane, number in (("Axial", 1), ("Coronal", 24), ("Sagittal", 2)):
        slider(app, plane).set_value(number).run()
    place = GRID.to_patient([0, 23, 1])  # lowest slice, hindmost row, second column from the right
    i, j, k = np.rint(grid.to_index(place)).astype(int)
    x, y, z = place
    assert (x, y) == (-8.5, 54.5)
    words = f"R {-x:.1f}, P {y:.1f}, S {z:.1f} mm, {float(values[0, i, j, k]):.4g} arbitrary"
    assert words in said(app, "caption")


def test_windows_change_the_picture(page, scans):
    app = page(scans)
    app.selectbox(key="scan").set_value("first").run()
    before = pictures(app)
    app.radio[0].set_value("lung").run()
    lung = pictures(app)
    assert set(before).isdisjoint(lung)
    app.radio[0].set_value("own").run()
    slider(app, "Black and white").set_range(-50, 20).run()
    assert set(pictures(app)).isdisjoint(lung)


def test_windows_of_ct_are_offered_for_ct_only(page, scans):
    app = page(scans)
    app.selectbox(key="scan").set_value("second").run()
    assert not app.radio
    choice(app, "Its kind").set_value("ct").run()
    assert "lung" in [option.lower() for option in app.radio[0].options]


def test_outlines_with_volumes_and_switches(page, scans, tmp_path):
    mask = structures(GRID, labels=Labels.of(["left kidney", "right kidney"]))
    three = Labels.of(["left kidney", "right kidney", "spleen"])
    write_nifti(Mask(mask.data, GRID, three), tmp_path / "out" / "first.nii.gz")
    app = page(scans, tmp_path / "out")
    app.selectbox(key="scan").set_value("first").run()
    boxes = {box.label.replace("\\", "").split(" · ")[0]: box for box in app.checkbox}
    assert list(boxes) == ["left kidney", "right kidney", "spleen"]
    ml = float((mask.data == 1).sum()) * 2.0 * 1.5 * 1.5 / 1000
    assert boxes["left kidney"].label.endswith(f"· {ml:.3g} ml")
    assert boxes["spleen"].label.endswith("not found")
    both = pictures(app)
    slider(app, "Filling").set_value(100).run()
    filled = pictures(app)
    assert set(both).isdisjoint(filled)
    for box in (boxes["left kidney"], boxes["right kidney"]):
        app.checkbox(key=box.key).uncheck()
    app.run()
    assert set(filled).isdisjoint(pictures(app))
    assert not app.exception


def test_a_dicom_seg_is_found_and_no_name_is_shown(page, scans, tmp_path):
    stack = next(s for s in survey(scans).stacks if s.source == "dicom")
    mask = structures(GRID)
    write_seg(
        mask, stack, tmp_path / "out" / "first.dcm", algorithm_name="a", algorithm_version="1"
    )
    app = page(scans, tmp_path / "out")
    app.selectbox(key="scan").set_value("first").run()
    assert len(app.checkbox) == 2
    for secret in ("Secret", "SECRETID", "19500607", "20200102"):
        assert secret not in everything(app)


def test_a_seg_of_another_series_is_not_shown(page, scans, tmp_path):
    other = write_series(
        tmp_path / "other", scan_of(structures(GRID), kind=CTVolume), modality="CT"
    )
    (stack,) = survey(other).stacks
    path = tmp_path / "out" / "first.dcm"
    write_seg(structures(GRID), stack, path, algorithm_name="a", algorithm_version="1")
    app = page(scans, path.parent)
    app.selectbox(key="scan").set_value("first").run()
    assert "outlines another series" in said(app, "error")
    assert not app.checkbox
    assert pictures(app)


def test_outlines_on_another_grid_are_not_shown(page, scans, tmp_path):
    shifted = structures(GRID.window((1, 0, 0), GRID.shape))
    write_nifti(shifted, tmp_path / "out" / "first.nii.gz")
    app = page(scans, tmp_path / "out")
    app.selectbox(key="scan").set_value("first").run()
    assert "first.nii.gz" in said(app, "error")
    assert not app.checkbox
    assert pictures(app)


def test_a_scan_is_not_its_own_outline(page, tmp_path):
    write_nifti(MRVolume(torch.ones(1, *GRID.shape), GRID), tmp_path / "scan.nii.gz")
    app = page(tmp_path, tmp_path)
    assert "no outlines of this scan" in said(app, "info")
    assert not app.checkbox


def test_outlines_among_the_scans_are_not_taken_for_scans(page, scans):
    write_nifti(structures(GRID), scans / "out" / "first.nii.gz")
    app = page(scans, scans / "out")
    names = app.selectbox(key="scan").options
    assert len(names) == 2
    assert not [name for name in names if "out" in name]


@pytest.mark.parametrize("own", [True, False])
def test_a_file_s_own_names_come_before_those_beside_it(page, scans, tmp_path, own):
    out = tmp_path / "out"
    mask = structures(GRID)
    write_nifti(mask if own else Mask(mask.data, GRID), out / "first.nii.gz")
    (out / "labels.json").write_text(json.dumps({"1": "tumour", "2": "cyst"}))
    app = page(scans, out)
    app.selectbox(key="scan").set_value("first").run()
    names = [box.label.split(" · ")[0] for box in app.checkbox]
    assert names == (["left kidney", "right kidney"] if own else ["tumour", "cyst"])


def test_hidden_structures_come_back_with_the_next_scan(page, scans, tmp_path):
    for name in ("first", "second"):
        write_nifti(structures(GRID), tmp_path / "out" / f"{name}.nii.gz")
    app = page(scans, tmp_path / "out")
    app.checkbox[0].uncheck().run()
    other = next(
        o for o in app.selectbox(key="scan").options if o != app.selectbox(key="scan").value
    )
    app.selectbox(key="scan").set_value(other).run()
    assert all(box.value for box in app.checkbox)


def test_a_file_that_changed_is_read_again(page, tmp_path):
    path = tmp_path / "scan.nii.gz"
    write_nifti(scan_of(structures(GRID)), path)
    before = pictures(page(tmp_path))
    assert pictures(page(tmp_path)) == before
    write_nifti(scan_of(structures(GRID, seed=5)), path)
    os.utime(path, ns=(1, 1))
    assert pictures(page(tmp_path)) != before


def test_refusals_are_said_with_names_that_do_nothing(page, tmp_path):
    evil = "<img src=x onerror=alert(1)>![a](http:evil) $x$ :red[y]"
    series = write_series(tmp_path / "in" / evil, scan_of(structures(GRID)))
    (series / "007.dcm").unlink()
    app = page(tmp_path / "in")
    text = said(app, "markdown")
    assert evil in text
    assert "No volumes were found" in text
    raw = " ".join(element.value for element in app.markdown)
    assert r"\<img src\=x onerror\=alert\(1\)\>\!\[a\]\(http\:evil\)" in raw
    assert not any(element.allow_html for element in app.markdown)


def test_names_of_structures_do_nothing_either(page, scans, tmp_path):
    evil = "<b>x</b> ![a](http://evil/x.png)"
    mask = structures(GRID)
    write_nifti(Mask(mask.data, GRID, Labels.of([evil, "b"])), tmp_path / "out" / "first.nii.gz")
    app = page(scans, tmp_path / "out")
    app.selectbox(key="scan").set_value("first").run()
    assert app.checkbox[0].label.startswith(r"\<b\>x\<\/b\> \!\[a\]\(http\:\/\/evil\/x\.png\)")
    assert not any(evil in html.proto.body for html in app.get("html"))


@pytest.mark.parametrize("which", ["scans", "outlines"])
def test_a_folder_that_is_not_there_is_said(page, scans, tmp_path, which):
    lost = tmp_path / "lost"
    app = page(lost) if which == "scans" else page(scans, lost)
    assert "no" in said(app, "error")
    assert "lost" in said(app, "error")


def test_a_scan_of_one_slice_can_be_looked_at(page, tmp_path):
    write_nifti(MRVolume(torch.rand(1, 1, 8, 8), Grid.from_axes((1, 8, 8))), tmp_path / "a.nii.gz")
    app = page(tmp_path)
    assert "Axial, feet to head: the only one" in said(app, "markdown")
    assert pictures(app)


def test_a_constant_scan_can_be_looked_at(page, tmp_path):
    write_nifti(MRVolume(torch.zeros(1, *GRID.shape), GRID), tmp_path / "a.nii.gz")
    assert pictures(page(tmp_path))


def test_an_oblique_scan_is_said_to_be_so(page, tmp_path):
    from medlib.space import Affine

    turn = Affine.rotation((0, 12, 0)).matrix[:3, :3] @ np.eye(3)[:, ::-1]
    grid = Grid.from_axes((8, 8, 8), directions=turn)
    write_nifti(MRVolume(torch.rand(1, 8, 8, 8), grid), tmp_path / "a.nii.gz")
    assert "oblique: planes follow its own axes, up to 12°" in said(page(tmp_path), "caption")


def test_nobody_looks_in_from_another_machine(page, scans, monkeypatch):
    monkeypatch.setattr(type(st.context), "ip_address", "192.0.2.7")
    app = page(scans)
    assert "only for the machine that it runs on" in said(app, "error")
    assert not app.get("image")
    assert not app.text_input


def test_pages_are_served_to_this_machine_alone():
    config = tomllib.loads((folder("apps") / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "localhost"
    assert config["browser"]["gatherUsageStats"] is False
    assert config["client"]["showErrorDetails"] == "none"
