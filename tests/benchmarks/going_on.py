"""What a training is best begun with when some more scans are labelled: nothing, weights, the last model.

    python tests/benchmarks/going_on.py FOLDER [--set hippocampus abdomen] [--stages 1 2 4 8]
        [--arms anew …] [--draws 0 …] [--minutes 2] [--at-once 1] [--journal FILE] [--json FILE]

FOLDER is the folder of real scans. A reader labels one scan, trains, labels some more, trains again,
and so on: at each stage all that is labelled by then is learned from, in the same minutes. The same
patients are kept back throughout, 60 hippocampi or 4 abdomens, and looked at once. The arms:

- ``anew``: each training begins with nothing;
- ``on``: each begins with the model of the stage before, as the library begins with any model: its
  head first, its first layers slowest;
- ``on at once``: likewise, but all of it learns from the first step, at one rate;
- ``weights``: each begins with the weights that come with the library;
- ``weights on``: the first with those, each further one with the model of the stage before.

``--at-once 2`` runs two chains side by side, each training on one thread. With ``--journal`` each run is
written down when it ends; a chain that is not finished begins again.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from outlining import journal_of, outlined, write_down
from real_sets import SETS

ARMS = ("anew", "on", "on at once", "weights", "weights on")
KEPT_BACK = {"hippocampus": 60, "abdomen": 4}
SHIPPED = "medlib-synthetic-small"
PROGRAM = Path(__file__).with_name("peers") / "outline_begun.py"


def beginning(arm: str, before: Path | None) -> tuple[str, str]:
    """How a training begins (as an arm of ``outline_begun.py``), and with what."""
    if arm == "weights" or (arm == "weights on" and before is None):
        return "pretrained", SHIPPED
    if arm == "anew" or before is None:
        return "scratch", ""
    return ("together" if arm == "on at once" else "pretrained"), str(before)


def chain(
    root: Path, name: str, arm: str, draw: int, given: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """All stages of one reader, one after another."""
    data = SETS[name](root)
    others, test = data.dealt(KEPT_BACK[name], 0)
    order = random.Random(draw).sample(others, len(others))
    threads = 1 if given.at_once > 1 else None
    with tempfile.TemporaryDirectory() as work:
        before: Path | None = None
        for stage in given.stages:
            begun, source = beginning(arm, before)
            before = Path(work) / f"model_{stage}.medlib"
            job = {
                "arm": begun,
                "backbone": source,
                "save": str(before),
                "seed": draw,
                "minutes": given.minutes,
                "scans": str(data.images),
                "labels": str(data.labels),
                "train": order[:stage],
                "test": test,
            }
            told, found = outlined(PROGRAM, job, data, threads)
            dice = np.nanmean([one.dice for one in found], axis=0)
            yield {
                "data": name,
                "arm": arm,
                "draw": draw,
                "labelled": stage,
                "minutes": given.minutes,
                "steps": told["steps"],
                "dice": round(float(dice.mean()), 4),
                "labels": {p: round(float(d), 4) for p, d in zip(data.parts, dice, strict=True)},
            }


def table(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print a row for each arm, a column a stage; the rows beside ``anew``, as plain values."""
    rows = []
    for name in dict.fromkeys(run["data"] for run in runs):
        here = [run for run in runs if run["data"] == name]
        stages = sorted({run["labelled"] for run in here})
        print(f"| {name} | {' | '.join(f'{stage} labelled' for stage in stages)} |")
        print(f"|---|{'---|' * len(stages)}")
        mean = {
            (arm, stage): float(np.mean(dices))
            for arm in ARMS
            for stage in stages
            if (
                dices := [
                    run["dice"] for run in here if (run["arm"], run["labelled"]) == (arm, stage)
                ]
            )
        }
        for arm in [arm for arm in ARMS if any(key[0] == arm for key in mean)]:
            cells = [f"{mean[arm, s]:.3f}" if (arm, s) in mean else "" for s in stages]
            print(f"| {arm} | {' | '.join(cells)} |")
        rows += [
            {
                "work": f"{name}, {stage} labelled, {arm}",
                "medlib": round(dice, 4),
                "peer": round(mean["anew", stage], 4),
                "peer_name": "begun anew",
                "unit": "Dice",
                "ratio": round(dice / mean["anew", stage], 4),
            }
            for (arm, stage), dice in mean.items()
            if arm != "anew" and ("anew", stage) in mean
        ]
    return rows


def main() -> None:
    """Run what was not run yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", nargs="+", choices=tuple(SETS), default=list(SETS))
    parser.add_argument("--stages", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--draws", nargs="+", type=int, default=[0])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    done = journal_of(given.journal)
    whole = {
        (run["data"], run["arm"], run["draw"])
        for run in done
        if run["labelled"] == given.stages[-1] and run["minutes"] == given.minutes
    }
    done = [run for run in done if (run["data"], run["arm"], run["draw"]) in whole]

    def followed(which: tuple[str, str, int]) -> list[dict[str, Any]]:
        stages = []
        for run in chain(given.folder.resolve(), *which, given):
            print(json.dumps(run), flush=True)
            stages.append(run)
        return stages

    chains = [
        which
        for draw in given.draws
        for name in given.set
        for arm in given.arms
        if (which := (name, arm, draw)) not in whole
    ]
    with ThreadPoolExecutor(given.at_once) as pool:  # each waits for processes of its own
        for stages in pool.map(followed, chains):
            done += stages
            write_down(given.journal, stages)
    rows = table(done)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
