"""Which boxes are of which scan, and when it is not known whether there are any."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import itk_image, oracle
from strategies import grids

from medlib.data import BoxesBlock, from_table, pair_boxes, with_boxes
from medlib.data.blocks.boxes import about_parts
from medlib.io import save, write_nifti
from medlib.space import Grid
from medlib.transforms import Item, Pipeline, RandomAffine, RandomPatch
from medlib.types import Boxes, Labels, Mask, MRVolume

GRID = Grid.from_axes((8, 10, 12), spacing=(2.0, 1.0, 1.0), origin=(40, -5, 100))
LABELS = Labels.of(["nodule", "cyst"])
LUNA = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"


def boxes_at(*voxels, ids=None):
    middles = GRID.to_patient(np.reshape(voxels, (-1, 3)))
    ids = (1,) * len(voxels) if ids is None else ids
    return Boxes.between(middles - 1.5, middles + 1.5, ids=ids, labels=LABELS)


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in "abc":
        write_nifti(MRVolume(torch.rand(1, *GRID.shape), GRID), folder / f"{name}.nii.gz")
    return folder


def read(pairing):
    block = BoxesBlock(pairing.labels)
    return {case.name: block.read(case, on=case.scan.grid) for case in pairing.cases}


def test_regions_a_file_or_a_folder_a_scan(scans, tmp_path):
    save(boxes_at((1, 2, 3), (5, 5, 5), ids=(2, 1)), tmp_path / "boxes" / "a.mrk.json")
    save(boxes_at(), tmp_path / "boxes" / "b.mrk.json")
    pairing = with_boxes(pair_boxes(scans, tmp_path / "boxes"))
    found = read(pairing)
    assert {name: len(boxes) for name, boxes in found.items()} == {"a": 2, "b": 0}
    assert [reason for name, reason in pairing.set_aside if name == "c"] == [
        "boxes does not say whether anything is in it"
    ]
    assert found["a"].centres == pytest.approx(GRID.to_patient([[1, 2, 3], [5, 5, 5]]))
    names = [found["a"].labels.by_id(number).name for number in found["a"].ids]
    assert names == ["cyst", "nodule"]
    # Slicer's own manner: a folder a scan, a file a region.
    for name in ("nodule", "nodule_1"):
        save(boxes_at((1, 2, 3)), tmp_path / "more" / "c" / f"{name}.mrk.json")
    found = read(with_boxes(pair_boxes(scans, tmp_path / "more")))
    assert {name: len(boxes) for name, boxes in found.items()} == {"c": 2}


def test_a_table_of_all_scans(scans, tmp_path):
    x, y, z = GRID.to_patient([3, 4, 5])
    table = tmp_path / "boxes.csv"
    table.write_text(LUNA + f"a,{x},{y},{z},4\nb,,,,\nz,1,2,3,4\n")
    pairing = with_boxes(pair_boxes(scans, table))
    assert pairing.labels.names == ("finding",)
    assert {name: len(boxes) for name, boxes in read(pairing).items()} == {"a": 1, "b": 0}
    assert {name for name, _ in pairing.set_aside} == {"c", "z"}


def test_a_table_of_cases_names_their_boxes(scans, tmp_path):
    save(boxes_at((1, 2, 3)), tmp_path / "boxes" / "a.mrk.json")
    save(boxes_at(), tmp_path / "boxes" / "b" / "none.mrk.json")
    rows = "scan,boxes,age\nscans/a.nii.gz,boxes/a.mrk.json,61\nscans/b.nii.gz,boxes/b,50\n"
    (tmp_path / "cases.csv").write_text(rows + "scans/c.nii.gz,,70\n")
    pairing = with_boxes(from_table(tmp_path / "cases.csv"))
    assert [len(boxes) for boxes in read(pairing).values()] == [1, 0]
    assert [reason for _, reason in pairing.set_aside] == ["nothing says whether anything is in it"]
    assert pairing.cases[0].answers == {"age": 61}


def test_each_connected_part_of_a_label_map(scans, tmp_path):
    voxels = np.zeros(GRID.shape, dtype=np.uint8)
    voxels[1:3, 2:4, 2:5] = 1
    voxels[3, 4, 5] = 1  # hangs on by a corner
    voxels[6, 8, 8:10] = voxels[0, 0, 0] = 2
    for name, data in (("a", voxels), ("b", voxels * 0)):
        (tmp_path / "labels").mkdir(exist_ok=True)
        write_nifti(
            Mask(torch.from_numpy(data[None]), GRID), tmp_path / "labels" / f"{name}.nii.gz"
        )
    (tmp_path / "labels" / "labels.json").write_text(json.dumps({"1": "nodule", "2": "cyst"}))
    found = read(with_boxes(pair_boxes(scans, tmp_path / "labels")))
    assert len(found["b"]) == 0
    assert found["a"].ids == (1, 2, 2)
    ends = found["a"].on(GRID)
    assert ends[0] == pytest.approx(np.array([[0.5, 1.5, 1.5], [3.5, 4.5, 5.5]]))
    assert ends[2] == pytest.approx(np.array([[5.5, 7.5, 7.5], [6.5, 8.5, 9.5]]))


def test_where_not_all_was_looked_for_nothing_is_learned_of_it(scans, tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    mask = Mask(torch.ones(1, *GRID.shape, dtype=torch.uint8), GRID)
    write_nifti(mask, folder / "a.nii.gz")
    (folder / "labels.json").write_text(json.dumps({"1": "nodule", "2": "cyst"}))
    (folder / "annotated.json").write_text(json.dumps({"a": ["nodule"]}))
    with pytest.raises(ValueError, match="not everything was looked for"):
        read(with_boxes(pair_boxes(scans, folder)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), grids(sides=(3, 8), sheared=False))
def test_parts_are_those_of_itk(seed, grid):
    sitk = oracle("SimpleITK")
    draw = torch.Generator().manual_seed(seed)
    data = (torch.rand(1, *grid.shape, generator=draw) < 0.15).to(torch.uint8)
    boxes = about_parts(Mask(data, grid, Labels.of(["lesion"])))
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(sitk.ConnectedComponent(itk_image(data[0], grid), True))
    ends = []
    for number in statistics.GetLabels():
        x, y, z, *size = statistics.GetBoundingBox(number)
        low = np.array([z, y, x]) - 0.5
        ends.append(np.stack([low, low + size[::-1]]))
    ours = sorted(boxes.on(grid).round(6).reshape(-1, 6).tolist())
    assert ours == sorted(np.array(ends).reshape(-1, 6).round(6).tolist())


def test_an_exchanged_side_is_noticed_where_it_leads_out_of_the_scan(scans, tmp_path):
    middle = GRID.to_patient([3, 4, 5]) * [-1, -1, 1]  # RAS, said to be LPS
    flipped = Boxes.between([middle - 2], [middle + 2], ids=(1,), labels=LABELS)
    save(flipped, tmp_path / "boxes" / "a.mrk.json")
    with pytest.raises(ValueError, match=r"outside the scan.*left and right may be exchanged"):
        read(with_boxes(pair_boxes(scans, tmp_path / "boxes")))


def test_what_is_called_otherwise_is_refused(scans, tmp_path):
    save(boxes_at((1, 2, 3)), tmp_path / "boxes" / "a.mrk.json")
    pairing = with_boxes(pair_boxes(scans, tmp_path / "boxes"), ["nodul"])
    with pytest.raises(ValueError, match="a has boxes of nodule, and what is to be found is nodul"):
        read(pairing)


def test_what_cannot_be_paired_is_refused(scans, tmp_path):
    with pytest.raises(FileNotFoundError, match="there are no boxes at"):
        pair_boxes(scans, tmp_path / "nowhere")
    save(boxes_at((1, 2, 3)), tmp_path / "other" / "z.mrk.json")
    with pytest.raises(ValueError, match=r"no scan in .* has boxes"):
        pair_boxes(scans, tmp_path / "other")
    save(boxes_at(), tmp_path / "none" / "a.mrk.json")
    with pytest.raises(ValueError, match="nothing to learn"):
        with_boxes(pair_boxes(scans, tmp_path / "none"))
    block = BoxesBlock(LABELS)
    (case,) = pair_boxes(scans, tmp_path / "none").cases
    with pytest.raises(ValueError, match="no scan that is to be learned from has any nodule"):
        block.scaled_to([case])


def test_a_usual_finding_is_as_long_as_those_of_the_training_cases(scans, tmp_path):
    low = GRID.to_patient([1, 1, 1])
    boxes = Boxes.between(
        [low, low, low], [low + 2, low + 4, low + 7], ids=(1, 1, 1), labels=LABELS
    )
    save(boxes, tmp_path / "boxes" / "a.json")
    (case,) = pair_boxes(scans, tmp_path / "boxes").cases
    assert BoxesBlock(LABELS).scaled_to([case]).usual_mm == pytest.approx(4)


def test_patches_are_centred_on_boxes_of_each_label_alike():
    """Nine nodules at one end and a cyst at the other: the cyst is looked at as often."""
    grid = Grid.from_axes((8, 8, 40))
    places = [(2 + k % 3, 2 + k // 3, 6) for k in range(9)] + [(4, 4, 34)]
    middles = grid.to_patient(places)
    boxes = Boxes.between(middles - 1, middles + 1, ids=(1,) * 9 + (2,), labels=LABELS)
    item = Item((MRVolume(torch.zeros(1, *grid.shape), grid), boxes), name="a")
    way = Pipeline((RandomAffine(degrees=10), RandomPatch((8, 8, 10), on_label=1.0)))
    seen = []
    for epoch in range(60):
        patch = way(item, epoch=epoch)
        at = patch.grid.to_index(patch.values[1].centres)
        inside = ((at >= -0.5) & (at <= np.array([8, 8, 10]) - 0.5)).all(1)
        assert inside.any()
        seen.append(bool(inside[9]))
    assert 15 <= sum(seen) <= 45
    bare = Item((item.values[0], Boxes(boxes.corners[:0], labels=LABELS)), name="a")
    assert way(bare).grid.shape == (8, 8, 10)  # a healthy scan is looked at anywhere
