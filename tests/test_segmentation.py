"""Layer 1: from two folders to a model, and nobody's name in it."""

import pytest
import torch
from tiny import scan_of, structures, write_task

import medlib
from medlib.data import held_out
from medlib.space import Grid
from medlib.train import EMA


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"), 5, prefix="Secret-Name")


def prepare(folder, **changes):
    arguments = {"kind": "mr", "precision": "fp32"} | changes
    return medlib.segmenter(folder / "images", folder / "labels", **arguments)


@pytest.fixture(scope="module")
def learned(folder):
    learn = prepare(folder, validation=held_out(["Secret-Name_2"]))
    learn.fine_tune(epochs=2)
    return learn


def test_two_folders_become_a_model(learned, tmp_path):
    assert learned.labels.names == ("left kidney", "right kidney")
    assert set(learned.scores.cases) == {"Secret-Name_2"}
    scan = scan_of(structures(Grid.from_axes((20, 24, 24), spacing=(1.2, 1, 1))))
    model = medlib.load(learned.save(tmp_path / "m.medlib"))
    assert model.predict(scan).grid == scan.grid
    assert torch.equal(model.predict(scan).data, learned.predict(scan).data)


def test_what_the_plan_says_of_averages_and_looks_is_done(learned):
    assert any(isinstance(callback, EMA) for callback in learned.learner.callbacks)
    assert learned.plan.looks > 1
    assert learned.model.predictor.looks == learned.plan.looking()
    weights = learned.learner.network.state_dict()
    average = next(c for c in learned.learner.callbacks if isinstance(c, EMA)).state()[0]
    assert any(torch.equal(average[name], weights[name]) for name in weights)  # what is kept


def test_a_model_names_nobody(learned, tmp_path):
    content = learned.save(tmp_path / "m.medlib").read_bytes().lower()
    assert b"secret" not in content
    assert str(tmp_path).encode().lower() not in content
    assert learned.model.manifest.metrics["cases"] == 1
    assert learned.model.manifest.training["cases"] == 4


def test_the_same_seed_prepares_the_same(folder):
    first, again = prepare(folder, seed=5), prepare(folder, seed=5)
    assert first.plan == again.plan
    names = [[case.name for case in s.learner.data.valid.cases] for s in (first, again)]
    assert names[0] == names[1]
    weights = [s.learner.network.state_dict() for s in (first, again)]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": "xray"}, "'xray' is no kind of scan; there are: ct, mr, pet"),
        ({"only": ["Secret-Name_1", "typo"]}, "no labelled scan called typo"),
        ({"validation": 1}, "between 0 and 1, not 1"),
        ({"validation": held_out(["typo"])}, "names typo"),
        ({"only": ["Secret-Name_1"]}, "only one patient"),
    ],
)
def test_what_cannot_be_is_said(folder, changes, fault):
    with pytest.raises(ValueError, match=fault):
        prepare(folder, **changes)
