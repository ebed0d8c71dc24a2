"""The recipe: the same weights however often it was killed, and weights that fit the library."""

import json
import multiprocessing
import os
import signal
import sys
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from medlib.models import Architecture, load_pretrained
from medlib.models.pretraining import Configuration, pretrain, volumes
from medlib.models.pretraining.__main__ import main
from medlib.models.pretraining.card import CARD, WEIGHTS
from medlib.models.pretraining.network import backbones
from medlib.models.pretraining.objectives import balanced, compared, losses
from medlib.models.pretraining.recipe import CHECKPOINT
from medlib.models.pretraining.solids import FAMILIES

TOML = """
name = "tiny"
batch = 1
channels = [8, 16, 32]
points = 32
embedding = 8
warm_up = 3
precision = "fp32"
[[forms]]
size = [16, 16, 16]
[[forms]]
size = [8, 16, 16]
spacing = [2, 1, 1]
strides = [[1, 2, 2], [2, 2, 2]]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TOML)
    return path


@pytest.fixture
def tiny(file):
    return Configuration.load(file)


def begun(tiny, folder):
    """A training in a process of its own, which writes a checkpoint each step.

    It has an end, so that it does not run far ahead on a busy machine before it is killed.
    """
    forking = multiprocessing.get_context("fork")  # what is imported already is imported once
    process = forking.Process(
        target=pretrain, args=(tiny, folder), kwargs={"seconds": 0.0, "steps": 12}
    )
    process.start()
    checkpoint = folder / CHECKPOINT
    while process.is_alive() and not (checkpoint.exists() and _step(checkpoint) >= 2):
        time.sleep(0.02)
    return process


def test_killed_and_gone_on_ends_with_the_same_weights(tiny, tmp_path):
    checkpoint = tmp_path / "killed" / CHECKPOINT
    process = begun(tiny, tmp_path / "killed")
    process.kill()
    process.join()
    reached = _step(checkpoint)
    assert reached >= 2
    total = reached + 2
    on = pretrain(tiny, tmp_path / "killed", steps=total)
    whole = pretrain(tiny, tmp_path / "whole", steps=total)
    a, b = (load_file(tmp_path / side / CHECKPOINT) for side in ("killed", "whole"))
    assert on.standing.step == whole.standing.step == total
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert (tmp_path / "killed" / WEIGHTS).read_bytes() == (
        tmp_path / "whole" / WEIGHTS
    ).read_bytes()


def _step(checkpoint):
    with safe_open(checkpoint, "pt") as opened:
        return json.loads(opened.metadata()["values"])["step"]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_was_learned(tiny, tmp_path, kind):
    process = begun(tiny, tmp_path)
    os.kill(process.pid, kind)
    process.join()
    assert process.exitcode == 0
    card = json.loads((tmp_path / CARD).read_text())
    assert card["steps"] == _step(tmp_path / CHECKPOINT) >= 2


def test_the_command_goes_on_and_says_so(file, tmp_path, monkeypatch, capsys):
    words = ["pretraining", str(file), "--out", str(tmp_path / "out"), "--steps"]
    for steps in ("1", "2"):
        monkeypatch.setattr(sys, "argv", [*words, steps])
        main()
    said = capsys.readouterr().out
    assert "going on after step 1" in said
    assert "accuracy" in said
    assert "volumes a minute" in said
    assert json.loads((tmp_path / "out" / CARD).read_text())["steps"] == 2


def test_another_configuration_is_not_gone_on_with(tiny, tmp_path):
    pretrain(tiny, tmp_path, steps=1)
    other = Configuration.from_dict(tiny.to_dict() | {"seed": 1})
    with pytest.raises(ValueError, match="another configuration"):
        pretrain(other, tmp_path, steps=2)


def test_the_weights_are_those_of_the_librarys_network(tiny, tmp_path):
    result = pretrain(tiny, tmp_path, steps=2)
    network = Architecture.residual_unet(channels=(8, 16, 32)).build(1, 3)
    loaded = load_pretrained(network, result.weights)
    assert loaded.left
    assert all(name.startswith("model.2.") for name in loaded.left)  # the head
    assert not loaded.unused
    weights = load_file(result.weights)
    assert all(tensor.dtype == torch.float16 for tensor in weights.values())
    average = result.standing.average
    for name, tensor in weights.items():
        torch.testing.assert_close(
            tensor.float(), average[f"unet.{name}"].detach(), rtol=1e-3, atol=1e-6
        )
    for name in loaded.matched:
        assert torch.equal(network.state_dict()[name], weights[name].float())


def test_the_shipped_network_is_small():
    network = backbones(Configuration.load("v1"))[0].unet
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count <= 6_000_000
    assert 2 * count <= 12e6


def test_forms_share_one_set_of_weights(tiny):
    one, other = backbones(tiny)
    pairs = zip(one.named_parameters(), other.named_parameters(), strict=True)
    assert all(a == b and p is q for (a, p), (b, q) in pairs)
    x = torch.rand(1, 1, 8, 16, 16)
    assert other(x)[2].shape[2:] == (8, 8, 8)


def test_the_loss_falls_on_a_batch_that_is_seen_again_and_again(tiny):
    torch.manual_seed(0)
    batch = volumes(tiny, 0)
    network = backbones(tiny)[batch.form]
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    found = []
    for _ in range(40):
        result = losses(network(batch.images.flatten(0, 1)), batch, tiny, 0)
        optimiser.zero_grad()
        result.total.backward()
        optimiser.step()
        found.append(result.parts | {"loss": result.total.detach()})
    first, last = found[0], found[-1]
    assert last["loss"] < 0.75 * first["loss"]
    assert last["family"] < first["family"]
    assert last["contrast"] < first["contrast"]
    assert last["accuracy"] > first["accuracy"]


def test_answers_that_are_right_cost_nothing(tiny):
    batch = volumes(tiny, 0)
    strides = tiny.forms[batch.form].strides[0]
    asked = (slice(None), *(slice(None, None, s) for s in strides))
    family = batch.family[asked].long()
    truth = nn.functional.one_hot(family, len(FAMILIES)).movedim(-1, 1).float() * 50
    distance = batch.distance[asked] / tiny.reach
    (cells,) = batch.instance[asked]
    alike = nn.functional.one_hot(cells.long(), 64).movedim(-1, 0).float()[None]
    twice = [torch.cat([part, part]) for part in (truth, distance, alike)]
    result = losses(tuple(twice), batch, tiny, 0)
    assert result.parts["family"] < 1e-4
    assert result.parts["distance"] < 1e-6
    assert result.parts["accuracy"] == 1.0


def test_contrast_is_what_it_is_by_hand():
    one = nn.functional.normalize(
        torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(0)), dim=2
    )
    other = nn.functional.normalize(one + 0.3, dim=2)
    instance = torch.tensor([[0, 0, 1, 2, 2]])
    found, _ = compared(one, other, instance, 0.5)
    terms = []
    for a, b in ((one[0], other[0]), (other[0], one[0])):
        for k in range(5):
            scores = [float(torch.exp(a[k] @ b[m] / 0.5)) for m in range(5)]
            mates = [m for m in range(5) if instance[0, m] == instance[0, k]]
            terms.append(
                -sum(torch.tensor(scores[m] / sum(scores)).log() for m in mates) / len(mates)
            )
    assert float(found) == pytest.approx(float(sum(terms)) / 10, rel=1e-4)


def test_small_structures_are_chosen_as_often_as_large_ones():
    instance = torch.zeros(1, 4096, dtype=torch.long)
    instance[0, :64] = 1
    chosen = balanced(instance, 64, seed=3)
    assert chosen.unique().numel() == 64
    share = (instance[0, chosen[0]] == 1).float().mean()
    assert 0.25 < share < 0.65
    assert torch.equal(chosen, balanced(instance, 64, seed=3))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"forms": [{"size": [44, 44, 44]}]}, "cannot be halved"),
        ({"forms": [{"size": [16, 16, 16]}]}, "coarsest level"),
        ({"forms": [{"size": [48, 48, 48], "strides": [[2, 2, 2]]}]}, "one stride fewer"),
        ({"precision": "fp8"}, "bf16 or fp32"),
    ],
)
def test_a_configuration_that_would_go_wrong_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        Configuration.from_dict(changed)


def test_a_misspelled_word_is_refused(tmp_path):
    (tmp_path / "c.toml").write_text("sed = 3")
    with pytest.raises(ValueError, match="sed"):
        Configuration.load(tmp_path / "c.toml")


def test_a_configuration_survives_json(tiny):
    again = Configuration.from_dict(json.loads(json.dumps(tiny.to_dict())))
    assert again == tiny
    assert again.digest == tiny.digest
