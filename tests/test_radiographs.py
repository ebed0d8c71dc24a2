"""Layer 1 for radiographs: from pictures and DICOM to a model that says which side is which."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import medlib
from medlib import io
from medlib.data import held_out
from medlib.models import Architecture
from medlib.train import Plan
from medlib.types import Labels, Radiograph

KEPT = held_out(["p_2", "p_5"])
SIZE = (70, 52)


def image(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A radiograph with a bright disc, of odd numbers a large one, and where that is."""
    rng = np.random.default_rng(number)
    row, column = rng.uniform(25, 45), rng.uniform(15, 20)  # on the image's left
    rows, columns = np.indices(SIZE)
    disc = (rows - row) ** 2 + (columns - column) ** 2 < (10 if number % 2 else 5) ** 2
    grey = 60 + 120 * disc + rng.normal(0, 8, SIZE)
    return grey.clip(0, 255).astype(np.uint8), disc


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("radiographs")
    for part in ("images", "labels", "points"):
        (folder / part).mkdir()
    rows = []
    for number in range(1, 9):
        grey, disc = image(number)
        name = f"p_{number}"
        Image.fromarray(grey).save(folder / "images" / f"{name}.png")
        Image.fromarray(disc.astype(np.uint8) * 255).save(folder / "labels" / f"{name}.png")
        rows.append(
            (name, f"images/{name}.png", "large" if number % 2 else "small", disc.sum() / 100)
        )
    (folder / "labels" / "labels.json").write_text(json.dumps({"255": "right lung"}))
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("name", "scan", "size", "area"), *rows])
    return folder


def small(plan: Plan) -> Plan:
    """As planned, with a narrower network."""
    if plan.architecture.name == "slices":
        strides = ((1, 2, 2),) * 2
        made = Architecture.encoder(channels=(4, 8, 8), strides=strides)
    else:
        arguments = plan.architecture.arguments
        narrow = [4] * len(arguments["channels"])
        made = replace(plan.architecture, arguments=arguments | {"channels": narrow})
    return replace(plan, architecture=made, batch_size=2)


CHOICES = {"kind": "xr", "validation": KEPT, "precision": "fp32"}


def test_a_classifier_of_radiographs_sees_one_slice_and_says_so(folder, tmp_path):
    learn = medlib.classifier(folder / "table.csv", "size", **CHOICES)
    said = " ".join(learn.plan.reasons)
    assert learn.plan.architecture.name == "slices"
    assert "nothing is downloaded" in said
    assert "no pixel size is stated" in said
    assert "(large 3, small 3)" in said
    assert "mirrored" in said
    names = [type(t).__name__ for t in learn.plan.augment.transforms]
    assert "Flip" not in names
    learn = medlib.classifier(folder / "table.csv", "size", plan=small(learn.plan), **CHOICES)
    batch = next(learn.learner.batches())
    assert batch.x.shape[:3] == (2, 1, 1)
    learn.fine_tune(epochs=1)
    model = medlib.load(learn.save(tmp_path / "size.medlib"))
    found = model.predict(folder / "images" / "p_2.png")
    assert set(found.vocabulary) == {"large", "small"}
    # A radiograph of another size is fitted, not refused.
    Image.fromarray(np.kron(image(3)[0], np.ones((3, 3), np.uint8))).save(tmp_path / "large.png")
    model.predict(tmp_path / "large.png")


def test_a_real_backbone_learns_from_radiographs(folder):
    learn = medlib.classifier(folder / "table.csv", "size", **CHOICES)
    learn = medlib.classifier(
        folder / "table.csv", "size", plan=replace(learn.plan, batch_size=2), **CHOICES
    )
    batches = learn.learner.batches()
    for _ in range(2):
        learn.learner.one_step(batches)
    assert np.isfinite(learn.learner.loss_value)


def test_an_outline_lies_on_the_radiograph_that_it_was_asked_for(folder, tmp_path):
    arguments = (folder / "images", folder / "labels")
    learn = medlib.segmenter(*arguments, **CHOICES)
    assert learn.plan.architecture.arguments["kernels"] == [[1, 3, 3]] * 5
    assert "right lung would become the wrong side" in " ".join(learn.plan.reasons)
    plan = replace(small(learn.plan), rate=1e-2)
    learn = medlib.segmenter(*arguments, plan=plan, **CHOICES)
    learn.fine_tune(epochs=10)
    assert learn.scores.labels["right lung"] > 0.8
    model = medlib.load(learn.save(tmp_path / "lung.medlib"))
    path = folder / "images" / "p_5.png"
    mask = model.predict(path)
    assert mask.grid == io.read_volume(path).grid
    where = np.argwhere(mask.structure("right lung")[0].numpy()).mean(0)
    assert where == pytest.approx(np.argwhere(image(5)[1]).mean(0), abs=3)


def test_what_is_measured_keeps_its_pixels(folder):
    learn = medlib.regressor(folder / "table.csv", "area", "cm2", **CHOICES)
    names = [type(t).__name__ for t in learn.plan.preprocess.transforms]
    assert "Spacing" in names
    assert "Fit" not in names
    affine = next(t for t in learn.plan.augment.transforms if hasattr(t, "degrees"))
    assert affine.scale == 0
    assert affine.degrees[1:] == (0, 0)


def test_landmarks_are_found_on_radiographs(folder, tmp_path):
    for number in range(1, 9):
        row, column = np.argwhere(image(number)[1]).mean(0)
        path = folder / "images" / f"p_{number}.png"
        place = io.read_volume(path).grid.to_patient((0, row, column))
        point = {"label": "middle", "position": list(place)}
        said = {"coordinateSystem": "LPS", "type": "Fiducial", "controlPoints": [point]}
        (folder / "points" / f"p_{number}.mrk.json").write_text(json.dumps({"markups": [said]}))
    arguments = (folder / "images", folder / "points")
    plan = small(medlib.landmarks(*arguments, **CHOICES).plan)
    learn = medlib.landmarks(*arguments, plan=replace(plan, rate=1e-2), **CHOICES)
    learn.fine_tune(epochs=8)
    assert learn.scores.labels["middle"] < 12  # of 52 pixels


def test_hung_from_behind_a_radiograph_is_turned_as_the_others_are(tmp_path):
    """One that says that its rows lead to the patient's right shows left lungs at the left."""
    from medlib.transforms import Item, Pipeline, Reorient

    way = Pipeline((Reorient("PIL"),))
    grey = torch.arange(12.0).view(1, 1, 3, 4)
    front = Radiograph(grey, io.projection.flat_grid((3, 4), (1, 1)))
    behind = Radiograph(grey.flip(3), io.projection.flat_grid((3, 4), (1, 1), ("R", "F")))
    assert torch.equal(way(Item((front,))).values[0].data, way(Item((behind,))).values[0].data)
    side = Radiograph(grey, io.projection.flat_grid((3, 4), (1, 1), ("A", "F")))
    with pytest.raises(ValueError, match="one slice"):  # no front view at all
        way(Item((side,)))


def test_the_table_of_labels_is_that_beside_the_pictures(folder):
    learn = medlib.segmenter(folder / "images", folder / "labels", **CHOICES)
    assert learn.labels == Labels.of({255: "right lung"})
