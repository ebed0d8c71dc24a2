"""A graphics card trains and predicts as a processor does; where there is none, what stands in for it."""

import numpy as np
import pytest
import torch
from balls import ball, findings, write_balls, write_findings
from tiny import scan_of, structures, write_task

import medlib
from medlib.space import Grid
from medlib.train import (
    EMA,
    Budget,
    Callback,
    Checkpoints,
    CutMix,
    Mixup,
    Unfreeze,
    find_rate,
)


class Losses(Callback):
    def __init__(self):
        self.found = []

    def after_loss(self, learn):
        assert learn.found.device == learn.batch.x.device == learn.accelerator.device
        self.found.append(float(learn.found.detach()))


class Dropped(Exception):
    pass


class Drops(Callback):
    def made_with(self):
        return None

    def after_step(self, learn):
        if learn.step == 3:
            raise Dropped


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_it_learns_what_a_processor_learns(learner, request, precision):
    def trained(precision):
        watch = Losses()
        learn = learner(precision=precision, callbacks=[watch], accumulate=2, spread=5.0)
        scores = learn.fit(Budget(steps=3), callbacks=[EMA(), Unfreeze(0.3)])
        return learn, watch.found, scores

    _, here, scores = trained("fp32")
    card = request.getfixturevalue("on_card")
    learn, there, found = trained(precision)
    assert all(weight.device == card for weight in learn.network.parameters())
    near = 1e-3 if precision == "fp32" else 0.05
    assert there == pytest.approx(here, rel=near)
    assert found.mean == pytest.approx(scores.mean, abs=10 * near)


def test_a_dropped_training_goes_on_there(learner, on_card, tmp_path):
    def trained(*more):
        learn = learner()
        learn.fit(Budget(steps=5), callbacks=[EMA(), *more])
        return learn.network.state_dict()

    whole = trained()
    with pytest.raises(Dropped):
        trained(Checkpoints(tmp_path / "checkpoint", seconds=0), Drops())
    again = trained(Checkpoints(tmp_path / "checkpoint", seconds=0))
    for name, tensor in whole.items():
        assert again[name].device == on_card
        torch.testing.assert_close(again[name].cpu(), tensor.cpu(), rtol=1e-3, atol=1e-4)


def test_rates_are_tried_there(learner, on_card):
    assert len(find_rate(learner(), steps=4).rates) == 4


@pytest.mark.parametrize("mix", [Mixup(0.8), CutMix(0.8)])
def test_scans_are_mixed_there(on_card, mix, tmp_path):
    watch = Losses()
    looks(tmp_path)[0].learner.fit(Budget(steps=2), callbacks=[mix, watch])
    assert np.isfinite(watch.found).all()


def outlines(folder):
    task = write_task(folder, 6)
    return medlib.segmenter(task / "images", task / "labels", kind="mr", cache=False), scan_of(
        structures(Grid.from_axes((20, 24, 24), spacing=(1.2, 1.0, 1.0)))
    )


def looks(folder):
    return medlib.classifier(write_balls(folder, 6) / "table.csv", "look", kind="mr"), ball(20)[0]


def sizes(folder):
    return medlib.regressor(write_balls(folder, 6) / "table.csv", "volume", "ml", kind="mr"), ball(
        20
    )[0]


def places(folder):
    write_balls(folder, 6)
    return medlib.landmarks(folder / "scans", folder / "points", kind="mr"), ball(20)[0]


def boxes(folder):
    return medlib.detector(*write_findings(folder, 6), kind="mr", validations=1), findings(103)[0]


def values(answer):
    """What is compared: an answer's numbers."""
    for name in ("data", "coordinates", "corners", "shares", "value"):
        if hasattr(answer, name):
            return np.asarray(getattr(answer, name), dtype=float)
    raise TypeError(type(answer))


@pytest.mark.parametrize("make", [outlines, looks, sizes, places, boxes])
def test_every_task_is_learned_there_and_answered_anywhere(make, on_card, tmp_path, monkeypatch):
    learn, scan = make(tmp_path)
    learn.fine_tune(epochs=1)
    there = learn.predict(scan)
    path = learn.save(tmp_path / "model.medlib")
    assert values(medlib.load(path).predict(scan)) == pytest.approx(values(there), abs=1e-3)
    monkeypatch.setattr("medlib.package.model.best_device", lambda: torch.device("cpu"))
    here = medlib.load(path).predict(scan)
    assert values(here) == pytest.approx(values(there), abs=1e-2)
