"""What the loop costs beside the arithmetic, and how long it waits for its batches.

    python tests/benchmarks/loop.py FOLDER [--steps 60] [--json FILE]

FOLDER holds ``images`` and ``labels`` of the Decathlon's hippocampus task. The same network, planned by
medlib, takes the same step on the same batch in medlib's ``Learner`` and in a bare loop of a dozen lines,
in turn; then ``Learner`` trains as it always does, and the time it spends in asking for the next batch
is set against the whole.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch

import medlib
from medlib.data import Batch
from medlib.models import train_thawed
from medlib.train import Callback, CancelFit, Learner
from medlib.train.losses import dice_and_cross_entropy


class Waits(Callback):
    """Ends after so many steps, having said how long was waited for batches."""

    def __init__(self, steps: int) -> None:
        self.steps, self.waited, self.begun = steps, 0.0, 0.0

    def watch(self, learn: Learner) -> None:
        """Time what the learner is given batches by."""
        given = learn.batches

        def timed() -> Iterator[Batch]:
            batches = given()
            while True:
                begun = time.perf_counter()
                batch = next(batches)
                self.waited += time.perf_counter() - begun
                yield batch

        learn.batches = timed  # type: ignore[method-assign]

    def before_step(self, learn: Learner) -> None:
        """The first steps, which warm up, do not count."""
        if learn.step == 10:
            self.begun, self.waited = time.perf_counter(), 0.0

    def after_step(self, learn: Learner) -> None:
        """Enough is enough."""
        if learn.step == self.steps + 10:
            self.share = self.waited / (time.perf_counter() - self.begun)
            self.rate = self.steps / (time.perf_counter() - self.begun)
            raise CancelFit


def steps(learn: Learner, count: int) -> tuple[float, float]:
    """Seconds of a step in the learner and in a bare loop, medians over many, in turn."""
    batch = next(learn.batches())
    block = learn.data.blocks[-1]
    truth = torch.stack([block.tensor(target) for target in batch.targets])
    x = batch.x.to(memory_format=torch.channels_last_3d)
    again = itertools.repeat(batch)
    dtype = {"bf16": torch.bfloat16}.get(learn.precision)

    def bare() -> None:
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            logits = learn.network(x)
        dice_and_cross_entropy(logits.float(), truth).backward()
        torch.nn.utils.clip_grad_norm_(learn.network.parameters(), learn.clip)
        learn.optimiser.step()
        learn.optimiser.zero_grad(set_to_none=True)

    train_thawed(learn.network)
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for number in range(count + 10):
        for name, step in (("ours", lambda: learn.one_step(again)), ("bare", bare)):
            begun = time.perf_counter()
            step()
            if number >= 10:
                times[name].append(time.perf_counter() - begun)
    return median(times["ours"]), median(times["bare"])


def main() -> None:
    """Run, print the table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()

    def learner(**choices: Any) -> Learner:
        task = medlib.segmenter(
            given.folder / "images", given.folder / "labels", kind="mr", validations=1, **choices
        )
        return task.learner

    ours, bare = steps(learner(), given.steps)
    print(f"a step: medlib {1000 * ours:.1f} ms, bare {1000 * bare:.1f} ms, {ours / bare:.3f}")
    for workers in (0, 1):
        waits = Waits(given.steps)
        learn = learner(workers=workers, callbacks=[waits])
        waits.watch(learn)
        only = learn.data.valid
        only.cases = only.cases[:1]  # what is measured comes before the last validation
        learn.fit_one_cycle(epochs=1000)
        print(
            f"workers {workers}: {waits.share:.1%} of the time waited for batches, "
            f"{60 * waits.rate:.0f} steps a minute"
        )
    if given.json:
        row = {
            "work": "a training step",
            "medlib": ours,
            "peer": bare,
            "peer_name": "a bare loop",
            "unit": "s",
            "ratio": round(bare / ours, 3),
        }
        given.json.write_text(json.dumps([row], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
