"""Sliding windows: for a network that sees one voxel at a time, they must change nothing."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from medlib.infer import sliding_window
from medlib.infer.window import _starts

sizes = st.tuples(*[st.integers(1, 14)] * 3)


def voxelwise(channels=2, classes=3):
    torch.manual_seed(0)
    return nn.Conv3d(channels, classes, 1).requires_grad_(False)


@given(sizes, sizes, st.floats(0, 0.9))
def test_windows_change_nothing_for_a_network_that_looks_at_one_voxel(size, window, overlap):
    network, x = voxelwise(), torch.randn(2, *size)
    done = sliding_window(network, x, window, overlap=overlap)
    torch.testing.assert_close(done, network(x[None])[0], atol=1e-5, rtol=1e-5)


@given(st.integers(1, 60), st.integers(1, 20), st.floats(0, 0.95))
def test_every_voxel_is_seen_and_none_beyond_the_edge(size, window, overlap):
    starts = _starts(size, window, overlap)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    seen = {start + k for start in starts for k in range(window)}
    assert seen >= set(range(size))
    assert starts[-1] + window <= max(size, window)


def test_neighbours_have_in_common_what_was_asked_for():
    starts = _starts(100, 20, 0.5)
    assert max(b - a for a, b in itertools.pairwise(starts)) <= 10


def test_a_small_scan_is_padded_with_the_value_that_training_used():
    seen = []

    def network(x):
        seen.append(x)
        return x

    x = torch.rand(1, 2, 5, 9)
    done = sliding_window(network, x, (4, 6, 8), fill=[-7.0])
    torch.testing.assert_close(done, x)
    assert all(window.shape == (1, 1, 4, 6, 8) for window in seen)
    assert all((window == -7.0).sum() > 0 for window in seen)
    assert not any(window[window != -7.0].min() < 0 for window in seen)


def test_the_middle_of_a_window_counts_more_than_its_edge():
    """Two windows that disagree: each wins where it is nearer to its middle."""
    answers = iter([torch.zeros(1, 1, 1, 1, 8), torch.ones(1, 1, 1, 1, 8)])
    done = sliding_window(lambda x: next(answers), torch.zeros(1, 1, 1, 12), (1, 1, 8))[0, 0, 0]
    assert torch.equal(done[:4], torch.zeros(4))
    assert torch.equal(done[8:], torch.ones(4))
    assert (done.diff() >= 0).all()
    assert float(done[4]) < 0.05
    assert float(done[7]) > 0.95


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_are_float32_whatever_the_network_gives(dtype):
    done = sliding_window(lambda x: x.to(dtype), torch.rand(1, 6, 6, 6), (4, 4, 4))
    assert done.dtype == torch.float32
