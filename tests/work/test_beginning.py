"""What a training begins with: whom an earlier model knows, the next is never measured on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from working import done

from medlib.data import Case
from medlib.work import Training, read_request, seen_by
from medlib.work.beginning import Beginning, beginning_of, of_new_patients
from medlib.work.training import train
from medlib.workspace import Seen, Workspace, WorkspaceError

PATIENTS = st.sets(st.sampled_from("abcdefghij"))


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "workspace") as found:
        yield found


def label_more(workspace, label_set, scans, ball):
    for scan in scans:
        workspace.versions.save_mask(
            scan, label_set, ball(workspace, scan, label_set), base=None, by="ada",
            seen=Seen(whole=True),
        )  # fmt: skip


def test_a_training_goes_on_from_a_model_and_is_measured_on_nobody_it_knows(
    workspace, filled, ball
):
    label_set = filled(workspace, 8, 3)
    first = done(workspace, Training(label_set, rounds=1), train)["model"]
    label_more(workspace, label_set, range(4, 9), ball)
    second = done(workspace, Training(label_set, rounds=1, begin=first), train)["model"]
    third = done(workspace, Training(label_set, rounds=1, begin=second), train)["model"]
    cards = {row.id: row.card for row in workspace.models.list()}
    assert cards[first]["learned from before"] == []
    assert cards[second]["learned from before"] == cards[first]["learned from"]
    assert set(cards[third]["learned from before"]) == {*seen_by(cards[second])}
    assert set(cards[first]["measured on"]) <= set(cards[second]["measured on"])
    for before, after in ((first, second), (second, third)):
        assert not {*seen_by(cards[before])} & {*cards[after]["measured on"]}
        assert len(cards[after]["measured on"]) == 2  # a fifth of eight patients
    assert any("100% of the network's weights" in one for one in cards[second]["reasons"])
    assert cards[second]["begun with"] == "the model balls"


def test_where_the_model_knows_everybody_nothing_is_claimed(workspace, filled):
    label_set = filled(workspace, 2, 2)
    first = done(workspace, Training(label_set, rounds=1), train)["model"]
    second = done(workspace, Training(label_set, rounds=1, begin=first), train)["model"]
    card = next(row.card for row in workspace.models.list() if row.id == second)
    assert (card["measured on"], card["mean"]) == ([], None)


def test_weights_that_come_with_the_library(workspace, filled):
    label_set = filled(workspace, 4, 3)
    request = Training(label_set, rounds=1, begin="medlib-synthetic-small")
    done(workspace, request, train)
    (model,) = workspace.models.list()
    assert model.card["begun with"] == "shapes, learned beforehand (medlib-synthetic-small)"
    assert any("begun with other weights" in reason for reason in model.card["reasons"])
    assert len(model.card["measured on"]) == 1


def test_what_it_cannot_begin_with_is_refused(workspace, filled):
    label_set = filled(workspace, 4, 3)
    first = done(workspace, Training(label_set, rounds=1), train)["model"]
    other = workspace.label_sets.add("others", ["ball"], by="ada").id
    for request, said in (
        (Training(label_set, rounds=1, begin="imagenet"), "no weights 'imagenet'"),
        (Training(label_set, rounds=1, begin=99), "no model 99"),
        (Training(other, rounds=1, begin=first), "learned something else"),
    ):
        with pytest.raises(WorkspaceError, match=said):
            beginning_of(workspace, request)
    (learned, *_) = workspace.models.list()[0].card["learned from"]
    workspace.scans.tag(learned, "test", by="ada")
    with pytest.raises(WorkspaceError, match="kept for the last test"):
        beginning_of(workspace, Training(label_set, rounds=1, begin=first))


def test_requests_of_before_begin_as_the_plan_says(workspace):
    request = read_request("train", {"label_set": 1, "minutes": 2.0})
    assert beginning_of(workspace, request).weights is None
    assert beginning_of(workspace, Training(1, minutes=2, begin="nothing")).weights is False


@given(PATIENTS, PATIENTS, PATIENTS)
def test_nobody_who_is_known_is_ever_kept_back(there, known, measured):
    cases = [Case(name, name, None) for name in sorted(there)]
    numbers = {name: ord(name) for name in "abcdefghij"}
    begun = Beginning("w", "w", frozenset(map(ord, known)), frozenset(map(ord, measured)))
    if len(there) >= 3:
        learned, kept = begun.splitter(cases, numbers)(cases)
        names = {case.patient for case in kept}
        assert not names & known
        assert bool(names) == bool(there - known)
        assert {case.patient for case in learned} == there - names
        if known & there and there - known:  # those who measured before measure again
            assert there & measured - known <= names
    else:
        assert begun.splitter(cases, numbers)(cases)[1] == []


def test_the_same_patients_are_drawn_each_time():
    cases = [Case(name, name, None) for name in "abcdefghij"]
    draws = [of_new_patients({"a"}, set())(cases)[1] for _ in range(2)]
    assert draws[0] == draws[1]
    assert len(draws[0]) == 2
