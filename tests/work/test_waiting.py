"""Which scans a model is still to look at: what is known by its own label set counts, and nothing else."""

import pytest
import torch

from medlib.types import Mask, Volume
from medlib.work import Asked, waiting
from medlib.work.predicting import rank
from medlib.work.waiting import labelled
from medlib.workspace import Content, Question, Seen, Status, Workspace


@pytest.fixture
def workspace(tmp_path, filled):
    """Five scans; the first is labelled whole by ``balls``, the second has one slice done."""
    with Workspace(tmp_path / "workspace") as found:
        filled(found, 5, 1)
        begin(found, 2, 1)
        found.label_sets.add(
            "others", ["liver"], by="ada", questions=[Question("motion", "yes/no")]
        )
        yield found


def begin(workspace, scan, label_set, done=(2,)):
    """Draw a little, and finish some of it."""
    grid = workspace.scans.grid(scan)
    data = torch.zeros(1, *grid.shape, dtype=torch.uint8)
    data[0, 2, 2:6, 2:6] = 1
    mask = Mask(data, grid, workspace.versions.labels(label_set))
    return workspace.versions.save_mask(
        scan, label_set, mask, base=None, by="ada", seen=Seen.of(done)
    )


def model_of(workspace, label_set, asked, *, learned=(), name="net"):
    package = workspace.folder.parent / "net.medlib"
    package.write_bytes(name.encode())
    card = {"asked": {"what": asked.what, "question": asked.question}, "learned from": [*learned]}
    return workspace.models.add(name, package, label_set, by="worker", card=card)


def keep(workspace, model, scan, doubt):
    """As if the model had looked."""
    grid = workspace.scans.grid(scan)
    mask = Mask(
        torch.zeros(1, *grid.shape, dtype=torch.uint8),
        grid,
        workspace.versions.labels(model.label_set_id),
    )
    unsure = Volume(torch.full((1, *grid.shape), doubt), grid)
    workspace.models.keep_mask(
        model.id, scan, mask, by="worker", figures={"doubt": doubt}, uncertainty=unsure
    )


def test_a_scan_with_one_slice_done_is_looked_at_and_what_is_set_aside_is_not(workspace):
    workspace.scans.set_status(3, Status.SET_ASIDE, by="ada", reason="moved")
    model = model_of(workspace, 1, Asked(), learned=[1, 2])
    assert waiting(workspace, model) == (2, 4, 5)
    keep(workspace, model, 2, 0.5)
    assert waiting(workspace, model) == (4, 5), "it would see the same again"
    newer = model_of(workspace, 1, Asked(), learned=[1, 2], name="newer")
    assert waiting(workspace, newer) == (2, 4, 5), "what it doubts is asked of the newest"


def test_what_is_labelled_by_another_set_or_for_another_question_still_waits(workspace):
    assert waiting(workspace, model_of(workspace, 2, Asked())) == (1, 2, 3, 4, 5)
    assert waiting(workspace, model_of(workspace, 2, Asked("question", "motion"), name="b")) == (
        *range(1, 6),
    )
    large = model_of(workspace, 1, Asked("question", "large"), name="c")
    width = model_of(workspace, 1, Asked("question", "width"), name="d")
    workspace.versions.save_answers(4, 1, {"large": True}, base=None, by="ada")
    assert waiting(workspace, large) == (2, 3, 5)
    assert waiting(workspace, width) == (2, 3, 4, 5), "the other question is not answered"
    landmarks = model_of(workspace, 1, Asked("landmarks"), name="e")
    assert waiting(workspace, landmarks) == (2, 3, 4, 5)


def test_a_status_that_was_set_by_hand_is_no_label(workspace):
    workspace.scans.set_status(5, Status.LABELLED, by="ada")
    assert 5 in waiting(workspace, model_of(workspace, 1, Asked()))


def test_strokes_of_which_nothing_is_done_are_nothing_known(workspace):
    begin(workspace, 3, 1, done=())
    found = labelled(workspace, 1, Asked())
    assert (found.whole, found.begun) == ({1}, {2})


def test_a_first_slice_elsewhere_comes_before_one_more_and_what_is_whole_comes_last(workspace):
    workspace.scans.rank({1: (1.0, "of an earlier model")}, by="worker")
    workspace.scans.set_status(5, Status.SET_ASIDE, by="ada", reason="moved")
    model = model_of(workspace, 1, Asked(), learned=[1, 2])
    for scan, doubt in ((2, 0.9), (3, 0.2), (4, 0.4), (5, 0.9)):
        keep(workspace, model, scan, doubt)
    assert rank(workspace, model) == 3
    ordered = [e.scan for e in workspace.scans.list(order="usefulness") if e.scan.usefulness]
    assert {scan.id for scan in ordered[:2]} == {3, 4}
    assert [scan.id for scan in ordered[2:]] == [2]
    assert ordered[2].usefulness_reason == "some of it is labelled; 0.90 unsure"
    whole = workspace.scans.get(1)
    assert (whole.usefulness, whole.usefulness_reason) == (0.0, "")
    keep(workspace, model, 1, 0.9)
    assert rank(workspace, model) == 3, "also when it has looked at what is whole"


def test_what_was_drawn_stays_whatever_a_model_finds(workspace):
    before = workspace.versions.head(2, 1)
    model = model_of(workspace, 1, Asked(), learned=[1, 2])
    keep(workspace, model, 2, 0.5)
    rank(workspace, model)
    after = workspace.versions.head(2, 1)
    assert (after.id, after.file, after.seen) == (before.id, before.file, before.seen)
    assert workspace.versions.history(2, 1, Content.MASK)[-1].id == before.id
    assert workspace.scans.get(2).status == Status.IN_PROGRESS
