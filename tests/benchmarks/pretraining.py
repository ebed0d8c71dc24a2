"""What a pretrained backbone is worth where few scans are labelled: hippocampi, 1, 3 and 10 of them.

    python tests/benchmarks/pretraining.py FOLDER --backbone backbone.safetensors [--labelled 1 3 10]
        [--draws 5] [--seeds 0 1 2] [--minutes 2] [--arms scratch …] [--test 60] [--journal FILE]

FOLDER holds ``images`` and ``labels``, as the folder ``hippocampus`` of the real scans does. The same
60 patients are kept back throughout; a draw is which of the others are labelled. The arms:

- ``scratch``: what the library does without a backbone;
- ``deep``: the network of the backbone, from random weights, so that depth is not taken for gain;
- ``pretrained``: begun with the backbone, everything learns at once, as from scratch;
- ``frozen``: begun with the backbone, the head first, then everything, first layers slowest.

All have the same scans, augmentation and minutes, reading and planning included. Dice is counted here,
on the files that were predicted. The gain over ``scratch`` is given with a 95% interval: draws, seeds
and patients are drawn anew, together for both (a paired bootstrap).

It takes hours. With ``--journal`` each run is written down when it ends, and not run again; a journal
belongs to one backbone, whose digest stands in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

ARMS = ("scratch", "deep", "pretrained", "frozen")
PARTS = ("anterior", "posterior")
PROGRAM = Path(__file__).with_name("peers") / "outline_begun.py"


@dataclass(frozen=True)
class Job:
    """One training, and the scans to be outlined after it.

    Args:
        arm: how it begins.
        labelled: how many scans are learned from.
        draw: which of them.
        seed: of whatever else is random.
        scans: the folder of scans.
        labels: the folder of label maps.
        train: file names to learn from.
        test: file names to outline.
        minutes: for everything but the outlining.
        backbone: the file of weights.
    """

    arm: str
    labelled: int
    draw: int
    seed: int
    scans: str
    labels: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    minutes: float
    backbone: str

    @property
    def key(self) -> tuple[Any, ...]:
        """Which run it is."""
        return self.arm, self.labelled, self.draw, self.seed, self.minutes, len(self.test)


def jobs(given: argparse.Namespace) -> Iterator[Job]:
    """All that is to be run: all arms of a draw after one another, so that a part is of use."""
    scans, labels = (given.folder.resolve() / part for part in ("images", "labels"))
    names = sorted(path.name for path in labels.glob("*.nii.gz"))
    test = tuple(sorted(random.Random(0).sample(names, given.test)))
    others = [name for name in names if name not in test]
    for draw in range(given.draws):
        for labelled in given.labelled:
            train = tuple(random.Random(draw).sample(others, labelled))
            for seed in given.seeds:
                for arm in given.arms:
                    yield Job(
                        *(arm, labelled, draw, seed, str(scans), str(labels), train, test),
                        *(given.minutes, str(given.backbone.resolve())),
                    )


def run(job: Job) -> dict[str, Any]:
    """Train, outline, and measure."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
        subprocess.run(
            [sys.executable, PROGRAM, folder / "job.json", folder / "found"],
            check=True,
            stdout=sys.stderr,
        )
        told = json.loads((folder / "found" / "told.json").read_text(encoding="utf-8"))
        rows = [dice(folder / "found" / name, Path(job.labels) / name) for name in job.test]
    means = np.nanmean(np.array(rows), axis=0)
    return {
        "arm": job.arm,
        "labelled": job.labelled,
        "draw": job.draw,
        "seed": job.seed,
        "minutes": job.minutes,
        "tested": len(job.test),
        **told,
        "labels": {part: round(float(d), 4) for part, d in zip(PARTS, means, strict=True)},
        "dice": round(float(means.mean()), 4),
        "patients": [round(float(np.nanmean(row)), 4) for row in rows],
    }


def dice(found: Path, truth: Path) -> list[float]:
    """Of each structure; NaN where neither has it."""
    a, b = (np.asarray(nibabel.load(path).dataobj) for path in (found, truth))
    if a.shape != b.shape:
        raise ValueError(f"{found.name} has {a.shape} voxels, and its scan {b.shape}")
    sums = [
        (int((a == k).sum() + (b == k).sum()), int(((a == k) & (b == k)).sum()))
        for k in range(1, len(PARTS) + 1)
    ]
    return [2 * both / either if either else float("nan") for either, both in sums]


def gain(runs: list[dict[str, Any]], arm: str, draws: int = 2000) -> tuple[float, float, float]:
    """Mean gain in Dice over scratch, and a 95% interval: (mean, low, high).

    Only runs that both have count. Labelled sets, then seeds within them, then patients are drawn.
    """
    by = {(r["arm"], r["draw"], r["seed"]): np.array(r["patients"]) for r in runs}
    sets: dict[int, list[np.ndarray]] = {}
    for (name, draw, seed), dices in by.items():
        if name == arm and ("scratch", draw, seed) in by:
            sets.setdefault(draw, []).append(dices - by["scratch", draw, seed])
    if not sets:
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(0)
    tables = [np.stack(of_seeds) for of_seeds in sets.values()]  # (seed, patient) each
    patients = tables[0].shape[1]
    means = []
    for _ in range(draws):
        chosen = rng.integers(patients, size=patients)
        several = [tables[k] for k in rng.integers(len(tables), size=len(tables))]
        rows = [t[rng.integers(len(t), size=len(t))][:, chosen].mean() for t in several]
        means.append(np.mean(rows))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(np.mean([t.mean() for t in tables])), float(low), float(high)


def main() -> None:
    """Run what was not run yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", type=Path, required=True)
    parser.add_argument("--labelled", nargs="+", type=int, default=[1, 3, 10])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--test", type=int, default=60)
    parser.add_argument("--journal", type=Path)
    given = parser.parse_args()

    digest = hashlib.sha256(given.backbone.read_bytes()).hexdigest()[:16]
    done: list[dict[str, Any]] = []
    if given.journal and given.journal.exists():
        done = [json.loads(line) for line in given.journal.read_text("utf-8").splitlines()]
        if {one["backbone"] for one in done} - {digest}:
            parser.error(f"{given.journal} is of another backbone: choose another journal")
    fields = ("arm", "labelled", "draw", "seed", "minutes", "tested")
    known = {tuple(one[field] for field in fields) for one in done}
    for job in jobs(given):
        if job.key in known:
            continue
        result = run(job) | {"backbone": digest}
        done.append(result)
        print(json.dumps({n: v for n, v in result.items() if n != "patients"}), flush=True)
        if given.journal:
            with given.journal.open("a", encoding="utf-8") as journal:
                journal.write(json.dumps(result) + "\n")

    print(f"{'labelled':>8} {'minutes':>7} {'arm':12} {'runs':>4} {'Dice':>6}   gain over scratch")
    for labelled, minutes in sorted({(one["labelled"], one["minutes"]) for one in done}):
        here = [o for o in done if (o["labelled"], o["minutes"]) == (labelled, minutes)]
        for arm in ARMS:
            dices = [one["dice"] for one in here if one["arm"] == arm]
            if dices:
                mean, low, high = gain(here, arm)
                more = (
                    f"{mean:+.3f} ({low:+.3f} to {high:+.3f})" if np.isfinite(mean) else "unknown"
                )
                more = "" if arm == "scratch" else more
                print(
                    f"{labelled:8} {minutes:7g} {arm:12} {len(dices):4} {np.mean(dices):6.3f}   {more}"
                )


if __name__ == "__main__":
    main()
