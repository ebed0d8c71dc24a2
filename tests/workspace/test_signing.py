"""Signing: four eyes, on the newest of it, once; what was sent back teaches nobody until mended."""

import threading

import pytest
import torch
from small_scans import ORGANS, add_scan, grid_of, painted

from medlib.workspace import (
    Content,
    Decision,
    NotAllowedError,
    Question,
    Role,
    Seen,
    Status,
    WorkspaceError,
)

ACCEPT, CORRECT, REJECT = Decision
WORD = "correct horse battery"


@pytest.fixture
def desk(workspace, tmp_path):
    """A scan that bob has outlined whole, in a workspace of several people."""
    workspace.people.add("ada", Role.ADMINISTRATOR, by="ada", password=WORD)
    scan = add_scan(workspace, tmp_path)
    asked = workspace.label_sets.add(
        "organs", ORGANS, by="ada", questions=[Question("motion", "yes/no")], landmarks=["tip"]
    ).id
    return workspace, scan, asked, draw(workspace, scan, asked)


def draw(workspace, scan, asked, at=1, by="bob", base=None, seen=Seen(whole=True)):  # noqa: B008
    mask = painted(1, at=at)
    return workspace.versions.save_mask(scan, asked, mask, base=base, by=by, seen=seen).id


def waiting(workspace):
    return [version.id for drawn in workspace.signing.waiting() for version in drawn.versions]


def learned(workspace, asked):
    """Whether there is an outline to learn from."""
    try:
        return [case.label is not None for case in workspace.pairing(asked).cases] == [True]
    except WorkspaceError:
        return False


def behind(workspace, version):
    return [review.reviewer for review in workspace.reviews.approving([version])[version]]


def test_what_was_signed_is_stood_behind_by_its_signer_and_waits_no_more(desk):
    workspace, scan, asked, drawn = desk
    (one,) = workspace.signing.waiting()
    assert (one.scan, one.label_set, [v.id for v in one.versions]) == (scan, asked, [drawn])
    assert workspace.scans.get(scan).status == Status.IN_PROGRESS, "nobody has answered yet"
    (review,) = workspace.signing.sign([drawn], ACCEPT, by="ada")
    assert (review.version_id, review.prediction_id, review.reviewer) == (drawn, None, "ada")
    assert behind(workspace, drawn) == ["ada"]
    assert workspace.scans.get(scan).status == Status.IN_PROGRESS, "nobody has answered yet"
    assert waiting(workspace) == []
    assert learned(workspace, asked)
    assert workspace.events.newest()[0].what == "signed"
    assert workspace.verify() == ()
    newer = draw(workspace, scan, asked, at=2, base=drawn)
    assert behind(workspace, newer) == [], "what was changed is no longer signed"
    assert waiting(workspace) == [newer]


def test_who_drew_alone_does_not_sign_it(desk):
    workspace, scan, asked, drawn = desk
    for decision in (ACCEPT, REJECT):
        with pytest.raises(NotAllowedError, match="bob drew this alone"):
            workspace.signing.sign([drawn], decision, by="bob", reason="mine")
    (one,) = workspace.signing.waiting()
    assert one.signable("bob") == ()
    assert [version.id for version in one.signable("ada")] == [drawn]
    mended = draw(workspace, scan, asked, at=2, by="ada", base=drawn)
    (one,) = workspace.signing.waiting()
    assert one.authors == {mended: {"bob", "ada"}}
    workspace.signing.sign([mended], ACCEPT, by="ada")
    assert behind(workspace, mended) == ["ada"]


def test_ones_own_answers_are_not_signed_along_with_anothers_outline(desk):
    workspace, scan, asked, drawn = desk
    said = workspace.versions.save_answers(scan, asked, {"motion": True}, base=None, by="ada").id
    (one,) = workspace.signing.waiting()
    assert [version.id for version in one.signable("ada")] == [drawn]
    assert [version.id for version in one.signable("bob")] == [said]
    with pytest.raises(NotAllowedError, match="another reviewer"):
        workspace.signing.sign([drawn, said], ACCEPT, by="ada")
    assert behind(workspace, drawn) == [], "all of it or nothing"
    workspace.signing.sign([said], ACCEPT, by="bob")
    assert workspace.scans.get(scan).status != Status.REVIEWED, "its outline is not"
    workspace.signing.sign([drawn], ACCEPT, by="ada")
    assert workspace.scans.get(scan).status != Status.REVIEWED, "a landmark is missing"
    place = grid_of().to_patient([1, 2, 3]).tolist()
    tip = workspace.versions.save_points(scan, asked, {"tip": place}, base=None, by="bob").id
    workspace.signing.sign([tip], ACCEPT, by="ada")
    assert workspace.scans.get(scan).status == Status.REVIEWED


def test_who_works_alone_signs_what_he_drew(local, tmp_path):
    scan = add_scan(local, tmp_path)
    asked = local.label_sets.add("organs", ORGANS, by="ada").id
    drawn = draw(local, scan, asked, by="ada")
    assert [v.id for v in local.signing.waiting()[0].signable("ada")] == [drawn]
    local.signing.sign([drawn], ACCEPT, by="ada")
    assert behind(local, drawn) == ["ada"]


def test_only_the_newest_is_signed(desk):
    workspace, scan, asked, drawn = desk
    newer = draw(workspace, scan, asked, at=2, base=drawn)
    with pytest.raises(WorkspaceError, match="saved this meanwhile"):
        workspace.signing.sign([drawn], ACCEPT, by="ada")
    assert behind(workspace, drawn) == behind(workspace, newer) == []
    begun = draw(workspace, scan, asked, at=3, base=newer, seen=Seen.of([1]))
    assert waiting(workspace) == []
    with pytest.raises(WorkspaceError, match="not all of it is done"):
        workspace.signing.sign([begun], ACCEPT, by="ada")


def test_what_was_sent_back_is_not_learned_from_until_it_is_mended_and_waits_again(desk):
    workspace, scan, asked, drawn = desk
    with pytest.raises(WorkspaceError, match="say why"):
        workspace.signing.sign([drawn], REJECT, by="ada", reason=" ")
    assert learned(workspace, asked)
    workspace.signing.sign([drawn], REJECT, by="ada", reason="that is the stomach")
    assert workspace.scans.get(scan).status == Status.IN_PROGRESS
    assert workspace.signing.is_sent_back(drawn)
    assert behind(workspace, drawn) == []
    assert not learned(workspace, asked)
    assert waiting(workspace) == []
    with pytest.raises(WorkspaceError, match="decided on already"):
        workspace.signing.sign([drawn], ACCEPT, by="eve")
    begun = draw(workspace, scan, asked, at=2, base=drawn, seen=Seen())
    ((version, why),) = workspace.signing.to_mend()
    assert (version.id, why.reason, why.reviewer) == (begun, "that is the stomach", "ada")
    assert not learned(workspace, asked)
    mended = draw(workspace, scan, asked, at=2, base=begun)
    assert workspace.signing.to_mend() == []
    assert learned(workspace, asked)
    (again,) = workspace.signing.waiting()
    assert again.complaints[mended].reason == "that is the stomach"
    workspace.signing.sign([mended], ACCEPT, by="ada")
    assert behind(workspace, mended) == ["ada"]
    reopened = draw(workspace, scan, asked, at=3, base=mended, seen=Seen())
    assert workspace.signing.to_mend() == [], "the complaint was met"
    assert learned(workspace, asked) is False, "nothing of it is done"
    assert reopened
    assert workspace.verify() == ()


def test_what_was_sent_back_and_saved_again_as_it_was_is_not_mended(desk):
    """It may be looked at again; nothing is learned from it until somebody stands behind it."""
    workspace, scan, asked, drawn = desk
    workspace.signing.sign([drawn], REJECT, by="ada", reason="too small")
    begun = draw(workspace, scan, asked, base=drawn, seen=Seen())
    same = draw(workspace, scan, asked, base=begun, seen=Seen(True, ((0, 1),)))
    assert not learned(workspace, asked)
    assert waiting(workspace) == [same]
    workspace.signing.sign([same], ACCEPT, by="eve")
    assert learned(workspace, asked)
    assert behind(workspace, same) == ["eve"]


def test_of_two_reviewers_at_once_one_decides(desk):
    workspace, _, _, drawn = desk
    start, told = threading.Barrier(2), {}

    def decide(person, decision):
        start.wait()
        try:
            workspace.signing.sign([drawn], decision, by=person, reason="too small")
            told[person] = "done"
        except WorkspaceError as error:
            told[person] = str(error)

    threads = [threading.Thread(target=decide, args=one) for one in
               (("ada", ACCEPT), ("eve", REJECT))]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told.values()) == ["done", "this has been decided on already"]
    is_signed = told["ada"] == "done"
    assert behind(workspace, drawn) == (["ada"] if is_signed else [])
    assert workspace.signing.is_sent_back(drawn) != is_signed
    assert workspace.verify() == ()


def test_signed_or_saved_meanwhile_never_both(desk):
    """Whatever comes first: a signature is on the version that was looked at, or on none."""
    workspace, scan, asked, drawn = desk
    start, told = threading.Barrier(2), []

    def sign():
        start.wait()
        try:
            workspace.signing.sign([drawn], ACCEPT, by="ada")
        except WorkspaceError as error:
            told.append(str(error))

    thread = threading.Thread(target=sign)
    thread.start()
    start.wait()
    newer = draw(workspace, scan, asked, at=2, base=drawn)
    thread.join()
    assert behind(workspace, newer) == []
    assert behind(workspace, drawn) == ([] if told else ["ada"])
    assert waiting(workspace) == [newer]


def test_answers_and_landmarks_are_signed_too(desk):
    workspace, scan, asked, drawn = desk
    place = grid_of().to_patient([1, 2, 3]).tolist()
    said = workspace.versions.save_answers(scan, asked, {"motion": True}, base=None, by="bob").id
    tip = workspace.versions.save_points(scan, asked, {"tip": place}, base=None, by="bob").id
    assert waiting(workspace) == [drawn, said, tip]
    workspace.signing.sign([said, tip], REJECT, by="ada", reason="it did not move")
    (case,) = workspace.pairing(asked).cases
    assert (case.answers, case.points) == ({}, None)
    assert case.label is not None, "nobody has complained of the outline"
    workspace.versions.save_answers(scan, asked, {"motion": False}, base=said, by="bob")
    (case,) = workspace.pairing(asked).cases
    assert case.answers == {"motion": False}


def test_what_is_signed_together_is_one_scans_and_not_set_aside(desk, tmp_path):
    workspace, scan, asked, drawn = desk
    other = draw(workspace, add_scan(workspace, tmp_path, "other"), asked)
    for versions in ([], [drawn, other]):
        with pytest.raises(WorkspaceError, match="one scan"):
            workspace.signing.sign(versions, ACCEPT, by="ada")
    with pytest.raises(WorkspaceError, match="version of its own"):
        workspace.signing.sign([drawn], CORRECT, by="ada")
    workspace.scans.set_status(scan, Status.SET_ASIDE, by="ada", reason="twice")
    assert waiting(workspace) == [other]
    with pytest.raises(WorkspaceError, match="set aside"):
        workspace.signing.sign([drawn], ACCEPT, by="ada")
    assert workspace.scans.get(scan).status == Status.SET_ASIDE


# --- beside what models found -----------------------------------------------------------------


@pytest.fixture
def predict(desk, tmp_path):
    workspace, scan, asked, _ = desk
    (tmp_path / "net.medlib").write_bytes(b"weights")
    model = workspace.models.add("net", tmp_path / "net.medlib", asked, by="worker").id
    return lambda at: workspace.models.keep_mask(model, scan, painted(1, at=at), by="worker").id


def test_what_was_decided_on_as_a_prediction_is_not_signed_again(desk, predict, tmp_path):
    workspace, scan, asked, drawn = desk
    fixed = draw(workspace, scan, asked, at=2, by="ada", base=drawn)
    number = predict(3)
    workspace.reviews.decide(number, CORRECT, by="ada", version=fixed)
    assert waiting(workspace) == []
    workspace.reviews.decide(number, ACCEPT, by="eve")
    assert waiting(workspace) == [], "a third reader decides"
    assert not learned(workspace, asked)
    workspace.reviews.decide(number, REJECT, by="bob", reason="neither")
    assert waiting(workspace) == [fixed], "nobody stands behind it"


@pytest.mark.parametrize("at", [1, 2])
def test_an_accepted_prediction_takes_the_place_of_what_was_sent_back(desk, predict, at):
    """Also where it is the very outline that was sent back: two reviewers differ on it then."""
    workspace, scan, asked, drawn = desk
    workspace.signing.sign([drawn], REJECT, by="ada", reason="too small")
    accepted = workspace.reviews.decide(predict(at), ACCEPT, by="eve").version_id
    assert accepted != drawn
    head = workspace.versions.head(scan, asked)
    assert (head.id, head.parent_id) == (accepted, drawn)
    assert torch.equal(workspace.versions.mask(head.id).data, painted(1, at=at).data)
    assert behind(workspace, accepted) == ["eve"]
    assert behind(workspace, drawn) == []
    assert learned(workspace, asked)
    assert workspace.signing.to_mend() == []


def test_what_was_sent_back_is_no_correction(desk, predict):
    workspace, _, _, drawn = desk
    workspace.signing.sign([drawn], REJECT, by="ada", reason="too small")
    with pytest.raises(WorkspaceError, match="mend it first"):
        workspace.reviews.decide(predict(3), CORRECT, by="bob", version=drawn)


def test_what_was_signed_is_in_doubt_as_long_as_readers_differ_on_the_same_outline(desk, predict):
    workspace, _, asked, drawn = desk
    workspace.signing.sign([drawn], ACCEPT, by="ada")
    number = predict(1)
    workspace.reviews.decide(number, ACCEPT, by="eve")
    assert behind(workspace, drawn) == ["ada", "eve"]
    workspace.reviews.decide(number, REJECT, by="bob", reason="too small")
    assert behind(workspace, drawn) == []
    assert not learned(workspace, asked)
    workspace.reviews.decide(number, REJECT, by="ann", reason="too small")
    assert workspace.versions.head(1, asked, Content.MASK).id == drawn
