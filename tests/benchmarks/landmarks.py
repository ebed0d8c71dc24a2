"""Where the anterior and the posterior hippocampus have their middle, in millimetres.

    python tests/benchmarks/landmarks.py FOLDER [--minutes 10] [--cases N] [--json FILE]

FOLDER holds ``images`` and ``labels`` of the Decathlon's hippocampus task. The landmarks are the
centroids of the two structures outlined by hand. Every fifth case is only tested on, every ninth
of the others chosen by. Beside the errors stand those of always answering the mean place of the
training cases, relative to the middle of the scan. With ``--cases`` only so many are used: a check
that all goes well, and no figure.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

import medlib
from medlib.data import held_out, pair
from medlib.io.markups import write_points
from medlib.train import Progress
from medlib.types import Labels, Mask, Points

PARTS = Labels.of(["anterior", "posterior"])


def run(source: Path, minutes: float, count: int | None, work: Path) -> dict[str, object]:
    """Learn, save, load, and predict the test cases."""
    cases = pair(source / "images", source / "labels").cases[:count]
    truths = {
        case.name: centroids(medlib.read_mask(case.label, labels=PARTS, on=case.scan.grid))
        for case in cases
        if case.label is not None
    }
    for name, points in truths.items():
        write_points(points, work / "points" / f"{name}.mrk.json")
    test = [case for case in cases[::5] if case.name in truths]
    learned = [case for case in cases if case not in test]
    learn = medlib.landmarks(
        source / "images",
        work / "points",
        kind="mr",
        only=[case.name for case in learned],
        validation=held_out([case.name for case in learned[::9]]),
        callbacks=[Progress()],
    )
    learn.fine_tune(minutes=minutes)
    model = medlib.load(learn.save(work / "landmarks.medlib"))
    found = [distances(model.predict(case.scan), truths[case.name]) for case in test]
    usual = np.mean([truths[c.name].coordinates - c.scan.grid.centre for c in learned], axis=0)
    constant = [
        distances(Points(usual + case.scan.grid.centre, PARTS.names), truths[case.name])
        for case in test
    ]
    return {
        "minutes": minutes,
        "train": len(learn.learner.data.train),
        "steps": learn.learner.step,
        "window": list(learn.plan.window),
        "test cases": len(test),
        "median mm": figures(np.median(found, axis=0)),
        "95th percentile mm": figures(np.percentile(found, 95, axis=0)),
        "mean place, median mm": figures(np.median(constant, axis=0)),
    }


def centroids(mask: Mask) -> Points:
    """The middle of each structure, LPS millimetres."""
    indices = [torch.nonzero(mask.structure(name)).double().mean(0) for name in PARTS.names]
    return Points([mask.grid.to_patient(index.numpy()) for index in indices], PARTS.names)


def distances(found: Points, truth: Points) -> np.ndarray:
    """Of each landmark, in millimetres."""
    return np.linalg.norm(found.coordinates - truth.coordinates, axis=-1)


def figures(values: np.ndarray) -> dict[str, float]:
    return {name: round(float(v), 2) for name, v in zip(PARTS.names, values, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        report = json.dumps(run(given.folder, given.minutes, given.cases, Path(work)), indent=1)
    print(report)
    if given.json is not None:
        given.json.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
