"""Outlining by a box and clicks: medlib beside a plain marker watershed, on 45 structures of a CT.

    python tests/benchmarks/assist.py --data FOLDER [--set NAME] [--json FILE] [--every N] [--fit]

``--data`` is the folder of real scans (or ``MEDLIB_REAL_DATA``). Two other sets can be asked for:
``hippocampus`` (MR, ten patients) and ``abdomen`` (MR, thick slices, three patients). The box is
that of the structure, wider by two voxels a side. The first click is where the structure is
thickest; each further one in the middle of the largest piece that is wrong, on the structure or
off it as that may be. All arms get the same box, and each the clicks that its own errors call for.
The watershed floods the gradient at one voxel from balls of two voxels about the clicks, and from
the box's sides.

``--fit`` fits the weights of the evidence and of the last look anew: on every other structure, tested
on the rest, both ways; then on all, and prints these. The last look is weighed by synthetic structures
too. The table without it is of structures that the weights were fitted on; what the halves say of
each other is what to expect of others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from medlib.assist.clicks import Look, decided, looked_at, outline
from medlib.assist.evidence import WEIGHTS, Scene, evidence, rated
from medlib.assist.lessons import Clicks, correction, middle, points
from medlib.assist.refiner import refined
from medlib.assist.settling import settled
from medlib.assist.weighing import Moment, synthetic, weigh
from medlib.space import Grid
from medlib.types import Boxes, CTVolume, Label

COUNTS = (1, 3, 5, 10)
_MOMENTS = (2, 3, 4, 5, 7, 10)  # clicks after which the last look is weighed
SMALLEST = 210  # voxels: 45 structures are as large
MARGIN = 2
Flags = NDArray[np.bool_]


class Case:
    """One structure: the scan about it, and where it is."""

    def __init__(
        self, number: int, scan: NDArray[np.float32], labels: NDArray[np.int32], grid: Grid
    ):
        found = ndimage.find_objects((labels == number).astype(np.int8))[0]
        window = tuple(
            slice(max(0, w.start - MARGIN - 1), min(n, w.stop + MARGIN + 1))
            for w, n in zip(found, labels.shape, strict=True)
        )
        self.number = number
        self.truth: Flags = labels[window] == number
        self.voxels = scan[window]
        self.grid = grid.window([w.start for w in window], self.truth.shape)
        self.volume = CTVolume(torch.from_numpy(self.voxels.copy())[None], self.grid)
        # The box ends a voxel before the scan does, unless the scan itself ends there.
        low = [0 if w.start == 0 else 1 for w in window]
        high = [
            n - (1 if w.stop == m else 2)
            for n, w, m in zip(self.truth.shape, window, labels.shape, strict=True)
        ]
        self.inner = tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))
        self.box = Boxes.between(*_ends(self.grid.to_patient([low, high])))


def _ends(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return corners.min(0)[None], corners.max(0)[None]


def dice(one: Flags, other: Flags) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def by_medlib(case: Case, clicks: Clicks) -> Flags:
    on, off = (points(clicks, case.grid, inside) for inside in (True, False))
    return outline(case.volume, Label(1, "it"), case.box, on, off).data[0].numpy() == 1


def by_odds(odds: Callable[[Scene], NDArray[np.float32]]) -> Callable[[Case, Clicks], Flags]:
    """By some of the looks, or other weights."""

    def answer(case: Case, clicks: Clicks) -> Flags:
        look = _look(case, clicks)
        found = np.zeros(case.truth.shape, dtype=bool)
        found[look.window] = decided(odds(look.scene), look)
        return found

    return answer


def by_evidence(weights: NDArray[np.float32]) -> Callable[[Case, Clicks], Flags]:
    """By the evidence alone."""
    return by_odds(lambda scene: rated(scene, weights))


def unsettled(scene: Scene) -> NDArray[np.float32]:
    """The odds before the last look."""
    return refined(scene, rated(scene))


def _look(case: Case, clicks: Clicks) -> Look:
    on, off = (points(clicks, case.grid, inside) for inside in (True, False))
    return looked_at(case.volume, case.box, on, off)


def by_watershed(case: Case, clicks: Clicks) -> Flags:
    voxels = case.voxels[case.inner]
    markers = np.zeros(voxels.shape, dtype=np.int32)
    shift = [w.start for w in case.inner]
    places = np.indices(voxels.shape, sparse=True)
    for axis, n in enumerate(voxels.shape):
        np.moveaxis(markers, axis, 0)[[0, n - 1]] = 2
    for index, inside in clicks:
        near = sum((x - i + s) ** 2 for x, i, s in zip(places, index, shift, strict=True)) <= 4
        markers[near] = 1 if inside else 2
    heights = ndimage.gaussian_gradient_magnitude(voxels, 1.0)
    found = np.zeros(case.truth.shape, dtype=bool)
    found[case.inner] = watershed(heights, markers) == 1
    return found


def walk(
    case: Case, ask: Callable[[Case, Clicks], Flags]
) -> tuple[list[float], list[float], list[Clicks]]:
    """Dice after each click, seconds of each answer, and the clicks that there were."""
    clicks: Clicks = [(middle(case.truth), True)]
    scores, seconds, states = [], [], []
    while len(scores) < max(COUNTS):
        start = time.perf_counter()
        found = ask(case, clicks)
        seconds.append(time.perf_counter() - start)
        scores.append(dice(found, case.truth))
        states.append(list(clicks))
        more = correction(found, case.truth)
        if more is None or more in clicks:  # nothing is wrong, or nothing helps
            scores += [scores[-1]] * (max(COUNTS) - len(scores))
        else:
            clicks.append(more)
    return scores, seconds, states


def fitted(cases: Sequence[Case], *, rounds: int = 2, most: int = 2500) -> NDArray[np.float32]:
    """Weights of a logistic regression in which each structure counts alike.

    The clicks are those that the weights of the round before call for.
    """
    weights = WEIGHTS
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        rows, truths, shares = [], [], []
        for case in cases:
            states = walk(case, by_evidence(weights))[2]
            for count in COUNTS:
                clicks = states[min(count, len(states)) - 1]
                look = _look(case, clicks)
                truth = _seen(case, look)
                kept = rng.choice(truth.size, min(truth.size, most), replace=False)
                rows.append(evidence(look.scene)[kept].astype(np.float64))
                truths.append(truth.ravel()[kept].astype(np.float32))
                shares.append(np.full(len(kept), 1 / max(5.0, truths[-1].sum())))
        weights = logistic(*map(np.concatenate, (rows, truths, shares))).astype(np.float32)
    return weights


def _seen(case: Case, look: Look) -> Flags:
    """The structure, on the voxels that are looked at."""
    truth: Flags = look.upright(case.truth[look.window])
    if look.factors.max() == 1:
        return truth
    sizes = zip(look.scene.voxels.shape, look.factors, truth.shape, strict=True)
    return truth[np.ix_(*[np.minimum(np.arange(n) * f + f // 2, m - 1) for n, f, m in sizes])]


def moments(cases: Sequence[Case]) -> list[Moment]:
    """What the last look is to mend, by the clicks that the odds before it call for."""
    rng = np.random.default_rng(0)
    found = []
    for case in cases:
        states = walk(case, by_odds(unsettled))[2]
        for count in _MOMENTS:
            look = _look(case, states[min(count, len(states)) - 1])
            if len(look.scene.clicks) > 1:
                before = unsettled(look.scene)
                found.append(Moment.of(look.scene, before, _seen(case, look), rng))
    return found


def by_last_look(weights: NDArray[np.float32]) -> Callable[[Case, Clicks], Flags]:
    """By all looks, the last with these weights."""
    return by_odds(lambda scene: settled(scene, unsettled(scene), weights))


def fit(cases: Sequence[Case]) -> None:
    """Print what weights fitted on each half do on the other, and the weights fitted on all."""
    others, halves = synthetic(), [moments(cases[half::2]) for half in (0, 1)]
    for half in (0, 1):
        print(f"fitted on one half, tested on the other ({half + 1} of 2):")
        arms = {
            "last look": by_last_look(weigh([*halves[half], *others])),
            "without the last look": by_odds(unsettled),
            "evidence": by_evidence(fitted(cases[half::2])),
            "watershed": by_watershed,
        }
        table(cases[1 - half :: 2], arms)
    print("evidence, fitted on all:", fitted(cases).round(2).tolist())
    print("last look, fitted on all:", weigh(sum(halves, others)).round(2).tolist())


def logistic(rows: NDArray, truths: NDArray, shares: NDArray, ridge: float = 0.05) -> NDArray:
    """By Newton's steps."""
    weights = np.zeros(rows.shape[1])
    for _ in range(15):
        likely = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (shares * (truths - likely)) - ridge * weights
        bend = (rows * (shares * likely * (1 - likely))[:, None]).T @ rows
        weights += np.linalg.solve(bend + ridge * np.eye(len(weights)), slope)
    return weights


def opened(data: Path, which: str) -> list[Case]:
    """All structures that are large enough, of one of the sets."""
    return [case for scan, labels in SETS[which](data) for case in _structures(scan, labels)]


def _structures(scan: Path, labels: Path) -> list[Case]:
    image = nibabel.load(scan)
    values = np.asarray(image.dataobj).T.astype(np.float32)
    numbers = np.asarray(nibabel.load(labels).dataobj).T.astype(np.int32)
    grid = Grid.from_ras(image.shape, image.affine)
    sizes = np.bincount(numbers.ravel())
    return [Case(n, values, numbers, grid) for n in range(1, len(sizes)) if sizes[n] >= SMALLEST]


def _ct(data: Path) -> list[tuple[Path, Path]]:
    there = data / "totalseg_example"
    return [(there / "example_ct.nii.gz", there / "example_seg.nii.gz")]


def _hippocampus(data: Path) -> list[tuple[Path, Path]]:
    there = data / "hippocampus"
    names = sorted(path.name for path in (there / "labels").glob("*.nii.gz"))[:10]
    return [(there / "images" / name, there / "labels" / name) for name in names]


def _abdomen(data: Path) -> list[tuple[Path, Path]]:
    labels = sorted((data / "chaos_t2_mr").glob("label_*.nii.gz"))[:3]
    return [(path.with_name(path.name.replace("label", "image")), path) for path in labels]


SETS = {"ct": _ct, "hippocampus": _hippocampus, "abdomen": _abdomen}


def table(
    cases: Sequence[Case], arms: dict[str, Callable[[Case, Clicks], Flags]]
) -> dict[str, dict[int, float]]:
    """Print, and give, each arm's mean Dice by the number of clicks."""
    found = {}
    print("| | " + " | ".join(f"{n} clicks" for n in COUNTS) + " | ms a click |")
    print("|---|" + "---|" * (len(COUNTS) + 1))
    for name, ask in arms.items():
        walks = [walk(case, ask) for case in cases]
        found[name] = {n: statistics.fmean(scores[n - 1] for scores, *_ in walks) for n in COUNTS}
        ms = 1000 * statistics.median(second for _, seconds, _ in walks for second in seconds)
        scores = " | ".join(f"{score:.3f}" for score in found[name].values())
        print(f"| {name} | {scores} | {ms:.0f} |", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    real = os.environ.get("MEDLIB_REAL_DATA")
    parser.add_argument(
        "--data", type=Path, default=Path(real) if real else None, required=not real
    )
    parser.add_argument("--set", choices=tuple(SETS), default="ct")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth structure")
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    cases = opened(options.data, options.set)[:: options.every]
    if options.fit:
        fit(cases)
        return
    arms = {"medlib": by_medlib, "without the last look": by_odds(unsettled)}
    arms |= {"evidence alone": by_evidence(WEIGHTS), "watershed": by_watershed}
    found = table(cases, arms)
    if options.json:
        rows = [
            {
                "work": f"{options.set}, {count} clicks",
                "medlib": round(score, 4),
                "peer": round(found["watershed"][count], 4),
                "peer_name": "watershed",
                "unit": "Dice",
                "ratio": round(score / found["watershed"][count], 4),
            }
            for count, score in found["medlib"].items()
        ]
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
