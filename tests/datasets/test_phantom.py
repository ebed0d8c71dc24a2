"""The phantom: sides, units and geometry must be right, or every demonstration lies."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medlib import datasets
from medlib.datasets.phantom import Recipe, write_archive
from medlib.datasets.phantom.study import Plan, Study, draw
from medlib.io import read_mask, read_volume, survey
from medlib.types import CTVolume

CARD = datasets.card("ct_phantom")
IDS = {label.name: label.id for label in CARD.table}
NUMBERS = range(1, 6)
Small = Callable[..., Recipe]


@pytest.fixture(scope="module")
def drawn(small_recipe: Small) -> dict[int, Study]:
    return {n: draw(Plan(n), small_recipe(), IDS) for n in NUMBERS}


def centroid(study: Study, name: str) -> np.ndarray:
    """LPS millimetres of a structure's middle, from the body's own (the midline is at 0)."""
    return study.grid.to_patient(np.argwhere(study.labels == IDS[name])).mean(axis=0)


@pytest.mark.parametrize("number", NUMBERS)
def test_sides_are_the_patients_own(drawn: dict[int, Study], number: int) -> None:
    study = drawn[number]
    spine = centroid(study, "vertebrae")
    for name in ("liver", "right kidney"):
        assert centroid(study, name)[0] < spine[0] - 25, name
    for name in ("spleen", "left kidney"):
        assert centroid(study, name)[0] > spine[0] + 25, name
    assert 0 < centroid(study, "aorta")[0] - spine[0] < 30
    assert centroid(study, "liver")[0] < 0 < centroid(study, "spleen")[0]


@pytest.mark.parametrize("number", NUMBERS)
def test_up_is_towards_the_head_and_back_is_behind(drawn: dict[int, Study], number: int) -> None:
    study = drawn[number]
    assert centroid(study, "vertebrae")[1] > centroid(study, "aorta")[1]
    assert centroid(study, "aorta")[1] > centroid(study, "liver")[1] - 20
    assert centroid(study, "liver")[2] > centroid(study, "right kidney")[2]
    lung = study.grid.to_patient(np.argwhere((study.hu < -700) & (study.hu > -930))).mean(axis=0)
    assert lung[2] > centroid(study, "liver")[2]


@pytest.mark.parametrize("number", NUMBERS)
def test_tissues_have_their_hounsfield_units(drawn: dict[int, Study], number: int) -> None:
    study = drawn[number]
    median = {name: float(np.median(study.hu[study.labels == i])) for name, i in IDS.items()}
    assert 60 < median["liver"] < 135
    assert 80 < median["spleen"] < 160
    assert 80 < median["aorta"] < 360
    assert 120 < median["vertebrae"] < 500
    assert 90 < median["left kidney"] < 240
    assert abs(median["left kidney"] - median["right kidney"]) < 30
    assert np.median(study.hu[:, :2, :2]) == pytest.approx(-1000, abs=25)
    assert study.hu.min() >= -1024
    assert study.hu.max() <= 3071


def test_lesions_lie_in_the_liver_and_differ_from_it(small_recipe: Small) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    quiet = small_recipe()
    for number in NUMBERS:
        study = draw(Plan(number), quiet, IDS)
        lesion, liver = study.labels == IDS["liver lesion"], study.labels == IDS["liver"]
        assert lesion.any()
        around = ndimage.binary_dilation(lesion, iterations=2) & ~lesion
        assert liver[around].mean() > 0.5
        pieces, count = ndimage.label(lesion)
        difference = [
            abs(float(study.hu[pieces == i].mean() - np.median(study.hu[liver])))
            for i in range(1, count + 1)
            if (pieces == i).sum() > 8
        ]
        assert all(20 < d < 80 for d in difference), difference


def test_the_same_seed_draws_the_same_voxels(small_recipe: Small, tmp_path: Path) -> None:
    recipe = small_recipe(studies=2)
    for name, workers in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        write_archive(recipe, CARD.table, tmp_path / name, workers=workers)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    images = [p for p in files if p.parts[0] == "images"]
    assert len(images) > 30
    for path in images:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_another_seed_or_patient_is_another_body(small_recipe: Small) -> None:
    first = draw(Plan(1), small_recipe(), IDS)
    other = draw(Plan(1), small_recipe(seed=21), IDS)
    assert first.grid != other.grid or (first.hu != other.hu).mean() > 0.3
    volumes = [
        (s.labels == IDS["liver"]).sum() * s.grid.voxel_ml
        for s in (draw(Plan(n), small_recipe(), IDS) for n in NUMBERS)
    ]
    assert all(400 < v < 2500 for v in volumes)
    assert np.std(volumes) > 50


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_read_is_what_was_drawn(
    drawn: dict[int, Study], archive: Path, number: int
) -> None:
    study, plan = drawn[number], Plan(number)
    volume = read_volume(archive / "images" / plan.name)
    assert isinstance(volume, CTVolume)
    mask = read_mask(archive / "labels" / f"{plan.name}.dcm", labels=CARD.table, on=volume.grid)
    voxels, labels = volume.data[0].numpy(), mask.data[0].numpy()
    # A reader orders slices along the normal, whichever way they were acquired.
    if volume.grid.directions[:, 0] @ study.grid.directions[:, 0] < 0:
        voxels, labels = voxels[::-1], labels[::-1]
        expected = study.grid.reoriented(volume.grid.orientation)
    else:
        expected = study.grid
    assert volume.grid.close_to(expected, tolerance_mm=0.01), volume.grid.difference(expected)
    np.testing.assert_array_equal(voxels, study.hu)
    np.testing.assert_array_equal(labels, study.labels)


def test_the_archive_exercises_a_reader(archive: Path) -> None:
    found = survey(archive)
    assert len(found.stacks) == len(found.segmentations) == len(NUMBERS)
    assert not found.refusals
    plans = [Plan(n) for n in range(1, 19)]
    for trait, least in (("large", 3), ("oblique", 3), ("feet_first", 2), ("downwards", 2)):
        assert sum(getattr(plan, trait) for plan in plans) >= least, trait
    orientations = {stack.grid.orientation for stack in found.stacks}
    assert len(orientations) > 1
    assert len({stack.patient for stack in found.stacks}) == len(NUMBERS)
    assert any(not p.suffix for p in (archive / "images" / "PHANTOM-003").iterdir())


def test_identifiers_are_made_up_valid_and_unique(archive: Path) -> None:
    seen = set()
    for path in (archive / "images").rglob("*"):
        if path.is_file():
            ds = pydicom.dcmread(path, stop_before_pixels=True)
            assert ds.PatientID.startswith("PHANTOM-")
            assert ds.ContrastBolusAgent == "made up", "as its phase says, there is one"
            assert ds.SOPInstanceUID.is_valid
            assert ds.SOPInstanceUID.startswith("2.25.")
            seen.add(ds.SOPInstanceUID)
    assert len(seen) == sum(p.is_file() for p in (archive / "images").rglob("*"))


@pytest.mark.system
@pytest.mark.parametrize("number", [2, 4])
def test_files_are_valid_dicom(archive: Path, program: Callable[[str], Path], number: int) -> None:
    image = next((archive / "images" / Plan(number).name).iterdir())
    for path in (image, archive / "labels" / f"{Plan(number).name}.dcm"):
        said = subprocess.run(
            [program("dciodvfy"), path], capture_output=True, text=True, check=False
        )
        errors = [line for line in said.stderr.splitlines() if line.startswith("Error")]
        assert not errors, errors


def test_sides_agree_with_simpleitk(archive: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    folder = archive / "images" / "PHANTOM-004"  # feet first: columns run to the patient's right
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = sitk.ReadImage(files)
    segmentation = read_mask(archive / "labels" / "PHANTOM-004.dcm", labels=CARD.table)
    liver = segmentation.grid.to_patient(np.argwhere(segmentation.structure("liver").numpy())).mean(
        axis=0
    )
    index = image.TransformPhysicalPointToIndex(liver.tolist())
    assert image.GetDirection()[0] < 0
    assert index[0] > image.GetWidth() / 2  # on the far side of the array, the patient's right
    assert 40 < image.GetPixel(*index) < 200


def test_make_whole(tmp_path: Path) -> None:
    told = []
    prepared = datasets.make(
        "ct_phantom", tmp_path / "set", studies=1, progress=lambda *args: told.append(args)
    )
    assert told == [(1, 1, "drew PHANTOM-001")]
    assert prepared.cases == prepared.train == ("PHANTOM-001",)
    volume = read_volume(prepared.image("PHANTOM-001"))
    assert min(volume.grid.shape[1:]) >= 256
    assert prepared.label("PHANTOM-001").name == "PHANTOM-001.dcm"
    with pytest.raises(FileExistsError, match="exists already"):
        datasets.make("ct_phantom", tmp_path / "set", studies=1)


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        datasets.make("ct_phantom", tmp_path / "set", studies=1, progress=stop)
    assert not list(tmp_path.iterdir())


def test_recipes_are_checked(small_recipe: Small) -> None:
    with pytest.raises(ValueError, match="from the lowest to the highest"):
        small_recipe(lesions={"count": [1, 2], "diameter_mm": [9, 4], "contrast_hu": [1, 2],
                              "bright_share": 0})  # fmt: skip
    with pytest.raises(ValueError, match="greater than 0"):
        small_recipe(studies=0)
    with pytest.raises(ValueError, match="Extra inputs"):
        Recipe.model_validate(small_recipe().model_dump() | {"colour": "red"})
