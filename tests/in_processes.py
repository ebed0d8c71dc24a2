"""What each of several processes does in ``test_processes.py``: trains, and writes down what it has.

torchrun … in_processes.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from tiny_learner import tiny_data, tiny_learner
from torch.nn import functional

import medlib
from medlib.io.tensors import write_tensors
from medlib.train import (
    EMA,
    BestCheckpoints,
    Budget,
    Callback,
    Checkpoints,
    Progress,
    Unfreeze,
)

STEPS = 6


def each_voxel(logits, *targets):
    """A loss of which the mean over processes is that over their batches taken as one."""
    return functional.cross_entropy(logits, torch.stack([one.data[0] for one in targets]).long())


def learner(folder, **arguments):
    return tiny_learner(tiny_data(folder), loss=each_voxel, **arguments)


def plain_training(folder, batch_size):
    learn = learner(folder, batch_size=batch_size, optimiser="sgd", rate=1e-3)
    learn.fit(Budget(steps=STEPS))
    return learn


class Fails(Callback):
    def made_with(self):
        return None

    def after_step(self, learn):
        if learn.step == 4:
            raise RuntimeError("pulled the plug")


class Steps(Callback):
    """What the others go by, too."""

    def __init__(self):
        self.progress = []

    def before_step(self, learn):
        self.progress.append(learn.progress)


def main():
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    learn = plain_training(folder, batch_size=1)
    number = learn.processes.number
    write_tensors(folder / f"plain_{number}.safetensors", learn.network.state_dict(), {})
    said = {"scores": learn.scores.to_dict(), "loss": learn.smooth_loss}

    # Dropped, and gone on with: with frozen layers, averages, and batches of two looks.
    def with_all(*more):
        made = learner(folder, batch_size=1, accumulate=2, spread=5.0)
        made.fit(Budget(steps=8), callbacks=[EMA(), Unfreeze(0.3), *more])
        return made.network.state_dict()

    whole = with_all()
    for more in ([Fails()], []):
        try:
            again = with_all(Checkpoints(folder / "checkpoint", seconds=0), *more)
        except RuntimeError:
            said["left"] = (folder / "checkpoint").exists()
    said["same"] = all(torch.equal(whole[name], again[name]) for name in whole)

    timed = learner(folder, batch_size=1, validations=3)
    steps = Steps()
    timed.fit_one_cycle(
        minutes=0.05, callbacks=[steps, Progress(), BestCheckpoints(folder / "best", keep=1)]
    )
    said |= {"steps": timed.step, "progress": steps.progress, "best": timed.scores.to_dict()}
    task = medlib.segmenter(folder / "images", folder / "labels", kind="mr", cache=False)
    task.fine_tune(epochs=1)
    said["saved"] = task.save(folder / f"kidneys.{number}.medlib").exists()
    (folder / f"said_{number}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main()
