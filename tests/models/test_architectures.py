"""Networks by name: the only ones there are, and sizes that they can see."""

import copy
import json
from functools import cache

import pytest
import strategies  # noqa: F401 (registers how examples are drawn)
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks.nets import DynUNet
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional

from medlib.models import ARCHITECTURES, Architecture, call, libraries, outputs
from medlib.models.studies import POOLS, SliceNet

STRIDES = ((1, 2, 2), (2, 2, 2))
SMALL = [
    Architecture.residual_unet(channels=(2, 4, 4), strides=STRIDES, units=1),
    Architecture.dynunet(channels=(4, 4, 8), strides=STRIDES, coarser=1),
    Architecture("segresnet", {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}),
    Architecture("swinunetr", {"feature_size": 12, "depths": [1] * 4, "window_size": [2] * 3}),
    Architecture.encoder(channels=(2, 4, 4), strides=STRIDES, units=1),
    Architecture.resnet(10, width=4),
    Architecture("densenet", {"init_features": 4, "growth_rate": 2, "block_config": [1, 1]}),
    Architecture.slices("timm/resnet10t"),
]
VOXELWISE = [a for a in SMALL if not a.per_study]
STUDYWISE = [a for a in SMALL if a.per_study]


def named(architecture):
    return architecture.name


def multiples(architecture):
    """Sizes that it promises to see."""
    divisor = architecture.divisor
    once_or_twice = st.permutations((1, 1, 2))  # of what is large, little
    few = st.tuples(*[st.integers(1, 4)] * 3).filter(lambda times: max(times) > 1)
    return (once_or_twice if max(divisor) >= 32 else few).map(
        lambda times: [n * d for n, d in zip(times, divisor, strict=True)]
    )


@cache
def network(name):
    """Built once, for two channels and four answers."""
    return next(a for a in SMALL if a.name == name).build(2, 4).eval()


@pytest.mark.parametrize("architecture", VOXELWISE, ids=named)
@settings(max_examples=4)
@given(draw=st.data())
def test_logits_are_as_large_as_the_scan_at_multiples_of_the_divisor(architecture, draw):
    size = draw.draw(multiples(architecture))
    with torch.no_grad():
        logits = call(network(architecture.name), torch.zeros(1, 2, *size))
    assert logits.shape == (1, 4, *size)


@pytest.mark.parametrize("architecture", STUDYWISE, ids=named)
@settings(max_examples=4)
@given(draw=st.data())
def test_studies_of_any_multiple_of_the_divisor_get_one_answer(architecture, draw):
    size = draw.draw(multiples(architecture))
    with torch.no_grad():
        answers = call(network(architecture.name), torch.zeros(3, 2, *size))
    assert answers.shape == (3, 4)


@pytest.mark.parametrize("architecture", VOXELWISE, ids=named)
def test_what_is_no_multiple_of_the_divisor_is_not_seen(architecture):
    """So that the divisor is no larger than it must be."""
    size = [3 * d + (d > 1) for d in architecture.divisor]
    with torch.no_grad():
        try:
            shape = network(architecture.name)(torch.zeros(1, 2, *size)).shape
        except (RuntimeError, ValueError):
            return
    assert shape[2:] != torch.Size(size)


@pytest.mark.parametrize("architecture", SMALL, ids=named)
def test_every_weight_learns(architecture):
    network = architecture.build(1, 2).train()
    torch.manual_seed(0)
    size = [max(8, 2 * d) if d < 32 else d for d in architecture.divisor]
    size[-1] = max(size[-1], 64 if architecture.name == "swinunetr" else 16)
    output = outputs(network, torch.randn(2, 1, *size))
    sum(logits.square().mean() for logits in (output.logits, *output.coarser)).backward()
    missing = [n for n, p in network.named_parameters() if p.grad is None]
    assert not missing
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("architecture", SMALL, ids=named)
def test_plain_json_and_safetensors_make_the_same_network_again(architecture):
    """Safetensors refuses weights with two names, which would make a model that cannot be saved."""
    written = json.loads(
        json.dumps({"name": architecture.name, "arguments": architecture.arguments})
    )
    again = Architecture(**written)
    first, other = network(architecture.name), again.build(2, 4).eval()
    other.load_state_dict(load(save(first.state_dict())))
    x = torch.randn(1, 2, *[4 * d if d < 32 else d for d in again.divisor[:2]], 64)
    with torch.no_grad():
        torch.testing.assert_close(other(x), first(x))
    assert again.divisor == architecture.divisor


@pytest.mark.parametrize("architecture", SMALL, ids=named)
def test_a_network_can_be_copied_in_the_middle_of_training(architecture):
    network = architecture.build(1, 2).train()
    size = [64 if architecture.name == "swinunetr" else max(16, d) for d in architecture.divisor]
    if architecture.name == "swinunetr":
        size[:2] = 32, 32
    call(network, torch.zeros(2, 1, *size))
    assert len(copy.deepcopy(network).state_dict()) == len(network.state_dict())


def test_every_architecture_is_tried_here():
    assert {a.name for a in SMALL} == set(ARCHITECTURES)


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture.segresnet(filters=8),
        Architecture.swinunetr(features=12),
        Architecture.densenet(),
        Architecture.radiograph("torchvision/mobilenet_v3_small"),
    ],
    ids=named,
)
def test_named_makers_make_networks(architecture):
    assert sum(p.numel() for p in architecture.build(1, 2).parameters()) > 1e5


@pytest.mark.parametrize("depth", [18, 50])
def test_3d_residual_networks_are_laid_out_as_torchvisions(depth):
    """Stride for stride and name for name, or inflated weights would mean something else."""
    flat = libraries.torchvision().models.get_model(f"resnet{depth}", num_classes=3)
    deep = Architecture.resnet(depth).build(3, 3)
    theirs, ours = flat.state_dict(), deep.state_dict()
    assert list(theirs) == list(ours)
    assert all(
        t.shape == (*o.shape[:2], *o.shape[3:])
        for t, o in zip(theirs.values(), ours.values(), strict=True)
        if o.ndim == 5
    )
    strides = [
        {
            name: m.stride[-1]
            for name, m in network.named_modules()
            if hasattr(m, "kernel_size") and "pool" not in name
        }
        for network in (flat, deep)
    ]
    assert strides[0] == strides[1]


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (lambda: Architecture("os.system"), r"'os\.system'; there are: unet, dynunet"),
        (lambda: Architecture.densenet(7), "121, 169, 201 layers, not 7"),
        (lambda: Architecture.resnet(7).build(1, 2), "layers: 7"),
        (lambda: Architecture.dynunet(channels=(4, 8)).build(1, 2), "three levels or more"),
        (
            lambda: Architecture.residual_unet(channels=(4, 8, 8), strides=((2, 2, 2),)).build(
                1, 2
            ),
            "one stride fewer, got 1",
        ),
        (lambda: Architecture.slices("resnet18").build(1, 2), "begins with timm or torchvision"),
        (lambda: Architecture.slices("timm/hf-hub:someone/net").build(1, 2), "no network called"),
        (
            lambda: Architecture.slices("timm/local-dir:somewhere/net").build(1, 2),
            "no network called",
        ),
        (
            lambda: Architecture.slices("torchvision/fcn_resnet50").build(1, 2),
            "no classification network",
        ),
        (
            lambda: Architecture.slices("timm/vit_tiny_patch16_224").build(1, 2),
            "multiple of 32 pixels",
        ),
        (lambda: Architecture.slices(pool="median").build(1, 2), "mean or attention, not 'median'"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_reason(architecture, words):
    with pytest.raises(ValueError, match=words):
        architecture()


def test_arguments_that_would_fetch_files_do_not_reach_the_library():
    with pytest.raises(TypeError, match="checkpoint_path"):
        Architecture("slices", {"backbone": "timm/resnet18", "checkpoint_path": "x"}).build(1, 2)


@pytest.mark.parametrize("pool", POOLS)
def test_every_slice_counts_wherever_it_is(pool):
    network = SliceNet(nn.Sequential(nn.Conv2d(1, 4, 8), nn.Flatten()), 4, 2, pool=pool)
    x = torch.randn(1, 1, 5, 8, 8, requires_grad=True)
    torch.testing.assert_close(network(x), network(x.flip(2)))
    network(x)[0, 0].backward()
    assert (x.grad.abs().sum((0, 1, 3, 4)) > 0).all()


@pytest.mark.parametrize("architecture", STUDYWISE, ids=named)
def test_each_study_of_a_batch_is_answered_by_itself(architecture):
    x = torch.randn(3, 2, *[max(4, d) for d in architecture.divisor])
    with torch.no_grad():
        alone = torch.cat([network(architecture.name)(study[None]) for study in x])
        torch.testing.assert_close(network(architecture.name)(x), alone, rtol=1e-3, atol=1e-5)


def test_deep_unet_is_monais_dynunet():
    """The same weights give the same logits, also at the coarser levels."""
    ours = Architecture.dynunet(channels=(4, 6, 8, 8), strides=(*STRIDES, (2, 2, 2)), coarser=2)
    ours = ours.build(1, 3)
    theirs = DynUNet(
        3, 1, 3, [3] * 4, [1, *STRIDES, 2], [*STRIDES, 2],
        filters=[4, 6, 8, 8], res_block=True, deep_supervision=True, deep_supr_num=2,
    )  # fmt: skip
    assert not theirs.load_state_dict(ours.state_dict(), strict=False).unexpected_keys
    x = torch.randn(2, 1, 8, 16, 16)
    stacked = theirs(x).unbind(1)
    logits = ours(x)
    assert [tuple(y.shape[2:]) for y in logits] == [(8, 16, 16), (8, 8, 8), (4, 4, 4)]
    for mine, monais in zip(logits, stacked, strict=True):
        torch.testing.assert_close(functional.interpolate(mine, x.shape[2:]), monais)
