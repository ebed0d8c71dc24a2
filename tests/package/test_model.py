"""The model package: what was trained is what predicts, and nothing in it can run or leak."""

import hashlib
import json
import math
import pickle
import subprocess
import sys
import zipfile

import pytest
import torch
from tiny import SIDES, scan_of, structures

from medlib import io
from medlib.infer import Looks, MaskOutput, Predictor, VolumeInput
from medlib.models import Architecture
from medlib.package import Manifest, Model, ModelError
from medlib.space import Grid
from medlib.transforms import Normalise, Pipeline, RandomAffine, Reorient, Spacing
from medlib.types import MRVolume

PARTS = ["manifest.json", "weights.safetensors", "README.md"]
TINY = Architecture.residual_unet(channels=(4, 8, 16))


def make(**changes):
    torch.manual_seed(0)
    arguments = {
        "network": TINY.build(1, 3),
        "preprocess": Pipeline((Reorient("SPL"), Spacing((1.5, 1.0, 1.0)), Normalise())),
        "inputs": (VolumeInput(MRVolume),),
        "output": MaskOutput(SIDES),
        "window": (16, 16, 16),
    }
    return Model.describe(
        Predictor(**(arguments | changes)),
        TINY,
        training={"cases": 4, "seconds": 60.0},
        metrics={
            "measure": "Dice",
            "cases": 2,
            "labels": {"left kidney": 0.9, "right kidney": None},
            "figures": [
                {"of": "left kidney", "name": "Dice", "value": 0.9, "interval": [0.85, 0.93]},
                {"of": "right kidney", "name": "Dice", "value": None, "interval": [None, None]},
            ],
        },
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return make().save(tmp_path_factory.mktemp("model") / "kidneys.medlib")


@pytest.fixture
def scan():
    return scan_of(structures(Grid.from_axes((14, 20, 18), spacing=(2, 1.1, 0.9))), noise=5)


def unpacked(saved, folder):
    with zipfile.ZipFile(saved) as archive:
        archive.extractall(folder)
    return folder


def table(manifest):
    return manifest["output"]["labels"]["Labels"]


def changed(saved, tmp_path, change):
    """The package with its manifest changed."""
    folder = unpacked(saved, tmp_path / "changed.medlib")
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_model_read_back_predicts_the_same_voxel_for_voxel(saved, tmp_path, scan):
    here = make().predict(scan)
    assert here.present_ids()  # random weights, but not a trivial answer
    for path in (saved, unpacked(saved, tmp_path / "folder")):
        there = Model.load(path)
        assert torch.equal(there.predict(scan).data, here.data)
        assert there.manifest == make().manifest
        assert there.digest == make().digest


SCRIPT = """
import sys, torch, medlib
torch.set_num_threads(1)
model = medlib.load(sys.argv[1])
mask = model.predict(sys.argv[2])
medlib.write_nifti(mask, sys.argv[3])
assert mask.labels == model.labels
"""


def test_how_often_it_looks_is_kept(tmp_path, scan):
    looks = Looks(3, Pipeline((RandomAffine(degrees=10.0),)))
    model = make(looks=looks)
    loaded = Model.load(model.save(tmp_path / "often.medlib"))
    assert loaded.predictor.looks == looks
    assert torch.equal(loaded.predict(scan).data, model.predict(scan).data)


def test_a_fresh_process_with_nothing_but_medlib_predicts_the_same(saved, tmp_path, scan):
    io.write_nifti(scan, tmp_path / "scan.nii.gz")
    here = Model.load(saved).predict(tmp_path / "scan.nii.gz")
    files = [str(path) for path in (saved, tmp_path / "scan.nii.gz", tmp_path / "mask.nii.gz")]
    subprocess.run([sys.executable, "-c", SCRIPT, *files], check=True, cwd=tmp_path, timeout=300)
    there = io.read_mask(tmp_path / "mask.nii.gz", on=here.grid)
    assert torch.equal(there.data, here.data)
    assert there.labels == SIDES


def test_a_model_is_a_snapshot(scan, tmp_path):
    """Training goes on; the model that was taken stays what its digest and metrics say."""
    network = TINY.build(1, 3)
    model = make(network=network)
    before = model.predict(scan).data
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    assert torch.equal(model.predict(scan).data, before)
    again = Model.load(model.save(tmp_path / "m.medlib"))
    assert torch.equal(again.predict(scan).data, before)


def test_a_ruined_network_is_no_model():
    network = TINY.build(1, 3)
    next(network.parameters()).data[0] = math.nan
    with pytest.raises(ValueError, match=r"weights .* are no numbers \(.*; 1 parts in all\)"):
        make(network=network)


def test_an_archive_holds_three_parts_and_no_pickle(saved):
    with zipfile.ZipFile(saved) as archive:
        assert archive.namelist() == PARTS
        content = b"".join(archive.read(name) for name in PARTS)
        card = archive.read("README.md").decode()
    assert b"\x80\x02" not in content[:4]
    assert b"torch._utils" not in content
    assert "| left kidney | 0.900 (0.850 to 0.930) |" in card
    assert "| right kidney | – |" in card
    assert "not a medical device" in card.lower()


def test_a_package_is_whole_or_not_there(saved, tmp_path, monkeypatch):
    target = tmp_path / "m.medlib"
    target.write_bytes(b"the model of yesterday")
    monkeypatch.setattr(Manifest, "card", lambda self: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        make().save(target)
    assert target.read_bytes() == b"the model of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["m.medlib"]


# --- packages that must be refused --------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda m: m.update(extra="x"), "extra: Extra inputs are not permitted"),
        (lambda m: m.update(version=2), "it is of version 2, and this medlib reads version 3"),
        (lambda m: m.pop("output"), "output: Field required"),
        (lambda m: m["inputs"][0].update(kind={"Kind": "Exec"}), "'Exec' is no kind of scan"),
        (lambda m: m["inputs"][0].update(type="Exec"), "'Exec' is not one of the types"),
        (lambda m: m.update(inputs=[]), "inputs: List should have at least 1"),
        (lambda m: m["inputs"].append(dict(m["inputs"][0], name="b")), "than its inputs have"),
        (lambda m: m["network"].update(name="os.system"), "no architecture is called 'os.system'"),
        (lambda m: m["network"].update(out_channels=5), "another number of channels"),
        (
            lambda m: m["network"]["arguments"].update(channels=[-1, 2, 3]),
            "manifest cannot be used",
        ),
        (lambda m: m["network"]["arguments"].update(nonsense=1), "nonsense"),
        (lambda m: m["preprocess"].append({"type": "Exec"}), "'Exec' is not one of the types"),
        (lambda m: m["preprocess"][0].update(code="x"), "Reorient has no code"),
        (lambda m: m.update(window=[16, 16, 17]), "cannot see windows"),
        (lambda m: m.update(window=[16, 16, 0]), "window.2: Input should be greater than 0"),
        (lambda m: table(m).append(table(m)[0]), "more than once"),
        (lambda m: table(m)[0].pop("name"), "name"),
        (lambda m: m["output"].update(type="Exec"), "'Exec' is not one of the types"),
        (lambda m: m["weights"].update(file="../../etc/passwd"), "weights.file"),
        (lambda m: m["weights"].update(sha256="0" * 64), "not those of the manifest: damaged"),
    ],
)
def test_a_manifest_that_asks_for_anything_else_is_refused(saved, tmp_path, change, fault):
    with pytest.raises(ModelError) as caught:
        Model.load(changed(saved, tmp_path, change))
    assert "changed.medlib" in str(caught.value)
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('ran')",)


@pytest.mark.parametrize("content", [pickle.dumps(Evil()), b"", b"\xff" * 64])
def test_weights_that_are_a_pickle_or_rubbish_are_refused_and_never_run(saved, tmp_path, content):
    def change(manifest):
        manifest["weights"]["sha256"] = hashlib.sha256(content).hexdigest()

    folder = changed(saved, tmp_path, change)
    (folder / "weights.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="the weights do not fit the network"):
        Model.load(folder)


def test_weights_of_another_network_are_refused(saved, tmp_path):
    from safetensors.torch import save

    content = save(Architecture.residual_unet(channels=(4, 8, 8)).build(1, 3).state_dict())

    def change(manifest):
        manifest["weights"]["sha256"] = hashlib.sha256(content).hexdigest()

    folder = changed(saved, tmp_path, change)
    (folder / "weights.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="do not fit the network"):
        Model.load(folder)


@pytest.mark.parametrize("place", [0.3, 0.9])
def test_one_changed_byte_is_noticed(saved, tmp_path, place):
    content = bytearray(saved.read_bytes())
    content[int(len(content) * place)] ^= 0xFF
    (tmp_path / "m.medlib").write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.medlib"):
        Model.load(tmp_path / "m.medlib")


def test_what_is_no_package_is_said_to_be_none(saved, tmp_path):
    folder = unpacked(saved, tmp_path / "lacking")
    (folder / "weights.safetensors").unlink()
    (tmp_path / "text.medlib").write_text("hello")
    (tmp_path / "short.medlib").write_bytes(saved.read_bytes()[:-200])
    (tmp_path / "empty").mkdir()
    for name in ("lacking", "text.medlib", "short.medlib", "empty"):
        with pytest.raises(ModelError, match=f"{name} is no medlib model package"):
            Model.load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no model at"):
        Model.load(tmp_path / "nowhere")
