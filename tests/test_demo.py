"""The demonstration, shortened: the plumbing from made-up DICOM to DICOM SEG and pictures."""

import json
import subprocess

import pydicom
import pytest

from medlib import datasets
from medlib.datasets import Prepared, card, phantom
from medlib.datasets.prepared import finish
from medlib.demo import run
from medlib.workspace import Workspace


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Four small studies where the demonstration looks for them; the fourth is one to test on."""
    import tomllib

    out = tmp_path_factory.mktemp("demo")
    found = card("ct_phantom")
    values = tomllib.loads((found.folder / found.recipe).read_text(encoding="utf-8"))
    values["scan"] |= {"rows": [72], "large_rows": 80, "slice_mm": [9.0, 10.0], "slices": [18, 28]}
    recipe = phantom.Recipe.model_validate(values | {"studies": 4})
    folder = out / "scans"
    folder.mkdir()
    finish(folder, found, phantom.write_archive(recipe, found.table, folder, workers=1))
    return out


def test_the_whole_way(scans, program):
    data = Prepared.read(scans / "scans")
    report = run(scans, minutes=0.3, say=lambda line: None)
    assert set(report.scores.cases) == set(data.test)
    assert "Dice on 1 studies never seen before" in str(report)
    scores = json.loads((scans / "scores.json").read_text())
    assert set(scores["labels"]) == set(data.card.table.names)
    assert report.page.read_text(encoding="utf-8").count("<img") == len(data.test)
    assert sorted(p.name for p in report.predictions.iterdir()) == sorted(
        ["predictions.csv", "predictions.jsonl"]
        + [f"{name}{ending}" for name in data.test for ending in (".dcm", ".nii.gz")]
    )
    for path in report.predictions.glob("*.dcm"):
        done = subprocess.run(
            [program("dciodvfy"), path], capture_output=True, text=True, check=False
        )
        assert "Error" not in done.stdout + done.stderr
        segmentation, source = pydicom.dcmread(path), next(data.image(path.stem).iterdir())
        image = pydicom.dcmread(source, stop_before_pixels=True)
        assert segmentation.PatientID == image.PatientID
        assert segmentation.StudyInstanceUID == image.StudyInstanceUID
    assert str(report).splitlines()[-1].endswith(f"medlib app {report.workspace}")
    with Workspace(report.workspace) as workspace:
        assert len(workspace.scans.list()) == len(data.cases)
        assert len(workspace.pairing("abdominal organs").cases) == len(data.train)
        (model,) = workspace.models.list()
        found = workspace.models.predictions(model=model.id)
        assert len(found) == len(data.test)
        assert found[0].uncertainty
        assert not workspace.verify()
    content = report.model.read_bytes()
    assert not any(name.encode() in content for name in data.cases)


def test_too_few_studies_are_said_to_be_too_few(tmp_path, monkeypatch):
    def few(name, to, **_):
        return Prepared(to, card(name), ("PHANTOM-001", "PHANTOM-002"), (), ())

    monkeypatch.setattr(datasets, "make", few)
    with pytest.raises(ValueError, match="2 studies are too few"):
        run(tmp_path, studies=2, say=lambda line: None)
