"""Weights from elsewhere: only what fits, every tensor accounted for, and nothing is run."""

import os
import pickle
import subprocess
import sys
import zipfile

import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn

from medlib.models import (
    Architecture,
    WeightsError,
    call,
    inflate,
    libraries,
    load_pretrained,
    read_weights,
)
from medlib.models.inflation import with_inputs
from medlib.models.unets import encoder_of

STRIDES = ((1, 2, 2), (2, 2, 2))


def unet(in_channels=1, out_channels=3):
    return Architecture.residual_unet(channels=(2, 4, 8), strides=STRIDES).build(
        in_channels, out_channels
    )


@pytest.fixture
def file(tmp_path):
    """Writes weights, and says where."""

    def write(weights, name="weights.safetensors"):
        weights = weights.state_dict() if isinstance(weights, nn.Module) else weights
        save_file({n: t.contiguous() for n, t in weights.items()}, tmp_path / name)
        return tmp_path / name

    return write


def accounted(network, loaded):
    """Every tensor of the network is named once, as taken or as left."""
    taken = {*loaded.matched, *loaded.inflated, *loaded.adapted}
    assert taken.isdisjoint(loaded.left)
    assert taken | set(loaded.left) == set(network.state_dict())
    return taken


def test_the_same_network_is_taken_whole(file):
    there, here = unet(), unet()
    loaded = load_pretrained(here, file(there))
    assert accounted(here, loaded) == set(loaded.matched)
    assert loaded.share == 1
    assert not loaded.unused
    x = torch.randn(1, 1, 4, 8, 8)
    assert torch.equal(call(here, x), call(there, x))


def test_a_head_for_other_classes_is_left_and_named(file):
    there, here = unet(out_channels=3), unet(out_channels=5)
    before = {n: t.clone() for n, t in here.state_dict().items()}
    loaded = load_pretrained(here, file(there))
    assert loaded.left
    assert set(loaded.left) == set(loaded.unused)
    assert all(n.startswith("model.2.") for n in loaded.left)
    assert all(torch.equal(here.state_dict()[n], before[n]) for n in loaded.left)
    assert 0.5 < loaded.share < 1
    assert "left as they were: model.2." in str(loaded)


@pytest.mark.parametrize(
    ("before", "after"), [("", "encoder."), ("module.", ""), ("model.net.", "encoder.")]
)
def test_names_may_begin_otherwise(file, before, after):
    there, here = nn.ModuleDict({"conv": nn.Conv3d(1, 2, 3), "fc": nn.Linear(2, 2)}), nn.Module()
    inner = nn.ModuleDict({"conv": nn.Conv3d(1, 2, 3), "fc": nn.Linear(2, 2)})
    here.add_module("encoder", inner)
    here = here if after else inner
    loaded = load_pretrained(here, file({before + n: t for n, t in there.state_dict().items()}))
    assert loaded.share == 1
    assert all(torch.equal(here.state_dict()[after + n], t) for n, t in there.state_dict().items())


def test_a_whole_u_net_lends_its_encoder_to_a_study_level_network(file):
    """Whoever has outlined the liver has begun to learn to grade it."""
    there = unet()
    here = Architecture.encoder(channels=(2, 4, 8), strides=STRIDES).build(1, 2)
    loaded = load_pretrained(here, file(there))
    assert set(loaded.left) == {"head.1.weight", "head.1.bias"}
    assert any(n.startswith("model.2.") for n in loaded.unused)
    x = torch.randn(1, 1, 4, 8, 8)
    assert torch.equal(here.encoder(x), encoder_of(there)(x))


def test_the_encoder_goes_back_into_a_u_net():
    study = Architecture.encoder(channels=(2, 4, 8), strides=STRIDES).build(1, 2)
    there = unet()
    encoder_of(there).load_state_dict(study.encoder.state_dict())
    features = []
    there.model[1].submodule[1].submodule.register_forward_hook(
        lambda *seen: features.append(seen[2])
    )
    x = torch.randn(1, 1, 4, 8, 8)
    call(there, x)
    assert torch.equal(features[0], study.encoder(x))


def test_torchvisions_weights_are_inflated_and_see_grey(file):
    torch.manual_seed(0)
    there = libraries.torchvision().models.get_model("resnet18", num_classes=7)
    here = Architecture.resnet(18).build(1, 2)
    loaded = load_pretrained(here, file(there))
    accounted(here, loaded)
    assert set(loaded.left) == {"fc.weight", "fc.bias"}
    assert loaded.adapted == ("conv1.weight",)
    assert len(loaded.inflated) == 20  # every convolution
    assert str(loaded).startswith(
        "99% of the network's weights are pretrained; 20 tensors inflated"
    )
    deep = inflate(there.state_dict())
    assert torch.equal(here.conv1.weight, with_inputs(deep["conv1.weight"], 1))
    assert torch.equal(here.layer4[1].conv2.weight, deep["layer4.1.conv2.weight"])


def test_timms_weights_go_into_the_slices_network(file):
    there = libraries.timm().create_model("test_resnet", num_classes=7)
    here = Architecture.slices("timm/test_resnet").build(1, 2)
    loaded = load_pretrained(here, file(there))
    assert {n.partition(".")[0] for n in loaded.left} == {"attention_head", "head"}
    assert torch.equal(here.encoder.layer4[0].conv1.weight, there.layer4[0].conv1.weight)


def test_transposed_kernels_are_neither_inflated_nor_adapted(file):
    """Their first axis is the input: they would be mixed up without a word."""
    there = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 3, 3))
    here = nn.Sequential(nn.Conv3d(1, 4, 3), nn.ConvTranspose3d(4, 1, 3))
    loaded = load_pretrained(here, file(there))
    assert "1.weight" in loaded.left
    assert loaded.inflated == loaded.adapted == ("0.weight",)


def test_deeper_kernels_are_not_fitted_to_other_widths(file):
    there = nn.Sequential(nn.Conv3d(1, 2, 1), nn.Conv3d(2, 4, 1))
    here = nn.Sequential(nn.Conv3d(1, 3, 1), nn.Conv3d(3, 4, 1))
    loaded = load_pretrained(here, file(there))
    assert loaded.matched == ("1.bias",)
    assert loaded.share < 0.2


def test_half_precision_becomes_the_networks_own(file):
    here = nn.Conv3d(1, 2, 3)
    load_pretrained(here, file({n: t.half() for n, t in nn.Conv3d(1, 2, 3).state_dict().items()}))
    assert here.weight.dtype == torch.float32


def test_another_architecture_is_refused_and_nothing_changed(file):
    here = unet()
    before = {n: t.clone() for n, t in here.state_dict().items()}
    other = {"blocks.0.attn.qkv.weight": torch.ones(3, 3), "head.bias": torch.ones(9)}
    with pytest.raises(WeightsError, match="none of its 2 tensors fits the network"):
        load_pretrained(here, file(other))
    assert all(torch.equal(t, before[n]) for n, t in here.state_dict().items())


def test_counts_alone_are_no_weights(file):
    there = {"1.num_batches_tracked": torch.tensor(3)}
    with pytest.raises(WeightsError, match="none of its 1 tensors"):
        load_pretrained(nn.Sequential(nn.Conv3d(1, 1, 1), nn.BatchNorm3d(1)), file(there))


# --- files --------------------------------------------------------------------------------


@pytest.mark.parametrize("nest", [None, "state_dict", "model"])
def test_checkpoints_of_tensors_are_read(tmp_path, nest):
    there = nn.Conv3d(1, 2, 3)
    content = there.state_dict() if nest is None else {nest: there.state_dict(), "epoch": 3}
    torch.save(content, tmp_path / "net.pth")
    assert load_pretrained(nn.Conv3d(1, 2, 3), tmp_path / "net.pth").share == 1


class Harm:
    """What an attacker puts in a pickle."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    "write", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing, protocol=2))]
)
def test_a_checkpoint_that_would_run_something_is_refused(tmp_path, write):
    path = tmp_path / "net.pth"
    write({"weight": Harm(tmp_path / "harmed")}, path)
    with pytest.raises(WeightsError, match="would be to run what is in it"):
        read_weights(path)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("content", [b"", b"no weights", b"\xff" * 100])
@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.medlib"])
def test_what_is_damaged_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read_weights(tmp_path / name)


def test_a_checkpoint_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="holds no tensors"):
        read_weights(tmp_path / "net.pth")


def test_a_model_package_lends_its_weights_as_a_file_and_as_a_folder(tmp_path):
    weights = save(unet().state_dict())
    with zipfile.ZipFile(tmp_path / "liver.medlib", "w") as archive:
        archive.writestr("weights.safetensors", weights)
    (tmp_path / "liver").mkdir()
    (tmp_path / "liver" / "weights.safetensors").write_bytes(weights)
    for source in ("liver.medlib", "liver"):
        assert load_pretrained(unet(), str(tmp_path / source)).share == 1


def test_a_folder_must_hold_one_file_of_weights(tmp_path):
    with pytest.raises(WeightsError, match="0 files of weights"):
        read_weights(tmp_path)


def test_what_is_not_there_is_not_looked_for_elsewhere():
    """A wrong path must not become a download."""
    with pytest.raises(FileNotFoundError, match="no weights at someone/network"):
        read_weights("someone/network")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://network", "write hf://owner/name"),
        ("hf://owner/network/pytorch_model.bin", "only safetensors"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused_before_anything_is_asked(address, words):
    with pytest.raises(WeightsError, match=words):
        read_weights(address)


HUB = """
import sys
from medlib.models import WeightsError, read_weights
print(sorted(read_weights("hf://owner/net")))
try:
    read_weights("hf://owner/other@v2")
except WeightsError as error:
    print(error)
"""


def test_a_repository_of_the_hub_is_read_also_offline(tmp_path):
    commit = "0" * 40
    there = tmp_path / "models--owner--net"
    (there / "refs").mkdir(parents=True)
    (there / "refs" / "main").write_text(commit)
    (there / "snapshots" / commit).mkdir(parents=True)
    save_file(nn.Conv3d(1, 1, 1).state_dict(), there / "snapshots" / commit / "model.safetensors")
    done = subprocess.run(
        [sys.executable, "-c", HUB],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['bias', 'weight']")
    assert "hf://owner/other@v2: model.safetensors could not be had" in done.stdout
