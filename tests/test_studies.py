"""Layer 1 for what is asked of a whole scan: answers, numbers with units, landmarks."""

import csv
from dataclasses import replace
from math import isnan

import numpy as np
import pytest
from balls import ball, write_balls

import medlib
from medlib.data import held_out
from medlib.models import Architecture
from medlib.report import write_report
from medlib.train import Callback, Plan
from medlib.types import CTVolume

KEPT = held_out([f"Secret-Name_{n}" for n in (2, 5, 8, 11)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_balls(tmp_path_factory.mktemp("balls"), 16)


def small(learn, network=Architecture.encoder):
    """A plan as medlib makes it, but for a smaller network in more of a hurry."""
    strides = learn.plan.architecture.arguments["strides"]
    channels = [8 * 2**level for level in range(len(strides) + 1)]
    return replace(learn.plan, architecture=network(channels=channels, strides=strides), rate=1e-2)


def learned(make, *arguments, epochs, network=Architecture.encoder, **more):
    choices = {"kind": "mr", "validation": KEPT, "precision": "fp32"} | more
    plan = small(make(*arguments, **choices), network)
    learn = make(*arguments, plan=plan, **choices)
    learn.fine_tune(epochs=epochs)
    return learn


def reloaded(learn, tmp_path):
    content = (path := learn.save(tmp_path / "m.medlib")).read_bytes().lower()
    assert b"secret" not in content
    assert str(tmp_path).encode().lower() not in content
    return medlib.load(path)


def test_a_diagnosis_is_learned_saved_and_given(folder, tmp_path):
    learn = learned(medlib.classifier, folder / "table.csv", "look", epochs=12)
    assert learn.scores.overall["AUROC"] == 1.0
    model = reloaded(learn, tmp_path)
    for number in (20, 21):  # never seen
        scan, truth = ball(number)
        belief = model.predict(scan)
        assert isinstance(belief, medlib.Belief)
        assert belief.vocabulary == ("bright", "dark")
        assert belief.category.name == truth["look"]
        assert belief == learn.predict(scan)
    assert model.manifest.metrics["overall"]["AUROC"] == 1.0


def test_several_questions_are_answered_each_for_itself(folder, tmp_path):
    learn = learned(medlib.classifier, folder / "table.csv", ["bright", "large"], epochs=1)
    belief = reloaded(learn, tmp_path).predict(ball(20)[0])
    assert belief.vocabulary == ("bright", "large")
    assert not belief.exclusive
    assert set(learn.scores.labels) == {"bright", "large"}


def test_a_volume_is_learned_in_its_unit(folder, tmp_path):
    learn = learned(medlib.regressor, folder / "table.csv", "volume", "ml", epochs=25)
    truths = [ball(n)[1]["volume"] for n in range(16)]
    assert learn.scores.measure == "error in ml"
    assert learn.scores.mean < 0.6 * np.std(truths)  # the mean of all is no answer
    found = reloaded(learn, tmp_path).predict(ball(20)[0])
    assert isinstance(found, medlib.Measurement)
    assert (found.unit, found.name) == ("ml", "volume")
    assert found == learn.predict(ball(20)[0])


def test_a_landmark_is_learned_and_found_in_millimetres(folder, tmp_path):
    learn = learned(
        *(medlib.landmarks, folder / "scans", folder / "points"),
        epochs=12,
        network=Architecture.residual_unet,
        rate=2e-2,
    )
    assert learn.scores.measure == "error in mm"
    model = reloaded(learn, tmp_path)
    errors = []
    for number in (20, 21, 22, 23):
        scan, truth = ball(number)
        found = model.predict(scan)
        assert found.names == ("centre",)
        assert np.array_equal(found.coordinates, learn.predict(scan).coordinates)
        errors.append(np.linalg.norm(found.coordinates[0] - truth["centre"]))
    assert np.median(errors) < 1.5  # less than a voxel


def test_a_plan_for_measurements_changes_nothing_that_is_measured(folder):
    learn = medlib.regressor(folder / "table.csv", "volume", "ml", kind="mr")
    affine = learn.plan.augment.transforms[0]
    assert affine.scale == 0
    assert any("not stretched" in reason for reason in learn.plan.reasons)
    names = [type(t).__name__ for t in learn.plan.preprocess.transforms]
    assert "Resize" not in names  # it would hide how large things are


def test_no_scan_is_cut_in_training_and_a_larger_one_is_refused(folder):
    learn = medlib.classifier(folder / "table.csv", "look", kind="mr", validation=KEPT)
    window = learn.plan.window
    for part in (learn.learner.data.train, learn.learner.data.valid):
        for number in range(len(part)):
            assert part.prepared(number).grid.shape == window
            assert not part.prepared(number).trail.lost()
    scan, _ = ball(0)
    larger = medlib.MRVolume(
        scan.data.repeat(1, 3, 1, 1), scan.grid.window((0, 0, 0), (36, 16, 18))
    )
    with pytest.raises(ValueError, match=r"mm large .* crop it"):
        learn.predict(larger)


def test_cases_of_which_nothing_is_known_are_set_aside(folder, tmp_path):
    rows = list(csv.DictReader((folder / "table.csv").open()))
    rows[3]["look"] = ""
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(r | {"scan": str(folder / r["scan"])} for r in rows)
    learn = medlib.classifier(tmp_path / "table.csv", "look", kind="mr")
    assert len(learn.pairing.cases) == 15
    assert any("does not say look" in reason for _, reason in learn.pairing.set_aside)


def test_an_empty_cell_is_not_no(folder, tmp_path):
    """Half of the answers to one question are unknown, however the table says so."""
    rows = list(csv.DictReader((folder / "table.csv").open()))
    ways = ("", "NA", "unknown", "?", " ")
    for number in range(0, 10, 2):
        rows[number]["large"] = ways[number // 2]
    rows[12]["large"] = rows[12]["bright"] = ""
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(r | {"scan": str(folder / r["scan"])} for r in rows)
    watch = Seen()
    asked = tmp_path / "table.csv", ["bright", "large"]
    learn = learned(medlib.classifier, *asked, epochs=1, callbacks=[watch])
    assert len(learn.pairing.cases) == 15
    assert learn.pairing.set_aside[0][1] == "the table says none of bright, large"
    open_ = {name for name, target in watch.targets.items() if target.unknown == ("large",)}
    assert open_ == {f"Secret-Name_{n}" for n in (0, 4, 6)}
    for name, target in watch.targets.items():
        truth = ball(int(name.rpartition("_")[2]))[1]
        assert ("bright" in target.names) == (truth["bright"] == "yes")
        assert ("large" in target.names) == (name not in open_ and truth["large"] == "yes")
    cases = learn.scores.cases
    assert {name for name, row in cases.items() if isnan(row["large"])} == {
        "Secret-Name_2",
        "Secret-Name_8",
    }
    assert not any(isnan(row["bright"]) for row in cases.values())
    assert write_report(learn, tmp_path / "report.html").exists()
    reloaded(learn, tmp_path)


class Seen(Callback):
    """What the network was asked, by case."""

    def __init__(self):
        self.targets = {}

    def after_loss(self, learn):
        self.targets |= dict(zip(learn.batch.names, learn.batch.targets, strict=True))


@pytest.mark.parametrize(
    ("make", "arguments", "fault"),
    [
        (medlib.classifier, (["bright", "typo"],), "of no scan the table says typo; the columns"),
        (medlib.classifier, ("typo",), "does not say typo.*the columns of answers are: bright"),
        (medlib.classifier, ("volume",), "no two cases say the same.*regressor"),
        (medlib.regressor, ("look", "ml"), "is 'bright', and a number is needed"),
        (medlib.landmarks, (), "has no"),
    ],
)
def test_what_cannot_be_learned_is_said(folder, make, arguments, fault):
    more = {"names": ["tip"]} if make is medlib.landmarks else {}
    source = folder / "scans" if more else folder / "table.csv"
    where = (folder / "points",) if more else ()
    with pytest.raises(ValueError, match=fault):
        make(source, *where, *arguments, kind="mr", **more)


def test_a_plan_for_another_kind_is_refused(folder):
    plan = medlib.classifier(folder / "table.csv", "look", kind="mr").plan
    with pytest.raises(ValueError, match="made for MRVolume"):
        medlib.classifier(folder / "table.csv", "look", kind=CTVolume, plan=plan)


def test_an_edited_plan_is_what_is_done(folder, tmp_path):
    plan = medlib.classifier(folder / "table.csv", "look", kind="mr").plan
    path = plan.save(tmp_path / "plan.json")
    assert Plan.load(path) == plan
    path.write_text(path.read_text().replace('"batch_size": 4', '"batch_size": 2'))
    learn = medlib.classifier(folder / "table.csv", "look", kind="mr", plan=Plan.load(path))
    assert learn.learner.batch_size == 2
