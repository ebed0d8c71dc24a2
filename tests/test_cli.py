"""The command line: its exit codes, its one line of complaint, and nothing half-written."""

import gzip
import json
import shutil
import subprocess
import sys
import time

import pytest
import torch
from tiny import SIDES, named, scan_of, structures, write_series, write_task
from typer.testing import CliRunner

from medlib import io
from medlib.cli import app
from medlib.data.caching import usual_store
from medlib.infer import MaskOutput, Predictor, VolumeInput
from medlib.models import Architecture
from medlib.package import Ensemble, Model
from medlib.space import Grid
from medlib.train import Checkpoints
from medlib.transforms import Normalise, Pipeline
from medlib.types import CTVolume, Mask

GRID = Grid.from_axes((10, 14, 14), spacing=(2.0, 1.5, 1.5))


def medlib(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def shell(*arguments, **more):
    command = [sys.executable, "-m", "medlib.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **more)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A CT model that knows nothing."""
    torch.manual_seed(0)
    architecture = Architecture.residual_unet(channels=(4, 8))
    predictor = Predictor(
        architecture.build(1, 3),
        Pipeline((Normalise(),)),
        (VolumeInput(CTVolume),),
        MaskOutput(SIDES),
        (12, 16, 16),
    )
    described = Model.describe(predictor, architecture, training={}, metrics={})
    return described.save(tmp_path_factory.mktemp("model") / "ct.medlib")


@pytest.fixture
def scans(tmp_path):
    for number in (1, 2):
        io.write_nifti(
            scan_of(structures(GRID, seed=number)), tmp_path / f"in/scan_{number}.nii.gz"
        )
    return tmp_path / "in"


def complaint(done):
    """The one line on the error stream that says what is wrong."""
    assert done.exit_code == 1, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("medlib: ")]
    assert len(lines) == 1
    assert lines[0] == done.stderr.splitlines()[-1]
    return lines[0]


# --- quick and light ----------------------------------------------------------------------

LIGHT = """
import sys
from typer.testing import CliRunner
from medlib.cli import app
assert CliRunner().invoke(app, ["--help"]).exit_code == 0
heavy = {"torch", "pydicom", "SimpleITK", "monai", "nibabel", "matplotlib", "accelerate"}
print(sorted(heavy & set(sys.modules)))
"""


@pytest.mark.parametrize("script", ["import sys, medlib; print([])", LIGHT])
def test_help_loads_nothing_heavy(script):
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert time.monotonic() - begun < 20  # a second, on a machine that has nothing else to do


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["inspect"],
        ["convert"],
        ["train"],
        ["predict"],
        ["demo"],
        ["datasets"],
        ["datasets", "get"],
    ],
)
def test_every_command_says_what_it_does(command):
    done = medlib(*command, "--help")
    assert done.exit_code == 0
    assert "Usage:" in done.output
    assert done.stderr == ""


def test_what_is_not_understood_is_exit_code_2(tmp_path):
    for arguments in (
        ["nonsense"],
        ["inspect"],
        ["train", tmp_path, "--labels", tmp_path, "--kind", "xray", "--out", tmp_path / "m"],
        ["train", tmp_path, "--labels", tmp_path, "--kind", "ct", "--out", "m", "--minutes", "0"],
        ["predict", "m", "in", "--out", "out", "--format", "jpeg"],
        ["datasets", "get", "nosuch"],
        ["datasets", "make", "ct_fantom"],
    ):
        done = medlib(*arguments)
        assert done.exit_code == 2, arguments
        assert "Traceback" not in done.stderr
    assert "ct_phantom" in done.stderr  # the nearest name there is


# --- predict ------------------------------------------------------------------------------


def test_predictions_are_named_after_their_scans(model, scans, tmp_path):
    done = medlib("predict", model, scans, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "predictions.csv",
        "predictions.jsonl",
        "scan_1.nii.gz",
        "scan_2.nii.gz",
    ]
    assert done.stdout.splitlines()[-1] == "2 predicted, 0 refused"
    assert "1/2 scan_1" in done.stderr
    again = medlib("predict", model, scans, "--out", tmp_path / "out")
    assert again.exit_code == 0
    assert again.stdout.splitlines()[-1] == "0 predicted, 2 done before, 0 refused"


def test_json_is_one_document_on_stdout(model, scans, tmp_path):
    (scans / "cut.nii.gz").write_bytes(gzip.compress(b"no"))
    for arguments, code in (
        (["predict", model, scans, "--out", tmp_path / "out", "--json"], 3),
        (["inspect", scans, "--json"], 3),
        (["convert", scans, tmp_path / "converted", "--json"], 3),
        (["datasets", "list", "--json"], 0),
        (["inspect", tmp_path / "nowhere", "--json"], 1),
        (["predict", model, tmp_path / "nowhere", "--out", tmp_path / "o", "--json"], 1),
    ):
        done = medlib(*arguments)
        assert done.exit_code == code, done.stderr
        content = json.loads(done.stdout)
        assert ("error" in content) == (code == 1)


def test_existing_results_stay_unless_told(model, scans, tmp_path):
    (tmp_path / "out").mkdir()
    kept = tmp_path / "out" / "scan_1.nii.gz"
    kept.write_bytes(b"corrected by hand")
    done = medlib("predict", model, scans, "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "already there" in done.stdout
    assert kept.read_bytes() == b"corrected by hand"
    assert medlib("predict", model, scans, "--out", tmp_path / "out", "--overwrite").exit_code == 0
    assert kept.read_bytes() != b"corrected by hand"


def test_a_ct_model_refuses_an_mr_series(model, tmp_path):
    write_series(tmp_path / "in" / "head", scan_of(structures(GRID)), modality="MR")
    done = medlib("predict", model, tmp_path / "in", "--out", tmp_path / "out", "--format", "seg")
    assert done.exit_code == 3
    assert "refused: head: head is MR and cannot be read as CTVolume" in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_ct_series_becomes_a_segmentation(model, tmp_path):
    write_series(tmp_path / "in" / "body", scan_of(structures(GRID)), modality="CT")
    done = medlib("predict", model, tmp_path / "in", "--out", tmp_path / "out", "--format", "both")
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "out").glob("body*")) == ["body.dcm", "body.nii.gz"]
    assert "SECRETID" not in done.output
    assert "Secret" not in done.output


def test_bad_input_is_refused_by_name_and_leaves_nothing(model, tmp_path):
    source = tmp_path / "in"
    for name, spoil in (
        ("gap", lambda folder: (folder / "004.dcm").unlink()),
        ("cut", lambda f: (f / "004.dcm").write_bytes((f / "004.dcm").read_bytes()[:-50])),
    ):
        spoil(write_series(source / name, scan_of(structures(GRID)), modality="CT", patient=name))
    done = medlib("predict", model, source, "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert done.stdout.splitlines()[-1].startswith("0 predicted, ")
    assert str(source / "gap") in done.stdout
    assert "004.dcm" in done.stdout
    assert not (tmp_path / "out").exists()


def test_what_holds_no_scan_is_an_error(model, tmp_path):
    (tmp_path / "empty").mkdir()
    done = medlib("predict", model, tmp_path / "empty", "--out", tmp_path / "out")
    assert f"no DICOM or NIfTI scans in {tmp_path / 'empty'}" in complaint(done)
    done = medlib("predict", model, tmp_path / "nowhere", "--out", tmp_path / "out")
    assert "nowhere" in complaint(done)
    (tmp_path / "text.txt").write_text("hello")
    done = medlib("predict", model, tmp_path / "text.txt", "--out", tmp_path / "out")
    assert done.exit_code == 3
    assert "text.txt is neither DICOM nor NIfTI" in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_bad_model_is_an_error(scans, tmp_path):
    (tmp_path / "bad.medlib").write_text("hello")
    done = medlib("predict", tmp_path / "bad.medlib", scans, "--out", tmp_path / "out")
    assert "bad.medlib is no medlib model package" in complaint(done)
    done = medlib("predict", tmp_path / "no.medlib", scans, "--out", tmp_path / "out")
    assert "there is no model at" in complaint(done)
    done = medlib("predict", scans, scans, "--out", tmp_path / "out")
    assert "in is no medlib model package" in complaint(done)


def test_two_patients_with_one_id_are_warned_of(tmp_path):
    for name in ("one", "two"):
        write_series(tmp_path / "in" / name, scan_of(structures(GRID)), name=f"{name}^x")
    done = medlib("inspect", tmp_path / "in")
    assert done.exit_code == 0
    assert done.stdout.count("two patients with one ID") == 2
    assert "SECRETID" not in done.output


# --- train --------------------------------------------------------------------------------


@pytest.fixture
def task(tmp_path):
    return write_task(tmp_path / "task", 4, shape=(12, 16, 16), spacing=(2, 1.5, 1.5))


def train(folder, out, *more):
    return medlib("train", folder / "images", "--labels", folder / "labels", "--kind", "mr",
                  "--out", out, *more)  # fmt: skip


def spoil_grid(folder):
    for number in (2, 3):  # one alone would be set aside
        path = named(folder, "labels", "case", number)
        mask = io.read_mask(path)
        io.write_nifti(Mask(mask.data, mask.grid.window((1, 0, 0), mask.grid.shape)), path)


def spoil_ids(folder):
    for number in (2, 3):
        path = named(folder, "labels", "case", number)
        mask = io.read_mask(path)
        mask.data[0, 0, 0, 0] = 77
        io.write_nifti(Mask(mask.data, mask.grid), path)


def empty(folder):
    shutil.rmtree(folder / "images")
    (folder / "images").mkdir()


def one_text_file(folder):
    empty(folder)
    (folder / "images" / "notes.txt").write_text("hello")


def no_labels(folder):
    for path in (folder / "labels").glob("*.nii.gz"):
        path.rename(path.with_name("z" + path.name))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_grid, "case_3.nii.gz lies on another grid than its image"),
        (spoil_ids, "case_3.nii.gz holds the ids 77, which its label table does not know"),
        (empty, "Scans: none"),
        (one_text_file, "Scans: none"),
        (no_labels, "Give each label file the name of its scan"),
        (lambda f: (f / "labels" / "labels.json").write_text("{"), "labels.json is no label table"),
        (lambda f: shutil.rmtree(f / "labels"), "labels"),
        (lambda f: shutil.rmtree(f / "images"), "images"),
    ],
)
def test_what_cannot_be_learned_from_is_said_and_nothing_is_written(task, tmp_path, spoil, said):
    spoil(task)
    done = train(task, tmp_path / "m.medlib", "--validation", "0.5")
    assert said in complaint(done)
    assert [p.name for p in tmp_path.iterdir()] == ["task"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("case_1\ncase_9\n", "names case_9"),
        ("", "must name some of the scans"),
        ('{"a": 1}', "should hold a list of scan names"),
        ("[1, 2]", "should hold a list of scan names"),
        ("[", "should hold a list of scan names"),
        (b"\xff\xfe\x00", "should hold a list of scan names"),
    ],
)
def test_a_bad_validation_list_is_said(task, tmp_path, content, said):
    text = content if isinstance(content, bytes) else content.encode()
    listed = tmp_path / ("kept.json" if text[:1] in (b"{", b"[") else "kept.txt")
    listed.write_bytes(text)
    done = train(task, tmp_path / "m.medlib", "--validation", listed)
    assert said in complaint(done)


@pytest.mark.parametrize("share", ["0", "1.5", "nan", "some"])
def test_a_bad_validation_share_is_said(task, tmp_path, share):
    done = train(task, tmp_path / "m.medlib", "--validation", share)
    assert "takes a number between 0 and 1" in complaint(done)


def test_a_model_that_is_there_is_not_replaced(task, tmp_path):
    (tmp_path / "m.medlib").write_text("months of work")
    assert "--overwrite" in complaint(train(task, tmp_path / "m.medlib"))
    assert "is a folder" in complaint(train(task, tmp_path))
    assert (tmp_path / "m.medlib").read_text() == "months of work"


def test_an_mr_series_is_not_learned_from_as_ct(tmp_path):
    for name in ("a", "b", "c"):
        mask = structures(GRID)
        folder = write_series(tmp_path / "in" / name, scan_of(mask), patient=name)
        (tmp_path / "seg").mkdir(exist_ok=True)
        io.write_seg(mask, io.survey(folder).stacks[0], tmp_path / "seg" / f"{name}.dcm",
                     algorithm_name="t", algorithm_version="1")  # fmt: skip
    done = medlib("train", tmp_path / "in", "--labels", tmp_path / "seg", "--kind", "ct",
                  "--out", tmp_path / "m.medlib")  # fmt: skip
    assert "is MR and cannot be read as CTVolume" in complaint(done)


def test_a_plan_is_said_written_edited_and_followed(task, tmp_path):
    folders = (task / "images", "--labels", task / "labels", "--kind")
    done = medlib("plan", *folders, "mr", "--out", tmp_path / "plan.json")
    assert done.exit_code == 0, done.output
    assert "mm a voxel" in done.stdout
    assert "not mirrored" in done.stdout
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan == json.loads(medlib("plan", *folders, "mr", "--json").stdout)
    assert "--overwrite" in complaint(
        medlib("plan", *folders, "mr", "--out", tmp_path / "plan.json")
    )

    plan["architecture"]["arguments"]["channels"] = [2, 4, 4]
    plan["architecture"]["arguments"]["strides"] = [[2, 2, 2], [2, 2, 2]]
    plan["preprocess"][1]["millimetres"] = [2, 2, 2]
    (patch,) = (step for step in plan["augment"] if "shape" in step)
    plan["window"] = patch["shape"] = [8, 8, 8]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    done = train(task, tmp_path / "m.medlib", "--plan", tmp_path / "plan.json", "--minutes", "0.1")
    assert done.exit_code == 0, done.output
    made = Model.load(tmp_path / "m.medlib")
    assert made.manifest.network.arguments["channels"] == [2, 4, 4]
    assert made.predictor.window == (8, 8, 8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window": [7, 8, 8]}, "multiples of"),
        ({"preprocess": [{"type": "Popen", "args": "true"}]}, "is not one of the types allowed"),
        ({"architecture": {"name": "os.system", "arguments": {}}}, "no architecture is called"),
        ({"medlib_plan": 99}, "no plan of version"),
        ({"batch_size": "many"}, "another form than it should"),
        ({"kind": "ct"}, "made for CTVolume"),
        ({"extra": 1}, "see to extra"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_said(task, tmp_path, change, said):
    done = medlib("plan", task / "images", "--labels", task / "labels", "--kind", "mr", "--json")
    (tmp_path / "plan.json").write_text(json.dumps(json.loads(done.stdout) | change))
    done = train(task, tmp_path / "m.medlib", "--plan", tmp_path / "plan.json")
    assert said in complaint(done)
    assert not (tmp_path / "m.medlib").exists()


def test_train_then_predict_in_a_shell(task, tmp_path):
    (tmp_path / "kept.txt").write_text("case_2\n")
    done = shell("train", task / "images", "--labels", task / "labels", "--kind", "mr",
                 "--out", tmp_path / "m.medlib", "--minutes", "0.6", "--json",
                 "--validation", tmp_path / "kept.txt")  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["trained_on"] == ["case_1", "case_3", "case_4"]
    assert list(report["scores"]["cases"]) == ["case_2"]
    assert report["steps"] > 0
    done = shell("predict", tmp_path / "m.medlib", task / "images", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 4


def test_ctrl_c_saves_what_was_learned(task, tmp_path):
    import signal

    command = [sys.executable, "-m", "medlib.cli", "train", task / "images", "--labels",
               task / "labels", "--kind", "mr", "--out", tmp_path / "m.medlib",
               "--minutes", "10", "--validation", "0.5"]  # fmt: skip
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        # What is started in the background by a script ignores the key, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (one thread)
    )  # fmt: skip
    heard = ""
    for line in process.stdout:  # the bar is drawn once training has begun
        heard += line
        if "patches of" in line:
            break
    time.sleep(10)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=200)
    assert process.returncode == 0, heard + rest
    assert "The model is in" in rest
    assert Model.load(tmp_path / "m.medlib").labels.names == SIDES.names


@pytest.fixture
def small_plan(task, tmp_path):
    """A plan for a network that is as small as can be."""
    done = medlib("plan", task / "images", "--labels", task / "labels", "--kind", "mr", "--json")
    plan = json.loads(done.stdout)
    arguments = plan["architecture"]["arguments"]
    arguments["channels"] = [2] * len(arguments["channels"])
    (tmp_path / "small.json").write_text(json.dumps(plan))
    return tmp_path / "small.json"


def test_what_was_killed_goes_on_with_the_same_command(task, small_plan, tmp_path):
    import signal

    out, checkpoint = tmp_path / "m.medlib", tmp_path / "m.medlib.checkpoint"
    more = ("--plan", small_plan, "--validation", "0.5", "--minutes", "2")
    command = [sys.executable, "-m", "medlib.cli", "train", task / "images", "--labels",
               task / "labels", "--kind", "mr", "--out", out, *more]  # fmt: skip

    def begun(said):
        """A training, once it has written where it stands."""
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(
            [str(part) for part in command], stdout=said.open("w"), stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )  # fmt: skip
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
            assert process.poll() is None, said.read_text()
            time.sleep(0.05)
        return process

    process = begun(tmp_path / "first.txt")
    process.kill()
    process.wait()
    assert not out.exists()
    killed = Checkpoints(checkpoint).standing()
    assert 0 < killed.progress < 1

    said = complaint(train(task, out, *more, "--seed", "1"))
    assert f"{checkpoint} is of another training: seed differ" in said
    said = complaint(train(task, out, *more[:-1], "3"))
    assert "another training: minutes differ" in said

    process = begun(tmp_path / "second.txt")
    process.send_signal(signal.SIGINT)  # what was learned is kept, and can be gone on from
    assert process.wait(timeout=200) == 0, (tmp_path / "second.txt").read_text()
    said = (tmp_path / "second.txt").read_text().replace("\n", "")
    assert f"going on from {checkpoint}: {killed.progress:.0%} was done" in said
    assert f"{checkpoint} is left" in said
    stopped = Checkpoints(checkpoint).standing()
    assert stopped.seconds > killed.seconds
    assert stopped.progress > killed.progress
    assert Model.load(out).manifest.training["steps"] >= stopped.step > killed.step


def test_folds_become_one_model_with_honest_figures(task, small_plan, tmp_path):
    done = train(task, tmp_path / "m.medlib", "--plan", small_plan, "--folds", "2", "--json",
                 "--minutes", "0.5", "--report", tmp_path / "page.html")  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert sorted(report["scores"]["cases"]) == [f"case_{n}" for n in range(1, 5)]
    assert len(report["scores"]["folds"]) == 2
    assert isinstance(Ensemble.load(tmp_path / "m.medlib"), Ensemble)
    assert (tmp_path / "m.medlib.folds" / "fold_2.json").is_file()
    page = (tmp_path / "page.html").read_text()
    assert "The cross-validation of m.medlib" in page
    assert "HD95" in page
    done = train(task, tmp_path / "n.medlib", "--folds", "2", "--pictures", tmp_path / "seen")
    assert "leave --validation out" in complaint(done)
    done = train(task, tmp_path / "n.medlib", "--from", tmp_path / "m.medlib")
    assert "holds 2 models" in complaint(done)


def test_the_cache_is_said_and_emptied(task, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDLIB_CACHE", str(tmp_path / "cache"))
    assert "there is nothing in" in medlib("cache").stdout
    store = usual_store()
    store.text("a", lambda: "x" * 1000)
    there = 1000 + 41  # and its own digest, a line
    assert json.loads(medlib("cache", "--json").stdout)["bytes"] == there
    done = json.loads(medlib("cache", "--clear", "--json").stdout)
    assert (done["bytes"], done["freed"]) == (0, there)
    monkeypatch.setenv("MEDLIB_CACHE", "off")
    assert "no scans are kept" in medlib("cache").stdout
