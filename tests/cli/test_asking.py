"""What is asked on the command line is what is planned, learned and measured; one thing at a time."""

import csv
import json
from importlib.util import find_spec

import pytest
from balls import write_balls, write_findings
from tiny import write_task
from typer.testing import CliRunner

from medlib.cli import app
from medlib.infer import BeliefOutput, BoxesOutput, MeasurementOutput, PointsOutput
from medlib.io.markups import write_points
from medlib.package import load
from medlib.types import Points

WORDS = ("table.csv", "--answer", "look")
NUMBER = ("table.csv", "--answer", "volume", "--unit", "ml")
YES_OR_NO = ("table.csv", "--answer", "bright", "--answer", "large")
PLACES = ("scans", "--points", "points")
FINDINGS = ("found/scans", "--boxes", "found/boxes.csv")
OUTLINES = ("outlined/images", "--labels", "outlined/labels")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_balls(tmp_path_factory.mktemp("asked") / "balls", 8)
    (folder / "found").mkdir()
    write_findings(folder / "found", 8)
    write_task(folder / "outlined", 4, shape=(12, 16, 16))
    return folder


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    """What is typed is typed in the folder of the scans."""
    monkeypatch.chdir(folder)


def medlib(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def trained(asked, out, *more):
    """A training of a network that is as small as can be."""
    done = medlib("plan", *asked, "--kind", "mr", "--json")
    assert done.exit_code == 0, done.stderr
    plan = json.loads(done.stdout)
    arguments = plan["architecture"]["arguments"]
    arguments["channels"] = [2] * len(arguments["channels"])
    file = out.with_suffix(".json")
    file.write_text(json.dumps(plan))
    done = medlib("train", *asked, "--kind", "mr", "--plan", file, "--out", out,
                  "--minutes", "0.15", *more)  # fmt: skip
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (WORDS, "cross-entropy; rare answers are not weighed more"),
        (YES_OR_NO, "cross-entropy; rare answers are not weighed more"),
        (NUMBER, "the absolute error"),
        (PLACES, "the distance in millimetres"),
        (FINDINGS, "focal loss"),
        (OUTLINES, "Dice and cross-entropy"),
    ],
)
def test_a_plan_is_of_what_is_asked(asked, said):
    done = medlib("plan", *asked, "--kind", "mr")
    assert done.exit_code == 0, done.output
    assert f"loss: {said}" in done.stdout


@pytest.mark.parametrize(
    ("asked", "output", "figures"),
    [
        (WORDS, BeliefOutput, ("AUROC", "bright: probability of the truth", "accuracy (mean)")),
        (YES_OR_NO, BeliefOutput, ("average precision", "large: accuracy (mean)", "F1 (mean)")),
        (NUMBER, MeasurementOutput, ("volume: error in ml", "volume: error, ml (mean)")),
        (PLACES, PointsOutput, ("centre: error in mm", "centre: distance, mm (median)")),
        (FINDINGS, BoxesOutput, ("FROC", "mAP", "dark: IoU (mean)")),
    ],
)
def test_what_is_asked_is_learned_and_its_own_figures_are_said(asked, output, figures, tmp_path):
    done = trained(asked, tmp_path / "m.medlib", "--validation", "0.4")
    assert isinstance(load(tmp_path / "m.medlib").output, output)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert all(any(line.startswith(figure) for line in lines) for figure in figures), done.stdout
    assert "Dice" not in done.stdout
    assert "medlib predict" in lines[-1]


def test_a_training_is_watched_and_its_figures_have_intervals(tmp_path):
    watched = ("--pictures", tmp_path / "seen", "--log", tmp_path / "log.csv", "--json")
    done = trained(OUTLINES, tmp_path / "m.medlib", "--validation", "0.5", *watched)
    scores = json.loads(done.stdout)["scores"]
    assert scores["measure"] == "Dice"
    assert scores["intervals"].keys() == scores["labels"].keys() == {"left kidney", "right kidney"}
    assert scores["patients"] == 2
    assert list((tmp_path / "seen").glob("step_*.png"))
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["measure"] == "Dice"
    assert not (tmp_path / "runs").exists()


@pytest.mark.system
def test_a_tracker_writes_beside_the_model(tmp_path):
    pytest.importorskip("tensorboard")
    trained(NUMBER, tmp_path / "m.medlib", "--track", "tensorboard")
    assert list((tmp_path / "runs").rglob("events.out.tfevents*"))


def test_a_tracker_that_is_not_installed_is_said_before_anything_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "medlib.report.watching.find_spec",
        lambda name: None if name == "mlflow" else find_spec(name),
    )
    done = medlib("train", *NUMBER, "--kind", "mr", "--out", tmp_path / "m", "--track", "mlflow")
    assert done.exit_code == 1
    assert "pip install 'medlib[track]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_folds_of_boxes_are_measured_and_stay_each_for_itself(tmp_path):
    out = tmp_path / "m.medlib"
    done = trained(FINDINGS, out, "--folds", "2", "--report", tmp_path / "page.html")
    assert "has no mean" in done.stderr
    assert "FROC" in done.stdout
    assert "mAP" in (tmp_path / "page.html").read_text()
    assert not out.exists()
    assert isinstance(load(tmp_path / "m.medlib.folds" / "fold_2.medlib").output, BoxesOutput)


def test_a_table_may_name_landmarks_itself_and_who_is_kept_back(folder, tmp_path):
    with (tmp_path / "places.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["scan", "points", "patient", "split"])
        for number in range(4):
            name, points = f"Secret-Name_{number}", tmp_path / f"{number}.mrk.json"
            write_points(Points([[30.0, -20.0, 400.0]], ("tip",)), points)
            split = "valid" if number == 3 else "train"
            table.writerow([folder / "scans" / f"{name}.nii.gz", points, name, split])
    asked = (tmp_path / "places.csv", "--points", tmp_path / "places.csv")
    done = trained(asked, tmp_path / "m.medlib", "--json")
    report = json.loads(done.stdout)
    assert len(report["trained_on"]) == 3
    assert list(report["scores"]["labels"]) == ["tip"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((*WORDS, "--points", "points"), "say only one of --answer, --points"),
        ((*OUTLINES, "--boxes", "found/boxes.csv"), "say only one of --labels, --boxes"),
        ((*YES_OR_NO, "--unit", "ml"), "--unit is of one number"),
        (("scans", "--points", "points", "--unit", "mm"), "--unit is of one number"),
        (("table.csv",), "no scan has labels"),
        (("scans",), "say where the labels are"),
        (("scans", "--answer", "look"), "there is no table"),
        (("table.csv", "--answer", "typo"), "the columns of answers are: bright"),
        (("table.csv", "--answer", "volume"), "numbers have a unit"),
        (("table.csv", "--answer", "look", "--unit", "ml"), "a number is needed"),
        (("table.csv", "--answer", "look", "--answer", "large"), "yes or no is needed"),
        (("scans", "--points", "nowhere"), "there is no folder"),
        (("scans", "--boxes", "nowhere.csv"), "there are no boxes"),
    ],
)
def test_what_cannot_be_asked_is_said_and_nothing_is_written(asked, said, tmp_path):
    for command in (["plan"], ["train", "--out", tmp_path / "m.medlib"]):
        done = medlib(*command, *asked, "--kind", "mr")
        assert done.exit_code == 1, done.output
        assert said in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
