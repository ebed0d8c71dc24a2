"""How well structures are outlined after so many minutes of training: medlib beside a MONAI script.

    python tests/benchmarks/training.py FOLDER [--work NAME …] [--minutes 3 6 12] [--seeds 0 1 2]
        [--side medlib monai] [--journal FILE] [--json FILE]

FOLDER is the folder of real scans; it holds ``hippocampus`` and ``chaos_t2_mr``. The works:

- ``hippocampus``: 160 patients are learned from, 40 others outlined, for each budget and seed (which
  also draws the 40);
- ``few``: one and three labelled scans, two minutes each, three draws; the same 40 others;
- ``abdomen``: four folds by patient, 25 minutes each.

Both sides are programs of their own (``peers/outline_….py``), run in turn on all cores; both get the
same scans and the same minutes from start to trained network, everything included, and neither sees
the patients that it is measured on: nothing is chosen by them. What both then wrote, as NIfTI, is read
here by nibabel, and Dice is counted here, alike for both.

It takes hours. With ``--journal`` each run is written down when it ends, and not run again.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import nibabel
import numpy as np

PROGRAMS = {
    side: Path(__file__).with_name("peers") / f"outline_{side}.py" for side in ("medlib", "monai")
}
KEPT_BACK, FEW_MINUTES, ABDOMEN_MINUTES, FOLDS = 40, 2.0, 25.0, 4
PARTS = {
    "hippocampus": ("anterior", "posterior"),
    "chaos_t2_mr": ("liver", "right kidney", "left kidney", "spleen"),
}


Pair = tuple[str, str]


@dataclass(frozen=True)
class Job:
    """One training, and the scans to be outlined after it.

    Args:
        work: which row of the table it belongs to.
        data: name of the data set, a folder of FOLDER.
        scans: the folder of scans.
        labels: the folder of label maps.
        train: (scan, label map) to learn from: file names in these.
        test: (scan, label map) to outline.
        minutes: for everything but the outlining.
        seed: of whatever is random.
    """

    work: str
    data: str
    scans: str
    labels: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    minutes: float
    seed: int


def jobs(
    root: Path, works: Sequence[str], minutes: Sequence[float], seeds: Sequence[int]
) -> Iterator[Job]:
    """All that is to be run, the quickest first."""
    parts, whole = root / "hippocampus", root / "chaos_t2_mr"
    hippocampi = (parts.name, str(parts / "images"), str(parts / "labels"))
    if "few" in works:
        for count in (1, 3):
            for seed in seeds:
                train, test = kept_back(parts, 0)
                drawn = tuple(random.Random(seed).sample(train, count))
                work = f"hippocampus, {count} labelled"
                yield Job(work, *hippocampi, drawn, test, FEW_MINUTES, seed)
    if "hippocampus" in works:
        for budget in minutes:
            for seed in seeds:
                train, test = kept_back(parts, seed)
                yield Job(
                    f"hippocampus, {budget:g} minutes", *hippocampi, train, test, budget, seed
                )
    if "abdomen" in works:
        pairs = [(f"image_{k}", f"label_{k}") for k in numbers(whole)]
        pairs = [(f"{scan}.nii.gz", f"{label}.nii.gz") for scan, label in pairs]
        random.Random(0).shuffle(pairs)
        for fold in range(FOLDS):
            test = tuple(pairs[fold::FOLDS])
            train = tuple(pair for pair in pairs if pair not in test)
            folders = (whole.name, str(whole), str(whole))
            yield Job("abdomen", *folders, train, test, ABDOMEN_MINUTES, fold)


def kept_back(data: Path, seed: int) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Patients to learn from, and those kept back; each has one scan."""
    names = sorted(path.name for path in (data / "labels").glob("*.nii.gz"))
    test = set(random.Random(seed).sample(names, KEPT_BACK))
    pairs = [(name, name) for name in names]
    return tuple(p for p in pairs if p[0] not in test), tuple(p for p in pairs if p[0] in test)


def numbers(data: Path) -> list[int]:
    """Of the scans that have labels."""
    return sorted(int(p.name.split(".")[0].removeprefix("label_")) for p in data.glob("label_*"))


def run(job: Job, side: str) -> dict[str, Any]:
    """Train, outline, and measure."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
        subprocess.run(
            [sys.executable, PROGRAMS[side], folder / "job.json", folder / "found"],
            check=True,
            stdout=sys.stderr,
        )
        told = json.loads((folder / "found" / "told.json").read_text(encoding="utf-8"))
        labels, parts = Path(job.labels), PARTS[job.data]
        rows = [
            dice(folder / "found" / scan, labels / label, len(parts)) for scan, label in job.test
        ]
    means = np.nanmean(np.array(rows), axis=0)
    return {
        "work": job.work,
        "seed": job.seed,
        "side": side,
        "minutes": job.minutes,
        **told,
        "labels": {part: round(float(d), 4) for part, d in zip(parts, means, strict=True)},
        "dice": round(float(means.mean()), 4),
    }


def dice(found: Path, truth: Path, count: int) -> list[float]:
    """Of each structure; NaN where neither has it."""
    a, b = (np.asarray(nibabel.load(path).dataobj) for path in (found, truth))
    if a.shape != b.shape:
        raise ValueError(f"{found.name} has {a.shape} voxels, and its scan {b.shape}")
    sums = [
        (int((a == k).sum() + (b == k).sum()), int(((a == k) & (b == k)).sum()))
        for k in range(1, count + 1)
    ]
    return [2 * both / either if either else float("nan") for either, both in sums]


def table(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a work: the median of both sides' runs."""
    rows = []
    for work in dict.fromkeys(run["work"] for run in runs):
        ours, theirs = (
            [run["dice"] for run in runs if run["work"] == work and run["side"] == side]
            for side in PROGRAMS
        )
        if ours and theirs:
            rows.append(
                {
                    "work": work,
                    "medlib": median(ours),
                    "peer": median(theirs),
                    "peer_name": "MONAI script",
                    "unit": "Dice",
                    "ratio": round(median(ours) / median(theirs), 4),
                }
            )
    return rows


def main() -> None:
    """Run what was not run yet, print the table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    works = ("few", "hippocampus", "abdomen")
    parser.add_argument("--work", nargs="+", choices=works, default=works)
    parser.add_argument("--minutes", nargs="+", type=float, default=[3.0, 6.0, 12.0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--side", nargs="+", choices=tuple(PROGRAMS), default=tuple(PROGRAMS))
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    done: list[dict[str, Any]] = []
    if given.journal and given.journal.exists():
        done = [json.loads(line) for line in given.journal.read_text("utf-8").splitlines()]
    known = {(run["work"], run["seed"], run["side"]) for run in done}
    for job in jobs(given.folder.resolve(), given.work, given.minutes, given.seeds):
        for side in given.side:
            if (job.work, job.seed, side) in known:
                continue
            result = run(job, side)
            done.append(result)
            print(json.dumps(result), flush=True)
            if given.journal:
                with given.journal.open("a", encoding="utf-8") as journal:
                    journal.write(json.dumps(result) + "\n")
    rows = table(done)
    print(f"{'work':32} {'medlib':>8} {'MONAI':>8} {'ratio':>7}   each run")
    for row in rows:
        each = {
            side: [
                run["dice"] for run in done if run["work"] == row["work"] and run["side"] == side
            ]
            for side in PROGRAMS
        }
        print(
            f"{row['work']:32} {row['medlib']:8.3f} {row['peer']:8.3f} {row['ratio']:7.3f}   {each}"
        )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
