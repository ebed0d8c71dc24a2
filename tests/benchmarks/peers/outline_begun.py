"""One arm of ``pretraining.py`` or ``going_on.py``: the same task, begun in one way or another.

python outline_begun.py JOB.json FOUND
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

begun = time.monotonic()  # importing is part of the minutes

import torch  # noqa: E402

import medlib  # noqa: E402
from medlib.data import held_out  # noqa: E402
from medlib.infer import Looks  # noqa: E402
from medlib.io import write_nifti  # noqa: E402


def forget(network: torch.nn.Module, seed: int) -> None:
    """Give a network random weights again."""
    torch.manual_seed(seed)
    for part in network.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()


def main() -> None:
    """Learn, and outline the scans that were not learned from."""
    job, found = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])
    scans, labels = Path(job["scans"]), Path(job["labels"])
    names = {
        side: [scan.removesuffix(".nii.gz") for scan, _ in job[side]] for side in ("train", "test")
    }
    how = {
        "kind": "mr",
        "seed": job["seed"],
        "minutes": job["minutes"],
        # A validation there has to be; of one case, once, at the end, it chooses nothing.
        "only": [*names["train"], names["test"][0]],
        "validation": held_out(names["test"][:1]),
        "validations": 1,
    }
    at_once = job["arm"] in {"shape", "together"}
    begin = {"spread": 1.0} if at_once else {}
    learn = medlib.segmenter(
        *(scans, labels),
        pretrained=False if job["arm"] == "scratch" else job["backbone"],
        **how,
        **begin,
    )
    if at_once:  # without the head's start, as from scratch
        if job["arm"] == "shape":
            forget(learn.learner.network, job["seed"])
        budget = learn.learner.budget_for(job["minutes"], None, begun)
        learn.learner.fit(budget, callbacks=[learn.plan.cycle()])
    else:
        learn.fine_tune(minutes=job["minutes"], started=begun)
    spent = time.monotonic() - begun
    if "save" in job:
        learn.save(job["save"])
    # One look at each scan: eight would take longer than the training, and gain all arms alike.
    model = replace(learn.model, predictor=replace(learn.model.predictor, looks=Looks()))
    for scan, _ in job["test"]:
        write_nifti(model.predict(scans / scan), found / scan)
    told = {
        "steps": learn.learner.step,
        "seconds": round(spent, 1),
        "share": round(learn.loaded.share, 4) if job["arm"] in {"pretrained", "together"} else 0.0,
        "channels": learn.plan.architecture.arguments["channels"],
    }
    (found / "told.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
