"""What to label next: doubtful, different, and said why."""

import numpy as np
import pytest
import torch

from medlib.assist import doubt, features_of, next_scans, next_slices, scan_doubt
from medlib.space import Grid
from medlib.transforms import Move, resample
from medlib.types import Labels, Probabilities, Volume


def beliefs(share: torch.Tensor, spacing=(3.0, 1.0, 1.0)) -> Probabilities:
    grid = Grid.from_axes(share.shape, spacing=spacing)
    return Probabilities(torch.stack([1 - share, share]), grid, Labels.of(["liver"]))


def test_doubt_is_entropy():
    from scipy.stats import entropy

    shares = torch.softmax(torch.randn(4, 3, 4, 5), 0)
    found = doubt(
        Probabilities(shares, Grid.from_axes((3, 4, 5)), Labels.of("abc"[i] for i in range(3)))
    )
    assert np.allclose(found, entropy(shares.numpy(), base=4), atol=1e-5)


def test_a_scan_is_as_doubtful_however_much_of_nothing_is_around():
    share = torch.zeros(6, 8, 8)
    share[2:4, 2:6, 2:6] = 0.7
    wide = torch.nn.functional.pad(share, (10, 10, 10, 10))
    assert scan_doubt(beliefs(share)) == pytest.approx(scan_doubt(beliefs(wide)), rel=1e-3)


def test_twins_are_not_both_asked_for_and_every_scan_is_named_once():
    features = {"old": [0, 0], "a": [5, 0], "twin of a": [5, 0.01], "b": [0, 4]}
    doubts = {"a": 0.9, "twin of a": 0.89, "b": 0.5}
    found = next_scans(doubts, features, labelled=["old"])
    assert [f.name for f in found] == ["a", "b", "twin of a"]
    assert "much like a" in found[2].reason
    assert [f.name for f in next_scans(doubts, features, labelled=["old"], count=1)] == ["a"]
    assert next_scans(dict(reversed(doubts.items())), features, labelled=["old"]) == found
    with pytest.raises(ValueError, match="no features of c"):
        next_scans({"c": 1.0}, features)
    with pytest.raises(ValueError, match="doubt about a"):
        next_scans({"a": float("nan")}, features)


def test_what_stands_for_many_comes_before_what_is_merely_odd():
    many = {f"usual {k}": [3.0 + 0.1 * k, 0.0] for k in range(5)}
    features = {"old": [0.0, 0.0], "odd": [0.0, 9.0], **many}
    first, second, *_ = next_scans(dict.fromkeys(["odd", *many], 0.5), features, labelled=["old"])
    assert first.name == "usual 2"
    assert "stands for 4 more" in first.reason
    assert second.name == "odd"
    assert "unlike all that is labelled" in second.reason
    doubtful = dict.fromkeys(many, 0.1) | {"odd": 0.9}
    assert next_scans(doubtful, features, labelled=["old"], count=1)[0].name == "odd"
    assert next_scans({}, many, count=1)[0].name == "usual 2"


def test_features_do_not_mind_how_a_scan_is_stored_or_in_which_units():
    scan = Volume(torch.randn(1, 5, 6, 7), Grid.from_axes((5, 6, 7), spacing=(3, 1, 2)))
    there = resample(scan, Move(scan.grid, scan.grid.reoriented("LIA")))
    assert np.allclose(features_of(scan), features_of(there), atol=1e-5)
    assert np.allclose(
        features_of(scan), features_of(Volume(scan.data * 9 + 4, scan.grid)), atol=1e-4
    )


def test_slices_are_doubtful_and_far_from_those_done():
    share = torch.zeros(32, 4, 4)
    share[4:10] = 0.5
    share[20:24] = 0.4
    found = next_slices(beliefs(share), done=[6], count=3)
    assert 20 <= found[0].number < 24
    assert len({6, *(f.number for f in found)}) == 4
    along = beliefs(share.permute(1, 2, 0).contiguous())
    assert next_slices(along, axis=2, done=[6])[0].number == found[0].number
    assert next_slices(beliefs(share), done=list(range(32))) == []
    with pytest.raises(ValueError, match="slice 32"):
        next_slices(beliefs(share), done=[32])
