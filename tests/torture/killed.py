"""Kills a training at random moments, goes on each time, and looks whether anything is lost.

``PYTHONPATH=tests python tests/torture/killed.py [kills]`` does it twenty times to each of two trainings, and prints
what was seen; the suite does it twice. Every file must be whole at every moment, and the training
must end with the same weights, bit for bit, as one that nobody killed.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from balls import write_balls
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import SIDES, write_task
from torture.store import Forked

from medlib.data import CategoryBlock, DataBlock, MaskBlock, VolumeBlock, held_out, pair
from medlib.data.tables import from_table
from medlib.models import Architecture
from medlib.train import (
    EMA,
    BestCheckpoints,
    Callback,
    Checkpoints,
    EarlyStopping,
    Learner,
    Mixup,
)
from medlib.transforms import (
    Noise,
    Normalise,
    Pipeline,
    RandomAffine,
    RandomPatch,
    Reorient,
    Resize,
)
from medlib.types import MRVolume

SIZE = (8, 12, 12)
WINDOW = (16, 16, 16)
MOMENTS = ("reading", "stepping", "validating", "writing")


@dataclass(frozen=True)
class Row:
    """What was seen after a kill."""

    training: str
    moment: str
    step: int
    checkpoint: int | None
    best: int
    leftovers: int


class Where(Callback):
    """Says in shared memory where the training is, for whoever is going to kill it."""

    order = 99  # just before the checkpoint is written

    def __init__(self, told: mmap.mmap) -> None:
        self.told = told

    def say(self, moment: str, learn: Learner) -> None:
        self.told[0] = MOMENTS.index(moment)
        self.told[1:5] = learn.step.to_bytes(4, "little")

    def before_fit(self, learn: Learner) -> None:
        self.say("reading", learn)

    def before_step(self, learn: Learner) -> None:
        self.say("stepping", learn)

    def after_step(self, learn: Learner) -> None:
        self.say("writing", learn)

    def before_validation(self, learn: Learner) -> None:
        self.say("validating", learn)


def outlining(task: Path, callbacks: Sequence[Callback], epochs: int) -> Learner:
    """Deep supervision, accumulation, an average of weights."""
    data = DataBlock(
        blocks=(VolumeBlock(MRVolume), MaskBlock(SIDES)),
        get_items=lambda folder: pair(folder / "images", folder / "labels").cases,
        splitter=held_out(["case_2"]),
        preprocess=Pipeline((Normalise(),)),
        augment=Pipeline((RandomAffine(), RandomPatch(WINDOW), Noise(0.1))),
    ).datasets(task)
    torch.manual_seed(0)
    network = Architecture.residual_unet(channels=(4, 8, 8, 8), coarser=2).build(1, 3)
    learn = Learner(
        network, data, window=WINDOW, precision="fp32", rate=1e-2, batch_size=1, accumulate=2,
        callbacks=[EMA(0.3), EarlyStopping(20), *callbacks],
    )  # fmt: skip
    learn.fit_one_cycle(epochs=epochs)
    return learn


def classifying(task: Path, callbacks: Sequence[Callback], epochs: int) -> Learner:
    """Mixing, dropout, batch norm, a head that learns first."""
    data = DataBlock(
        blocks=(VolumeBlock(MRVolume), CategoryBlock("look", ("bright", "dark"))),
        get_items=lambda table: from_table(table).cases,
        splitter=held_out(["Secret-Name_2"]),
        preprocess=Pipeline((Reorient("SPL"), Resize(SIZE), Normalise())),
        augment=Pipeline((Noise(0.2),)),
    ).datasets(task / "table.csv")
    torch.manual_seed(0)
    network = Architecture.encoder(channels=(4, 8, 8), dropout=0.2).build(1, 2)
    learn = Learner(
        network, data, window=SIZE, precision="fp32", rate=5e-3, batch_size=2, accumulate=2,
        optimiser="sgd", callbacks=[Mixup(0.4), EMA(0.3, most=30), *callbacks],
    )  # fmt: skip
    learn.fine_tune(epochs=epochs, frozen=0.2, gradual=0.6)
    return learn


# How each is done, what writes its cases, and how many steps a round through them has.
TRAININGS = {"outlining": (outlining, write_task, 2), "classifying": (classifying, write_balls, 1)}


def forked(work: Callable[[], None]) -> Forked:
    """A process that does it, and exits with 1 if that fails."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Forked(pid)
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
    os._exit(code)


def train(name: str, folder: Path, task: Path, epochs: int, told: mmap.mmap) -> None:
    """Train, or go on training, and write the weights down."""
    torch.set_num_threads(1)
    callbacks = (
        Checkpoints(folder / "training.checkpoint", seconds=0.0),
        BestCheckpoints(folder / "best", keep=2),
        Where(told),
    )
    learn = TRAININGS[name][0](task, callbacks, epochs)
    weights = {n: t.contiguous() for n, t in learn.network.state_dict().items()}
    save_file(weights, folder / "done.safetensors")


def look(folder: Path) -> tuple[int | None, int, int]:
    """The step in the checkpoint, how many weights lie about, and what half-written files do.

    All that is not hidden must be whole: safetensors refuses what is cut short.
    """
    step = None
    path = folder / "training.checkpoint"
    if path.exists():
        with safe_open(path, "pt") as file:
            assert all(file.get_tensor(name) is not None for name in file.keys())  # noqa: SIM118
            step = int(json.loads(file.metadata()["values"])["step"])
    for weights in (folder / "best").glob("weights_*.safetensors"):
        assert load_file(weights), weights
    kept = BestCheckpoints(folder / "best").kept
    assert all(one.path.exists() for one in kept), "the table names what is not there"
    leftovers = [*folder.glob(".*"), *(folder / "best").glob(".*")]
    return step, len(kept), len(leftovers)


def torment(name: str, folder: Path, *, kills: int, seed: int = 0, steps: int = 3) -> list[Row]:
    """Kill a training so often, about every so many steps; a row a kill."""
    draw, (_, write, a_round) = random.Random(seed), TRAININGS[name]
    task = folder / "task"
    write(task, 5)
    told = mmap.mmap(-1, 5)
    epochs = -(-3 * (kills + 1) * steps // a_round)  # more than needed, for the dice may fall high
    for part in ("whole", "torn"):
        (folder / part).mkdir()
    assert forked(lambda: train(name, folder / "whole", task, epochs, told)).wait() == 0
    rows = []
    for _ in range(kills):
        told[:5] = bytes(5)
        begun = look(folder / "torn")[0] or 0
        child = forked(lambda: train(name, folder / "torn", task, epochs, told))
        wanted = begun + draw.randrange(2 * steps - 1)
        while int.from_bytes(told[1:5], "little") < wanted:
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.03))
        code = child.kill()
        assert code == -signal.SIGKILL, f"the training had ended before: {code}"
        moment, step = MOMENTS[told[0]], int.from_bytes(told[1:5], "little")
        found = look(folder / "torn")
        assert found[0] is None or step - 1 <= found[0] <= step, "a step was lost"
        rows.append(Row(name, moment, step, *found))
    assert forked(lambda: train(name, folder / "torn", task, epochs, told)).wait() == 0
    whole, torn = (load_file(folder / part / "done.safetensors") for part in ("whole", "torn"))
    assert all(torch.equal(whole[key], torn[key]) for key in whole), "the weights differ"
    best = [
        [(kept.path.name, kept.merit, kept.step) for kept in BestCheckpoints(folder / part / "best").kept]
        for part in ("whole", "torn")
    ]  # fmt: skip
    assert best[0] == best[1], "other weights were kept"
    there = sorted(str(p.relative_to(folder)) for p in (folder / "torn").rglob("*"))
    assert look(folder / "torn")[::2] == (None, 0), f"something was left lying about: {there}"
    return rows


if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{'training':12} {'killed while':12} {'step':>5} {'on disk':>8} {'best':>5} {'half':>5}")
    for training in TRAININGS:
        with tempfile.TemporaryDirectory() as place:
            for row in torment(training, Path(place), kills=many):
                on_disk = "–" if row.checkpoint is None else row.checkpoint
                print(
                    f"{row.training:12} {row.moment:12} {row.step:5} {on_disk:>8} {row.best:5} "
                    f"{row.leftovers:5}"
                )
        print(f"{training}: {many} kills, every file whole, the same weights, bit for bit")
