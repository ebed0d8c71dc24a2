"""What comes back of scans, labels and points: medlib beside TorchIO 1, TorchIO 2 and MONAI.

    python tests/benchmarks/undoing.py [--json FILE] [--data FOLDER] [--only WORK] [--peers FOLDER]

Each library does the same works and undoes them by its own means, in a process of its own; what came
back is measured here, for all alike. Only what stayed in view all the time counts: each library
moves a mask of ones along, as it moves labels.

``--data`` is the folder of real scans (or ``MEDLIB_REAL_DATA``); without it those works are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from peers.peer import environment
from peers.undo_scene import Scene
from undone import ROWS, Answers, Row

from medlib.space import Grid
from medlib.transforms import CropOrPad, Item, Pipeline, Spacing
from medlib.types import CTVolume, Labels, Mask

_WORKER = Path(__file__).with_name("peers") / "undo_worker.py"
_KEPT = ("pickle", "json")
PEERS = (
    ("TorchIO 1.2.1", "torchio1_undo", "torchio==1.2.1"),
    ("TorchIO 2.0.0a2", "torchio2_undo", "torchio==2.0.0a2"),
    (f"MONAI {version('monai')}", "monai_undo", "scikit-image"),
)


@dataclass(frozen=True)
class Work:
    """Something that can be done and undone.

    Args:
        name: of the work on this input.
        input: the scene that it is done to.
        do: what each library knows it by.
        size: degrees, millimetres or voxels, as the work may be.
        keep: how the way back is kept for another process.
    """

    name: str
    input: str
    do: str
    size: float = 0
    keep: tuple[str, ...] = ()


WORKS = (
    Work("flip", "organs", "flip"),
    Work("crop", "organs", "crop", 96),
    Work("pad", "organs", "pad", 160),
    Work("reorient", "organs", "reorient"),
    Work("affine, organs", "organs", "affine", 10, _KEPT),
    Work("resample, organs", "organs", "resample", 1.5),
    Work("affine, CT", "CT", "affine", 10),
    Work("resample, CT", "CT", "resample", 1.5),
    Work("affine, MR", "MR", "affine", 10),
    Work("resample, MR", "MR", "resample", 2),
    Work("last voxel", "axis", "resample", 3),
    Work("elastic", "waves", "elastic", 10, _KEPT),
)


def organs(size: int = 128) -> Scene:
    """Seven smooth ellipsoids of 1 mm voxels, some 10 to 100 ml, and as many points."""
    rng = np.random.default_rng(0)
    place = np.indices((size,) * 3).astype(np.float64)
    scan, labels = np.zeros((size,) * 3), np.zeros((size,) * 3, np.uint8)
    centres = 64 + np.array(
        [[0, 0, 0], [-24, -20, 18], [24, 22, -18], [-22, 22, 20], [22, -22, -20], [-26, 0, -24],
         [26, 2, 24]]
    )  # fmt: skip
    for label, centre in enumerate(centres, 1):
        radii = rng.uniform(9, 17, 3)[:, None, None, None]
        inside = np.sqrt((((place - centre[:, None, None, None]) / radii) ** 2).sum(0))
        scan += rng.uniform(0.2, 0.5) / (1 + np.exp(12 * (inside - 1)))
        labels[inside < 1] = label
    return _scene(scan[None].astype(np.float32), labels, Grid.from_axes((size,) * 3))


def waves(size: int = 128) -> Scene:
    """Long waves, 0 to 1, and three more channels: where each voxel is, LPS millimetres."""
    grid = Grid.from_axes((size,) * 3)
    empty = _scene(np.zeros((1, *grid.shape), np.float32), np.zeros(grid.shape, np.uint8), grid)
    place = empty.coordinates()
    lengths = np.array([48.0, 64.0, 80.0])[:, None, None, None]
    wave = np.sin(2 * np.pi * place / lengths).sum(0)
    wave = (wave - wave.min()) / np.ptp(wave)
    labels = (wave > 0.5).astype(np.uint8)
    return replace(
        empty, scan=np.stack([wave, *place]).astype(np.float32), labels=labels, points=_spread(grid)
    )


def axis() -> Scene:
    """An axis of 101 voxels of 1 mm, and in each voxel the millimetres along it."""
    grid = Grid.from_axes((101, 12, 12))
    along = np.broadcast_to(np.arange(101.0)[:, None, None], grid.shape).astype(np.float32)
    scene = _scene(along[None].copy(), np.ones(grid.shape, np.uint8), grid)
    return replace(scene, points=grid.to_patient([[100, 5, 5]]))


def ct(data: Path) -> Scene:
    """TotalSegmentator's example, cropped, its labels read one by one from 3 mm onto 1 mm."""
    folder = data / "totalseg_example"
    scan, mask, grid = _opened(folder / "example_ct.nii.gz", folder / "example_seg.nii.gz")
    volume, labels = CTVolume(scan, grid), Mask(mask, grid, _table(mask))
    recipes = Pipeline((CropOrPad((50, 50, 50)), Spacing((1, 1, 1))))
    fine, organs = recipes(Item((volume, labels))).values
    assert isinstance(fine, CTVolume)
    assert isinstance(organs, Mask)
    return _scene(fine.data.numpy(), organs.data[0].numpy().astype(np.uint8), fine.grid)


def mr(data: Path) -> Scene:
    """An abdominal MR with slices of 7.7 mm."""
    folder = data / "chaos_t2_mr"
    scan, mask, grid = _opened(folder / "image_1.nii.gz", folder / "label_1.nii.gz")
    return _scene(scan.numpy(), mask[0].numpy(), grid)


def _opened(*paths: Path) -> tuple[torch.Tensor, torch.Tensor, Grid]:
    """Scan and labels, (1, slice, row, column); these files are in millimetres, said or not."""
    images = [nibabel.load(path) for path in paths]
    scan, mask = (np.asarray(image.dataobj).T[None] for image in images)
    grid = Grid.from_ras(images[0].shape, images[0].affine)
    return torch.from_numpy(scan.astype(np.float32)), torch.from_numpy(mask.astype(np.uint8)), grid


def _table(mask: torch.Tensor) -> Labels:
    return Labels.of({k: f"organ {k}" for k in range(1, 1 + int(mask.max()))})


def _scene(scan: NDArray[np.float32], labels: NDArray[np.uint8], grid: Grid) -> Scene:
    return Scene(scan, labels, np.ones_like(labels), np.array(grid.affine), _spread(grid))


def _spread(grid: Grid) -> NDArray[np.float64]:
    """Two hundred points in the inner part of a grid."""
    share = np.random.default_rng(1).uniform(0.2, 0.8, (200, 3))
    return grid.to_patient(share * (np.array(grid.shape) - 1))


def run(python: Path | str, module: str, inputs: Path, outputs: Path, *, again: bool) -> Answers:
    """One library's works, in a process of its own with two threads."""
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    command = [str(python), str(_WORKER), module, str(inputs), str(outputs)]
    subprocess.run(
        [*command, *(["--again"] if again else [])],
        check=True,
        env=os.environ | dict.fromkeys(threads, "2"),
    )
    name = "answers_again.json" if again else "answers.json"
    answers: Answers = json.loads((outputs / name).read_text())
    return answers


def main() -> None:
    """Run, print the table, write the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    real = os.environ.get("MEDLIB_REAL_DATA")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=Path(real) if real else None)
    parser.add_argument("--only", action="append", choices=[work.name for work in WORKS])
    parser.add_argument("--peers", type=Path, default=Path("~/.cache/medlib-benchmarks"))
    options = parser.parse_args()
    scenes = {"organs": organs, "waves": waves, "axis": axis}
    if options.data is not None:
        scenes |= {"CT": lambda: ct(options.data), "MR": lambda: mr(options.data)}
    else:
        print("no folder of real scans (--data): CT and MR are left out", file=sys.stderr)
    wanted = options.only or [work.name for work in WORKS]
    works = [work for work in WORKS if work.name in wanted and work.input in scenes]
    home = options.peers.expanduser()
    libraries = [("medlib", "medlib_undo", sys.executable)] + [
        (name, module, environment(home / name.replace(" ", "-"), needed))
        for name, module, needed in PEERS
    ]
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as temporary:
        inputs = Path(temporary)
        (inputs / "works.json").write_text(json.dumps([asdict(work) for work in works]))
        for name in {work.input for work in works}:
            scenes[name]().save(inputs / f"{name}.npz")
        answers = {}
        for name, module, python in libraries:
            outputs = inputs / name
            outputs.mkdir()
            found = run(python, module, inputs, outputs, again=False)
            for work, more in run(python, module, inputs, outputs, again=True).items():
                found[work] |= more
            answers[name] = found
        rows = [
            Row.measured(what, work.name, inputs / f"{work.input}.npz", inputs, answers)
            for work in works
            for what in ROWS[work.do if work.name != "last voxel" else "last voxel"]
            if work.keep or not what.needs_kept
        ]
    names = [name for name, *_ in libraries]
    print("| what | unit | " + " | ".join(names) + " |")
    print("|---|---|" + "---|" * len(names))
    for row in rows:
        print(row.line(names))
    if options.json:
        written = [each for row in rows for each in row.to_json()]
        options.json.write_text(json.dumps(written, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
