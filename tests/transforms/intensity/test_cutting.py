"""Holes are whole, empty, and within the scan."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medlib.space import Grid
from medlib.transforms import CutOut, EmptyBoxes, Item, Pipeline, apply
from medlib.types import CTVolume


def scan_of(shape):
    return CTVolume(torch.full((2, *shape), 40, dtype=torch.int16), Grid.from_axes(shape))


def test_a_box_is_filled_with_air():
    scan = scan_of((5, 6, 7))
    out = apply(EmptyBoxes((((1, 2, 3), (2, 3, 1)),)), scan).data
    wanted = torch.full((2, 5, 6, 7), 40.0)
    wanted[:, 1:3, 2:5, 3:4] = -1000
    assert torch.equal(out, wanted)


@given(
    st.lists(st.integers(1, 30), min_size=3, max_size=3),
    st.floats(0, 1), st.integers(1, 6), st.integers(0, 99),
)  # fmt: skip
def test_boxes_lie_within_and_are_no_longer_than_asked(shape, up_to, count, seed):
    scan = scan_of(tuple(shape))
    item = Pipeline((CutOut(count, up_to),))(Item((scan,)), seed=seed)
    for step in item.trail.steps:
        assert len(step.boxes) <= count
        for start, sides in step.boxes:
            for a, side, n in zip(start, sides, shape, strict=True):
                assert a >= 0
                assert a + side <= n
                assert side <= max(1, up_to * n + 0.5)


def test_boxes_may_lie_at_either_end():
    starts = set()
    for seed in range(60):
        item = Pipeline((CutOut(5, 0.5),))(Item((scan_of((6, 1, 1)),)), seed=seed)
        starts |= {(a, a + n) for s in item.trail.steps for (a, *_), (n, *_) in s.boxes}
    assert min(a for a, _ in starts) == 0
    assert max(b for _, b in starts) == 6


@pytest.mark.parametrize("made", [lambda: CutOut(0), lambda: CutOut(1, 1.5), lambda: CutOut(1, -1)])
def test_numbers_that_make_no_sense(made):
    with pytest.raises(ValueError, match="one at least"):
        made()
