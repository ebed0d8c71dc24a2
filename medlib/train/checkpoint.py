"""Checkpoints: where a training stands, on disk, so that it goes on after anything."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from medlib.train.callbacks import Callback
from medlib.train.record import Point, RunningLoss, partial, replaced
from medlib.train.scores import Scores

if TYPE_CHECKING:
    from medlib.train.learner import Learner

_FORMAT = "medlib-checkpoint-1"


class Checkpoints(Callback):
    """Writes where the training stands, and goes on from there when it is started again.

    The file holds tensors and plain values, nothing that could be run. It is replaced as a whole,
    so that there is a good one at every moment, and removed when the training is done; Ctrl-C leaves
    it. Weights that are no numbers are not written. A training that is given in epochs ends, on a
    processor, with the same weights as if it had never stopped, whatever callbacks there are.

    Args:
        path: of the file, such as ``training.checkpoint``.
        seconds: between two writings.

    Raises:
        ValueError: on going on, when the file belongs to another training.

    Example:
        >>> from medlib.train import Checkpoints
        >>> keep = Checkpoints("liver.checkpoint", seconds=120)
    """

    order: ClassVar[int] = 100  # all others have begun, and have seen the step that is written

    def __init__(self, path: str | Path, *, seconds: float = 60.0) -> None:
        self.path, self.seconds = Path(path), seconds
        self._written = 0.0

    def before_fit(self, learn: Learner) -> None:
        """Go on where the file says that the training stood, if there is one."""
        self._written = time.monotonic()
        if self.path.exists():
            _restore(learn, self.path)

    def after_step(self, learn: Learner) -> None:
        """Write, when it is time."""
        if time.monotonic() - self._written >= self.seconds:
            _write(learn, self.path)
            self._written = time.monotonic()

    def after_fit(self, learn: Learner) -> None:
        """Nothing is left to go on with, if the training came to its end."""
        if learn.finished:
            self.path.unlink(missing_ok=True)
            partial(self.path).unlink(missing_ok=True)


def _write(learn: Learner, path: Path) -> None:
    from safetensors.torch import save_file

    tensors = {f"network/{k}": v for k, v in learn.network.state_dict().items()}
    inner = learn.optimiser.state_dict()
    for number, slots in inner["state"].items():
        tensors |= {f"optimiser/{number}/{name}": torch.as_tensor(v) for name, v in slots.items()}
    if not all(bool(parameter.isfinite().all()) for parameter in learn.network.parameters()):
        return  # going on from there would be of no use; what was written before still is
    tensors["random"] = torch.get_rng_state()
    values: dict[str, Any] = {"training": _identity(learn), "callbacks": []}
    for number, callback in enumerate(learn.active):
        own, plain = callback.state()
        tensors |= {f"callback/{number}/{name}": tensor for name, tensor in own.items()}
        values["callbacks"].append([type(callback).__name__, plain])
    values |= {
        "step": learn.step,
        "due": learn.due,
        "smooth_loss": learn.smooth_loss,
        "scaler": learn.scaler.state_dict(),
        "scores": learn.scores.to_dict(),
        "record": [
            [p.step, p.seconds, p.loss, p.scores.to_dict() if p.scores else None]
            for p in learn.record
        ],
    }
    plain_tensors = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    with replaced(path) as unfinished:
        save_file(plain_tensors, unfinished, {"format": _FORMAT, "values": json.dumps(values)})


def _restore(learn: Learner, path: Path) -> None:
    """Put a learner where a file says that it stood.

    Raises:
        ValueError: when the file is no checkpoint, or of another training.
    """
    tensors, values = _read(path)
    theirs, ours = values["training"], _identity(learn)
    if theirs != ours:
        different = [name for name in ours if theirs.get(name) != ours[name]]
        raise ValueError(
            f"{path} is of another training: {', '.join(different)} differ. Go on with what it was "
            "begun with, or remove the file to begin anew"
        )
    learn.network.load_state_dict(_under(tensors, "network"))
    inner = learn.optimiser.state_dict()
    inner["state"] = {}
    parameters = [p for group in learn.optimiser.param_groups for p in group["params"]]
    for name, tensor in _under(tensors, "optimiser").items():
        number, _, slot = name.partition("/")
        if tensor.ndim:  # in memory as its parameter is: fused optimisers walk them side by side
            tensor = torch.empty_like(parameters[int(number)]).copy_(tensor)  # noqa: PLW2901
        inner["state"].setdefault(int(number), {})[slot] = tensor
    learn.optimiser.load_state_dict(inner)
    torch.set_rng_state(tensors["random"])
    both = zip(learn.active, values["callbacks"], strict=True)
    for place, (callback, (_, plain)) in enumerate(both):
        callback.restore(_under(tensors, f"callback/{place}"), plain)
    if values["scaler"]:
        learn.scaler.load_state_dict(values["scaler"])
    learn.step, learn.due = values["step"], values["due"]
    smooth = values["smooth_loss"]
    learn.running = RunningLoss() if isnan(smooth) else RunningLoss(smooth=torch.tensor(smooth))
    learn.scores = Scores.from_dict(values["scores"])
    learn.record = [
        Point(step, seconds, loss, Scores.from_dict(scores) if scores else None)
        for step, seconds, loss, scores in values["record"]
    ]


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
            if notes.get("format") != _FORMAT:
                raise ValueError(f"{path} is no checkpoint of this version of medlib")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is no checkpoint, or was damaged: {error}") from error
    values: dict[str, Any] = json.loads(notes["values"])
    return tensors, values


def _under(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    start = f"{part}/"
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}


def _identity(learn: Learner) -> dict[str, Any]:
    """What must be the same for a training to be the same one."""
    return {
        "cases": [
            [case.name for case in part.cases] for part in (learn.data.train, learn.data.valid)
        ],
        "seed": learn.seed,
        "batch size": learn.batch_size,
        "batches a step": learn.accumulate,
        "rate": learn.rate,
        "precision": learn.precision,
        "preprocessing": learn.data.train.preprocess.to_list(),
        "augmentation": learn.data.train.augment.to_list(),
        "length": [learn.budget.minutes, learn.budget.steps],
        "callbacks": [type(callback).__name__ for callback in learn.active],
        "network": [[name, list(t.shape)] for name, t in learn.network.state_dict().items()],
    }
