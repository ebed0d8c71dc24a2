"""What a pretrained backbone is worth where few scans are labelled: 1, 3 and 10 of them.

    python tests/benchmarks/pretraining.py FOLDER --backbone backbone.safetensors
        [--set hippocampus abdomen] [--labelled 1 3 10] [--draws 5] [--seeds 0 1 2] [--minutes 2]
        [--arms scratch …] [--at-once 1] [--journal FILE] [--json FILE] [--plot FILE]

FOLDER is the folder of real scans. The same patients are kept back throughout, 60 hippocampi or 4
abdomens; a draw is which of the others are labelled. The arms:

- ``scratch``: what the library does without a backbone;
- ``shape``: the backbone's network from random weights, so that its shape is not taken for gain;
- ``pretrained``: what it does with one, the head first, then everything, first layers slowest;
- ``together``: begun with the backbone, everything learns at once, as from scratch.

All have the same scans, augmentation and minutes, reading and planning included; each test scan is looked
at once, without test-time augmentation. Overlap (Dice) and surfaces (NSD) are measured by
``real_sets.py`` on the files that were predicted. The gain over ``scratch`` is given with a 95%
interval: draws, seeds and patients are drawn anew, together for both (a paired bootstrap).

It takes hours. ``--at-once 2`` runs two trainings side by side, each on one thread: what two minutes
are then is half of what they are else, but alike for all. With ``--journal`` each run is written down
when it ends, and not run again; a journal belongs to one backbone, whose digest stands in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from outlining import journal_of, outlined, write_down
from real_sets import SETS, Pair

WORDS = {
    "scratch": "from scratch",
    "shape": "its network, random weights",
    "pretrained": "begun with the backbone",
    "together": "begun with it, all at once",
}
ARMS = tuple(WORDS)
KEPT_BACK = {"hippocampus": 60, "abdomen": 4}
PROGRAM = Path(__file__).with_name("peers") / "outline_begun.py"


@dataclass(frozen=True)
class Job:
    """One training, and the scans to be outlined after it.

    Args:
        data: name of the set.
        arm: how it begins.
        labelled: how many scans are learned from.
        draw: which of them.
        seed: of whatever else is random.
        scans: the folder of scans.
        labels: the folder of label maps.
        train: (scan, label map) to learn from: file names in these.
        test: (scan, label map) to outline.
        minutes: for everything but the outlining.
        backbone: the file of weights.
    """

    data: str
    arm: str
    labelled: int
    draw: int
    seed: int
    scans: str
    labels: str
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    minutes: float
    backbone: str

    @property
    def key(self) -> tuple[Any, ...]:
        """Which run it is."""
        return self.data, self.arm, self.labelled, self.draw, self.seed, self.minutes


def jobs(given: argparse.Namespace) -> Iterator[Job]:
    """All that is to be run: all arms of a draw after one another, so that a part is of use."""
    for seed in given.seeds:
        for draw in range(given.draws):
            for name in given.set:
                data = SETS[name](given.folder.resolve())
                others, test = data.dealt(KEPT_BACK[name], 0)
                for labelled in given.labelled:
                    train = tuple(random.Random(draw).sample(others, labelled))
                    for arm in given.arms:
                        yield Job(
                            *(name, arm, labelled, draw, seed, str(data.images), str(data.labels)),
                            *(train, test, given.minutes, str(given.backbone.resolve())),
                        )


def run(root: Path, job: Job, threads: int | None) -> dict[str, Any]:
    """Train, outline, and measure."""
    data = SETS[job.data](root)
    told, found = outlined(PROGRAM, asdict(job), data, threads)
    dices, surfaces = (
        np.array([getattr(one, measure) for one in found]) for measure in ("dice", "surface")
    )
    means = np.nanmean(dices, axis=0)
    return {
        "data": job.data,
        "arm": job.arm,
        "labelled": job.labelled,
        "draw": job.draw,
        "seed": job.seed,
        "minutes": job.minutes,
        **told,
        "labels": {part: round(float(d), 4) for part, d in zip(data.parts, means, strict=True)},
        "dice": round(float(means.mean()), 4),
        "surface": round(float(np.nanmean(surfaces)), 4),
        "patients": {
            "dice": np.nanmean(dices, axis=1).round(4).tolist(),
            "surface": np.nanmean(surfaces, axis=1).round(4).tolist(),
        },
    }


def gain(
    runs: list[dict[str, Any]], arm: str, measure: str, draws: int = 2000
) -> tuple[float, float, float]:
    """Mean gain in a measure over scratch, and a 95% interval: (mean, low, high).

    Only runs that both have count. Labelled sets, then seeds within them, then patients are drawn.
    """
    by = {(r["arm"], r["draw"], r["seed"]): np.array(r["patients"][measure]) for r in runs}
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
    parser.add_argument("--set", nargs="+", choices=tuple(SETS), default=list(SETS))
    parser.add_argument("--labelled", nargs="+", type=int, default=[1, 3, 10])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()

    digest = hashlib.sha256(given.backbone.read_bytes()).hexdigest()[:16]
    done = journal_of(given.journal)
    if {one["backbone"] for one in done} - {digest}:
        parser.error(f"{given.journal} is of another backbone: choose another journal")
    fields = ("data", "arm", "labelled", "draw", "seed", "minutes")
    known = {tuple(one[field] for field in fields) for one in done}
    root, threads = given.folder.resolve(), 1 if given.at_once > 1 else None

    def measured(job: Job) -> dict[str, Any]:
        return run(root, job, threads) | {"backbone": digest}

    with ThreadPoolExecutor(given.at_once) as pool:  # each waits for a process of its own
        for result in pool.map(measured, [job for job in jobs(given) if job.key not in known]):
            done.append(result)
            print(json.dumps({n: v for n, v in result.items() if n != "patients"}), flush=True)
            write_down(given.journal, [result])
    rows = table(done)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if given.plot:
        plotted(done, given.plot)


def table(done: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print a row for each arm of each set; the rows beside scratch, as plain values."""
    print("| set | labelled | arm | runs | Dice | gain over scratch | NSD | gain over scratch |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for name, labelled in sorted({(one["data"], one["labelled"]) for one in done}):
        here = [o for o in done if (o["data"], o["labelled"]) == (name, labelled)]
        means = {}
        for arm in [arm for arm in ARMS if any(one["arm"] == arm for one in here)]:
            runs = [one for one in here if one["arm"] == arm]
            cells = [name, str(labelled), arm, str(len(runs))]
            for measure in ("dice", "surface"):
                mean, low, high = gain(here, arm, measure)
                means[arm, measure] = float(np.mean([one[measure] for one in runs]))
                known = arm != "scratch" and np.isfinite(mean)
                more = f"{mean:+.3f} ({low:+.3f} to {high:+.3f})" if known else ""
                cells += [f"{means[arm, measure]:.3f}", more]
            print(f"| {' | '.join(cells)} |")
        rows += [
            {
                "work": f"{name}, {labelled} labelled, {arm}",
                "medlib": round(value, 4),
                "peer": round(means["scratch", measure], 4),
                "peer_name": "from scratch",
                "unit": "Dice" if measure == "dice" else "NSD",
                "ratio": round(value / means["scratch", measure], 4),
            }
            for (arm, measure), value in means.items()
            if arm != "scratch" and ("scratch", measure) in means
        ]
    return rows


def plotted(done: list[dict[str, Any]], path: Path) -> None:
    """Draw each run as a dot, and a line through their means: overlap against scans labelled."""
    from matplotlib.figure import Figure

    sets = sorted({one["data"] for one in done})
    figure = Figure(figsize=(5.6 * len(sets), 4.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        here = [one for one in done if one["data"] == name]
        counts = sorted({one["labelled"] for one in here})
        arms = [arm for arm in ARMS if any(one["arm"] == arm for one in here)]
        for k, arm in enumerate(arms):
            aside = 0.06 * (k - (len(arms) - 1) / 2)  # dots of one arm beside those of another
            means = []
            for at, labelled in enumerate(counts):
                runs = [o["dice"] for o in here if (o["arm"], o["labelled"]) == (arm, labelled)]
                axes.plot([at + aside] * len(runs), runs, "o", color=f"C{k}", alpha=0.35, ms=5)
                means.append(float(np.mean(runs)) if runs else float("nan"))
            places = np.arange(len(counts)) + aside
            axes.plot(places, means, "-", color=f"C{k}", label=WORDS[arm])
        axes.set_title(name)
        axes.set_xticks(range(len(counts)), [str(count) for count in counts])
        axes.set_xlabel("labelled scans")
        axes.set_ylabel("Dice on other patients, a dot for each run")
        axes.legend(loc="lower right", fontsize=9)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
