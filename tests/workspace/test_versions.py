"""Versions: nobody's stroke is lost, nothing is overwritten, no mask lands on another scan."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from small_scans import ORGANS, add_scan, grid_of, painted

from medlib.io import UnreadableError
from medlib.space import Grid
from medlib.types import Labels
from medlib.workspace import (
    Conflict,
    Content,
    NotThereError,
    Question,
    Seen,
    Status,
    Workspace,
    WorkspaceError,
)


@pytest.fixture
def desk(workspace, tmp_path):
    scan = add_scan(workspace, tmp_path)
    return workspace, scan, workspace.label_sets.add("organs", ORGANS, by="ada").id


def test_a_mask_comes_back_voxel_for_voxel_on_the_scans_own_grid(desk):
    workspace, scan, organs = desk
    mask = painted(2, at=5)
    turned = grid_of().reoriented("RAS")
    from medlib.io.placing import placed

    version = workspace.versions.save_mask(
        scan, organs, placed(mask, turned, "m"), base=None, by="ada"
    )
    found = workspace.versions.mask(version.id)
    assert found.grid == grid_of()
    assert torch.equal(found.data, mask.data)
    assert found.labels == ORGANS


def test_two_people_save_on_one_base_and_both_are_kept(desk):
    workspace, scan, organs = desk
    save = workspace.versions.save_mask
    base = save(scan, organs, painted(1, at=0), base=None, by="ada")
    hers = save(scan, organs, painted(1, at=1), base=base.id, by="ada")
    with pytest.raises(Conflict, match="ada saved revision 2") as caught:
        save(scan, organs, painted(2, at=2), base=base.id, by="bob")
    assert caught.value.theirs.id == hers.id
    his = caught.value.mine
    assert workspace.versions.head(scan, organs).id == hers.id
    assert [version.id for version in workspace.versions.aside(scan, organs)] == [his.id]
    assert torch.equal(workspace.versions.mask(his.id).data, painted(2, at=2).data)

    both = workspace.versions.merge(hers.id, his.id)
    assert not both.disputed.any()
    merged = save(scan, organs, both.mask, base=hers.id, by="bob", origin="merged", merges=his.id)
    assert merged.revision == 3
    assert not workspace.versions.aside(scan, organs)
    data = workspace.versions.mask(merged.id).data
    expected = painted(1, at=1).data + painted(2, at=2).data  # both took the base's row away
    assert torch.equal(data.int(), expected.int())


def test_two_that_began_with_nothing_are_in_conflict_too(desk):
    workspace, scan, organs = desk
    workspace.versions.save_mask(scan, organs, painted(1), base=None, by="ada")
    with pytest.raises(Conflict) as caught:
        workspace.versions.save_mask(scan, organs, painted(2), base=None, by="bob")
    both = workspace.versions.merge(caught.value.theirs.id, caught.value.mine.id)
    assert both.disputed.sum() == 8  # the row that each painted with another organ
    assert torch.equal(both.mask.data.int(), painted(1).data.int())  # who saved first is kept


def test_going_on_with_what_was_put_aside_stays_aside(desk):
    workspace, scan, organs = desk
    save = workspace.versions.save_mask
    save(scan, organs, painted(1), base=None, by="ada")
    with pytest.raises(Conflict) as first:
        save(scan, organs, painted(2, at=1), base=None, by="bob")
    with pytest.raises(Conflict) as second:
        save(scan, organs, painted(2, at=2), base=first.value.mine.id, by="bob")
    assert [v.id for v in workspace.versions.aside(scan, organs)] == [second.value.mine.id]


@pytest.mark.parametrize(
    "grid",
    [
        Grid.from_axes((4, 6, 8), spacing=(3.0, 1.0, 1.0)),  # elsewhere
        Grid.from_axes((4, 6, 8), spacing=(3.0, 1.0, 1.1), origin=(5.0, -7.0, 11.0)),
        Grid.from_axes((4, 6, 7), spacing=(3.0, 1.0, 1.0), origin=(5.0, -7.0, 11.0)),
    ],
)
def test_a_mask_of_another_scan_is_refused_by_name(local, tmp_path, grid):
    scan = add_scan(local, tmp_path, "liver_7")
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    with pytest.raises(UnreadableError, match="liver_7 lies on another grid"):
        local.versions.save_mask(scan, organs, painted(grid=grid), base=None, by="ada")
    assert local.versions.head(scan, organs) is None


def test_nothing_goes_on_from_a_version_of_another_scan(local, tmp_path):
    one, two = add_scan(local, tmp_path, "a"), add_scan(local, tmp_path, "b")
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    base = local.versions.save_mask(one, organs, painted(), base=None, by="ada")
    with pytest.raises(WorkspaceError, match="of another scan"):
        local.versions.save_mask(two, organs, painted(), base=base.id, by="ada")


def test_ids_and_names_are_those_of_the_label_set(local, tmp_path):
    scan = add_scan(local, tmp_path)
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    with pytest.raises(WorkspaceError, match="bears the ids 3"):
        local.versions.save_mask(scan, organs, painted(3), base=None, by="ada")
    swapped = painted(1, labels=Labels.of(["spleen", "liver"]))
    with pytest.raises(WorkspaceError, match="calls 1 'spleen'"):
        local.versions.save_mask(scan, organs, swapped, base=None, by="ada")
    with pytest.raises(WorkspaceError, match="no slice 4 along axis 0"):
        local.versions.save_mask(scan, organs, painted(), base=None, by="ada", seen=Seen.of([4]))
    unseen = replace(painted(9), labels=replace(ORGANS, ignored=9))
    with pytest.raises(WorkspaceError, match="by slices"):
        local.versions.save_mask(scan, organs, unseen, base=None, by="ada")


def test_overlapping_structures_keep_their_layers(local, tmp_path):
    scan = add_scan(local, tmp_path)
    organs = local.label_sets.add("organs", ORGANS, by="ada").id
    mask = replace(painted(1), data=torch.cat([painted(1).data, painted(2).data]))
    version = local.versions.save_mask(scan, organs, mask, base=None, by="ada")
    assert torch.equal(local.versions.mask(version.id).data, mask.data)


def test_a_label_set_keeps_what_scans_were_labelled_by(local):
    sets = local.label_sets
    row = sets.add("organs", ORGANS, by="ada", landmarks=["tip"])
    more = sets.change(row.id, ["liver", "spleen", "kidney"], by="ada", landmarks=["tip", "dome"])
    assert (more.revision, [label["name"] for label in more.labels][2]) == (2, "kidney")
    for labels, marks in ((["liver"], ["tip", "dome"]), (["spleen", "liver", "kidney"], ["tip"])):
        with pytest.raises(WorkspaceError, match="make another label set"):
            sets.change(row.id, labels, by="ada", landmarks=marks)
    with pytest.raises(NotThereError, match="there are: organs"):
        sets.get("organ")


def test_answers_and_landmarks_are_versions_too(desk, tmp_path):
    workspace, scan, _ = desk
    asked = workspace.label_sets.add(
        "study",
        by="ada",
        questions=[Question("fracture", "yes/no"), Question("size", "number", unit="mm")],
        landmarks=["tip"],
    ).id
    versions = workspace.versions
    some = versions.save_answers(scan, asked, {"fracture": False}, base=None, by="ada")
    assert workspace.scans.get(scan).status == Status.IN_PROGRESS
    versions.save_answers(scan, asked, {"fracture": False, "size": 4}, base=some.id, by="ada")
    with pytest.raises(Conflict):
        versions.save_answers(scan, asked, {"fracture": True}, base=some.id, by="bob")
    inside = grid_of().to_patient([1, 2, 3]).tolist()
    points = versions.save_points(scan, asked, {"tip": inside}, base=None, by="ada")
    assert workspace.scans.get(scan).status == Status.LABELLED
    np.testing.assert_array_equal(versions.points(points.id).coordinates, [inside])
    assert versions.head(scan, asked, Content.ANSWERS).entries == {"fracture": False, "size": 4.0}
    with pytest.raises(WorkspaceError, match="outside of case_1"):
        versions.save_points(scan, asked, {"tip": (500.0, 0.0, 0.0)}, base=points.id, by="ada")
    with pytest.raises(WorkspaceError, match="no question 'age'"):
        versions.save_answers(scan, asked, {"age": 3}, base=None, by="ada")


def test_the_database_itself_refuses_to_change_a_version(workspace, tmp_path):
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    scan = add_scan(workspace, tmp_path)
    organs = workspace.label_sets.add("organs", ORGANS, by="ada").id
    workspace.versions.save_mask(scan, organs, painted(), base=None, by="ada")
    for statement in ("UPDATE versions SET author = 'bob'", "DELETE FROM versions"):
        with (
            pytest.raises(DBAPIError, match="never changed"),
            workspace._database.writing() as session,
        ):
            session.execute(text(statement))


def test_twenty_people_saving_at_once_lose_nothing(workspace, tmp_path):
    """Each of them paints a row of his own, three times, on what counts at that moment."""
    scans = [add_scan(workspace, tmp_path, name) for name in "ab"]
    organs = workspace.label_sets.add("organs", ORGANS, by="ada").id
    versions, saved, failures = workspace.versions, [], []

    def work(person: int) -> None:
        scan, mine = scans[person % 2], person // 2
        try:
            for _ in range(3):
                base = versions.head(scan, organs)
                mask = painted(1, at=mine)
                if base is not None:
                    before = versions.mask(base.id)
                    mask = replace(before, data=before.data | mask.data)
                base_id = None if base is None else base.id
                by = f"person {person}"
                try:
                    version = versions.save_mask(scan, organs, mask, base=base_id, by=by)
                except Conflict as conflict:
                    version = conflict.mine
                saved.append((version.id, by, mask.data))
        except Exception as error:
            failures.append(error)

    people = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert not failures
    assert len(saved) == 60
    for number, by, data in saved:
        assert versions.get(number).author == by
        assert torch.equal(versions.mask(number).data, data)
    for scan in scans:
        history = versions.history(scan, organs)
        line = [version for version in history if not version.aside]
        assert [v.revision for v in line] == [*range(1, len(line) + 1)]
        assert [v.parent_id for v in line] == [None, *(v.id for v in line[:-1])]
    assert len(saved) == sum(len(versions.history(scan, organs)) for scan in scans)
    assert workspace.verify() == ()


class Desk(RuleBasedStateMachine):
    """Saves on any base, against a model of what should count and what should lie aside."""

    made = iter(range(1_000_000))
    folder = None

    def __init__(self) -> None:
        super().__init__()
        place = self.folder / str(next(self.made))
        self.workspace = Workspace(place / "workspace")
        self.scan = add_scan(self.workspace, place)
        self.organs = self.workspace.label_sets.add("organs", ORGANS, by="ada").id
        self.held = {}  # version: its mask
        self.head, self.aside = None, []

    @rule(data=st.data(), value=st.sampled_from([1, 2]), at=st.integers(0, 23))
    def save(self, data, value, at):
        base = data.draw(st.sampled_from([None, *self.held]))
        mask = painted(value, at)
        try:
            version = self.workspace.versions.save_mask(
                self.scan, self.organs, mask, base=base, by="ada"
            )
            assert base == self.head
            self.head = version.id
        except Conflict as conflict:
            assert base != self.head
            version, theirs = conflict.mine, conflict.theirs.id
            assert theirs == self.head
            self.aside = [*(v for v in self.aside if v != base), version.id]
        self.held[version.id] = mask.data

    @rule()
    def merge(self):
        if self.aside:
            mine = self.aside.pop(0)
            both = self.workspace.versions.merge(self.head, mine)
            version = self.workspace.versions.save_mask(
                self.scan, self.organs, both.mask, base=self.head, by="bob", merges=mine
            )
            self.head = version.id
            self.held[version.id] = both.mask.data

    @rule()
    def open_again(self):
        folder = self.workspace.folder
        self.workspace.close()
        self.workspace = Workspace(folder)
        self.workspace.sweep(older_than=0)

    @invariant()
    def nothing_is_lost(self):
        versions = self.workspace.versions
        head = versions.head(self.scan, self.organs)
        assert (head and head.id) == self.head
        assert [v.id for v in versions.aside(self.scan, self.organs)] == sorted(self.aside)
        history = versions.history(self.scan, self.organs)
        assert [version.id for version in history] == sorted(self.held)
        for version in history[-2:]:
            assert torch.equal(versions.mask(version.id).data.int(), self.held[version.id].int())

    def teardown(self):
        assert self.workspace.verify() == ()
        self.workspace.close()


def test_whatever_is_saved_on_whatever_base_is_there(tmp_path):
    Desk.folder = tmp_path
    choices = settings(
        max_examples=4, stateful_step_count=10, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(Desk, settings=choices)
