"""A batch's items side by side give what the network gives for the whole batch."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks.nets import SegResNet
from torch import nn

from medlib.models import Architecture
from medlib.models.threads import ThreadParallel, separable


def unet(coarser=0):
    torch.manual_seed(0)
    return Architecture(
        "unet",
        {
            "channels": [4, 8, 8],
            "strides": [[2, 2, 2], [2, 2, 2]],
            "num_res_units": 1,
            "coarser": coarser,
        },
    ).build(1, 2)


def gradients(network, model, x, mixed=False):
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        given = model(x)
    levels = given if isinstance(given, list) else [given]
    loss = sum((level.float() ** 2).mean() * (n + 1) for n, level in enumerate(levels))
    loss.backward()
    return levels, [None if p.grad is None else p.grad.clone() for p in network.parameters()]


@settings(max_examples=8)
@given(st.integers(1, 5), st.integers(1, 4), st.sampled_from([0, 1]), st.integers(0, 9))
def test_gradients_are_those_of_the_whole_batch(items, threads, coarser, seed):
    network = unet(coarser)
    x = torch.randn(items, 1, 8, 8, 8, generator=torch.Generator().manual_seed(seed))
    want, wanted = gradients(network, network, x)
    got, found = gradients(network, ThreadParallel(network, threads=threads), x)
    for a, b in zip(want, got, strict=True):
        torch.testing.assert_close(a, b)
    for a, b in zip(wanted, found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_same_batch_gives_the_same_gradients_bit_for_bit():
    network = unet()
    model = ThreadParallel(network, threads=2)
    x = torch.randn(2, 1, 16, 16, 16)
    _, first = gradients(network, model, x, mixed=True)
    for _ in range(5):
        _, again = gradients(network, model, x, mixed=True)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_threads_compute_at_the_precision_of_the_caller():
    network = unet()
    model = ThreadParallel(network, threads=2)
    x = torch.randn(2, 1, 8, 8, 8)
    (full,), _ = gradients(network, model, x)
    (half,), _ = gradients(network, model, x, mixed=True)
    assert full.dtype == torch.float32
    assert half.dtype == torch.bfloat16


def test_frozen_layers_stay_frozen():
    network = unet()
    first = next(network.parameters())
    first.requires_grad_(False)
    _, found = gradients(network, ThreadParallel(network, threads=2), torch.randn(2, 1, 8, 8, 8))
    assert found[0] is None
    assert all(g is not None for g in found[1:])


def test_the_callers_threads_stay_as_they_were():
    before = torch.get_num_threads()
    model = ThreadParallel(unet(), threads=2)
    model(torch.zeros(2, 1, 8, 8, 8))
    assert torch.get_num_threads() == before


def test_an_error_in_a_thread_is_told():
    with pytest.raises(RuntimeError, match="expected input"):
        ThreadParallel(unet(), threads=2)(torch.zeros(2, 3, 8, 8, 8))


def test_without_gradients_it_is_the_network():
    network = unet()
    x = torch.randn(2, 1, 8, 8, 8)
    with torch.no_grad():
        assert torch.equal(ThreadParallel(network, threads=2)(x), network(x))


@pytest.mark.parametrize(
    ("network", "apart"),
    [
        (nn.Sequential(nn.Conv3d(1, 1, 1), nn.BatchNorm3d(1)), False),
        (nn.Sequential(nn.Conv3d(1, 1, 1), nn.InstanceNorm3d(1, track_running_stats=True)), False),
        (nn.Sequential(nn.Conv3d(1, 1, 1), nn.Dropout(0.2)), False),
        (nn.Sequential(nn.Conv3d(1, 1, 1), nn.Dropout(0.0)), True),
        (nn.MultiheadAttention(4, 1, dropout=0.1), False),
        (SegResNet(init_filters=8, norm=("INSTANCE", {})), True),
    ],
)
def test_only_networks_that_see_items_one_by_one_are_led_apart(network, apart):
    assert separable(network) is apart


def test_the_librarys_own_networks_are_led_apart():
    assert separable(unet())
    encoder = Architecture.encoder(channels=(4, 8), strides=((2, 2, 2),)).build(1, 2)
    assert separable(copy.deepcopy(encoder))
