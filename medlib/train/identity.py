"""What must be the same for a training to be the same one."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from medlib.data import Case

if TYPE_CHECKING:
    from medlib.train.learner import Learner


def identity(learn: Learner) -> dict[str, Any]:
    """All that decides how a training goes on, by name, in plain JSON values.

    Of the cases it is their names, the sizes of their files and what tables say of them: nothing is
    read. Of callbacks it is what they say of themselves (:meth:`medlib.train.Callback.made_with`).

    Args:
        learn: in a training, so that its budget and its active callbacks are those of it.
    """
    sides = (learn.data.train, learn.data.valid)
    found: dict[str, Any] = {
        "cases": [[case.name for case in side.cases] for side in sides],
        "what is known of the cases": [_content(side.cases) for side in sides],
        "seed": learn.seed,
        "window": learn.window,
        "batch size": learn.batch_size,
        "batches a step": learn.accumulate,
        "processes": learn.processes.count,
        "loss": loss_said(learn.loss),
        "rate": learn.rate,
        **optimiser_said(learn),
        "precision": learn.precision,
        "validations": [learn.validations, learn.careful, learn.overlap, learn.looks.count],
        "preprocessing": learn.data.train.preprocess.to_list(),
        "augmentation": learn.data.train.augment.to_list(),
        "length": [learn.budget.minutes, learn.budget.steps],
        "callbacks": [],
        "network": [[name, list(t.shape)] for name, t in learn.network.state_dict().items()],
    }
    for callback in learn.active:
        if not callback.once and (settings := callback.made_with()) is not None:
            name = type(callback).__name__
            found["callbacks"].append(name)
            found.setdefault(f"settings of {name}", []).append(settings)
    return plain(found)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives them back; of what JSON does not know, the name of its kind."""
    found: dict[str, Any] = json.loads(json.dumps(values, default=_called))
    return found


def _content(cases: Sequence[Case]) -> str:
    hasher = blake2b(digest_size=20)
    for case in cases:
        sizes = [file.size() for stack in case.stacks for file in stack.files]
        beside = [path.stat().st_size for path in _beside(case) if path.is_file()]
        hasher.update(repr((sizes, beside, sorted(case.answers.items()))).encode())
    return hasher.hexdigest()


def _beside(case: Case) -> Iterator[Path]:
    """The files of what is known of a case."""
    yield from (path for path in (case.label, case.points, case.boxes) if path is not None)
    yield from (path for _, path in sorted(case.masks.items()))


def optimiser_said(learn: Learner) -> dict[str, Any]:
    """What changes the weights, and how, but for the rate."""
    optimiser = getattr(learn.optimiser, "optimizer", learn.optimiser)  # as accelerate wraps it
    return {
        "optimiser": type(optimiser).__name__,
        "decay": [group["weight_decay"] for group in optimiser.param_groups],
        "spread": [group["pace"] for group in optimiser.param_groups],
        "clip": learn.clip,
    }


def loss_said(loss: Any) -> Any:
    """Which loss it is, and what it was made with, in plain values.

    Of a torch module these are the plain attributes of all its parts, and its weights; of any other
    object the arguments of its making that it keeps under their own names.
    """
    if isinstance(loss, functools.partial):
        named = {name: loss_said(value) for name, value in loss.keywords.items()}
        return [loss_said(loss.func), list(map(loss_said, loss.args)), named]
    if loss is None or isinstance(loss, bool | int | float | str):
        return loss
    if isinstance(loss, list | tuple):
        return list(map(loss_said, loss))
    if isinstance(loss, nn.Module):
        weights = {name: tensor.tolist() for name, tensor in loss.state_dict().items()}
        return [[[_called(part), _plain_of(part)] for part in loss.modules()], weights]
    if hasattr(loss, "__qualname__"):
        return f"{loss.__module__}.{loss.__qualname__}"
    arguments = inspect.signature(type(loss)).parameters
    kept = {name: loss_said(getattr(loss, name)) for name in arguments if hasattr(loss, name)}
    return [f"{type(loss).__module__}.{type(loss).__qualname__}", kept]


def _plain_of(module: nn.Module) -> dict[str, Any]:
    """The plain values among a module's own attributes."""
    own = vars(module).items()
    return {n: v for n, v in own if isinstance(v, bool | int | float | str) and n != "training"}


def _called(thing: object) -> str:
    name = getattr(thing, "__qualname__", None)
    return str(name if name is not None else type(thing).__qualname__)
