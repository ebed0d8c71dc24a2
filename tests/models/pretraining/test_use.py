"""A segmenter and a classifier that begin with a backbone: all of it fits, and it learns."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import write_task
from torch import nn

import medlib
from medlib.models import Architecture, architecture_of, load_pretrained, scale_free
from medlib.models.pretraining import Configuration, pretrain
from medlib.train.levels import deepened


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """Three levels, narrower than any plan's, where tiny scans get two."""
    configuration = Configuration.from_dict(
        {
            "batch": 1,
            "channels": [8, 12, 16],
            "points": 16,
            "precision": "fp32",
            "forms": [{"size": [16, 16, 16]}],
        }
    )
    return pretrain(configuration, tmp_path_factory.mktemp("backbone"), steps=1).weights


def test_a_plan_takes_the_backbones_levels_and_all_its_weights(backbone, tmp_path):
    folder = write_task(tmp_path, 3, shape=(12, 16, 16))
    scans = (folder / "images", folder / "labels")
    how = {"kind": "mr", "precision": "fp32", "cache": False}
    usual = medlib.segmenter(*scans, **how).plan
    learn = medlib.segmenter(*scans, pretrained=backbone, **how)
    levels = learn.plan.architecture.arguments
    assert levels["channels"] == [8, 12, 16]
    before = usual.architecture.arguments["strides"]
    assert levels["strides"][: len(before)] == before
    assert learn.plan.window == usual.window
    assert all(name.startswith("model.2.") for name in learn.loaded.left)  # a head of its own
    weights, own = load_file(backbone), learn.learner.network.state_dict()
    rescaled = {
        f"{name}.{part}"
        for name in scale_free(learn.learner.network)
        for part in ("weight", "bias")
    }
    for name, weight in weights.items():  # up to a factor where a norm takes it away
        here, there = own[name].cpu().flatten(), weight.float().flatten()
        factor = here.norm() / there.norm() if name in rescaled else 1.0
        torch.testing.assert_close(here, factor * there, rtol=1e-4, atol=1e-6)
    learn.fine_tune(epochs=2)
    assert np.isfinite(learn.scores.mean)


def test_an_encoder_takes_its_encoder(backbone):
    network = Architecture.encoder(channels=(8, 12, 16)).build(2, 3)
    loaded = load_pretrained(network, backbone)
    assert {name.split(".")[0] for name in loaded.left} == {"head"}
    assert loaded.adapted  # the kernels that see two channels now


def test_other_strides_take_all_of_it(backbone):
    network = Architecture.residual_unet(
        channels=(8, 12, 16), strides=((1, 2, 2), (2, 2, 1))
    ).build(1, 2)
    loaded = load_pretrained(network, backbone)
    assert all(name.startswith("model.2.") for name in loaded.left)


def test_weights_say_which_network_they_are_of(backbone, tmp_path):
    assert architecture_of(backbone) == Architecture.residual_unet(channels=(8, 12, 16))
    save_file(nn.Linear(2, 2).state_dict(), tmp_path / "plain.safetensors")
    assert architecture_of(tmp_path / "plain.safetensors") is None
    with pytest.raises(FileNotFoundError, match="nowhere"):
        architecture_of(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(
    ("strides", "window", "count"),
    [
        (((2, 2, 2),) * 3, (40, 48, 36), 4),
        (((1, 2, 2), (2, 2, 2)), (12, 64, 64), 4),
        (((2, 2, 2),) * 4, (128, 128, 128), 4),
        (((2, 2, 1),), (10, 10, 5), 3),
    ],
)
def test_deeper_levels_can_still_halve_the_window(strides, window, count):
    found = deepened(strides, window, count)
    assert found[: len(strides)] == strides
    assert len(found) == count
    left = np.array(window)
    for number, step in enumerate(found):
        assert not (left % step).any() or number < len(strides)
        left = left // step
        assert number < len(strides) or (left[np.array(step) > 1] >= 3).all()
