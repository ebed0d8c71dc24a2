"""How far a scan has come: reviewed is what a reviewer stands behind, all of it, and nothing else waits."""

import pytest
from small_scans import ORGANS, add_scan, grid_of, painted

from medlib.workspace import Content, Decision, Question, Role, Seen, Status

ACCEPT, CORRECT, REJECT = Decision
WHOLE = Seen(whole=True)


@pytest.fixture
def desk(workspace, tmp_path):
    """A scan, a label set that asks for an outline and an answer, and another for an outline alone."""
    workspace.people.add("ada", Role.ADMINISTRATOR, by="ada", password="correct horse battery")
    scan = add_scan(workspace, tmp_path)
    asked = workspace.label_sets.add(
        "organs", ORGANS, by="ada", questions=[Question("motion", "yes/no")]
    ).id
    alone = workspace.label_sets.add("outline", ORGANS, by="ada").id
    return workspace, scan, asked, alone


@pytest.fixture
def predict(desk, tmp_path):
    workspace, scan, _, _ = desk
    (tmp_path / "net").write_bytes(b"weights")

    def predicting(label_set, mask=None):
        name = f"net {len(workspace.models.list())}"
        model = workspace.models.add(name, tmp_path / "net", label_set, by="worker").id
        if mask is None:
            return workspace.models.keep_entries(
                model, scan, Content.ANSWERS, {"motion": True}, by="worker"
            ).id
        return workspace.models.keep_mask(model, scan, mask, by="worker").id

    return predicting


def status(workspace):
    return workspace.scans.get(1).status


def test_an_accepted_outline_is_not_all_where_a_question_is_open(desk, predict):
    workspace, _, asked, _ = desk
    workspace.reviews.decide(predict(asked, painted(1)), ACCEPT, by="ada")
    assert status(workspace) == Status.IN_PROGRESS
    workspace.reviews.decide(predict(asked), ACCEPT, by="ada")
    assert status(workspace) == Status.REVIEWED


def test_an_accepted_outline_beside_one_that_waits_makes_nothing_reviewed(desk, predict):
    """What bob drew stays the label, and nobody has looked at it."""
    workspace, scan, _, alone = desk
    drawn = workspace.versions.save_mask(scan, alone, painted(2), base=None, by="bob", seen=WHOLE)
    workspace.reviews.decide(predict(alone, painted(1)), ACCEPT, by="ada")
    assert status(workspace) == Status.LABELLED
    workspace.signing.sign([drawn.id], ACCEPT, by="ada")
    assert status(workspace) == Status.REVIEWED


def test_what_waits_by_another_label_set_is_waited_for(desk, predict):
    workspace, scan, asked, alone = desk
    drawn = workspace.versions.save_mask(scan, asked, painted(2), base=None, by="bob", seen=WHOLE)
    workspace.reviews.decide(predict(alone, painted(1)), ACCEPT, by="ada")
    assert status(workspace) == Status.LABELLED
    workspace.signing.sign([drawn.id], REJECT, by="ada", reason="too small")
    assert status(workspace) == Status.IN_PROGRESS
    mended = workspace.versions.save_mask(
        scan, asked, painted(1), base=drawn.id, by="bob", seen=WHOLE
    )
    said = workspace.versions.save_answers(scan, asked, {"motion": True}, base=None, by="bob")
    workspace.signing.sign([mended.id], ACCEPT, by="ada")
    assert status(workspace) == Status.LABELLED, "the answer waits"
    workspace.signing.sign([said.id], ACCEPT, by="ada")
    assert status(workspace) == Status.REVIEWED


def test_where_readers_differ_it_is_open_again_and_a_first_rejection_changes_nothing(desk, predict):
    workspace, _, _, alone = desk
    rejected = predict(alone, painted(1))
    workspace.reviews.decide(rejected, REJECT, by="ada", reason="missed")
    assert status(workspace) == Status.NEW
    number = predict(alone, painted(2))
    workspace.reviews.decide(number, ACCEPT, by="ada")
    assert status(workspace) == Status.REVIEWED
    workspace.reviews.decide(number, REJECT, by="bob", reason="missed")
    assert status(workspace) == Status.IN_PROGRESS
    workspace.reviews.decide(number, ACCEPT, by="eve")
    assert status(workspace) == Status.REVIEWED


def test_landmarks_that_a_model_put_are_no_progress_before_somebody_has_looked(desk, tmp_path):
    workspace, scan, _, _ = desk
    heart = workspace.label_sets.add("heart", by="ada", landmarks=["tip", "base"]).id
    (tmp_path / "net").write_bytes(b"weights")
    model = workspace.models.add("points", tmp_path / "net", heart, by="worker").id
    places = {name: grid_of().to_patient(at).tolist()
              for name, at in (("tip", (1, 1, 1)), ("base", (2, 2, 2)))}  # fmt: skip
    workspace.models.keep_entries(model, scan, Content.POINTS, places, by="worker")
    begun = workspace.versions.save_points(scan, heart, places, base=None, by="bob")
    assert status(workspace) == Status.IN_PROGRESS
    assert workspace.versions.finished(heart) == set()
    workspace.versions.save_points(scan, heart, places, base=begun.id, by="bob", looked_at=True)
    assert status(workspace) == Status.LABELLED
