"""From scans and boxes to a model file that finds them in new scans."""

from dataclasses import replace

import numpy as np
import pytest
from balls import findings, write_findings

import medlib
from medlib.infer import BoxesOutput
from medlib.io import read_boxes
from medlib.models import Architecture
from medlib.train import Fingerprint, plan_for
from medlib.transforms import Spacing
from medlib.types import Boxes


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("balls")
    task = write_findings(folder, 12)
    plan = medlib.detector(*task, kind="mr").plan
    small = Architecture.residual_unet(channels=(8, 16, 32), strides=((1, 2, 1), (2, 2, 2)))
    plan = replace(plan, architecture=small, rate=1e-2)
    learn = medlib.detector(*task, kind="mr", plan=plan, validations=1)
    learn.fine_tune(epochs=32)
    return learn


def test_balls_are_found_and_told_apart(learned):
    assert sorted(learned.labels.names) == ["bright", "dark"]
    assert learned.scores.overall["FROC"] > 0.8
    assert set(learned.scores.labels) == {"bright", "dark"}
    for number in (103, 101, 102, 100):
        scan, rows = findings(number)
        found = learned.predict(scan)
        assert isinstance(found, Boxes)
        sure = [k for k, score in enumerate(found.scores) if score > 0.3]
        assert len(sure) == len(rows)
        for *middle, diameter, look in rows:
            (k,) = [k for k in sure if found.labels.by_id(found.ids[k]).name == look]
            assert np.linalg.norm(found.centres[k] - middle) < diameter / 2.5
            edges = found.corners[k].reshape(2, 2, 2, 3)
            lengths = [np.linalg.norm(np.diff(edges, axis=a).mean((0, 1, 2))) for a in range(3)]
            assert lengths == pytest.approx([diameter] * 3, rel=0.35)


def test_the_model_file_finds_the_same(learned, tmp_path):
    scan, _ = findings(103)
    model = medlib.load(learned.save(tmp_path / "balls.medlib"))
    ours, theirs = learned.predict(scan), model.predict(scan)
    assert np.abs(ours.corners - theirs.corners).max() < 1e-3
    assert ours.scores == pytest.approx(theirs.scores, abs=1e-5)
    assert ours.ids == theirs.ids
    assert "bright, dark" in model.manifest.card()
    medlib.save(theirs, tmp_path / "found.mrk.json")
    again = read_boxes(tmp_path / "found.mrk.json")
    assert len(again) == len(theirs)
    assert sorted(again.labels.names) == sorted({theirs.labels.by_id(i).name for i in theirs.ids})
    assert again.centres == pytest.approx(theirs.centres)


def test_a_plan_for_small_findings_does_not_let_them_vanish(learned):
    data = learned.learner.data.train
    seen = Fingerprint.of(data)
    assert 6 < seen.finding < 9  # balls of 7 to 10 mm
    (voxels,) = seen.intensities
    assert voxels.high > 50  # the balls count, though most voxels are noise
    assert voxels.low < -50
    size = (320.0, 350.0, 350.0)
    chest = replace(seen, spacing=(1.0, 0.7, 0.7), extent=size, largest=size)
    plans = [plan_for(f, BoxesOutput) for f in (chest, replace(chest, finding=float("inf")))]
    fine, coarse = (
        next(step.millimetres for step in plan.preprocess.transforms if isinstance(step, Spacing))
        for plan in plans
    )
    assert max(fine) <= seen.finding / 4 + 1e-3
    assert min(coarse) > 1.1 * max(fine)
    assert "small findings are 4 voxels across" in plans[0].reasons[0]
