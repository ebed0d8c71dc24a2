"""What is learned, and what is said of it: one scan must do, and then nothing is claimed."""

import numpy as np
import pytest
import torch
from scipy.ndimage import label as components
from working import done

from medlib import load
from medlib.io import write_nifti
from medlib.space import Grid
from medlib.types import CTVolume, Labels, Mask
from medlib.work import Asked, Looking, Predicting, Training
from medlib.work.cards import QUESTIONS, hand_on
from medlib.work.flags import flags_of, usually_in_pieces
from medlib.work.looking import look
from medlib.work.predicting import predict
from medlib.work.training import train
from medlib.workspace import Content, Seen, Workspace, WorkspaceError


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "workspace") as found:
        yield found


def test_one_labelled_scan_trains_and_nothing_is_claimed(workspace, filled):
    label_set = filled(workspace, 2, 1)
    said = done(workspace, Looking(label_set), look)
    assert (said["kept back"], said["too few"]) == (0, 3)
    done(workspace, Training(label_set, rounds=1), train)
    (model,) = workspace.models.list()
    assert len(model.card["learned from"]) == 1
    assert (model.card["measured on"], model.card["labels"], model.card["mean"]) == ([], {}, None)
    card = load(workspace.models.package(model.id)).manifest.card()
    assert "How good it is" not in card


@pytest.mark.parametrize(
    "asked", [Asked("question", "large"), Asked("question", "width"), Asked("landmarks")], ids=str
)
def test_whatever_was_labelled_for_can_be_learned_and_said(workspace, filled, asked):
    label_set = filled(workspace, 4, 3)
    trained = done(workspace, Training(label_set, asked, rounds=1), train)
    found = done(workspace, Predicting(trained["model"]), predict)
    assert (found["predicted"], found["refused"]) == (1, [])
    (row,) = workspace.models.predictions()
    if asked.what == "landmarks":
        assert row.content == Content.POINTS
        assert np.isfinite(row.entries["middle"]).all()
        assert len(row.entries["middle"]) == 3
    elif asked.question == "large":
        assert isinstance(row.entries["large"], bool)
        assert row.entries["large"] == (row.figures["shares"]["large"] >= 0.5)
    else:
        assert 10 < row.entries["width"] < 40


def test_one_answer_alone_is_no_question(workspace, filled):
    label_set = filled(workspace, 2, 1)
    with pytest.raises(WorkspaceError, match="nothing to tell apart"):
        done(workspace, Training(label_set, Asked("question", "large"), rounds=1), train)


def test_a_twin_of_another_name_and_an_odd_label_are_found(workspace, filled, tmp_path):
    label_set = filled(workspace, 3, 3)
    volume = workspace.scans.volume(1)
    (tmp_path / "more").mkdir()
    shifted = CTVolume(volume.data.clone(), volume.grid)
    write_nifti(shifted, tmp_path / "more" / "somebody_else.nii.gz")
    (twin,) = workspace.scans.add(tmp_path / "more", by="ada", kind="ct", file_names=True).scans
    data = torch.zeros(1, *volume.grid.shape, dtype=torch.uint8)
    data[0, :8] = 1
    mask = Mask(data, workspace.scans.grid(twin.id), workspace.versions.labels(label_set))
    workspace.versions.save_mask(
        twin.id, label_set, mask, base=None, by="ada", seen=Seen(whole=True)
    )
    said = done(workspace, Looking(label_set), look)
    assert said["twins"] == [{"what": "picture", "scans": [1, twin.id], "several patients": True}]
    assert said["reasons"]  # the plan's, or why there is none
    assert [(one["scan"], one["flag"]) for one in said["doubtful"]] == [(twin.id, "volume")]
    (ball,) = said["structures"]
    assert (ball["name"], ball["scans"]) == ("ball", 4)


def test_flags_tell_sides_pieces_and_sizes():
    grid = Grid.from_axes((8, 8, 24), spacing=(1, 1, 1))  # columns run towards +x: the left
    labels = Labels.of(["left kidney", "right kidney", "spleen"])
    data = torch.zeros(1, 8, 8, 24, dtype=torch.uint8)
    data[0, 2:6, 2:6, 2:6] = 1  # what is called left lies on the right
    data[0, 2:6, 2:6, 16:20] = 2
    data[0, ::4, ::4, 9:14:2] = 3
    mask = Mask(data, grid, labels)
    kinds = {(flag.kind, flag.structure) for flag in flags_of(mask, {"spleen": [0.001] * 6})}
    assert components(data[0].numpy() == 3)[1] == 12
    assert kinds == {("sides", "left kidney"), ("islands", "spleen"), ("volume", "spleen")}
    swapped = torch.where(data == 1, 2, torch.where(data == 2, 1, data)).byte()
    assert not [f for f in flags_of(Mask(swapped, grid, labels), {}) if f.kind == "sides"]


def test_what_usually_lies_in_pieces_is_not_odd_for_that(workspace, filled):
    grid, labels = Grid.from_axes((8, 8, 24)), Labels.of(["ribs", "liver"])
    apart = torch.zeros(1, 8, 8, 24, dtype=torch.uint8)
    apart[..., ::4] = 1
    apart[0, 2:6, 2:6, 1:3] = 2
    apart[0, 7, 7, 5::4] = 2
    joined = torch.where(apart == 2, 0, apart)
    joined[0, 2:6, 2:6, 1:3] = 2
    masks = [Mask(data, grid, labels) for data in (apart, joined, joined)]
    usual = usually_in_pieces(masks)
    assert usual == {"ribs"}
    assert [flag.structure for flag in flags_of(masks[0], {}, usual)] == ["liver"]
    assert {flag.structure for flag in flags_of(masks[0], {})} == {"ribs", "liver"}
    label_set = filled(workspace, 1, 1)
    done(workspace, Training(label_set, rounds=1), train)
    assert workspace.models.list()[0].card["in pieces"] == []


def test_the_card_goes_with_the_model_and_the_package_stays(workspace, filled, tmp_path):
    label_set = filled(workspace, 1, 1)
    number = done(workspace, Training(label_set, rounds=1), train)["model"]
    before = workspace.models.package(number).read_bytes()
    answers = {one.heading: f"{one.heading} | said" for one in QUESTIONS}
    workspace.models.describe(number, answers, by="ada")
    workspace.models.describe(number, answers | {"Patients": "adults"}, by="bob")
    told = [event for event in workspace.events.newest(limit=4) if event.what == "model described"]
    assert [event.who for event in told] == ["bob", "ada"]
    card = load(hand_on(workspace, number, tmp_path / "out.medlib")).manifest.card()
    assert "- Intended use: Intended use | said" in card
    assert "## Patients\n\nadults" in card
    assert workspace.models.package(number).read_bytes() == before
