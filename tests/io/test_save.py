"""What is written is read back where it was, and what a file cannot hold is refused."""

import json

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import grids, rotations

from medlib.io import UnreadableError, read_mask, read_points, read_volume, save
from medlib.space import Grid
from medlib.types import (
    Boxes,
    Categories,
    Category,
    Code,
    Contours,
    CTVolume,
    Label,
    Labels,
    Mask,
    Measurement,
    MultiVolume,
    PointCloud,
    Points,
    Probabilities,
)

LABELS = Labels((Label(4, "liver", Code("10200004", "SCT", "Liver"), "#FF8000"),))
GRID = Grid.from_axes((2, 3, 4), spacing=(3, 1, 1), origin=(5, -6, 7))


def content(path):
    return json.loads(path.read_text(encoding="utf-8"))


# --- points -------------------------------------------------------------------------------------

places = st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 3), max_size=6)


@settings(max_examples=30)
@given(places, st.data())
def test_points_come_back_to_the_last_digit(tmp_path_factory, found, data):
    names = tuple(data.draw(st.text(min_size=1)) for _ in found) if data.draw(st.booleans()) else ()
    path = tmp_path_factory.getbasetemp() / "points.mrk.json"
    save(Points(found, names), path)
    back = read_points(path)
    assert np.array_equal(back.coordinates, np.reshape(found, (-1, 3)))
    assert back.names == names


def test_points_are_fiducials_as_slicer_has_them(tmp_path):
    path = tmp_path / "a" / "marks.mrk.json"
    save(Points([[10, -20, 30]], ("Knochen ∅",)), path)
    said = content(path)
    assert said["@schema"].endswith("/markups-schema-v1.0.3.json#")
    (markup,) = said["markups"]
    assert markup["type"] == "Fiducial"
    assert (markup["coordinateSystem"], markup["coordinateUnits"]) == ("LPS", "mm")
    (point,) = markup["controlPoints"]
    assert point["position"] == [10, -20, 30]
    assert (point["label"], point["positionStatus"]) == ("Knochen ∅", "defined")
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def markups(system, **more):
    points = [
        {"label": "tip", "position": [1, 2, 3], "positionStatus": "defined"},
        {"label": "never placed", "position": [0, 0, 0], "positionStatus": "undefined"},
        {"label": "entry", "position": [-4, 5, 6]},
    ]
    markup = {"type": "Fiducial", "coordinateSystem": system, "controlPoints": points} | more
    return json.dumps({"@schema": "…", "markups": [markup]})


def test_slicers_own_frame_is_turned_to_ours(tmp_path):
    path = tmp_path / "F.mrk.json"
    for system, sign in (("LPS", 1), ("RAS", -1)):
        path.write_text(markups(system))
        found = read_points(path)
        assert found.names == ("tip", "entry")
        assert found.coordinates.tolist() == [[sign, 2 * sign, 3], [-4 * sign, 5 * sign, 6]]
    path.write_text(markups("LPS", coordinateUnits=["um", "UCUM", "micrometer"]))
    assert read_points(path).coordinates[0].tolist() == [0.001, 0.002, 0.003]


FCSV = """# Markups fiducial file version = {version}
# CoordinateSystem = {system}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
vtkMRMLMarkupsFiducialNode_0,1.5,-2,3,0,0,0,1,1,1,0,"tip, left",,
2,4,5,6,0,0,0,1,1,1,0,entry,,,2,0
"""


@pytest.mark.parametrize("system", ["LPS", "1", "RAS", "0"])
def test_older_files_of_slicers_are_read(tmp_path, system):
    path = tmp_path / "F.fcsv"
    path.write_text(FCSV.format(version="4.11", system=system))
    found = read_points(path)
    sign = 1 if system in ("LPS", "1") else -1
    assert found.names == ("tip, left", "entry")
    assert found.coordinates.tolist() == [[1.5 * sign, -2 * sign, 3], [4 * sign, 5 * sign, 6]]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.mrk.json", markups(None), "coordinate system is not said, so left might be right"),
        ("a.mrk.json", markups("IJK"), "coordinate system is IJK"),
        ("a.mrk.json", markups("LPS", coordinateUnits="in"), "unit 'in' is not known"),
        ("a.mrk.json", markups("LPS", type="ROI"), "a ROI, which is no list of points"),
        ("a.mrk.json", markups("LPS")[:90], "no readable list"),
        ("a.mrk.json", markups("LPS").replace("[1, 2, 3]", "[1, NaN, 3]"), "finite"),
        ("a.mrk.json", markups("LPS").replace("[1, 2, 3]", "[1, 2]"), "no readable list"),
        ("a.mrk.json", "[]", "no readable list"),
        ("a.fcsv", FCSV.format(version="4.3", system="2"), "coordinate system is 2"),
        ("a.fcsv", FCSV.replace("# Coord", "# Lost"), "coordinate system is not said"),
        ("a.fcsv", FCSV.format(version="4.11", system="LPS").replace("-2", "x"), "no readable"),
        ("a.json", markups("LPS"), "neither .mrk.json nor .fcsv"),
    ],
)
def test_files_that_leave_a_doubt_are_refused(tmp_path, name, text, why):
    (tmp_path / name).write_text(text)
    with pytest.raises(UnreadableError, match=why):
        read_points(tmp_path / name)


# --- boxes --------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(rotations(), st.booleans())
def test_boxes_are_regions_of_interest_wherever_they_are_turned(tmp_path_factory, turn, mirrored):
    upright = Boxes.between([[1, 2, 3]], [[11, 8, 6]], ids=(4,), labels=LABELS).corners
    corners = turn(upright * ([-1.0, 1, 1] if mirrored else [1.0, 1, 1]))
    path = tmp_path_factory.getbasetemp() / "boxes.mrk.json"
    save(Boxes(corners, (4,), (0.25,), LABELS), path)
    (roi,) = content(path)["markups"]
    axes = np.reshape(roi["orientation"], (3, 3))  # [0], [3], [6] is the first axis
    assert np.linalg.det(axes) == pytest.approx(1)
    choice = np.indices((2, 2, 2)).reshape(3, -1).T - 0.5
    built = roi["center"] + (choice * roi["size"]) @ axes.T
    apart = np.linalg.norm(built[:, None] - corners[0], axis=-1)
    assert apart.min(0).max() < 1e-9
    assert apart.min(1).max() < 1e-9
    assert (roi["type"], roi["roiType"], roi["coordinateSystem"]) == ("ROI", "Box", "LPS")
    assert roi["name"] == "liver"
    assert roi["controlPoints"][0]["description"] == "score 0.25"
    assert roi["display"]["color"] == pytest.approx([1, 128 / 255, 0])


def test_boxes_without_right_angles_are_not_made_rectangular(tmp_path):
    cube = Boxes.between([[0, 0, 0]], [[10, 10, 10]]).corners
    sheared = cube + cube[..., :1] * [0, 0.1, 0]
    bent = cube.copy()
    bent[0, 7] += 1
    flat = Boxes.between([[0, 0, 0]], [[10, 10, 0]]).corners
    for corners in (sheared, bent, flat):
        with pytest.raises(ValueError, match=r"save it as \.json, which keeps every corner"):
            save(Boxes(corners), tmp_path / "b.mrk.json")
        assert not list(tmp_path.iterdir())
    save(Boxes(bent, (4,), (0.5,), LABELS), tmp_path / "b.json")
    said = content(tmp_path / "b.json")
    again = Boxes(said["corners"], said["ids"], said["scores"], Labels.from_list(said["labels"]))
    assert np.array_equal(again.corners, bent)
    assert (again.ids, tuple(again.scores), again.labels) == ((4,), (0.5,), LABELS)


# --- plain values -------------------------------------------------------------------------------


def test_contours_and_clouds_say_where_they_are_and_what(tmp_path):
    square = np.array([[0, 0, 5], [10, 0, 5], [10, 10, 5.5]])
    path = tmp_path / "c.json"
    save(Contours(np.concatenate([square, -square]), (3, 3), (4, 4), LABELS), path)
    said = content(path)
    assert (said["kind"], said["coordinate_system"], said["units"]) == ("Contours", "LPS", "mm")
    assert [p["id"] for p in said["polygons"]] == [4, 4]
    assert np.array_equal([p["points"] for p in said["polygons"]], [square, -square])
    assert Labels.from_list(said["labels"]) == LABELS
    save(PointCloud(square, torch.tensor([[1.0], [2], [3]])), path)
    said = content(path)
    assert (said["coordinates"], said["features"]) == (square.tolist(), [[1], [2], [3]])
    assert said["coordinate_system"] == "LPS"


def test_answers(tmp_path):
    path = tmp_path / "answer.json"
    save(Measurement(1.5, "ml", "liver volume"), path)
    assert content(path) == {
        "kind": "Measurement", "version": 1, "value": 1.5, "unit": "ml", "name": "liver volume"
    }  # fmt: skip
    save(Category("b", ("a", "b")), path)
    assert (content(path)["name"], content(path)["vocabulary"]) == ("b", ["a", "b"])
    save(Categories(("b",), ("a", "b")), path)
    assert content(path)["names"] == ["b"]


@settings(max_examples=10)
@given(grids())
def test_volumes_and_masks_lie_where_they_were(tmp_path_factory, grid):
    folder = tmp_path_factory.getbasetemp()
    scan = CTVolume(torch.arange(float(np.prod(grid.shape))).reshape(1, *grid.shape), grid)
    save(scan, folder / "scan.nii.gz")
    assert read_volume(folder / "scan.nii.gz", kind=CTVolume).grid.close_to(grid)
    assert np.allclose(nibabel.load(folder / "scan.nii.gz").affine, grid.to_ras(), atol=1e-3)
    save(Mask((scan.data > 1).int() * 4, grid, LABELS), folder / "mask.nii.gz")
    assert read_mask(folder / "mask.nii.gz").labels == LABELS


@pytest.mark.parametrize(
    ("value", "name", "wanted"),
    [
        (Points([[0, 0, 0]]), "a.json", "should end in .mrk.json"),
        (Boxes.between([[0, 0, 0]], [[1, 1, 1]]), "a.csv", "should end in .mrk.json or .json"),
        (PointCloud([[0, 0, 0]]), "a.mrk.json", "should end in .json"),
        (Measurement(1, "mm"), "a.mrk.json", "should end in .json"),
        (Measurement(1, "mm"), "a", "should end in .json"),
        (CTVolume(torch.zeros(1, 2, 3, 4), GRID), "a.json", "ends in .nii or .nii.gz"),
        (MultiVolume((CTVolume(torch.zeros(1, 2, 3, 4), GRID),), ("CT",)), "a.nii", "save each part"),
        (Probabilities(torch.zeros(2, 2, 3, 4), GRID, LABELS), "a.nii", "save each channel"),
        (PointCloud([[0, 0, 0]], torch.tensor([[float("nan")]])), "a.json", "not finite"),
    ],
)  # fmt: skip
def test_another_ending_is_refused_and_nothing_is_left(tmp_path, value, name, wanted):
    with pytest.raises(ValueError, match=wanted):
        save(value, tmp_path / name)
    assert not list(tmp_path.iterdir())
