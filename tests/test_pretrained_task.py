"""A task that begins with what another has learned."""

from dataclasses import replace

import pytest
import torch
from tiny import write_task

import medlib
from medlib.models import Architecture, scale_free
from medlib.train import Callback
from medlib.train.machine import Machine


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"), 4, shape=(12, 16, 16))


def prepare(folder, **choices):
    choices = {"kind": "mr", "precision": "fp32", "cache": False} | choices
    return medlib.segmenter(folder / "images", folder / "labels", **choices)


@pytest.fixture(scope="module")
def package(folder, tmp_path_factory):
    """A model with a network that no plan would choose."""
    plan = prepare(folder).plan
    strides = plan.architecture.arguments["strides"]
    network = Architecture.residual_unet(channels=[3] * (len(strides) + 1), strides=strides)
    learn = prepare(folder, plan=replace(plan, architecture=network), seed=7)
    learn.fine_tune(epochs=1)
    return learn.save(tmp_path_factory.mktemp("model") / "first.medlib")


class Rates(Callback):
    """Which parameters move, and how fast, at the first and at the last step."""

    def __init__(self):
        self.steps = []

    def after_step(self, learn):
        groups = learn.optimiser.param_groups
        frozen = [not p.requires_grad for p in learn.network.parameters()]
        self.steps.append((sum(frozen), [group["pace"] for group in groups]))


def test_the_network_of_the_package_goes_on_learning(folder, package):
    rates = Rates()
    learn = prepare(folder, pretrained=package, callbacks=[rates], spread=10.0)
    assert learn.loaded.share == 1.0
    assert learn.plan.architecture.arguments["channels"] == [3] * len(
        learn.plan.architecture.arguments["channels"]
    )
    assert any("100% of the network's weights are pretrained" in r for r in learn.plan.reasons)
    theirs = medlib.load(package).predictor.network.state_dict()
    ours = learn.learner.network.state_dict()
    grown = {
        f"{name}.{part}"
        for name in scale_free(learn.learner.network)
        for part in ("weight", "bias")
    }
    for name, tensor in theirs.items():
        factors = ours[name].cpu()[tensor != 0] / tensor[tensor != 0]
        torch.testing.assert_close(factors, factors.flatten()[:1].expand_as(factors))
        assert name in grown or torch.equal(ours[name].cpu(), tensor)
    assert any("brought to the length of fresh ones" in reason for reason in learn.plan.reasons)
    learn.fine_tune(epochs=10)
    (first, paces), (last, _) = rates.steps[0], rates.steps[-1]
    assert first > 0  # the head alone
    assert last == 0
    assert max(paces) / min(paces) == pytest.approx(10.0)


def test_on_a_graphics_card_too_the_network_is_that_of_the_weights(folder, package, monkeypatch):
    monkeypatch.setattr(Machine, "here", classmethod(lambda cls: cls("cuda", 25.8, cores=8)))
    assert prepare(folder).plan.architecture.arguments["channels"][0] == 32
    learn = prepare(folder, pretrained=package)
    assert set(learn.plan.architecture.arguments["channels"]) == {3}
    assert learn.loaded.share == 1.0


def test_a_plan_that_was_given_stays_and_what_does_not_fit_is_said(folder, package, tmp_path):
    plain = prepare(folder)
    assert plain.loaded is None
    learn = prepare(folder, pretrained=package, plan=plain.plan)
    assert learn.plan.architecture == plain.plan.architecture
    assert learn.loaded.share < 0.05
    assert any("tensors left as they were" in reason for reason in learn.plan.reasons)
    with pytest.raises(FileNotFoundError, match="there are no weights at"):
        prepare(folder, pretrained=tmp_path / "nowhere.medlib")


def test_of_few_wide_scans_the_plan_begins_with_shapes_unless_told_otherwise(tmp_path):
    wide = write_task(tmp_path, 3, shape=(80, 96, 96))
    learn = prepare(wide)
    assert learn.plan.begin == "medlib-synthetic-small"
    assert learn.loaded.share > 0.9
    assert any("begun with medlib-synthetic-small" in reason for reason in learn.plan.reasons)
    again = prepare(wide, plan=learn.plan)  # as it was saved, perhaps edited
    assert again.loaded == learn.loaded
    anew = prepare(wide, pretrained=False)
    assert (anew.loaded, anew.plan.begin) == (None, "")
    assert prepare(wide, plan=learn.plan, pretrained=False).loaded is None
