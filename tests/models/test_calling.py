"""One call for any network: the axes are right, and what cannot be read is refused."""

from collections import OrderedDict
from dataclasses import dataclass

import pytest
import torch
from monai.networks.nets import DynUNet
from torch import nn
from torch.nn import functional

from medlib.models import Architecture, call, libraries, outputs, read_output, takes_labels
from medlib.models.calling import ModelOutput


@pytest.fixture(scope="module")
def transformers():
    libraries.torchvision()  # transformers looks for it
    import transformers

    return transformers


@pytest.fixture(scope="module")
def vit(transformers):
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        image_size=16, patch_size=8, num_channels=1, num_labels=3,
    )  # fmt: skip
    return transformers.ViTForImageClassification(config).eval()


@pytest.fixture(scope="module")
def segformer(transformers):
    config = transformers.SegformerConfig(
        num_channels=1, depths=[1, 1, 1, 1], hidden_sizes=[8] * 4, num_attention_heads=[1] * 4,
        decoder_hidden_size=8, num_labels=3, sr_ratios=[1] * 4, mlp_ratios=[1] * 4,
    )  # fmt: skip
    return transformers.SegformerForSemanticSegmentation(config).eval()


class Giving(nn.Module):
    """Gives what it is told to."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer


RADIOGRAPHS = torch.randn(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_hugging_face_models_are_called_as_they_are(vit):
    labels = torch.tensor([0, 2])
    with torch.no_grad():
        expected = vit(pixel_values=RADIOGRAPHS[:, :, 0], labels=labels)
        got = outputs(vit, RADIOGRAPHS, labels)
    assert torch.equal(got.logits, expected.logits)
    assert torch.equal(got.loss, expected.loss)
    assert takes_labels(vit)
    assert outputs(vit, RADIOGRAPHS).loss is None
    assert torch.equal(call(vit, RADIOGRAPHS[:, :, 0]), expected.logits)


def test_hugging_faces_coarse_logits_are_those_of_its_own_loss(segformer):
    x = torch.randn(2, 1, 1, 32, 48)
    masks = torch.randint(0, 3, (2, 1, 1, 32, 48))
    with torch.no_grad():
        got = outputs(segformer, x, masks)
    assert got.logits.shape == (2, 3, 1, 32, 48)
    by_hand = functional.cross_entropy(got.logits[:, :, 0], masks[:, 0, 0])
    torch.testing.assert_close(got.loss, by_hand)


def test_a_model_without_a_head_is_refused(transformers, vit):
    with pytest.raises(ValueError, match=r"gave last_hidden_state, .*neither logits nor out"):
        call(vit.vit, RADIOGRAPHS)


def test_labels_stay_with_the_caller_when_the_network_has_no_loss():
    assert outputs(nn.Conv3d(1, 1, 1), torch.zeros(1, 1, 2, 2, 2), torch.zeros(1)).loss is None


def test_timms_and_torchvisions_see_radiographs():
    x = torch.randn(2, 1, 1, 32, 32)
    network = libraries.timm().create_model("test_resnet", in_chans=1, num_classes=4).eval()
    with torch.no_grad():
        assert torch.equal(call(network, x), network(x[:, :, 0]))
        models = libraries.torchvision().models
        lraspp = models.get_model("lraspp_mobilenet_v3_large", weights_backbone=None, num_classes=4)
        colour = x.expand(-1, 3, -1, -1, -1)
        expected = lraspp.eval()(colour[:, :, 0])["out"]
        assert torch.equal(call(lraspp, colour), expected[:, :, None])


def test_rows_and_columns_are_not_exchanged():
    """The one slice goes, and nothing else moves."""
    x = torch.randn(2, 3, 1, 4, 6)
    mirror = nn.Conv2d(3, 3, 1, bias=False)
    mirror.weight.data = torch.eye(3)[:, :, None, None]
    torch.testing.assert_close(call(mirror, x), x)


def test_studies_of_several_slices_are_not_shown_to_a_2d_network():
    with pytest.raises(ValueError, match=r"the studies have 4 slices; take Architecture\.slices"):
        call(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 4, 8, 8))


def test_a_network_of_2d_parts_may_take_whole_studies():
    network = Architecture.slices("timm/test_resnet").build(1, 2).eval()
    with torch.no_grad():
        assert call(network, torch.zeros(3, 1, 4, 32, 32)).shape == (3, 2)


def test_monais_stack_of_levels_is_taken_apart():
    torch.manual_seed(0)
    network = DynUNet(
        3, 1, 2, [3] * 4, [1, 2, 2, 2], [2, 2, 2], filters=[4] * 4, deep_supervision=True, deep_supr_num=2
    )  # fmt: skip
    x = torch.randn(2, 1, 16, 16, 16)
    stack = network(x)
    output = outputs(network, x)
    assert [tuple(y.shape) for y in (output.logits, *output.coarser)] == [(2, 2, 16, 16, 16)] * 3
    assert torch.equal(output.logits, stack[:, 0])
    assert torch.equal(call(network.eval(), x), network(x))


@pytest.mark.parametrize("kind", [list, tuple])
def test_lists_are_levels_finest_first(kind):
    levels = kind(torch.zeros(1, 2, n, n, n) for n in (8, 4, 2))
    output = outputs(Giving(levels), torch.zeros(1, 1, 8, 8, 8))
    assert output.logits is levels[0]
    assert output.coarser == tuple(levels[1:])


@pytest.mark.parametrize(
    "answer",
    [
        [],
        (torch.zeros(1, 2), torch.tensor(0.5)),
        [torch.zeros(1, 2), "a"],
        {},
        OrderedDict(boxes=1),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused(answer):
    with pytest.raises(ValueError, match="the network gave"):
        call(Giving(answer), torch.zeros(1, 1, 2, 2, 2))


def test_another_type_can_be_taught():
    @dataclass
    class Theirs:
        scores: torch.Tensor

    with pytest.raises(TypeError, match=r"nothing registered for \(Theirs\)"):
        read_output(Theirs(torch.zeros(1, 2)))

    @read_output.register
    def _(output: Theirs) -> ModelOutput:
        return ModelOutput(output.scores)

    assert call(Giving(Theirs(torch.ones(1, 2))), torch.zeros(1, 1, 2, 2, 2)).sum() == 2


def test_compiled_and_spread_networks_are_asked_what_they_are(vit):
    compiled = torch.compile(vit, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(call(compiled, RADIOGRAPHS), call(vit, RADIOGRAPHS))
        spread = nn.DataParallel(vit)
        torch.testing.assert_close(call(spread, RADIOGRAPHS), call(vit, RADIOGRAPHS))
    assert takes_labels(compiled)
