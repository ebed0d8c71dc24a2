"""Reviews: what is accepted counts, what is rejected is not learned from, two pairs of eyes."""

import pytest
import torch
from small_scans import ORGANS, add_scan, painted

from medlib.workspace import (
    Content,
    Decision,
    NotAllowedError,
    Seen,
    Standing,
    Status,
    WorkspaceError,
)

ACCEPT, CORRECT, REJECT = Decision


@pytest.fixture
def desk(workspace, tmp_path):
    scan = add_scan(workspace, tmp_path)
    organs = workspace.label_sets.add("organs", ORGANS, by="ada").id
    package = tmp_path / "net.medlib"
    package.write_bytes(b"weights")
    model = workspace.models.add("net", package, organs, by="worker").id
    assert workspace.models.package(model).read_bytes() == b"weights"
    found = workspace.models.keep_mask(
        model, scan, painted(1, at=3), by="worker", figures={"liver_ml": 0.024}
    )
    return workspace, scan, organs, found.id


def test_an_accepted_prediction_becomes_the_label_that_counts(desk):
    workspace, scan, organs, prediction = desk
    review = workspace.reviews.decide(prediction, ACCEPT, by="ada")
    head = workspace.versions.head(scan, organs)
    assert head.id == review.version_id
    assert (head.author, head.origin) == ("ada", "accepted")
    assert torch.equal(workspace.versions.mask(head.id).data, painted(1, at=3).data)
    assert workspace.scans.get(scan).status == Status.REVIEWED
    assert workspace.reviews.standing(prediction) == Standing.ACCEPTED
    assert workspace.verify() == ()


def test_what_somebody_drew_is_not_pushed_aside_by_a_prediction(desk):
    workspace, scan, organs, prediction = desk
    drawn = workspace.versions.save_mask(scan, organs, painted(2), base=None, by="bob")
    review = workspace.reviews.decide(prediction, ACCEPT, by="ada")
    assert workspace.versions.head(scan, organs).id == drawn.id
    assert [v.id for v in workspace.versions.aside(scan, organs)] == [review.version_id]


def test_a_rejection_says_why_and_nothing_is_learned_from_what_was_rejected(desk):
    workspace, scan, organs, prediction = desk
    decide = workspace.reviews.decide
    with pytest.raises(WorkspaceError, match="say why"):
        decide(prediction, REJECT, by="ada")
    decide(prediction, ACCEPT, by="ada")
    with pytest.raises(NotAllowedError, match="already"):
        decide(prediction, REJECT, by="ada", reason="I changed my mind")
    decide(prediction, REJECT, by="bob", reason="that is the stomach")
    assert workspace.reviews.standing(prediction) == Standing.DISPUTED
    assert workspace.scans.get(scan).status == Status.IN_PROGRESS
    decide(prediction, REJECT, by="eve", reason="it is")
    assert workspace.reviews.standing(prediction) == Standing.REJECTED
    assert workspace.versions.head(scan, organs) is None
    assert len(workspace.versions.history(scan, organs)) == 1  # it is still there to be seen
    with pytest.raises(WorkspaceError, match="nothing is labelled"):
        workspace.pairing(organs)
    drawn = workspace.versions.save_mask(scan, organs, painted(2), base=None, by="bob")
    assert workspace.versions.head(scan, organs).id == drawn.id
    assert workspace.verify() == ()


def test_what_a_rejected_prediction_had_replaced_counts_again(desk):
    """A label that reviewers stand behind is not lost by a newer prediction."""
    workspace, scan, organs, prediction = desk
    decide = workspace.reviews.decide
    first = decide(prediction, ACCEPT, by="ada").version_id
    (model,) = workspace.models.list()
    newer = workspace.models.keep_mask(model.id, scan, painted(2), by="worker").id
    second = decide(newer, ACCEPT, by="ada").version_id
    assert workspace.versions.head(scan, organs).id == second != first
    decide(newer, REJECT, by="bob", reason="that is the stomach")
    decide(newer, REJECT, by="eve", reason="it is")
    assert workspace.versions.head(scan, organs).id == first
    assert len(workspace.pairing(organs).cases) == 1
    assert workspace.verify() == ()


def test_what_is_accepted_counts_whole_also_where_a_correction_was_begun(desk):
    """Somebody took the model's outline to correct it, changed nothing, and accepts it."""
    workspace, scan, organs, prediction = desk
    begun = workspace.versions.save_mask(
        scan, organs, painted(1, at=3), base=None, by="ada", origin="corrected"
    )
    review = workspace.reviews.decide(prediction, ACCEPT, by="ada")
    head = workspace.versions.head(scan, organs)
    assert (head.id, head.parent_id) == (review.version_id, begun.id)
    assert Seen.from_dict(head.seen).whole
    assert workspace.pairing(organs).cases[0].label is not None


def test_a_correction_is_a_new_version_and_adjudication_decides(desk):
    workspace, scan, organs, prediction = desk
    decide = workspace.reviews.decide
    with pytest.raises(WorkspaceError, match="save the correction first"):
        decide(prediction, CORRECT, by="ada")
    fixed = workspace.versions.save_mask(
        scan, organs, painted(1, at=4), base=None, by="ada", origin="corrected", seen=Seen(True)
    )
    decide(prediction, CORRECT, by="ada", version=fixed.id)
    assert workspace.scans.get(scan).status == Status.REVIEWED
    decide(prediction, ACCEPT, by="bob")
    assert workspace.reviews.standing(prediction) == Standing.DISPUTED
    assert workspace.versions.head(scan, organs).id == fixed.id
    decide(prediction, ACCEPT, by="eve")
    assert workspace.reviews.standing(prediction) == Standing.ACCEPTED
    head = workspace.versions.head(scan, organs)
    assert torch.equal(workspace.versions.mask(head.id).data, painted(1, at=3).data)
    assert [review.round for review in workspace.reviews.of(prediction)] == [1, 2, 3]
    with pytest.raises(WorkspaceError, match="have decided"):
        decide(prediction, ACCEPT, by="mallory")


def test_a_correction_is_one_of_this_prediction(desk, tmp_path):
    workspace, _, organs, prediction = desk
    other = add_scan(workspace, tmp_path, "other")
    elsewhere = workspace.versions.save_mask(other, organs, painted(), base=None, by="ada")
    with pytest.raises(WorkspaceError, match="no correction of this"):
        workspace.reviews.decide(prediction, CORRECT, by="ada", version=elsewhere.id)


def test_comments_keep_their_words_and_place(desk):
    workspace, scan, _, _ = desk
    text = "<b>here</b> & there"
    workspace.reviews.comment(scan, text, by="ada", place=(1, 2, 3))
    (comment,) = workspace.reviews.comments(scan)
    assert (comment.text, comment.place, comment.author) == (text, [1.0, 2.0, 3.0], "ada")
    with pytest.raises(WorkspaceError, match="says something"):
        workspace.reviews.comment(scan, " ", by="ada")


def test_predicted_answers_are_kept_and_accepted_likewise(local, tmp_path):
    from medlib.workspace import Question

    scan = add_scan(local, tmp_path)
    asked = local.label_sets.add("q", by="ada", questions=[Question("fracture", "yes/no")]).id
    (tmp_path / "m").write_bytes(b"w")
    model = local.models.add("m", tmp_path / "m", asked, by="worker").id
    kept = local.models.keep_entries(
        model, scan, Content.ANSWERS, {"fracture": True}, by="worker", figures={"fracture": 0.8}
    )
    local.reviews.decide(kept.id, ACCEPT, by="ada")
    assert local.versions.head(scan, asked, Content.ANSWERS).entries == {"fracture": True}
    assert local.models.predictions(scan=scan)[0].figures == {"fracture": 0.8}
