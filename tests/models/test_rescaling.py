"""Kernels that a norm follows are given another length, and the network answers as before."""

import pytest
import torch
from torch import nn

from medlib.models import Architecture, call, lengths, rescale, scale_free


def unet():
    return Architecture.residual_unet(channels=(4, 8, 16)).build(1, 3)


def test_a_network_answers_as_before_and_its_kernels_are_as_long_as_fresh_ones():
    torch.manual_seed(0)
    grown, fresh = unet(), lengths(unet())
    with torch.no_grad():
        for one in scale_free(grown).values():
            one.weight.mul_(8)  # as long trainings do
            one.bias.mul_(8)
    others = {
        n: p.clone() for n, p in grown.named_parameters() if n.rpartition(".")[0] not in fresh
    }
    x = torch.randn(2, 1, 16, 16, 16)
    before = call(grown, x)
    assert set(rescale(grown, fresh)) == set(fresh) == set(scale_free(grown))
    torch.testing.assert_close(call(grown, x), before, atol=2e-3, rtol=2e-3)
    assert lengths(grown) == pytest.approx(fresh)
    assert others
    assert all(torch.equal(dict(grown.named_parameters())[n], p) for n, p in others.items())


def test_only_what_a_norm_follows_at_once_is_free():
    network = nn.Sequential(
        nn.Sequential(nn.Conv3d(1, 2, 3), nn.Sequential(nn.InstanceNorm3d(2), nn.ReLU())),
        nn.Conv3d(2, 2, 3),
        nn.ReLU(),
        nn.InstanceNorm3d(2),
        nn.Conv3d(2, 2, 3),
        nn.BatchNorm3d(2),
        nn.ConvTranspose3d(2, 2, 2),
        nn.InstanceNorm3d(2),
    )
    assert set(scale_free(network)) == {"0.0", "6"}
    heads = [name for name in scale_free(unet()) if name.startswith("model.2.1")]
    assert heads == []
    residuals = [name for name in scale_free(unet()) if "residual" in name]
    assert residuals == []


def test_kernels_of_no_length_and_those_not_asked_for_stay():
    network = nn.Sequential(
        nn.Conv3d(1, 2, 3), nn.InstanceNorm3d(2), nn.Conv3d(2, 2, 3), nn.InstanceNorm3d(2)
    )
    nn.init.zeros_(network[0].weight)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert rescale(network, {"0": 1.0}) == ()
    assert rescale(network, {}) == ()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
