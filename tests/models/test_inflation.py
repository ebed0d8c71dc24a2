"""A volume that is the same in every slice gives what the slice gave."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from medlib.models import Architecture, inflate, libraries
from medlib.models.inflation import inflated, with_inputs

small = st.integers(1, 4)


@settings(max_examples=20)
@given(
    out=small, channels=small, rows=st.sampled_from((1, 3, 5)), depth=small, seed=st.integers(0, 99)
)
def test_a_constant_volume_gives_what_the_slice_gives(out, channels, rows, depth, seed):
    torch.manual_seed(seed)
    flat = nn.Conv2d(channels, out, (rows, 3))
    deep = nn.Conv3d(channels, out, (depth, rows, 3))
    deep.load_state_dict({"weight": inflated(flat.weight, depth), "bias": flat.bias})
    image = torch.randn(1, channels, 6, 7)
    volume = image[:, :, None].repeat(1, 1, depth + 2, 1, 1)
    expected = flat(image)[:, :, None].expand(-1, -1, 3, -1, -1)
    torch.testing.assert_close(deep(volume), expected, rtol=1e-4, atol=1e-5)


def test_a_whole_inflated_network_gives_the_features_of_torchvisions():
    """Edges are repeated in both: with zeros beyond, the first and last slices would differ."""
    torch.manual_seed(0)
    flat = libraries.torchvision().models.get_model("resnet18", num_classes=5).eval()
    for module in flat.modules():  # as if it had seen images
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    deep = Architecture.resnet(18).build(3, 5).eval()
    deep.load_state_dict(inflate(flat.state_dict()))
    for module in (*flat.modules(), *deep.modules()):
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            module.padding_mode = "replicate"
            module._reversed_padding_repeated_twice = [
                p for p in module.padding[::-1] for _ in "ab"
            ]
    image = torch.randn(1, 3, 33, 40)
    with torch.no_grad():
        expected = flat(image)
        got = deep(image[:, :, None].repeat(1, 1, 5, 1, 1))
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)


@settings(max_examples=20)
@given(out=small, before=small, after=small, seed=st.integers(0, 99))
def test_an_image_alike_in_every_channel_is_seen_as_before(out, before, after, seed):
    torch.manual_seed(seed)
    kernel = torch.randn(out, before, 3, 3)
    grey = torch.randn(1, 1, 5, 5)
    then = nn.functional.conv2d(grey.expand(-1, before, -1, -1), kernel)
    now = nn.functional.conv2d(grey.expand(-1, after, -1, -1), with_inputs(kernel, after))
    torch.testing.assert_close(now, then, rtol=1e-4, atol=1e-5)


def test_only_kernels_grow_and_pixels_become_voxels():
    flat = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, (5, 3)), nn.BatchNorm2d(2)
    ).state_dict()
    deep = inflate(flat, 7)
    assert deep["0.weight"].shape == (2, 1, 1, 1, 1)
    assert deep["1.weight"].shape == (2, 2, 7, 5, 3)
    assert all(deep[n] is t for n, t in flat.items() if t.ndim != 4)
    assert inflate(flat)["1.weight"].shape == (2, 2, 5, 5, 3)


def test_a_kernel_without_slices_is_refused():
    with pytest.raises(ValueError, match="at least one slice deep, not 0"):
        inflate({"weight": torch.ones(1, 1, 3, 3)}, 0)
