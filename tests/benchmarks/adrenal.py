"""Whether adrenal glands are told to be normal or not: AdrenalMNIST3D, at 64 voxels.

    python tests/benchmarks/adrenal.py FOLDER [--minutes 15] [--cases N] [--json FILE]

FOLDER holds the owners' ``adrenalmnist3d_64.npz``. The owners' split is kept: trained on train,
the best moment chosen on validation, and the figure is of test, looked at once, at the end. The
published figure of a 3-D ResNet-18 is an area under the ROC curve of 0.827 (at 28 voxels). With
``--cases`` only so many are used of each part: a check that all goes well, and no figure.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import medlib
from medlib import datasets
from medlib.data import Case
from medlib.data.sources import from_card
from medlib.train import Plan, Progress, scored
from medlib.transforms import Flip, Pipeline, RandomAffine

WAYS = ("left-right", "anterior-posterior", "superior-inferior")


def run(source: Path, minutes: float, count: int | None, work: Path) -> dict[str, object]:
    """Learn, save, load, and predict the test cases."""
    found = from_card(datasets.get("adrenalmnist3d", work / "data", source=source))
    cases = [case for mark in ("train", "valid") for case in some(found.cases, count, mark)]
    pairing = replace(found, cases=tuple(cases))
    choices = {"kind": "mr", "callbacks": [Progress()]}  # of shapes the kind says nothing
    plan = for_shapes(medlib.classifier(pairing, "class", **choices).plan)
    learn = medlib.classifier(pairing, "class", plan=plan, **choices)
    valid = learn.fine_tune(minutes=minutes)
    model = medlib.load(learn.save(work / "adrenal.medlib"))
    truths = learn.learner.data.blocks[-1]
    test = scored(
        (case.name, model.predict(case.scan), truths.read(case, on=case.scan.grid))
        for case in some(found.test, count)
    )
    return {
        "minutes": minutes,
        "train": len(learn.learner.data.train),
        "steps": learn.learner.step,
        "window": list(plan.window),
        "valid": dict(valid.overall),
        "test cases": len(test.cases),
        "test": dict(test.overall),
    }


def for_shapes(plan: Plan) -> Plan:
    """The plan, without a look at intensities, which shapes have not, but mirrored.

    These are glands of both sides, and which it is was not kept.
    """
    flips = tuple(Flip(way, probability=0.5) for way in WAYS)
    return replace(plan, augment=Pipeline((*flips, RandomAffine(degrees=15.0, scale=0.1))))


def some(cases: Sequence[Case], count: int | None, mark: str = "") -> list[Case]:
    """About so many of the cases with a mark, evenly spread."""
    marked = [case for case in cases if case.split == mark]
    return marked[:: max(1, len(marked) // count)] if count else marked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=15.0)
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
