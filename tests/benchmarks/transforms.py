"""Transforms: medlib beside TorchIO 1, TorchIO 2 and MONAI, in one run.

    python tests/benchmarks/transforms.py [--json FILE] [--runs N] [--only WORK] [--peers FOLDER]

A number is the median of the runs in milliseconds, for a scan of 128³ voxels of 1 mm with a map of
seven labels; the factor beside a peer's is that time divided by medlib's, above 1 where medlib is
ahead. ``–`` is where a library has no such transform.

Each library runs in a process of its own with two threads, one process at a time, in turn, so that
whatever the machine does, it does to all. Inputs are made outside the timing. Before it is timed
each result is looked at: it must differ from the input where it should, and only there.

TorchIO's two versions exclude each other, so each peer gets an environment in the folder
``--peers``, made when first asked for; torch and the rest are shared with the one this runs in.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers.peer import Peer, Work, environment

_QUICK = 0.1  # seconds: work is repeated in each round until this long has been spent on it

_SCAN, _LABELS = frozenset({"scan"}), frozenset({"labels"})
_COMPOSITE = Work("composite", _SCAN | _LABELS)
_BOOKKEEPING = Work("composite", _SCAN | _LABELS, input="tiny")
_IDENTITY = Work("identity", frozenset(), input="ct")
WORKS = (
    *(
        Work(name, _SCAN | _LABELS)
        for name in (
            "flip", "reorient", "crop", "pad", "affine", "elastic", "resample to 1.5 mm", "resize",
            "patch anywhere", "patch on a label",
        )
    ),
    *(
        Work(name, _SCAN)
        for name in (
            "low resolution", "window", "clip", "z-score", "percentile rescale",
            "histogram standardisation", "gamma", "brightness and contrast", "Gaussian noise",
            "Rician noise", "blur", "sharpen", "bias field", "motion", "ghosting", "spikes",
            "Gibbs ringing", "cut-out", "histogram shift",
        )
    ),
    *(Work(name, _LABELS) for name in ("remap labels", "one-hot", "keep largest")),
    _COMPOSITE,
    Work("composite, peers fused", _SCAN | _LABELS),
    _IDENTITY,
)  # fmt: skip


# The libraries, their sides, and what each needs beside what is installed here.
PEERS = (
    ("TorchIO 1.2.1", "torchio1_side", "torchio==1.2.1"),
    ("TorchIO 2.0.0a2", "torchio2_side", "torchio==2.0.0a2"),
    (f"MONAI {version('monai')}", "monai_side", "scikit-image"),  # for its largest components
)


@dataclass(frozen=True)
class Result:
    """What was measured of a piece of work, by the names of the libraries that offer it.

    Args:
        values: medians.
        found: what the work did; see :meth:`peers.peer.Peer.look`.
        unit: of the values.
    """

    values: dict[str, float]
    found: dict[str, dict[str, Any]]
    unit: str = "ms"

    def share_of(self, whole: Result) -> Result:
        """These values as per cent of another result's."""
        shares = {name: 100 * value / whole.values[name] for name, value in self.values.items()}
        return Result(shares, self.found, "%")

    def rows(self, work: str) -> list[dict[str, Any]]:
        """One row for each peer, as written to the JSON file."""
        ours = self.values["medlib"]
        return [
            {
                "work": work,
                "medlib": round(ours, 3),
                "peer": round(theirs, 3),
                "peer_name": name,
                "unit": self.unit,
                "ratio": round(theirs / ours, 2),
            }
            for name, theirs in self.values.items()
            if name != "medlib"
        ]

    def line(self, work: str, names: list[str]) -> str:
        """A line of the table, with a cell for each of ``names``, medlib first."""
        cells = [f"{work:34}"]
        for name in names:
            value = self.values.get(name)
            cells.append("–".rjust(8) if value is None else f"{value:8.4g}")
            if name != "medlib":
                factor = value and value / self.values["medlib"]
                cells.append(" " * 8 if factor is None else f"×{factor:<7.3g}")
        return " ".join(cells)


def measure(peers: list[Peer], work: Work, runs: int) -> Result:
    """Median times in milliseconds; the peers take turns.

    Raises:
        RuntimeError: when a peer fails, does not do the work, or lands on another size.
    """
    found, times = {}, {}
    for peer in peers:
        if (seen := peer.look(work)) is not None:
            found[peer.name] = seen
            once = peer.time(work, 1)[0]
            times[peer.name] = max(1, min(10, int(_QUICK / once)))
    _check_alike(work, found)
    seconds: dict[str, list[float]] = {name: [] for name in times}
    for _ in range(runs):
        for peer in peers:
            if peer.name in times:
                seconds[peer.name] += peer.time(work, times[peer.name])
    return Result({name: 1000 * statistics.median(each) for name, each in seconds.items()}, found)


def _check_alike(work: Work, found: dict[str, dict[str, Any]]) -> None:
    """Refuse to compare results of different sizes, but for a voxel's worth of rounding."""
    for part in ("shape", "labels_shape"):
        shapes = np.array([sorted(seen[part]) for seen in found.values()])  # axes in any order
        if np.ptp(shapes, axis=0).max() > 1:
            sizes = {name: seen[part] for name, seen in found.items()}
            raise RuntimeError(
                f"{work.name}: results differ in size, and cannot be compared: {sizes}"
            )


def measure_all(peers: list[Peer], works: list[Work], runs: int) -> dict[str, Result]:
    """The results by work, printed as they come."""
    names = [peer.name for peer in peers]
    first, *rest = names
    print(f"{'ms':34} {first:>8} " + " ".join(f"{name:>17}" for name in rest))
    results: dict[str, Result] = {}
    for work in works:
        result = measure(peers, work, runs)
        results[work.name] = result
        print(result.line(work.name, names), flush=True)
        if work == _COMPOSITE:
            name = "composite on 4³, % of that on 128³"
            results[name] = measure(peers, _BOOKKEEPING, runs).share_of(result)
            print(results[name].line(name, names), flush=True)
        if work == _IDENTITY:
            kept = [name for name, found in result.found.items() if found["same_memory"]]
            print(f"    the very same voxels, not copied: {', '.join(kept) or 'none'}")
    return results


def phantom(size: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A scan of smooth blobs in noise, 0 to about 1, and its labels 0 to 7, with stray islands."""
    rng = np.random.default_rng(0)
    place = (np.indices((size,) * 3) + 0.5) / size
    scan = rng.normal(0, 0.02, (size,) * 3)
    labels = np.zeros((size,) * 3, np.uint8)
    for label in range(1, 8):
        centre, radii = rng.uniform(0.25, 0.75, (3, 1, 1, 1)), rng.uniform(0.1, 0.2, (3, 1, 1, 1))
        distance = np.sqrt((((place - centre) / radii) ** 2).sum(0))
        scan += rng.uniform(0.2, 0.5) / (1 + np.exp(12 * (distance - 1)))
        labels[distance < 1] = label
    for label in range(1, 8):
        island = np.abs(place - np.array([label / 8, 0.1, 0.1])[:, None, None, None]).max(0) < 0.02
        labels[island] = label
    return scan.clip(0).astype(np.float32), labels


def write_inputs(folder: Path) -> None:
    """The scans that the works are done to."""
    hounsfield = np.random.default_rng(0).integers(-1000, 1000, (300, 512, 512), np.int16)
    scans = {
        "phantom": phantom(128),
        "tiny": phantom(4),
        "ct": (hounsfield, np.zeros(hounsfield.shape, np.uint8)),
    }
    for name, (scan, labels) in scans.items():
        np.savez(folder / f"{name}.npz", scan=scan, labels=labels)


def main() -> None:
    """Run, print the table, write the rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", action="append", choices=[work.name for work in WORKS])
    parser.add_argument("--peers", type=Path, default=Path("~/.cache/medlib-benchmarks"))
    options = parser.parse_args()
    works = [work for work in WORKS if work.name in (options.only or [work.name])]
    home = options.peers.expanduser()
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as running:
        inputs = Path(temporary)
        write_inputs(inputs)
        peers = [Peer("medlib", "medlib_side", inputs)]
        for name, module, needed in PEERS:
            python = environment(home / name.replace(" ", "-"), needed)
            peers.append(Peer(name, module, inputs, python))
        for peer in peers:
            running.enter_context(peer)
        results = measure_all(peers, works, options.runs)
    if options.json:
        rows = [row for work, result in results.items() for row in result.rows(work)]
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
