"""A network that the user brings along: it learns as planned, and is never mistaken for another."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import named, write_task
from torch import nn

import medlib
from medlib.data import held_out
from medlib.models import libraries
from medlib.package import Ensemble, ModelError
from medlib.train import Callback


class Outliner(nn.Module):
    """Two convolutions, and something between them that has no weights."""

    def __init__(self, classes=3, between=None):
        super().__init__()
        self.first, self.last = nn.Conv3d(1, 4, 3, padding=1), nn.Conv3d(4, classes, 1)
        self.between = between or nn.ReLU()

    def forward(self, x):
        return self.last(self.between(self.first(x)))


def outliner(seed=0, **arguments):
    torch.manual_seed(seed)
    return Outliner(**arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"), 4, shape=(12, 16, 16), prefix="Secret-Name")


def prepared(folder, network, **choices):
    choices = {"kind": "mr", "precision": "fp32", "cache": False} | choices
    return medlib.segmenter(folder / "images", folder / "labels", network=network, **choices)


class Begun(Callback):
    """The weights that each training began with."""

    def __init__(self):
        self.weights = []

    def made_with(self):
        return None

    def before_fit(self, learn):
        self.weights.append({k: v.clone() for k, v in learn.network.state_dict().items()})


def alike(first, other):
    return all(torch.equal(first[name], other[name]) for name in first)


def test_it_learns_in_place_of_the_planned_network_and_all_else_is_as_planned(folder):
    given = outliner()
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    learn, planned = prepared(folder, given), prepared(folder, None).plan
    assert isinstance(learn.learner.network, Outliner)
    assert learn.plan.reasons[:-1] == planned.reasons
    assert learn.plan.reasons[-1].startswith("in place of the planned network a Outliner of 127")
    for part in ("preprocess", "augment", "window", "batch_size", "rate", "schedule", "average"):
        assert getattr(learn.plan, part) == getattr(planned, part)
    learn.fine_tune(epochs=2)
    assert alike(given.state_dict(), before)  # whoever gave it has it still as it was
    assert not alike(learn.learner.network.state_dict(), before)
    path = named(folder, "images", "Secret-Name", 1)
    mask = learn.predict(path)
    assert mask.grid.shape == (12, 16, 16)
    assert torch.equal(
        mask.data,
        learn.learner.predictor.predict(medlib.read_volume(path, kind=medlib.MRVolume)).data,
    )


@pytest.fixture(scope="module")
def trained(folder):
    learn = prepared(folder, outliner())
    learn.fine_tune(epochs=2)
    return learn


def test_it_is_saved_without_a_pickle_and_read_with_a_network_made_in_the_same_way(
    trained, folder, tmp_path
):
    path = trained.save(tmp_path / "m.medlib")
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["README.md", "manifest.json", "weights.safetensors"]
        assert "Outliner" in archive.read("README.md").decode()
    with pytest.raises(ModelError, match=r"m.medlib: .*Outliner, which no file can make; .*load\("):
        medlib.load(path)
    fresh = outliner(seed=7)
    own = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    scan = named(folder, "images", "Secret-Name", 2)
    again = medlib.load(path, network=fresh)
    assert torch.equal(again.predict(scan).data, trained.predict(scan).data)
    assert alike(fresh.state_dict(), own)
    medlib.load(again.save(tmp_path / "again.medlib"), network=fresh)


@pytest.mark.parametrize("between", [nn.LeakyReLU(0.1), nn.Identity(), nn.GELU()])
def test_weights_do_not_go_into_a_network_that_makes_something_else_of_them(
    trained, tmp_path, between
):
    path = trained.save(tmp_path / "m.medlib")
    with pytest.raises(ModelError, match="room for its weights, but does not answer"):
        medlib.load(path, network=outliner(between=between))
    with pytest.raises(ModelError, match="the weights do not fit the network"):
        medlib.load(path, network=outliner(classes=4))


def test_a_model_that_needs_none_is_not_read_with_one(folder, tmp_path):
    path = prepared(folder, None).save(tmp_path / "m.medlib")
    with pytest.raises(ModelError, match="its network is medlib's own unet; leave network= out"):
        medlib.load(path, network=outliner())


def test_each_fold_begins_with_the_weights_that_were_given(folder, tmp_path):
    begun, given = Begun(), outliner()
    learn = prepared(folder, given, callbacks=[begun])
    learn.fine_tune(epochs=1)  # of all patients: what was learned here must not reach a fold
    found = learn.cross_validate(folds=2, epochs=1, folder=tmp_path / "folds")
    assert len(begun.weights) == 3
    assert all(alike(weights, given.state_dict()) for weights in begun.weights)
    said = []
    prepared(folder, outliner()).cross_validate(
        folds=2, epochs=1, folder=tmp_path / "folds", progress=said.append
    )
    assert said == ["fold 1 of 2: was finished before", "fold 2 of 2: was finished before"]
    with pytest.raises(ValueError, match=r"of another cross-validation .the given network differ"):
        prepared(folder, outliner(seed=1)).cross_validate(
            folds=2, epochs=1, folder=tmp_path / "folds"
        )
    path, scan = tmp_path / "all.medlib", named(folder, "images", "Secret-Name", 1)
    found.ensemble.save(path)
    again = medlib.load(path, network=given)
    assert isinstance(again, Ensemble)
    assert torch.equal(again.predict(scan).data, found.ensemble.predict(scan).data)
    with pytest.raises(ModelError, match="which no file can make"):
        medlib.load(path)


def test_a_killed_training_goes_on_with_no_other_network(folder, tmp_path):
    class PowerCut(Begun):
        order = 110

        def after_step(self, learn):
            raise OSError("no power")

    keep = tmp_path / "m.checkpoint"
    choices = {"checkpoint": keep, "minutes": 0.001, "only": None}
    learn = prepared(folder, outliner(), callbacks=[PowerCut()], **choices)
    learn.learner.callbacks[-1].seconds = 0
    with pytest.raises(OSError, match="no power"):
        learn.fine_tune(epochs=2)
    assert keep.exists()
    with pytest.raises(ValueError, match="given network differ"):
        prepared(folder, outliner(seed=1), **choices)
    learn = prepared(folder, outliner(), **choices)
    learn.fine_tune(epochs=2)
    assert not keep.exists()


@pytest.mark.parametrize(
    ("network", "fault"),
    [
        (Outliner(classes=5), "Outliner that was given answers otherwise: .* with 3 channels"),
        (nn.Flatten(), r"Flatten that was given answers otherwise: .*, and this one gives \(1, "),
        (nn.Conv3d(2, 3, 1), "Conv3d that was given cannot be shown 1 channels of .* voxels"),
        (nn.Conv2d(1, 3, 1), "Conv2d that was given cannot be shown .*: this network sees 2-D"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_learned(folder, network, fault):
    with pytest.raises(ValueError, match=fault):
        prepared(folder, network)


def test_a_hugging_face_model_is_a_classifier_of_radiographs_by_its_own_loss(tmp_path):
    libraries.torchvision()  # transformers looks for it
    transformers = pytest.importorskip("transformers")
    rows = ["name,scan,look"]
    for number in range(8):
        bright = number % 2 == 0
        grey = np.random.default_rng(number).normal(120, 8, (32, 32))
        grey[8:24, 8:24] += 80 if bright else -80
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(tmp_path / f"p_{number}.png")
        rows.append(f"p_{number},p_{number}.png,{'bright' if bright else 'dark'}")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    shape = {"num_channels": 1, "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    config = transformers.ResNetConfig(**shape, layer_type="basic", num_labels=2)

    def made():
        torch.manual_seed(0)
        return transformers.ResNetForImageClassification(config)

    learn = medlib.classifier(
        tmp_path / "table.csv", "look", kind="xr", network=made(), loss="own", batch_size=3,
        rate=5e-3, validation=held_out(["p_2", "p_5"]), precision="fp32", cache=False,
    )  # fmt: skip
    learn.fine_tune(epochs=8)
    assert learn.scores.overall["AUROC"] == 1.0
    model = medlib.load(learn.save(tmp_path / "m.medlib"), network=made())
    bright, dark = (model.predict(tmp_path / f"p_{number}.png") for number in (2, 5))
    assert bright.shares[0] > dark.shares[0]
    assert bright == learn.predict(tmp_path / "p_2.png")
