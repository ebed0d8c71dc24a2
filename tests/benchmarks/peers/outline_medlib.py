"""medlib's side of ``training.py``: the one call that a user makes.

python outline_medlib.py JOB.json FOUND
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

begun = time.monotonic()  # importing is part of the minutes

import medlib  # noqa: E402
from medlib.data import held_out  # noqa: E402
from medlib.io import write_nifti  # noqa: E402


def main() -> None:
    """Learn, and outline the scans that were not learned from."""
    job, found = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])
    scans, labels = Path(job["scans"]), Path(job["labels"])
    names = {
        side: [scan.removesuffix(".nii.gz") for scan, _ in job[side]] for side in ("train", "test")
    }
    learn = medlib.segmenter(
        scans,
        labels,
        kind="mr",
        # A validation there has to be; of one case, once, at the end, it chooses nothing.
        only=[*names["train"], names["test"][0]],
        validation=held_out(names["test"][:1]),
        validations=1,
        seed=job["seed"],
        cache=found.with_name("prepared"),  # an earlier run's would save time
    )
    learn.fine_tune(minutes=job["minutes"], started=begun)
    spent = time.monotonic() - begun
    model = learn.model
    for scan, _ in job["test"]:
        write_nifti(model.predict(scans / scan), found / scan)
    told = {"steps": learn.learner.step, "seconds": round(spent, 1)}
    (found / "told.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
