"""Several series: each by its own units, in its own channel, where the patient lay."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import SIDES, scan_of, structures, write_series

import medlib
from medlib import io
from medlib.data import Case, CategoryBlock, DataBlock, MaskBlock, VolumeBlock, held_out
from medlib.data.blocks import MultiVolumeBlock
from medlib.data.series import read_on
from medlib.io import write_nifti
from medlib.package.handing import handed
from medlib.space import Grid
from medlib.train import Plan
from medlib.types import CTVolume, Mask, MRVolume, MultiVolume

KEPT = held_out(["case_2", "case_5"])
KINDS = {"CT": "ct", "T1": "mr"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A data set in nnU-Net's layout: a CT, and an MR a hundred times as bright."""
    folder = tmp_path_factory.mktemp("nnunet")
    (folder / "imagesTr").mkdir()
    (folder / "labelsTr").mkdir()
    for number in range(1, 7):
        mask = structures(Grid.from_axes((12, 14, 14), spacing=(2.4, 1.8, 1.8)), seed=number)
        ct = scan_of(mask, kind=CTVolume, noise=5, seed=number)
        mr = scan_of(mask, noise=5, seed=number)
        write_nifti(ct, folder / "imagesTr" / f"case_{number}_0000.nii.gz")
        bright = replace(mr, data=mr.data * 100 + 9000)
        write_nifti(bright, folder / "imagesTr" / f"case_{number}_0001.nii.gz")
        write_nifti(Mask(mask.data, mask.grid), folder / "labelsTr" / f"case_{number}.nii.gz")
    said = {
        "channel_names": {"0": "CT", "1": "T1"},
        "labels": {"background": 0, "left kidney": 1, "right kidney": 2},
        "numTraining": 6,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(said))
    return folder


CHOICES = {"kind": KINDS, "validation": KEPT, "precision": "fp32"}


def small(plan: Plan) -> Plan:
    arguments = plan.architecture.arguments
    narrow = [4 * 2**k for k in range(len(arguments["channels"]))]
    return replace(
        plan, architecture=replace(plan.architecture, arguments=arguments | {"channels": narrow})
    )


def test_each_series_is_brought_to_the_common_range_by_its_own_units(folder):
    learn = medlib.segmenter(folder, **CHOICES)
    assert learn.labels.names == SIDES.names
    said = " ".join(learn.plan.reasons)
    assert "CTVolume: clipped to" in said
    assert "MRVolume: each scan by its own" in said
    assert Plan.from_dict(json.loads(json.dumps(learn.plan.to_dict()))) == learn.plan
    assert learn.plan.to_dict()["kind"] == KINDS
    scan = learn.learner.data.train.prepared(0).values[0]
    assert isinstance(scan, MultiVolume)
    assert abs(float(scan["T1"].data.mean())) < 0.5  # some space was added about it
    inside = learn.learner.data.train.raw(0)
    ct = inside.values[0]["CT"].data[inside.values[1].data > 0]
    found = next(
        f for f in learn.plan.preprocess.transforms if getattr(f, "kinds", ()) == ("CTVolume",)
    )
    assert found.transform.mean == pytest.approx(float(ct.mean()), abs=20)


def test_several_series_are_learned_saved_and_asked_for(folder, tmp_path):
    plan = replace(small(medlib.segmenter(folder, **CHOICES).plan), rate=1e-2)
    learn = medlib.segmenter(folder, plan=plan, **CHOICES)
    assert next(learn.learner.batches()).x.shape[1] == 2
    learn.fine_tune(epochs=1)
    model = medlib.load(learn.save(tmp_path / "m.medlib"))
    paths = {name: folder / "imagesTr" / f"case_5_000{k}.nii.gz" for k, name in enumerate(KINDS)}
    mask = model.predict(paths)
    assert mask.grid == io.read_volume(paths["CT"]).grid
    with pytest.raises(ValueError, match="T1"):
        model.predict({"CT": paths["CT"]})


def test_one_kind_for_several_series_is_asked_after(folder):
    with pytest.raises(ValueError, match=r'kind=\{"CT": …, "T1": …\}'):
        medlib.segmenter(folder, kind="ct")
    learn = medlib.segmenter(folder, kind={"T1": "mr"}, validation=KEPT)
    with pytest.raises(ValueError, match=r"plan was made for T1 \(MRVolume\)"):
        medlib.segmenter(folder, plan=learn.plan, **CHOICES)


def test_series_of_one_frame_of_reference_are_laid_on_the_scan_and_others_refused(tmp_path):
    """A PET has other voxels than its CT, and the patient lay still between the two."""
    fine = structures(Grid.from_axes((12, 14, 14), spacing=(2.0, 2.0, 2.0)), seed=1)
    from pydicom import dcmread

    turned = structures(Grid.from_axes((8, 10, 10), spacing=(3.0, 3.0, 3.0)), seed=1)
    first = write_series(tmp_path / "a", scan_of(fine))
    second = write_series(tmp_path / "b", scan_of(turned))
    scan, other = (io.survey(path).stacks[0] for path in (first, second))
    case = Case(name="c", patient="p", scan=scan, series={"a": scan, "b": other})
    block = MultiVolumeBlock((("a", MRVolume), ("b", MRVolume)))
    with pytest.raises(ValueError, match="registration"):
        block.read(case, on=scan.grid)
    frame = dcmread(next(first.iterdir())).FrameOfReferenceUID
    for path in second.iterdir():
        dataset = dcmread(path)
        dataset.FrameOfReferenceUID = frame
        dataset.save_as(path)
    other = io.survey(second).stacks[0]
    case = Case(name="c", patient="p", scan=scan, series={"a": scan, "b": other})
    both = block.read(case, on=scan.grid)
    assert both.grid == scan.grid
    # Where the left kidney's middle is in the one, it is in the other.
    middles = [
        np.array([scan.grid.to_patient(i) for i in np.argwhere(part.data[0].numpy() > 50)]).mean(0)
        for part in both.parts
    ]
    source = other.read()
    truth = np.array(
        [source.grid.to_patient(i) for i in np.argwhere(source.data[0].numpy() > 50)]
    ).mean(0)
    assert middles[1] == pytest.approx(truth, abs=1.0)


@pytest.fixture
def unlike(tmp_path) -> tuple[Case, Case]:
    """Patients with a fine and a coarse series in one frame; the source names the fine one first."""
    from pydicom import dcmread

    cases = []
    for number, patient in enumerate("ab"):
        series = {}
        for name, shape, size in (("fine", (12, 14, 14), 2.0), ("coarse", (8, 10, 10), 3.0)):
            mask = structures(Grid.from_axes(shape, spacing=(size,) * 3), seed=number)
            folder = write_series(tmp_path / patient / name, scan_of(mask), patient=patient)
            for path in folder.iterdir():
                dataset = dcmread(path)
                dataset.FrameOfReferenceUID = f"1.2.{number}"
                dataset.save_as(path)
            write_nifti(mask, tmp_path / patient / f"{name}.nii.gz")
            series[name] = io.survey(folder).stacks[0]
        label, answers = tmp_path / patient / "fine.nii.gz", {"size": "large"}
        cases.append(Case(patient, patient, series["fine"], label, series=series, answers=answers))
    return cases[0], cases[1]


def learned(cases, *blocks):
    """The first case, as it is trained on."""
    block = DataBlock(blocks=blocks, get_items=lambda found: found, splitter=held_out(["b"]))
    return block.datasets(cases).train


def in_order(*names):
    return MultiVolumeBlock(tuple((name, MRVolume) for name in names))


@pytest.mark.parametrize("order", [("fine", "coarse"), ("coarse", "fine")])
def test_training_sees_what_prediction_will_see_in_whatever_order_series_are_named(unlike, order):
    """Both on the grid of the first that is named, whichever the source names first."""
    block, series = in_order(*order), unlike[0].series
    seen = learned(unlike, block, CategoryBlock("size", ("small", "large"))).raw(0).values[0]
    given = handed(block.input, dict(series))
    assert seen.grid == given.grid == series[order[0]].grid
    assert torch.equal(seen.data, given.data)


def test_labels_on_another_grid_than_that_of_the_series_named_first_are_refused(unlike):
    found = learned(unlike, in_order("fine", "coarse"), MaskBlock(SIDES)).truth(0)
    assert found.grid == unlike[0].series["fine"].grid
    with pytest.raises(ValueError, match="another grid"):
        learned(unlike, in_order("coarse", "fine"), MaskBlock(SIDES)).truth(0)


def test_a_scan_to_be_made_stays_that_of_the_source(unlike):
    """Read on the grid of what is seen, it is still the source's first series, not another."""
    series = unlike[0].series
    data = learned(unlike, VolumeBlock(MRVolume, "coarse"), VolumeBlock(MRVolume))
    seen, made = data.raw(0).values
    assert seen.grid == made.scan.grid == series["coarse"].grid
    assert torch.equal(made.scan.data, read_on(series["fine"], series["coarse"], MRVolume).data)
