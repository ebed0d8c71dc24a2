"""Layer 1 on real scans: they pair, they can be learned from, and predictions land on them."""

import numpy as np
import torch
from torch import Tensor, nn

import medlib
from medlib.data import held_out, pair
from medlib.infer import MaskOutput, Predictor, VolumeInput
from medlib.transforms import Pipeline, Reorient, Spacing
from medlib.types import CTVolume, Labels


def test_two_hundred_hippocampi_pair(real_data):
    found = pair(real_data / "hippocampus" / "images", real_data / "hippocampus" / "labels")
    assert len(found.cases) == len({case.patient for case in found.cases}) == 200
    assert found.set_aside == ()
    for case in found.cases:
        assert case.label.name == case.scan.files[0].name


def test_twenty_seconds_on_twelve_hippocampi_make_a_model(real_data, tmp_path):
    images, labels = (real_data / "hippocampus" / part for part in ("images", "labels"))
    names = [case.name for case in pair(images, labels).cases[:12]]
    learn = medlib.segmenter(images, labels, kind="mr", only=names, validation=held_out(names[:2]))
    scores = learn.fine_tune(minutes=20 / 60)
    assert set(scores.cases) == set(names[:2])
    model = medlib.load(learn.save(tmp_path / "hippocampus.medlib"))
    mask = model.predict(images / f"{names[0]}.nii.gz")
    native = medlib.read_volume(images / f"{names[0]}.nii.gz", kind=medlib.MRVolume).grid
    assert mask.grid == native
    assert not any(
        name.encode() in (tmp_path / "hippocampus.medlib").read_bytes() for name in names
    )


def test_fourteen_abdomens_pair_within_one_folder(real_data):
    found = pair(real_data / "chaos_t2_mr", real_data / "chaos_t2_mr")
    assert len(found.cases) == 14
    assert found.set_aside == ()
    for case in found.cases:
        assert case.label.name == case.scan.files[0].name.replace("image", "label")
        assert medlib.read_mask(case.label, on=case.scan.grid).present_ids() == [1, 2, 3, 4]


class Body(nn.Module):
    """Whatever is denser than fat and air."""

    def __init__(self) -> None:
        super().__init__()
        self.edge = nn.Parameter(torch.tensor(-300.0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.edge - x, x - self.edge], 1) / 100


def test_a_real_series_is_predicted_on_its_own_grid(real_data):
    scan = medlib.read_volume(real_data / "ircadb1_17_ct_masks" / "PATIENT_DICOM")
    way = Pipeline((Reorient("SPL"), Spacing((3.0, 3.0, 3.0))))
    mask = Predictor(
        Body(), way, (VolumeInput(CTVolume),), MaskOutput(Labels.of(["body"])), (96, 96, 96)
    ).predict(scan)
    assert mask.grid == scan.grid
    assert np.array_equal(mask.grid.affine, scan.grid.affine)
    found, truth = mask.structure("body"), scan.data[0] > -300
    assert 2 * int((found & truth).sum()) / int(found.sum() + truth.sum()) > 0.97
