"""Two people's outlines as one: no voxel of either is lost, and nothing is done that nobody looked at."""

import pytest
import torch
from small_scans import ORGANS, add_scan, grid_of

from medlib.types import Mask
from medlib.workspace import Conflict, Seen, Workspace
from medlib.workspace.merging import keep_both


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "workspace") as found:
        add_scan(found, tmp_path)
        found.label_sets.add("organs", ORGANS, by="ada")
        yield found


def drawn(*rows, value=1, labels=ORGANS, annotated=None):
    """A mask in which rows (slice, row) are painted."""
    data = torch.zeros(1, *grid_of().shape, dtype=torch.uint8)
    for slice_, row in rows:
        data[0, slice_, row] = value
    return Mask(data, grid_of(), labels, annotated=annotated)


BEGUN = drawn((0, 0))


def apart(workspace, theirs, mine, *, seen=(None, None)):
    """Both begin with the same and save: the version that counts, and the one aside."""
    save = workspace.versions.save_mask
    base = save(1, 1, BEGUN, base=None, by="ada", seen=Seen.of([3])).id
    first = save(1, 1, theirs, base=base, by="ada", seen=seen[0] or Seen())
    with pytest.raises(Conflict) as conflict:
        save(1, 1, mine, base=base, by="bob", seen=seen[1] or Seen())
    return first.id, conflict.value.mine.id


def test_what_either_drew_or_erased_is_in_it_and_both_stay_in_the_history(workspace):
    pair = apart(workspace, drawn((0, 0), (1, 1)), drawn((2, 2), value=2))
    merged = keep_both(workspace.versions, *pair, by="bob")
    expected = drawn((1, 1)).data + drawn((2, 2), value=2).data  # bob had erased the first row
    assert torch.equal(workspace.versions.mask(merged.id).data, expected)
    assert workspace.versions.head(1, 1).id == merged.id
    assert (merged.origin, merged.merges_id, merged.parent_id) == ("merged", pair[1], pair[0])
    assert {*pair} < {version.id for version in workspace.versions.history(1, 1)}
    assert workspace.versions.aside(1, 1) == []
    assert workspace.verify() == ()


def test_where_both_drew_on_the_same_voxels_nobody_wins_in_silence(workspace):
    pair = apart(workspace, drawn((0, 0), (1, 1)), drawn((0, 0), (1, 1), value=2))
    count = len(workspace.versions.history(1, 1))
    with pytest.raises(Conflict):
        keep_both(workspace.versions, *pair, by="bob")
    assert workspace.versions.head(1, 1).id == pair[0]
    assert len(workspace.versions.history(1, 1)) == count


def test_a_slice_that_the_other_changed_is_not_done_any_more(workspace):
    """Ada finished slices 0 and 1; on 1, which she calls finished, bob draws. He finished 2 and 3."""
    pair = apart(
        workspace,
        drawn((0, 0), (0, 3)),
        drawn((0, 0), (1, 4), (2, 2)),
        seen=(Seen.of([0, 1, 3]), Seen.of([2, 3])),
    )
    merged = keep_both(workspace.versions, *pair, by="bob")
    assert Seen.from_dict(merged.seen) == Seen.of([0, 2, 3])


def test_a_whole_scan_is_whole_only_if_nothing_was_drawn_beside_it(workspace):
    pair = apart(
        workspace,
        drawn((0, 0), (0, 3)),
        drawn((0, 0), (1, 4)),
        seen=(Seen(whole=True), Seen.of([1])),
    )
    merged = keep_both(workspace.versions, *pair, by="bob")
    assert Seen.from_dict(merged.seen) == Seen.of([1]), (
        "of that bob says so, and ada changed nothing"
    )


def test_what_one_did_not_look_for_was_not_looked_for(workspace):
    pair = apart(
        workspace,
        drawn((0, 0), (0, 3), annotated=("liver",)),
        drawn((0, 0), (1, 4)),
    )
    merged = keep_both(workspace.versions, *pair, by="bob")
    assert merged.annotated == ["liver"]
