"""How well structures are outlined after so many minutes of training: medlib beside a MONAI script.

    python tests/benchmarks/training.py FOLDER [--work NAME …] [--minutes 3 6 12] [--seeds 0 1 2]
        [--abdomen-minutes 25] [--side medlib monai] [--at-once 1] [--journal FILE] [--json FILE]

FOLDER is the folder of real scans; it holds ``hippocampus`` and ``chaos_t2_mr``. The works:

- ``hippocampus``: 160 patients are learned from, 40 others outlined, for each budget and seed (which
  also draws the 40);
- ``few``: one and three labelled scans, two minutes each, three draws; the same 40 others;
- ``abdomen``: four folds by patient, 25 minutes each unless told otherwise.

Both sides are programs of their own (``peers/outline_….py``), run in turn on all cores; both get the
same scans and the same minutes from start to trained network, everything included, and neither sees
the patients that it is measured on: nothing is chosen by them. What both then wrote, as NIfTI, is read
by nibabel, and measured by ``real_sets.py``, alike for both.

It takes hours. ``--at-once 2`` runs two trainings side by side, each on one thread: what a minute
is then is half of what it is else, but alike for both. With ``--journal`` each run is written down
when it ends, and not run again.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from outlining import journal_of, outlined, write_down
from real_sets import SETS, Pair, RealSet

PROGRAMS = {
    side: Path(__file__).with_name("peers") / f"outline_{side}.py" for side in ("medlib", "monai")
}
KEPT_BACK, FEW_MINUTES, ABDOMEN_MINUTES, FOLDS = 40, 2.0, 25.0, 4


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
    root: Path,
    works: Sequence[str],
    minutes: Sequence[float],
    seeds: Sequence[int],
    abdomen_minutes: float,
) -> Iterator[Job]:
    """All that is to be run, the quickest first."""
    hippocampus = SETS["hippocampus"](root)
    if "few" in works:
        for count in (1, 3):
            for seed in seeds:
                train, test = hippocampus.dealt(KEPT_BACK, 0)
                drawn = tuple(random.Random(seed).sample(train, count))
                yield of(hippocampus, f"{count} labelled", drawn, test, FEW_MINUTES, seed)
    if "hippocampus" in works:
        for budget in minutes:
            for seed in seeds:
                train, test = hippocampus.dealt(KEPT_BACK, seed)
                yield of(hippocampus, f"{budget:g} minutes", train, test, budget, seed)
    if "abdomen" in works:
        abdomen = SETS["abdomen"](root)
        pairs = list(abdomen.pairs)
        random.Random(0).shuffle(pairs)
        for fold in range(FOLDS):
            test = tuple(pairs[fold::FOLDS])
            train = tuple(pair for pair in pairs if pair not in test)
            yield of(abdomen, f"{abdomen_minutes:g} minutes", train, test, abdomen_minutes, fold)


def of(
    data: RealSet,
    what: str,
    train: tuple[Pair, ...],
    test: tuple[Pair, ...],
    minutes: float,
    seed: int,
) -> Job:
    """A training on one of the sets."""
    scans, labels = str(data.images), str(data.labels)
    return Job(f"{data.name}, {what}", data.name, scans, labels, train, test, minutes, seed)


def run(root: Path, job: Job, side: str, threads: int | None) -> dict[str, Any]:
    """Train, outline, and measure."""
    data = SETS[job.data](root)
    told, found = outlined(PROGRAMS[side], asdict(job), data, threads)
    dices, surfaces = (
        np.nanmean([getattr(one, measure) for one in found], axis=0)
        for measure in ("dice", "surface")
    )
    return {
        "work": job.work,
        "seed": job.seed,
        "side": side,
        "minutes": job.minutes,
        **told,
        "labels": {part: round(float(d), 4) for part, d in zip(data.parts, dices, strict=True)},
        "dice": round(float(dices.mean()), 4),
        "surface": round(float(surfaces.mean()), 4),
    }


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
    parser.add_argument("--abdomen-minutes", type=float, default=ABDOMEN_MINUTES)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    done = journal_of(given.journal)
    known = {(run["work"], run["seed"], run["side"]) for run in done}
    root = given.folder.resolve()
    threads = 1 if given.at_once > 1 else None
    waiting = [
        (job, side)
        for job in jobs(root, given.work, given.minutes, given.seeds, given.abdomen_minutes)
        for side in given.side
        if (job.work, job.seed, side) not in known
    ]
    with ThreadPoolExecutor(given.at_once) as pool:  # each waits for a process of its own
        for result in pool.map(lambda one: run(root, *one, threads), waiting):
            done.append(result)
            print(json.dumps(result), flush=True)
            write_down(given.journal, [result])
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
