"""Times one library's transforms, as asked on standard input, a line of JSON each way.

    python worker.py SIDE_MODULE INPUTS_FOLDER

A request names a ``work`` and an ``input``, and how many ``times`` it is to be done; with 0 it is
done once, and looked at.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from side import Side


def load(module: str, path: Path) -> Side:
    """The side's works on the scan and labels in ``path``, both (slice, row, column)."""
    arrays = np.load(path)
    scan, labels = (torch.from_numpy(arrays[key])[None] for key in ("scan", "labels"))
    side: Side = importlib.import_module(module).side(scan, labels)
    return side


def timed(side: Side, work: str, times: int) -> dict[str, Any]:
    """Seconds of each time; making inputs and throwing away results are not counted."""
    seconds = []
    for _ in range(times):
        given = side.fresh()
        gc.collect()
        begun = time.perf_counter()
        result = side.works[work](given)
        seconds.append(time.perf_counter() - begun)
        del given, result
    return {"seconds": seconds}


def looked_at(side: Side, work: str) -> dict[str, Any]:
    """What the work did to the voxels and the labels."""
    scan, labels = side.look(side.fresh())
    given = side.fresh()
    address = side.look(given)[0].data_ptr()
    new_scan, new_labels = side.look(side.works[work](given))
    return {
        "shape": list(new_scan.shape),
        "labels_shape": list(new_labels.shape),
        "finite": bool(torch.isfinite(new_scan).all()),
        "scan_changed": not torch.equal(scan, new_scan),
        "labels_changed": not torch.equal(labels, new_labels.to(labels.dtype)),
        "same_memory": new_scan.data_ptr() == address,
    }


def main() -> None:
    """Answer until standard input ends."""
    # Whatever a library prints goes to standard error; standard output is for answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 (what some peers draw from)
    random.seed(0)
    module, folder = sys.argv[1], Path(sys.argv[2])
    name, side = "", None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if side is None or name != asked["input"]:
                side = None  # the larger inputs are not held twice
                name, side = asked["input"], load(module, folder / f"{asked['input']}.npz")
            if asked["work"] not in side.works:
                answer: dict[str, Any] = {"missing": True}
            elif asked["times"]:
                answer = timed(side, asked["work"], asked["times"])
            else:
                answer = looked_at(side, asked["work"])
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
