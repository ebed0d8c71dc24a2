"""Layer groups: every parameter once, the head last; what is frozen stays as it is."""

import pytest
import torch
from monai.networks.nets import DenseNet, DynUNet, SegResNet, UNet
from torch import nn

from medlib.models import (
    Architecture,
    call,
    decay_groups,
    freeze_to,
    layer_groups,
    libraries,
    train_thawed,
)

STRIDES = ((1, 2, 2), (2, 2, 2))


class Tied(nn.Module):
    """An embedding that is the output's weight too, and a parameter on no part."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.embed = nn.Linear(4, 4)
        self.blocks = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 4)
        self.head.weight = self.embed.weight


NETWORKS = {
    "unet": lambda: Architecture.residual_unet(channels=(2, 4, 8), strides=STRIDES).build(1, 3),
    "plain unet": lambda: UNet(3, 1, 3, (2, 4), (2,)),
    "dynunet": lambda: Architecture.dynunet(channels=(4, 4, 8), strides=STRIDES, coarser=1).build(1, 3),
    "monai's dynunet": lambda: DynUNet(3, 1, 3, [3] * 3, [1, 2, 2], [2, 2], filters=[4, 4, 8]),
    "segresnet": lambda: SegResNet(init_filters=8, in_channels=1, out_channels=3),
    "densenet": lambda: DenseNet(3, 1, 3, init_features=4, growth_rate=4, block_config=(1, 1)),
    "resnet": lambda: Architecture.resnet(10, width=4).build(1, 3),
    "encoder": lambda: Architecture.encoder(channels=(2, 4, 8), strides=STRIDES).build(1, 3),
    "slices": lambda: Architecture.slices("timm/resnet10t").build(1, 3),
    "vit": lambda: libraries.timm().create_model("test_vit", num_classes=3),
    "convnext": lambda: libraries.timm().create_model("test_convnext", num_classes=3),
    "tied": Tied,
    "one layer": lambda: nn.Conv3d(1, 3, 1),
    "wrapped": lambda: nn.Sequential(nn.Sequential(nn.Conv3d(1, 4, 1), nn.Conv3d(4, 3, 1))),
}  # fmt: skip
UNETS = ("unet", "dynunet", "monai's dynunet", "segresnet")


def names(network, parameters):
    own = {id(p): name for name, p in network.named_parameters()}
    return [own[id(p)] for p in parameters]


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return NETWORKS[request.param]()


def test_every_parameter_is_in_exactly_one_group(network):
    found = [id(p) for group in layer_groups(network) for p in group]
    assert sorted(found) == sorted(id(p) for p in network.parameters())
    assert all(layer_groups(network))


@pytest.mark.parametrize("name", [n for n in NETWORKS if n not in {"tied", "plain unet"}])
def test_the_last_group_is_what_gives_the_answers(name):
    """It must hold everything whose size depends on the number of classes."""
    network = NETWORKS[name]()
    head = names(network, layer_groups(network)[-1])
    answering = [n for n, p in network.named_parameters() if 3 in p.shape[:1]]
    assert set(answering) <= set(head)


@pytest.mark.parametrize("name", UNETS)
def test_u_nets_are_encoder_decoder_and_head(name):
    network = NETWORKS[name]()
    encoder, decoder, head = layer_groups(network)
    # Features of the coarsest level come from the encoder alone: nothing else moves them.
    assert len(encoder) > len(head)
    assert decoder
    if name == "unet":
        assert all(".2." not in n for n in names(network, encoder))
        assert all(n.startswith("model.2.") for n in names(network, head))


def test_layers_of_other_networks_are_told_apart_in_order():
    network = NETWORKS["resnet"]()
    firsts = [names(network, group)[0].partition(".")[0] for group in layer_groups(network)]
    assert firsts == ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"]
    assert names(network, layer_groups(network)[0]) == ["conv1.weight", "bn1.weight", "bn1.bias"]
    slices = NETWORKS["slices"]()
    groups = [names(slices, group) for group in layer_groups(slices)]
    assert len(groups) == 6
    assert [n.partition(".")[0] for n in groups[-1]] == ["attention_head"] * 4 + ["head"] * 2


def test_what_hangs_on_no_part_learns_with_the_first_layers():
    network = Tied()
    assert names(network, layer_groups(network)[0])[0] == "token"
    assert names(network, layer_groups(network)[-1]) == [
        "head.bias"
    ]  # the weight is the embedding's


@pytest.mark.parametrize("name", ["unet", "dynunet", "segresnet", "resnet", "slices", "encoder"])
def test_frozen_layers_give_the_same_after_training(name):
    """Weights, and running statistics too, which no optimiser touches."""
    network = NETWORKS[name]()
    before = {n: t.clone() for n, t in network.state_dict().items()}
    freeze_to(network, -1)
    train_thawed(network)
    optimiser = torch.optim.AdamW(decay_groups(network, 0.1), lr=0.1)
    torch.manual_seed(0)
    call(network, torch.randn(2, 1, 16, 32, 32)).square().mean().backward()
    optimiser.step()
    head = set(names(network, layer_groups(network)[-1]))
    changed = {n for n, t in network.state_dict().items() if not torch.equal(t, before[n])}
    assert changed
    assert changed <= head


def test_all_is_thawed_again():
    network = NETWORKS["resnet"]()
    freeze_to(network, -1)
    freeze_to(network, 0)
    train_thawed(network)
    assert all(p.requires_grad for p in network.parameters())
    assert all(m.training for m in network.modules())


@pytest.mark.parametrize("group", [3, -4])
def test_a_group_that_is_not_there_is_refused(group):
    with pytest.raises(IndexError, match=f"has 3 layer groups, and no group {group}"):
        freeze_to(NETWORKS["unet"](), group)


def test_norms_and_biases_do_not_decay(network):
    groups = decay_groups(network, 0.01)
    found = [id(p) for group in groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in network.parameters())
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    norms = tuple(t for t in vars(nn).values() if isinstance(t, type) and "Norm" in t.__name__)
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(module, norms) or name == "bias":
                assert decay[id(parameter)] == 0
            elif isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
                assert decay[id(parameter)] == 0.01


def test_what_a_network_spares_itself_does_not_decay_even_inside_another():
    inner = libraries.timm().create_model("test_vit", num_classes=3)
    assert inner.no_weight_decay()
    outer = nn.Sequential(inner, nn.Linear(3, 3))
    decay = {id(p): g["weight_decay"] for g in decay_groups(outer, 0.01) for p in g["params"]}
    spared = {id(p) for n, p in inner.named_parameters() if n in inner.no_weight_decay()}
    assert spared
    assert all(decay[p] == 0 for p in spared)


def test_each_layer_group_has_its_rate():
    network = NETWORKS["unet"]()
    layers = layer_groups(network)
    rate = {id(p): g["lr"] for g in decay_groups(network, 0.1, (1, 2, 3)) for p in g["params"]}
    assert all(rate[id(p)] == n + 1 for n, layer in enumerate(layers) for p in layer)
    with pytest.raises(ValueError, match="3 layer groups need as many rates, got 2"):
        decay_groups(network, 0.1, (1, 2))
