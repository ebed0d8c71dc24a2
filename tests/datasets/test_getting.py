"""Data sets from a folder: no label may be lost, and none may land on the wrong image."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from medlib import datasets
from medlib.datasets import LayoutError
from medlib.datasets.cards import Download
from medlib.datasets.download import DownloadError
from medlib.datasets.getting import _downloaded
from medlib.io import read_mask, read_volume, write_nifti
from medlib.space import Grid
from medlib.types import Mask, Volume

HIPPOCAMPUS = datasets.card("msd_hippocampus")


def hippocampus(root: Path, *names: str, highest: int = 2, shift: float = 0.0) -> Path:
    """The challenge's layout, with noise for images."""
    for name in names:
        grid = Grid.from_axes((5, 6, 7))
        rng = np.random.default_rng(len(name))
        image = torch.from_numpy(rng.normal(size=(1, *grid.shape)).astype(np.float32))
        labels = torch.zeros(1, *grid.shape, dtype=torch.uint8)
        labels[0, 1:3, 2:4, 1:3], labels[0, 3, 2:4, 2] = 1, highest
        moved = Grid.from_axes(grid.shape, origin=(shift, 0, 0))
        write_nifti(Volume(image, grid), root / "imagesTr" / f"{name}.nii.gz")
        from medlib.types import Labels

        mask = Mask(labels, moved, Labels.of(map(str, range(1, highest + 1))))
        write_nifti(mask, root / "labelsTr" / f"{name}.nii.gz")
    return root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return hippocampus(tmp_path / "Task04_Hippocampus", "hippocampus_001", "hippocampus_003")


@pytest.mark.parametrize("above", [False, True])
def test_the_folder_or_the_one_above(source: Path, tmp_path: Path, above: bool) -> None:
    (source / "imagesTr" / "._hippocampus_001.nii.gz").write_bytes(b"left by macOS")
    with pytest.warns(UserWarning, match="2 of 260 cases"):
        prepared = datasets.get(
            "msd_hippocampus", tmp_path / "set", source=source.parent if above else source
        )
    assert prepared.cases == ("hippocampus_001", "hippocampus_003")
    assert prepared.image("hippocampus_001").resolve().parent == source / "imagesTr"
    assert sorted(p.name for p in prepared.folder.iterdir()) == [
        "card.toml", "images", "labels", "split.json",
    ]  # fmt: skip
    assert datasets.Prepared.read(prepared.folder) == prepared
    assert datasets.get("msd_hippocampus", tmp_path / "set") == prepared  # it is there already
    with pytest.raises(FileExistsError, match="holds the data set msd_hippocampus"):
        datasets.get("chaos_mr", tmp_path / "set", source=source)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"highest": 3}, "hippocampus_007.*which its label table does not know"),
        ({"shift": 0.5}, "hippocampus_007.*mm"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    source: Path, tmp_path: Path, change: dict[str, float], message: str
) -> None:
    hippocampus(source, "hippocampus_007", **change)
    with pytest.raises(LayoutError, match=message):
        datasets.get("msd_hippocampus", tmp_path / "set", source=source)
    assert [p.name for p in tmp_path.iterdir()] == [source.name]  # nothing half-prepared


@pytest.mark.parametrize("side", ["images", "labels"])
def test_pairs_must_be_whole(source: Path, tmp_path: Path, side: str) -> None:
    (source / f"{side}Tr" / "hippocampus_003.nii.gz").unlink()
    with pytest.raises(LayoutError, match=r"1 (images|labels) without .*: hippocampus_003"):
        datasets.get("msd_hippocampus", tmp_path / "set", source=source)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(LayoutError, match=r"photos does not hold.*imagesTr/\{case\}"):
        datasets.get("msd_hippocampus", tmp_path / "set", source=tmp_path / "photos")
    with pytest.raises(FileNotFoundError, match="no folder"):
        datasets.get("msd_hippocampus", tmp_path / "set", source=tmp_path / "nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(FileExistsError, match="exists already"):
        datasets.get("msd_hippocampus", tmp_path / "full", source=tmp_path)
    assert (tmp_path / "full" / "thesis.txt").exists()


def test_made_is_not_fetched_nor_the_other_way(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"datasets\.make\('ct_phantom'\)"):
        datasets.get("ct_phantom", tmp_path / "set")
    with pytest.raises(ValueError, match=r"datasets\.get\('chaos_mr'\)"):
        datasets.make("chaos_mr", tmp_path / "set")
    for name in ("chaos_mr", "ircadb"):  # of these no checksum, or no address, is known
        with pytest.raises(DownloadError, match=r"yourself from https://.*as the source"):
            datasets.get(name, tmp_path / "set")
    assert not list(tmp_path.iterdir())


def test_the_default_place_can_be_chosen(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDLIB_DATA", str(tmp_path / "home"))
    with pytest.warns(UserWarning, match="a part"):
        prepared = datasets.get("msd_hippocampus", source=source)
    assert prepared.folder == tmp_path / "home" / "msd_hippocampus"


def test_a_download_is_unpacked_and_must_be_complete(source: Path, tmp_path: Path) -> None:
    import hashlib

    archive = tmp_path / "Task04_Hippocampus.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(source, source.name)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    url = Download.model_construct(
        url=archive.as_uri(), checksum=f"sha256:{digest}", checksum_source="", size=None
    )
    card = HIPPOCAMPUS.model_copy(update={"downloads": (url,), "cases": 2})
    (tmp_path / "set").mkdir()
    assert _downloaded(card, tmp_path / "set", None) == ("hippocampus_001", "hippocampus_003")
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == ["images", "labels"]
    assert not (tmp_path / "set" / "images" / "hippocampus_001.nii.gz").is_symlink()
    (tmp_path / "other").mkdir()
    with pytest.raises(LayoutError, match="2 cases came, not 3"):
        _downloaded(card.model_copy(update={"cases": 3}), tmp_path / "other", None)


def test_a_case_never_changes_sides(tmp_path: Path) -> None:
    names = [f"hippocampus_{i:03d}" for i in range(12)]
    parts = []
    for count in (6, 12):
        root = hippocampus(tmp_path / f"of{count}", *names[:count])
        with pytest.warns(UserWarning, match="a part"):
            parts.append(datasets.get("msd_hippocampus", tmp_path / f"s{count}", source=root))
    few, many = parts
    assert set(few.test) == set(many.test) & set(few.cases)
    assert set(few.train) <= set(many.train)
    split = json.loads((many.folder / "split.json").read_text())
    assert set(split["train"]).isdisjoint(split["test"])


def test_pictures_of_labels_become_a_mask(archive: Path, tmp_path: Path) -> None:
    """CHAOS as its owners pack it: DICOM slices beside a PNG each, paired by name."""
    from PIL import Image

    root = tmp_path / "Train_Sets" / "MR" / "7" / "T2SPIR"
    images = shutil.copytree(archive / "images" / "PHANTOM-002", root / "DICOM_anon")
    drawn = read_volume(images)
    labels = read_mask(archive / "labels" / "PHANTOM-002.dcm", on=drawn.grid)
    grey = torch.zeros(drawn.grid.shape, dtype=torch.uint8)
    for name, value in {
        "liver": 63,
        "right kidney": 126,
        "left kidney": 189,
        "spleen": 252,
    }.items():
        grey[labels.structure(name)] = value
    from medlib.io import survey

    (root / "Ground").mkdir()
    for file, image in zip(survey(images).stacks[0].files, grey.numpy(), strict=True):
        Image.fromarray(image).save(root / "Ground" / f"{Path(file.name).stem}.png")
    with pytest.warns(UserWarning, match="1 of 20"):
        prepared = datasets.get("chaos_mr", tmp_path / "set", source=tmp_path)
    volume = read_volume(prepared.image("7"))
    mask = read_mask(prepared.label("7"), labels=prepared.card.table, on=volume.grid)
    for name in prepared.card.table.names:
        assert torch.equal(mask.structure(name), labels.structure(name)), name
    one = next((root / "Ground").iterdir())
    Image.fromarray(np.full(grey.shape[1:], 77, np.uint8)).save(one)
    with pytest.raises(LayoutError, match=r"\[77\] stand for no structure"):
        datasets.get("chaos_mr", tmp_path / "other", source=tmp_path / "Train_Sets")
    one.unlink()
    with pytest.raises(LayoutError, match="do not pair"):
        datasets.get("chaos_mr", tmp_path / "other", source=tmp_path / "Train_Sets")


@pytest.mark.system
@pytest.mark.parametrize(
    ("name", "folder", "cases"),
    [("msd_hippocampus", "hippocampus", 200), ("chaos_mr", "chaos_t2_mr", 14)],
)
def test_real_nifti(real_data: Path, tmp_path: Path, name: str, folder: str, cases: int) -> None:
    with pytest.warns(UserWarning, match=f"{cases} of"):
        prepared = datasets.get(name, tmp_path / "set", source=real_data / folder)
    assert len(prepared.cases) == cases
    assert 0 < len(prepared.test) < cases / 2
    case = prepared.test[0]
    volume = read_volume(prepared.image(case))
    mask = read_mask(prepared.label(case), labels=prepared.card.table, on=volume.grid)
    assert mask.present_ids() == list(prepared.card.table.ids)


@pytest.mark.system
def test_real_chaos_sides(real_data: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="a part"):
        prepared = datasets.get("chaos_mr", tmp_path / "set", source=real_data)
    for case in prepared.cases[:4]:
        mask = read_mask(prepared.label(case), labels=prepared.card.table)
        x = {
            name: mask.grid.to_patient(np.argwhere(mask.structure(name).numpy()))[:, 0].mean()
            for name in mask.labels.names
        }
        assert x["liver"] < x["spleen"], case
        assert x["right kidney"] < x["left kidney"], case


@pytest.mark.system
def test_real_shapes(real_data: Path, tmp_path: Path) -> None:
    prepared = datasets.get("adrenalmnist3d", tmp_path / "set", source=real_data / "adrenalmnist3d")
    assert [len(prepared.train), len(prepared.validation), len(prepared.test)] == [1188, 98, 298]
    classes = prepared.classes()
    with np.load(real_data / "adrenalmnist3d" / "adrenalmnist3d_64.npz") as arrays:
        for index in (0, 7, 297):
            case = f"test_{index:04d}"
            assert classes[case] == prepared.card.classes[int(arrays["test_labels"][index, 0])]
            voxels = read_volume(prepared.image(case), Volume).data[0].numpy()
            np.testing.assert_array_equal(voxels, arrays["test_images"][index])


@pytest.mark.system
def test_real_overlapping_structures(real_data: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="1 of 20"):
        prepared = datasets.get(
            "ircadb", tmp_path / "set", source=real_data / "ircadb1_17_ct_masks"
        )
    volume = read_volume(prepared.image("17"))
    mask = read_mask(prepared.label("17"), labels=prepared.card.table, on=volume.grid)
    assert mask.overlaps
    tumour, liver = mask.structure("liver tumour"), mask.structure("liver")
    assert (tumour & liver).sum() > 0.9 * tumour.sum()  # lost, were they put into one layer
    assert mask.volume_ml("liver") == pytest.approx(1860.6, abs=0.1)


def test_series_of_structures_become_a_mask(archive: Path, tmp_path: Path) -> None:
    """3D-IRCADb-01 as its owners pack it; two tumours are one label, and nothing goes unsaid."""
    import pydicom
    from pydicom.uid import generate_uid

    root = tmp_path / "3Dircadb1" / "3Dircadb1.3"
    images = shutil.copytree(archive / "images" / "PHANTOM-001", root / "PATIENT_DICOM")
    drawn = read_volume(images)
    labels = read_mask(archive / "labels" / "PHANTOM-001.dcm", on=drawn.grid)
    tumour, liver = labels.structure("liver lesion"), labels.structure("liver")
    upper = torch.arange(tumour.shape[0])[:, None, None] >= tumour.any((1, 2)).nonzero().median()
    stored = {
        "liver": liver | tumour,
        "livertumor1": tumour & upper,
        "livertumor2": tumour & ~upper,
        "unheardof": labels.structure("aorta"),
    }
    from medlib.io import survey

    for name, where in stored.items():
        (root / "MASKS_DICOM" / name).mkdir(parents=True)
        series = generate_uid()
        for file, image in zip(survey(images).stacks[0].files, where.numpy(), strict=True):
            ds = pydicom.dcmread(str(file))
            ds.SeriesInstanceUID = series
            ds.RescaleIntercept = "0"
            ds.PixelData = (image * np.uint16(255)).astype("<u2").tobytes()
            ds.save_as(root / "MASKS_DICOM" / name / file.name)
    with (
        pytest.warns(UserWarning, match="1 of 20"),
        pytest.warns(UserWarning, match=r"case 3: left out.*: unheardof"),
    ):
        prepared = datasets.get("ircadb", tmp_path / "set", source=tmp_path / "3Dircadb1")
    mask = read_mask(prepared.label("3"), labels=prepared.card.table, on=drawn.grid)
    assert torch.equal(mask.structure("liver tumour"), tumour)
    assert torch.equal(mask.structure("liver"), liver | tumour)
    assert not mask.structure("skin").any()
