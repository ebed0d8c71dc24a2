"""A small workspace: scans in which a ball lies in the patient's left half, some of them labelled."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import oracle
from phantoms import DOT, phantom

from medlib.types import Mask
from medlib.workspace import Question, Seen, Workspace

nibabel = oracle("nibabel")


def scans_in(folder: Path, count: int) -> None:
    """Coarse copies of the phantom, each with noise of its own."""
    for number in range(count):
        image = phantom(number).slicer[::4, ::4, ::4]
        noise = np.random.default_rng(number).normal(0, 10, image.shape)
        values = (np.asarray(image.dataobj) + noise).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(values, image.affine), folder / f"case_{number}.nii.gz")


@pytest.fixture
def ball() -> Callable[[Workspace, int, int], Mask]:
    """``ball(workspace, scan, label_set)``: the truth."""
    return outline


def outline(workspace: Workspace, scan: int, label_set: int) -> Mask:
    """The ball's outline, by where it is in the patient."""
    grid = workspace.scans.grid(scan)
    places = grid.to_patient(np.moveaxis(np.indices(grid.shape), 0, -1).reshape(-1, 3))
    inside = np.linalg.norm(places - DOT, axis=1) < 10
    data = torch.from_numpy(inside.reshape(1, *grid.shape).astype(np.uint8))
    return Mask(data, grid, workspace.versions.labels(label_set))


@pytest.fixture
def filled() -> Callable[[Workspace, int, int], int]:
    """``filled(workspace, scans, labelled)`` brings scans in and labels some; the label set's id."""

    def fill(workspace: Workspace, scans: int, labelled: int) -> int:
        folder = workspace.folder.parent / "scans"
        folder.mkdir()
        scans_in(folder, scans)
        found = workspace.scans.add(folder, by="ada", kind="ct", file_names=True)
        questions = [Question("large", "yes/no"), Question("width", "number", unit="mm")]
        row = workspace.label_sets.add(
            "balls", ["ball"], by="ada", questions=questions, landmarks=["middle"]
        )
        for number, scan in enumerate(found.scans[:labelled]):
            mask = outline(workspace, scan.id, row.id)
            save = workspace.versions
            save.save_mask(scan.id, row.id, mask, base=None, by="ada", seen=Seen(whole=True))
            said = {"large": bool(number % 2), "width": 20.0 + number}
            save.save_answers(scan.id, row.id, said, base=None, by="ada")
            save.save_points(scan.id, row.id, {"middle": DOT}, base=None, by="ada")
        return row.id

    return fill
