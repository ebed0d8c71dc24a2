"""Boxes in files: a side exchanged, or a scan that nobody looked at taken for a healthy one, is harm."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import rotations

from medlib.io import UnreadableError, read_box_table, read_boxes, save
from medlib.types import Boxes, Labels

LABELS = Labels.of(["nodule", "cyst"])


def regions(*markups):
    return json.dumps({"markups": list(markups)})


def slicers(system, **more):
    """A region 10 × 20 × 30 mm large about R 50, A 60, S 70, turned by 30 degrees about the head's
    axis, as ``WriteROIProperties`` of 3D Slicer writes it: it keeps RAS, and for LPS turns the signs
    of the centre's and of the orientation's first two rows.
    """
    cos, sin = np.cos(np.radians(30)), np.sin(np.radians(30))
    centre, orientation = np.array([50.0, 60, 70]), np.array([cos, -sin, 0, sin, cos, 0, 0, 0, 1])
    if system == "LPS":
        centre[:2] *= -1
        orientation[:6] *= -1
    return {
        "type": "ROI",
        "coordinateSystem": system,
        "coordinateUnits": "mm",
        "roiType": "Box",
        "center": centre.tolist(),
        "orientation": orientation.tolist(),
        "size": [10.0, 20.0, 30.0],
        "controlPoints": [{"id": "1", "label": "R-1", "description": "", "position": [50, 60, 70]}],
    } | more


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def same_places(ours, theirs):
    apart = np.linalg.norm(np.asarray(ours)[:, None] - np.asarray(theirs), axis=-1)
    return apart.min(0).max() < 1e-9 and apart.min(1).max() < 1e-9


@pytest.mark.parametrize("system", ["RAS", "LPS"])
def test_a_region_of_slicers_lies_where_slicer_shows_it(tmp_path, system):
    path = write(tmp_path / "a.mrk.json", regions(slicers(system, name="nodule")))
    found = read_boxes(path)
    assert found.centres[0] == pytest.approx([-50, -60, 70])  # R 50 is at the patient's right
    cos, sin = np.cos(np.radians(30)), np.sin(np.radians(30))
    ends = (np.indices((2, 2, 2)).reshape(3, -1).T - 0.5) * [10, 20, 30]
    ras = np.array([50, 60, 70]) + ends @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
    assert same_places(found.corners[0], ras * [-1, -1, 1])
    assert found.labels.names == ("nodule",)
    assert found.scores == ()


@settings(max_examples=25, deadline=None)
@given(rotations(), st.lists(st.tuples(st.sampled_from((1, 2)), st.floats(0, 1)), max_size=3))
def test_what_is_saved_is_read_again(tmp_path_factory, turn, said):
    low = np.arange(3 * len(said)).reshape(-1, 3) * 7.0
    upright = Boxes.between(low, low + np.array([11, 8, 6])).corners
    ids, scores = tuple(i for i, _ in said), tuple(round(s, 4) for _, s in said)
    boxes = Boxes(turn(upright.reshape(-1, 3)).reshape(upright.shape), ids, scores, LABELS)
    for name in ("b.mrk.json", "b.json"):
        save(boxes, tmp_path_factory.getbasetemp() / name)
        found = read_boxes(tmp_path_factory.getbasetemp() / name)
        assert len(found) == len(boxes)
        assert [found.labels.by_id(i).name for i in found.ids] == [
            LABELS.by_id(i).name for i in ids
        ]
        assert found.scores == pytest.approx(scores)
        for ours, theirs in zip(found.corners, boxes.corners, strict=True):
            assert same_places(ours, theirs)


def test_slicer_writes_a_region_to_a_file_and_numbers_those_of_a_name(tmp_path):
    write(tmp_path / "case" / "nodule.mrk.json", regions(slicers("LPS")))
    write(tmp_path / "case" / "nodule_1.mrk.json", regions(slicers("RAS")))
    write(tmp_path / "case" / "cyst_12.mrk.json", regions(slicers("RAS")))
    found = read_boxes(tmp_path / "case")
    assert [found.labels.by_id(i).name for i in found.ids] == ["cyst", "nodule", "nodule"]


def test_a_region_without_a_name_is_a_finding(tmp_path):
    """The file bears the name of the scan then, which is no label."""
    path = write(tmp_path / "case_1.mrk.json", regions(slicers("LPS")))
    assert read_boxes(path).labels.names == ("finding",)


def test_nothing_found_is_said_and_not_guessed(tmp_path):
    assert len(read_boxes(write(tmp_path / "a.mrk.json", regions()))) == 0
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnreadableError, match="not known whether anything was found"):
        read_boxes(tmp_path / "empty")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (regions(slicers(None)), "left might be right"),
        (regions(slicers("LPS", coordinateUnits="inch")), "unit 'inch' is not known"),
        (regions(slicers("LPS", type="Fiducial")), "a Fiducial, which is no box"),
        (regions(slicers("LPS", size=[1, 0, 1])), "has no volume"),
        (regions(slicers("LPS", orientation=[1, 0, 0, 1, 1, 0, 0, 0, 1])), "not at right angles"),
        (regions(slicers("LPS", center=[1, 2])), "no readable list of boxes"),
        ("{}", "no readable list of boxes"),
        ("[", "no readable list of boxes"),
    ],
)
def test_files_that_leave_a_doubt_are_refused(tmp_path, text, why):
    with pytest.raises(UnreadableError, match=why):
        read_boxes(write(tmp_path / "a.mrk.json", text))


def test_our_own_form_has_to_be_what_it_says(tmp_path):
    save(Boxes.between([[0, 0, 0]], [[1, 1, 1]]), tmp_path / "b.json")
    said = json.loads((tmp_path / "b.json").read_text())
    for change in ({"coordinate_system": "RAS"}, {"kind": "Points"}, {"ids": [5]}):
        write(tmp_path / "c.json", json.dumps(said | change))
        with pytest.raises(UnreadableError, match=r"c\.json holds no readable boxes"):
            read_boxes(tmp_path / "c.json")
    with pytest.raises(UnreadableError, match=r"neither \.mrk\.json nor \.json"):
        read_boxes(tmp_path / "boxes.txt")


# --- tables ---------------------------------------------------------------------------------------

LUNA = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"


def test_luna_s_table_is_in_the_frame_of_itk(tmp_path):
    rows = "1.3.6,-128.5,-175.25,-298.5,5.5\n1.3.6,103.75,-211.75,-227.0,4.25\n1.3.7,,,,\n"
    found = read_box_table(write(tmp_path / "annotations.csv", LUNA + rows))
    assert list(found) == ["1.3.6", "1.3.7"]
    boxes = found["1.3.6"]
    assert boxes.centres.tolist() == [[-128.5, -175.25, -298.5], [103.75, -211.75, -227.0]]
    assert (boxes.high - boxes.low)[1] == pytest.approx([4.25] * 3)
    assert boxes.labels.names == ("finding",)
    assert len(found["1.3.7"]) == 0  # somebody looked
    assert "1.3.8" not in found  # nobody did


def test_sizes_and_labels_may_be_said(tmp_path):
    heading = "seriesuid,coordX,coordY,coordZ,sizeX,sizeY,sizeZ,label\n"
    rows = "a,1,2,3,4,6,8,cyst\na,1,2,3,2,2,2,nodule\n"
    boxes = read_box_table(write(tmp_path / "b.csv", heading + rows))["a"]
    assert boxes.low[0].tolist() == [-1, -1, -1]
    assert boxes.high[0].tolist() == [3, 5, 7]
    assert [boxes.labels.by_id(i).name for i in boxes.ids] == ["cyst", "nodule"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LUNA + "a,1,2,,4\n", "row 2"),
        (LUNA + "a,1,2,3,\n", "row 2"),
        (LUNA + "a,1,2,3,-4\n", "which is no box"),
        (LUNA + "a,1,2,3,nan\n", "which is no box"),
        (LUNA + "a,,,,\n,1,2,3,4\n", "row 3: it does not say of which scan"),
        (LUNA + "a,1,2\n", "row 2"),
        ("seriesuid,x,y,z,diameter_mm\n", "no column coordX, coordY, coordZ"),
        ("", "no column seriesuid"),
    ],
)
def test_tables_that_say_half_of_it_are_refused(tmp_path, text, why):
    with pytest.raises(UnreadableError, match=why):
        read_box_table(write(tmp_path / "b.csv", text))
