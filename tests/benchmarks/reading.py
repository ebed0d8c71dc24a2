"""Reading a CT series and a compressed NIfTI file: medlib beside SimpleITK and MONAI, in one run.

    python tests/benchmarks/reading.py SERIES_FOLDER FILE.nii.gz [--json FILE]

Each row is the median of interleaved runs, warm cache; a ratio above 1 says that medlib is ahead.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import medlib.io


def _medlib(path: Path) -> None:
    medlib.io.read_volume(path)


def _sitk_series(path: Path) -> None:
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
    sitk.GetArrayFromImage(reader.Execute())


def _sitk_file(path: Path) -> None:
    import SimpleITK as sitk

    sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def _monai_series(path: Path) -> None:
    from monai.data import PydicomReader

    reader = PydicomReader()
    reader.get_data(reader.read(str(path)))


def _nibabel_file(path: Path) -> None:
    import nibabel
    import numpy as np

    np.asanyarray(nibabel.load(path).dataobj)


def compare(
    work: str, path: Path, peers: dict[str, Callable[[Path], None]], rounds: int
) -> list[dict[str, object]]:
    """Rows for one piece of work: medlib against each peer, in turn."""
    readers = {"medlib": _medlib, **peers}
    for reader in readers.values():
        reader(path)
    times: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name, reader in readers.items():
            begun = time.perf_counter()
            reader(path)
            times[name].append(time.perf_counter() - begun)
    ours = statistics.median(times["medlib"])
    rows: list[dict[str, object]] = []
    for name in peers:
        theirs = statistics.median(times[name])
        rows.append(
            {
                "work": work,
                "medlib": round(ours, 3),
                "peer": round(theirs, 3),
                "peer_name": name,
                "unit": "s",
                "ratio": round(theirs / ours, 2),
            }
        )
    return rows


def main() -> None:
    """Run, print the table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("series", type=Path)
    parser.add_argument("nifti", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = compare(
        "read a CT series",
        options.series,
        {"SimpleITK": _sitk_series, "MONAI PydicomReader": _monai_series},
        options.rounds,
    ) + compare(
        "read a .nii.gz",
        options.nifti,
        {"SimpleITK": _sitk_file, "nibabel": _nibabel_file},
        options.rounds,
    )
    print(f"{'work':20} {'medlib':>8} {'peer':>8}  {'peer name':22} ratio")
    for row in rows:
        print(
            f"{row['work']:20} {row['medlib']:>7} s {row['peer']:>7} s  "
            f"{row['peer_name']:22} {row['ratio']}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
