"""Out-of-fold figures are honest, and what was interrupted goes on."""

import shutil
from dataclasses import replace
from functools import partial
from statistics import fmean

import numpy as np
import pytest
import torch
from balls import ball, write_balls, write_findings
from tiny import write_task

import medlib
from medlib.cross_validation import CrossValidation, Fold, identity
from medlib.data import Case, from_table, k_fold
from medlib.models import Architecture
from medlib.report import write_report
from medlib.train import BestWeights, Callback, EarlyStopping, Mixup, Progress, loss, scored
from medlib.types import Belief, Category


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine scans of six patients: some have been scanned twice."""
    folder = write_balls(tmp_path_factory.mktemp("balls"), 9)
    table = (folder / "table.csv").read_text()
    for number in (6, 7, 8):  # the same patients as 0, 1, 2
        table = table.replace(f".nii.gz,Secret-Name_{number}", f".nii.gz,Secret-Name_{number - 6}")
    (folder / "table.csv").write_text(table)
    return folder


class Watch(Callback):
    """Who was trained on and who was kept back, and what kept the weights."""

    def __init__(self, *, stop_at=None):
        self.folds, self.stop_at = [], stop_at

    def made_with(self):
        return None  # it only looks on

    def before_fit(self, learn):
        self.folds.append((set(), {case.patient for case in learn.data.valid.cases}, learn))

    def after_step(self, learn):
        patients = {case.name: case.patient for case in learn.data.train.cases}
        self.folds[-1][0].update(patients[name] for name in learn.batch.names)
        if self.stop_at == len(self.folds):
            raise KeyboardInterrupt


def prepare(make, *arguments, **choices):
    """The task with a plan for a network that is as small as can be."""
    choices = {"kind": "mr", "precision": "fp32", "cache": False} | choices
    plan = make(*arguments, **choices).plan
    levels = plan.architecture.arguments["strides"]
    arguments_of = {"channels": [2] * (len(levels) + 1), "strides": levels}
    network = Architecture(plan.architecture.name, plan.architecture.arguments | arguments_of)
    return make(*arguments, plan=replace(plan, architecture=network), **choices)


def same(first, second):
    weights = [m.predictor.network.state_dict() for m in (first, second)]
    return all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_every_case_is_predicted_once_by_a_model_that_never_saw_its_patient(folder, tmp_path):
    watch = Watch()
    learn = prepare(medlib.classifier, folder / "table.csv", "look", callbacks=[watch])
    found = learn.cross_validate(folds=3, epochs=2, folder=tmp_path)
    assert len(watch.folds) == 3
    text = write_report(found, tmp_path / "report.html").read_text()
    for part in ("never saw its patient", "Word by word", "calibration error", "The folds"):
        assert part in text
    for trained, kept, learner in watch.folds:
        assert len(trained) == 4
        assert not trained & kept
        assert not any(isinstance(callback, BestWeights) for callback in learner.callbacks)
        assert sum(point.scores is not None for point in learner.record) == 1  # at the end
    assert sorted(found.scores.cases) == [f"Secret-Name_{n}" for n in range(9)]
    assert sum(len(fold.scores.cases) for fold in found.folds) == 9
    figures = {"AUROC", "average precision", "balanced accuracy", "calibration error"}
    assert set(found.intervals) == {"bright", "dark", *figures}
    for name in figures:
        assert found.intervals[name].value == pytest.approx(found.scores.overall[name])
    assert found.intervals["AUROC"].patients == 6
    for fold in found.folds:  # what is reported is what this fold's own model says
        for name, belief, _ in fold.answers:
            said = fold.model.predict(ball(int(name[-1]))[0])
            assert said.shares == pytest.approx(belief.shares, abs=1e-5)


def test_what_is_usual_is_learned_from_the_fold_s_own_training_cases(folder):
    learn = prepare(medlib.regressor, folder / "table.csv", "volume", "ml")
    found = learn.cross_validate(folds=3, epochs=1)
    cases = {case.name: case for case in from_table(folder / "table.csv").cases}
    for fold in found.folds:
        kept = {cases[name].patient for name in fold.scores.cases}
        rest = [c.answers["volume"] for c in cases.values() if c.patient not in kept]
        assert fold.trained_on == len(rest)
        assert fold.model.output.mean == pytest.approx(fmean(rest))
    ensemble = found.ensemble
    scan, _ = ball(30)
    each = [fold.model.predict(scan).value for fold in found.folds]
    assert ensemble.predict(scan).value == pytest.approx(fmean(each))
    assert ensemble.disagreement(scan)["volume"] == pytest.approx(np.std(each))
    assert found.scores.errors
    worst = [value for _, value in found.worst(9)]
    assert worst == sorted(worst, reverse=True)


@pytest.fixture(scope="module")
def outlined(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"), 4, shape=(12, 16, 16), prefix="Secret-Name")


def outline(folder, **choices):
    return prepare(medlib.segmenter, folder / "images", folder / "labels", **choices)


def test_what_was_interrupted_goes_on_with_the_next_fold(outlined, tmp_path):
    whole = outline(outlined).cross_validate(folds=2, epochs=1)
    with pytest.raises(KeyboardInterrupt):
        outline(outlined, callbacks=[Watch(stop_at=2)]).cross_validate(
            folds=2, epochs=1, folder=tmp_path
        )
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["fold_1.json"]
    watch = Watch()
    said = []
    found = outline(outlined, callbacks=[watch]).cross_validate(
        folds=2, epochs=1, folder=tmp_path, progress=said.append
    )
    assert len(watch.folds) == 1
    assert said[0] == "fold 1 of 2: was finished before"
    for one, other in zip(found.folds, whole.folds, strict=True):
        assert same(one.model, other.model)
    for case, row in whole.scores.cases.items():
        assert found.scores.cases[case] == pytest.approx(row, abs=1e-5, nan_ok=True)
        again = {(one.of, one.name): one.value for one in found.scores.metrics[case]}
        assert {name for _, name in again} >= {"Dice", "NSD", "HD95", "volume error", "lesions"}
        measured = {(one.of, one.name): one.value for one in whole.scores.metrics[case]}
        assert again == pytest.approx(measured, abs=1e-4, nan_ok=True)
    with pytest.raises(ValueError, match=r"fold_1.json: it is of another .*the length"):
        outline(outlined).cross_validate(folds=2, epochs=2, folder=tmp_path)
    with pytest.raises(ValueError, match=r"it is of another .*the optimiser"):
        outline(outlined, decay=0.5).cross_validate(folds=2, epochs=1, folder=tmp_path)
    with pytest.raises(ValueError, match=r"it is of another .*the callbacks"):
        outline(outlined, callbacks=[Mixup(0.3)]).cross_validate(folds=2, epochs=1, folder=tmp_path)
    label = outlined / "labels" / "Secret-Name_1.nii.gz"
    label.write_bytes(label.read_bytes())  # somebody has mended an outline since
    with pytest.raises(ValueError, match="what is known of them"):
        outline(outlined).cross_validate(folds=2, epochs=1, folder=tmp_path)
    (tmp_path / "fold_1.json").write_text('{"identity": ')
    with pytest.raises(ValueError, match=r"fold_1\.json"):
        outline(outlined).cross_validate(folds=2, epochs=1, folder=tmp_path)


class Steps(Callback):
    """Counts the steps, and may fail as if the power did."""

    order = 110  # the checkpoint is told at 100

    def __init__(self, *, fail_at=None):
        self.taken, self.fail_at = 0, fail_at

    def made_with(self):
        return None

    def after_step(self, learn):
        self.taken += 1
        if self.taken == self.fail_at:
            raise OSError("no power")


def test_a_fold_that_was_interrupted_goes_on_where_it_stood(outlined, tmp_path, monkeypatch):
    monkeypatch.setattr("medlib.train.checkpoint._SECONDS", 0.0)  # written after every step
    steps, length = Steps(), {"folds": 2, "epochs": 4}
    whole = outline(outlined, callbacks=[steps]).cross_validate(**length)
    each = steps.taken // 2
    assert each >= 4
    cut = Steps(fail_at=each + 3)
    with pytest.raises(OSError, match="no power"):
        outline(outlined, callbacks=[cut]).cross_validate(**length, folder=tmp_path)
    assert {path.name for path in tmp_path.glob("*.checkpoint")} == {"fold_2.checkpoint"}
    # Going on with another fold's weights would report patients that were learned from.
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "fold_2.checkpoint", tmp_path / "other" / "fold_1.checkpoint")
    with pytest.raises(ValueError, match=r"fold_1.checkpoint is of another training: cases"):
        outline(outlined).cross_validate(**length, folder=tmp_path / "other")
    again, said = Steps(), []
    found = outline(outlined, callbacks=[again]).cross_validate(
        **length, folder=tmp_path, progress=said.append
    )
    assert said[1] == "fold 2 of 2: 2 cases to learn from, goes on from where it stood"
    assert again.taken == each - 3
    for one, other in zip(found.folds, whole.folds, strict=True):
        assert same(one.model, other.model)
    assert not list(tmp_path.glob("*.checkpoint"))


def test_a_fold_is_another_s_where_scans_boxes_or_choices_are_others(tmp_path):
    scans, boxes = write_findings(tmp_path, 4)

    def known(**choices):
        learn = medlib.detector(scans, boxes, kind="mr", cache=False, **choices)
        return identity(learn, k_fold(2)(learn.pairing.cases)[0], None, 1)

    def changed(**choices):
        now = known(**choices)
        return {name for name in now if now[name] != first[name]}

    first = known()
    assert changed(callbacks=[Watch(), Progress()]) == set()
    assert changed(callbacks=[EarlyStopping(patience=3)]) == {"the callbacks"}
    assert changed(optimiser="sgd") == changed(clip=1.0) == {"the optimiser"}
    assert changed(loss=partial(loss, smoothing=0.1)) == {"the loss"}
    for file in (boxes, scans / "case_1.nii.gz"):
        file.write_bytes(file.read_bytes())  # mended since
        assert changed() == {"what is known of them"}
        first = known()


def test_the_ensemble_is_one_file_that_names_nobody(outlined, tmp_path):
    found = outline(outlined).cross_validate(folds=2, epochs=1)
    content = (path := found.ensemble.save(tmp_path / "all.medlib")).read_bytes().lower()
    assert b"secret" not in content
    assert str(tmp_path).encode().lower() not in content
    model = medlib.load(path)
    scan = outlined / "images" / "Secret-Name_1.nii.gz"
    assert torch.equal(model.predict(scan).data, found.ensemble.predict(scan).data)
    assert model.metrics["labels"].keys() == {"left kidney", "right kidney"}
    assert {one.name for one in found.totals} == {"Dice", "NSD", "HD95", "volume error"}
    assert "HD95, mm (median)" in model.card()
    page = write_report(found, tmp_path / "report.html").read_text()
    for one in found.totals:
        assert str(one.interval).replace("inf", "∞") in page
    assert "has not been measured" in model.card()
    cards = [fold.model.manifest.card() for fold in found.folds]
    assert all("no weights were chosen by them" in card for card in cards)
    text = str(found)
    assert "4 scans of 4 patients" in text
    assert "fold 2: trained on 2, 2 kept back" in text


@pytest.mark.parametrize(
    ("choices", "fault"),
    [
        ({"folds": 1, "epochs": 1}, "two folds or more"),
        ({"folds": 9, "epochs": 1}, "4 patients cannot be dealt into 9"),
        ({"folds": 2}, "minutes, or"),
        ({"folds": 2, "minutes": -1}, "cannot train for"),
        ({"folds": lambda cases: k_fold(2)(cases)[:1] * 2, "epochs": 1}, "exactly once"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_done(outlined, tmp_path, choices, fault):
    with pytest.raises(ValueError, match=fault):
        outline(outlined).cross_validate(folder=tmp_path / "new", **choices)
    assert not (tmp_path / "new").exists()


def guessed(seed, *, noise):
    """Folds of models that have learned no more than how usual an answer is."""
    draw = np.random.default_rng(seed)
    words = ("benign", "malignant")
    answers = {f"case {n}": words[int(draw.random() < 0.4)] for n in range(40)}
    cases = [Case(name, name, None) for name in answers]
    folds = []
    for train, valid in k_fold(5, seed=seed)(cases):
        usual = fmean(answers[case.name] == "malignant" for case in train)
        rows = []
        for case in valid:
            share = float(np.clip(usual + noise * draw.normal(), 0, 1))
            truth = Category(answers[case.name], words)
            rows.append((case.name, Belief((1 - share, share), words), truth))
        folds.append(Fold(None, scored(rows), tuple(rows), len(train)))
    return CrossValidation(tuple(folds), {case.name: case.patient for case in cases})


def test_what_knows_nothing_of_a_patient_is_worth_nothing():
    """Pooled over folds it would look worse than chance, and its opposite better."""
    pooled = []
    for seed in range(20):
        found = guessed(seed, noise=0.0)
        assert found.scores.overall["AUROC"] == pytest.approx(0.5)
        assert found.intervals["AUROC"].value == pytest.approx(0.5)
        answers = [answer for fold in found.folds for answer in fold.answers]
        pooled.append(scored(answers).overall["AUROC"])
    assert fmean(pooled) < 0.4
    noisy = [guessed(seed, noise=0.1).scores.overall["AUROC"] for seed in range(100)]
    assert fmean(noisy) == pytest.approx(0.5, abs=0.03)
