"""A workspace as a source: what nobody looked at is not background, and is in no export as such."""

import numpy as np
import pytest
import torch
from small_scans import ORGANS, add_scan, painted
from tiny import scan_of, structures

import medlib
from medlib import io
from medlib.data import DataBlock, MaskBlock, VolumeBlock, from_nnunet, from_table
from medlib.space import Grid
from medlib.types import Labels, MRVolume
from medlib.workspace import Question, Seen, Wish, Workspace, WorkspaceError


@pytest.fixture
def desk(local, tmp_path):
    """Four scans: one whole, one in part, one with nothing done, one of which the liver was drawn."""
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    seen = {"whole": Seen(True), "part": Seen.of([1, 2]), "none": Seen(), "liver": Seen(True)}
    from dataclasses import replace

    for name, done in seen.items():
        scan = add_scan(local, tmp_path / "in", name)
        mask = painted(1, at=1)
        mask = replace(mask, annotated=("liver",)) if name == "liver" else mask
        local.versions.save_mask(scan, organs, mask, base=None, by="ada", seen=done)
    return local, organs


def test_slices_that_nobody_finished_are_unseen_and_structures_not_looked_for_unknown(desk):
    workspace, organs = desk
    pairing = workspace.pairing(organs)
    cases = {case.name: case for case in pairing.cases}
    assert cases["none"].label is None
    block = MaskBlock(pairing.labels)
    read = {name: block.read(case, on=case.scan.grid) for name, case in cases.items() if case.label}
    assert not read["whole"].unseen().any()
    unseen = read["part"].unseen()
    assert unseen[[0, 3]].all()
    assert not unseen[[1, 2]].any()
    assert torch.equal(read["part"].data[0, 1], painted(1, at=1).data[0, 1])
    assert read["liver"].known.names == ("liver",)
    target = block.tensor(read["part"])
    assert (target[0, 0] == -1).all()
    assert len({case.patient for case in cases.values()}) == 4


def test_a_data_block_reads_a_workspace_as_any_other_source(desk):
    workspace, organs = desk
    block = DataBlock(
        blocks=(VolumeBlock(MRVolume), MaskBlock(workspace.pairing(organs).labels)),
        get_items=lambda found: [c for c in found.pairing(organs).cases if c.label],
    )
    data = block.datasets(workspace)
    assert len(data.train) + len(data.valid) == 3


def test_training_learns_from_a_workspace(tmp_path):
    """The whole way, on scans of which only some slices were drawn."""
    with Workspace(tmp_path / "w") as workspace:
        sides = Labels.of(["left kidney", "right kidney"])
        kidneys = workspace.label_sets.add("kidneys", sides, by="ada").id
        for number in range(5):
            truth = structures(Grid.from_axes((20, 24, 24)), seed=number)
            path = tmp_path / f"case_{number}.nii.gz"
            io.write_nifti(scan_of(truth, noise=10, seed=number), path)
            (scan,) = workspace.scans.add(path, by="ada", kind="mr", file_names=True).scans
            seen = Seen(True) if number else Seen.of(range(5, 15))
            workspace.versions.save_mask(scan.id, kidneys, truth, base=None, by="ada", seen=seen)
        learn = medlib.segmenter(workspace.pairing("kidneys"), kind="mr", minutes=1, cache=False)
        assert learn.fine_tune(epochs=1).labels.keys() == {"left kidney", "right kidney"}


def test_scans_tagged_test_are_kept_apart_and_lost_ones_set_aside(desk, tmp_path):
    workspace, organs = desk
    ids = {entry.scan.name: entry.scan.id for entry in workspace.scans.list()}
    workspace.scans.tag(ids["whole"], "test", by="ada")
    lost = add_scan(workspace, tmp_path / "in", "lost", copy=False)
    workspace.versions.save_mask(lost, organs, painted(), base=None, by="ada", seen=Seen(True))
    (tmp_path / "in" / "lost.nii.gz").unlink()
    pairing = workspace.pairing(organs)
    assert [case.name for case in pairing.test] == ["whole"]
    ((name, reason),) = pairing.set_aside
    assert name == "lost"
    assert "moved or changed" in reason


def test_nnunet_reads_what_is_exported_and_what_it_cannot_say_is_left_out(desk, tmp_path):
    workspace, organs = desk
    wish = Wish(organs, ("nnunet",), reviewed_only=False)
    done = workspace.export(wish, tmp_path / "out", by="ada")
    assert {name for name, _ in done.left_out} == {"none", "liver"}
    found = from_nnunet(tmp_path / "out" / "nnunet")
    assert found.labels.names == ORGANS.names
    masks = {
        case.name: io.read_mask(case.label, labels=found.labels, on=case.scan.grid)
        for case in found.cases
    }
    assert masks.keys() == {"whole", "part"}
    assert torch.equal(masks["whole"].data, painted(1, at=1).data)
    assert masks["part"].unseen()[[0, 3]].all()
    assert not masks["part"].unseen()[[1, 2]].any()
    with pytest.raises(WorkspaceError, match="not empty"):
        workspace.export(wish, tmp_path / "out", by="ada")


def test_a_table_reads_what_is_exported_answers_and_landmarks_too(local, tmp_path):
    scan = add_scan(local, tmp_path / "in", "a")
    asked = local.label_sets.add(
        "all",
        ORGANS,
        by="ada",
        questions=[Question("fracture", "yes/no"), Question("size", "number", unit="mm")],
        landmarks=["tip"],
    ).id
    place = local.scans.grid(scan).to_patient([1, 2, 3]).tolist()
    local.versions.save_mask(scan, asked, painted(2), base=None, by="ada", seen=Seen.of([0]))
    local.versions.save_answers(scan, asked, {"fracture": False, "size": 3}, base=None, by="ada")
    local.versions.save_points(scan, asked, {"tip": place}, base=None, by="ada")
    (mine,) = local.pairing(asked).cases
    wish = Wish(asked, ("nifti",), reviewed_only=False, with_scans=True)
    local.export(wish, tmp_path / "out", by="ada")
    found = from_table(tmp_path / "out" / "nifti" / "cases.csv")
    (case,) = found.cases
    assert case.answers == mine.answers == {"fracture": False, "size": 3.0}
    points = io.read_points(case.points)
    np.testing.assert_allclose(points.coordinates, [place])
    assert points.names == ("tip",)
    mask = io.read_mask(case.label, labels=found.labels, on=case.scan.grid)
    assert mask.unseen()[1:].all()
    assert torch.equal(mask.data[0, 0], painted(2).data[0, 0])
