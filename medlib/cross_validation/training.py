"""Training the folds, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medlib.cross_validation.figures import Answer, CrossValidation, Fold
from medlib.cross_validation.keeping import KeptFold, identity
from medlib.data import Case, CategoryBlock, k_fold
from medlib.data.splitters import Split
from medlib.package import Model
from medlib.train import BestWeights, Budget
from medlib.types import Gridded

if TYPE_CHECKING:
    from medlib.tasks import Task


def dealt(
    learn: Task, folds: int | Callable[[Sequence[Case]], list[Split]], seed: int
) -> list[Split]:
    """The cases of a task in folds, each kept back in one of them.

    Args:
        learn: whose cases they are; where it asks for answers, folds are dealt by them: a class
            that is missing from a fold cannot be told apart.
        folds: how many, or from cases to splits.
        seed: of the dealing.

    Raises:
        ValueError: when there are fewer patients than folds, or a case is not kept back once.
    """
    cases = learn.pairing.cases
    splits = folds(cases) if callable(folds) else k_fold(folds, seed=seed, key=_key(learn))(cases)
    names = sorted(case.name for _, valid in splits for case in valid)
    if len(splits) < 2 or names != sorted(case.name for case in cases):
        raise ValueError(
            "cross-validation needs two folds or more, in which each case is kept back exactly once"
        )
    return splits


def trained(
    learn: Task,
    splits: Sequence[Split],
    minutes: float | None,
    epochs: int | None,
    folder: Path | None,
    say: Callable[[str], None],
) -> CrossValidation:
    """A model for each split, and its figures of the cases that the split keeps back.

    Args:
        learn: the task; what it has learned so far plays no part.
        splits: see :func:`dealt`.
        minutes: of each fold; or
        epochs: of each fold.
        folder: where finished folds lie, and how far the next one is, if they are to be kept.
        say: told a line for each fold.
    """
    Budget(minutes=minutes, steps=epochs)  # refuses what is no length, before anything is done
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    own = None if learn.own is None else learn.own.module
    done = []
    for number, split in enumerate(splits, start=1):
        known = identity(learn, split, minutes, epochs)
        kept = None if folder is None else KeptFold(folder, number, known, own)
        found = None if kept is None else kept.read()
        state = f"{len(split[0])} cases to learn from"
        if kept is not None and kept.checkpoint.exists():
            state += ", goes on from where it stood"
        say(f"fold {number} of {len(splits)}: {'was finished before' if found else state}")
        if found is None:
            found = _fold(learn, split, minutes, epochs, kept.checkpoint if kept else None)
            found = kept.write(found) if kept else found
        done.append(found)
    patients = {case.name: case.patient for case in learn.pairing.cases}
    return CrossValidation(tuple(done), patients)


def _fold(
    learn: Task,
    split: Split,
    minutes: float | None,
    epochs: int | None,
    checkpoint: Path | None,
) -> Fold:
    started = time.monotonic()
    length = {} if minutes is None else {"minutes": minutes}
    # Once, at the end, and as the fold's model will predict: the figures are of that.
    task = learn.anew(lambda _: split, validations=1, careful=True, checkpoint=checkpoint, **length)
    learner = task.learner
    learner.callbacks = [c for c in learner.callbacks if not isinstance(c, BestWeights)]
    task.fine_tune(minutes=minutes, epochs=epochs, started=started)
    if not learner.finished:
        raise KeyboardInterrupt
    answers: list[Answer] = []
    if not any(isinstance(truth, Gridded) for truth in [learner.data.valid.truth(0)]):
        answers += learner.predictions()
    return Fold(_unchosen(task.model), task.scores, tuple(answers), len(split[0]))


def _unchosen(model: Model) -> Model:
    """The model, which says of its figures that no weights were chosen by them."""
    metrics = model.manifest.metrics | {"chosen": False}
    return replace(model, manifest=model.manifest.model_copy(update={"metrics": metrics}))


def _key(learn: Task) -> Callable[[Case], str] | None:
    """By what folds are to be alike."""
    block = learn.learner.data.blocks[-1]
    if not isinstance(block, CategoryBlock):
        return None
    return lambda case: str(case.answers[block.column])
