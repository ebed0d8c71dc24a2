"""Checkpoints: where a training stands, on disk, so that it goes on after anything."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from medlib.io.tensors import write_tensors
from medlib.train.callbacks import Callback
from medlib.train.identity import identity, plain
from medlib.train.plan import Plan
from medlib.train.record import Point, RunningLoss, partial, replaced
from medlib.train.scores import Scores

if TYPE_CHECKING:
    from medlib.train.learner import Learner

_FORMAT = "medlib-checkpoint-2"
_SECONDS, _SHARE = 120.0, 0.05  # between two writings, or this share of a short training


@dataclass(frozen=True)
class Standing:
    """How far a training had come that a checkpoint was written of.

    Args:
        step: after which it was written.
        seconds: that the training had taken.
        progress: the share of it that was done, 0 to 1.
        plan: that it follows, as :meth:`medlib.train.Plan.to_dict` writes it, if it follows one.
    """

    step: int
    seconds: float
    progress: float
    plan: dict[str, Any] | None


class Checkpoints(Callback):
    """Writes where the training stands, and goes on from there when it is started again.

    The file holds tensors and plain values, nothing that could be run. It is replaced as a whole,
    so that there is a good one at every moment, and removed when the training is done; Ctrl-C leaves
    it. Weights that are no numbers are not written. A training that is given in epochs ends, on a
    processor, with the same weights as if it had never stopped, whatever callbacks there are. One
    that is given in minutes takes those that are left, and its schedules go on where they were;
    what was learned after the last writing is lost, and its time is not counted. Where the disk is
    full, it is warned of, and the training goes on.

    Args:
        path: of the file, such as ``training.checkpoint``.
        seconds: between two writings; left out, two minutes, or a twentieth of the training's
            minutes where those are few.
        of: plain values, by name, that must be the same for the training to be the same one,
            beside what the learner says of itself.
        plan: that is followed; it is kept in the file for whoever goes on.

    Raises:
        ValueError: on going on, when the file belongs to another training.

    Example:
        >>> from medlib.train import Checkpoints
        >>> keep = Checkpoints("liver.checkpoint", seconds=120)
        >>> keep.standing() is None  # no file, nothing to go on from
        True
    """

    order: ClassVar[int] = 100  # all others have begun, and have seen the step that is written

    def __init__(
        self,
        path: str | Path,
        *,
        seconds: float | None = None,
        of: Mapping[str, Any] | None = None,
        plan: Plan | None = None,
    ) -> None:
        self.path, self.seconds, self.plan = Path(path), seconds, plan
        self._of = plain(dict(of or {}))
        self._training: dict[str, Any] = {}
        self._written = self._every = 0.0

    def made_with(self) -> None:
        """It only writes down."""

    def standing(self) -> Standing | None:
        """How far the training had come that the file is of; None without a file.

        Only the head of the file is read.

        Raises:
            ValueError: when it is no checkpoint, or of another training as far as ``of`` tells.
        """
        if not self.path.exists():
            return None
        values = _head(self.path)
        _refuse(self.path, values["training"], self._of)
        return Standing(*(values[name] for name in ("step", "seconds", "progress", "plan")))

    def before_fit(self, learn: Learner) -> None:
        """Go on where the file says that the training stood, if there is one."""
        self._training = self._of | identity(learn)
        if self.path.exists():
            _restore(learn, self.path, self._training)
        few = inf if learn.budget.minutes is None else _SHARE * 60 * learn.budget.minutes
        self._every = min(_SECONDS, few) if self.seconds is None else self.seconds
        self._written = learn.budget.spent

    def after_step(self, learn: Learner) -> None:
        """Write, when it is time."""
        if not learn.processes.leads or learn.budget.spent - self._written < self._every:
            return
        head = {"training": self._training, "plan": self.plan and self.plan.to_dict()}
        try:
            _write(learn, self.path, head)
        except (OSError, SafetensorError) as error:  # what is learned is worth more than the file
            warnings.warn(
                f"{self.path} could not be written ({error}): the training goes on, and if it is "
                "killed, it begins again where the file was last written",
                stacklevel=2,
            )
        self._written = learn.budget.spent

    def after_fit(self, learn: Learner) -> None:
        """Nothing is left to go on with, if the training came to its end."""
        if learn.finished and learn.processes.leads:
            self.path.unlink(missing_ok=True)
            partial(self.path).unlink(missing_ok=True)


def _write(learn: Learner, path: Path, head: dict[str, Any]) -> None:
    tensors = {f"network/{k}": v for k, v in learn.network.state_dict().items()}
    inner = learn.optimiser.state_dict()
    for number, slots in inner["state"].items():
        tensors |= {f"optimiser/{number}/{name}": torch.as_tensor(v) for name, v in slots.items()}
    if not all(bool(parameter.isfinite().all()) for parameter in learn.network.parameters()):
        return  # going on from there would be of no use; what was written before still is
    tensors["random"] = torch.get_rng_state()
    callbacks = []
    for number, callback in enumerate(_counted(learn)):
        own, values = callback.state()
        tensors |= {f"callback/{number}/{name}": tensor for name, tensor in own.items()}
        callbacks.append(values)
    values = head | {
        "callbacks": callbacks,
        "step": learn.step,
        "seconds": learn.budget.spent,
        "progress": learn.budget.progress(learn.step),
        "due": learn.due,
        "smooth_loss": learn.smooth_loss,
        "scaler": learn.scaler.state_dict(),
        "scores": learn.scores.to_dict(),
        "record": [
            [p.step, p.seconds, p.loss, p.scores.to_dict() if p.scores else None]
            for p in learn.record
        ],
    }
    with replaced(path) as unfinished:
        write_tensors(unfinished, tensors, {"format": _FORMAT, "values": json.dumps(values)})


def _restore(learn: Learner, path: Path, training: Mapping[str, Any]) -> None:
    """Put a learner where a file says that it stood.

    Raises:
        ValueError: when the file is no checkpoint, or of another training.
    """
    values, tensors = _head(path), _tensors(path)
    _refuse(path, values["training"], training)
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
    both = zip(_counted(learn), values["callbacks"], strict=True)
    for place, (callback, own) in enumerate(both):
        callback.restore(_under(tensors, f"callback/{place}"), own)
    if values["scaler"]:
        learn.scaler.load_state_dict(values["scaler"])
    learn.budget.go_on(values["seconds"], values["progress"])
    learn.step, learn.due = values["step"], values["due"]
    smooth = values["smooth_loss"]
    learn.running = RunningLoss() if isnan(smooth) else RunningLoss(smooth=torch.tensor(smooth))
    learn.scores = Scores.from_dict(values["scores"])
    learn.record = [
        Point(step, seconds, loss, Scores.from_dict(scores) if scores else None)
        for step, seconds, loss, scores in values["record"]
    ]


def _counted(learn: Learner) -> list[Callback]:
    """Those that decide what is learned; others may be there or not."""
    return [one for one in learn.active if not one.once and one.made_with() is not None]


def _refuse(path: Path, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuse what was written by another training.

    Raises:
        ValueError: naming in what it differs.
    """
    different = [name for name in ours if name not in theirs or theirs[name] != ours[name]]
    if different:
        raise ValueError(
            f"{path} is of another training: {', '.join(different)} differ. Go on with what it was "
            "begun with, or remove the file to begin anew"
        )


def _head(path: Path) -> dict[str, Any]:
    """All but the tensors."""
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is no checkpoint, or was damaged: {error}") from error
    if notes.get("format") != _FORMAT:
        raise ValueError(
            f"{path} is no checkpoint of this version of medlib; remove the file to begin anew"
        )
    values: dict[str, Any] = json.loads(notes["values"])
    return values


def _tensors(path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def _under(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    start = f"{part}/"
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}
