"""Callbacks to watch a training with: its numbers in a file or a tracker, and pictures."""

from __future__ import annotations

import csv
import json
import os
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from medlib.io.files import written_whole
from medlib.report.gallery import side_by_side
from medlib.report.results import Result, scan_of
from medlib.train import Callback, Scores
from medlib.train.record import Point

if TYPE_CHECKING:
    from medlib.train import Learner


class _Recorder(Callback):
    """Is told each new line of the training record, once."""

    once: ClassVar[bool] = True
    _told: int | None = None

    def made_with(self) -> None:
        """It only looks on."""

    def before_fit(self, learn: Learner) -> None:
        """Another training begins."""
        self._told = None

    def before_step(self, learn: Learner) -> None:
        """What was there before the first step, perhaps from a checkpoint, is not new."""
        if self._told is None:
            self._told = len(learn.record)

    def after_step(self, learn: Learner) -> None:
        """Tell what the step has added."""
        self._tell_new(learn)

    def after_validation(self, learn: Learner) -> None:
        """Tell the scores."""
        self._tell_new(learn)

    def _tell_new(self, learn: Learner) -> None:
        told = len(learn.record) if self._told is None else self._told
        for point in learn.record[told:]:
            self.tell(point, float(learn.optimiser.param_groups[-1]["lr"]))
        self._told = len(learn.record)

    @abstractmethod
    def tell(self, point: Point, rate: float) -> None:
        """Take one line of the record, and the learning rate at the time."""


class Log(_Recorder):
    """Adds each line of the training record to a file, as soon as there is one.

    Lines of an earlier training stay: ``run`` says when the training of a line began.

    Args:
        path: ``.csv``, for a table of means; or ``.jsonl``, a JSON value a line, with the scores
            of every case (and so with the cases' names).

    Raises:
        ValueError: for another ending.

    Example:
        >>> from medlib.report import Log
        >>> log = Log("training.csv")  # learner = Learner(…, callbacks=[log])
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix not in _WRITERS:
            raise ValueError(
                f"a log is one of {', '.join(_WRITERS)}, and {self.path.name} is neither"
            )

    def before_fit(self, learn: Learner) -> None:
        """Find out now that the file cannot be written."""
        super().before_fit(learn)
        self._run = datetime.now(UTC).isoformat(timespec="seconds")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch()

    def tell(self, point: Point, rate: float) -> None:
        """Add a line."""
        numbers = {"step": point.step, "seconds": round(point.seconds, 2), "rate": rate}
        line = {"run": self._run, **numbers, "loss": round(point.loss, 6)}
        _WRITERS[self.path.suffix](self.path, line, point.scores)


def _add_csv(path: Path, line: Mapping[str, Any], scores: Scores | None) -> None:
    measured = scores.to_dict() if scores else {}
    row = {**line, "measure": measured.get("measure"), "score": measured.get("mean")}
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if not file.tell():
            writer.writeheader()
        writer.writerow(row)


def _add_json(path: Path, line: Mapping[str, Any], scores: Scores | None) -> None:
    more = {"scores": scores.to_dict()} if scores else {}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**line, **more}) + "\n")


_WRITERS: Mapping[str, Callable[[Path, Mapping[str, Any], Scores | None], None]] = {
    ".csv": _add_csv,
    ".jsonl": _add_json,
}


class Tracker(_Recorder):
    """Sends loss, rate and mean scores to TensorBoard, Weights & Biases or MLflow.

    All of them write into a folder here, and nothing leaves the machine unless the settings say
    so; what W&B and MLflow would tell their makers of how they are used is switched off, unless
    the environment says otherwise. Names of cases and pictures are never sent.

    Args:
        name: ``"tensorboard"``, ``"wandb"`` or ``"mlflow"``.
        project: under which the trainings are kept together.
        folder: to write into.
        settings: for the tracker as accelerate makes it, such as ``mode="online"`` for W&B.

    Raises:
        ValueError: for a tracker that there is not.
        ModuleNotFoundError: when its package is not installed, saying which.

    Example:
        >>> Tracker("abacus")
        Traceback (most recent call last):
            ...
        ValueError: there is no tracker 'abacus'; there are: tensorboard, wandb, mlflow
    """

    def __init__(
        self, name: str, *, project: str = "medlib", folder: str | Path = "runs", **settings: Any
    ) -> None:
        if name not in _TRACKERS:
            raise ValueError(f"there is no tracker {name!r}; there are: {', '.join(_TRACKERS)}")
        if find_spec(name) is None:
            raise ModuleNotFoundError(
                f"to track with {name} its package is needed: pip install 'medlib[track]'"
            )
        self.name, self.project, self.folder, self.settings = name, project, Path(folder), settings

    def before_fit(self, learn: Learner) -> None:
        """Begin a run, and say how it is trained."""
        super().before_fit(learn)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._tracker = _TRACKERS[self.name](self.project, self.folder.resolve(), self.settings)
        self._tracker.start()
        summary = learn.summary().items()
        self._tracker.store_init_configuration(
            {key: value for key, value in summary if isinstance(value, str | int | float)}
        )

    def tell(self, point: Point, rate: float) -> None:
        """Send a line."""
        values = {"loss": point.loss, "rate": rate}
        if point.scores:
            of = point.scores
            parts = {**of.labels, "mean": of.mean}
            values |= {f"{of.measure}/{part}": value for part, value in parts.items()}
            values |= of.overall
        # MLflow takes no other signs in a name.
        named = {re.sub(r"[^\w\-. /]", "_", name): value for name, value in values.items()}
        self._tracker.log(named, step=point.step)

    def after_fit(self, learn: Learner) -> None:
        """End the run."""
        self._tracker.finish()


def _tensorboard(project: str, folder: Path, settings: Mapping[str, Any]) -> Any:
    from accelerate.tracking import TensorBoardTracker

    began = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return TensorBoardTracker(f"{project}/{began}", folder, **settings)


def _wandb(project: str, folder: Path, settings: Mapping[str, Any]) -> Any:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its own faults, to its maker
    from accelerate.tracking import WandBTracker

    return WandBTracker(project, **{"mode": "offline", "dir": str(folder), **settings})


def _mlflow(project: str, folder: Path, settings: Mapping[str, Any]) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # how it is used, to its maker
    mlflow = import_module("mlflow")
    from accelerate.tracking import MLflowTracker

    if not mlflow.is_tracking_uri_set():
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    return MLflowTracker(project, logging_dir=(folder / "mlflow").as_uri(), **settings)


_TRACKERS: Mapping[str, Callable[[str, Path, Mapping[str, Any]], Any]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}


class Pictures(Callback):
    """Draws the same validation cases again and again, so that one sees what is being learned.

    A picture is drawn after a validation, ``reference`` beside ``prediction``, as
    ``step_000120.png``. They show patients: keep the folder as one keeps the scans.

    Args:
        folder: for the pictures.
        cases: how many, the first of the validation cases.
        most: pictures of a training, about evenly spread over it.

    Example:
        >>> from medlib.report import Pictures
        >>> watch = Pictures("pictures", cases=2)  # learner = Learner(…, callbacks=[watch])
    """

    once: ClassVar[bool] = True

    def __init__(self, folder: str | Path, *, cases: int = 2, most: int = 12) -> None:
        self.folder, self.cases, self.most = Path(folder), cases, most

    def made_with(self) -> None:
        """It only looks on."""

    def before_fit(self, learn: Learner) -> None:
        """Find out now that the folder cannot be made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._due = 0.0

    def after_validation(self, learn: Learner) -> None:
        """Draw, if it is time for another."""
        if learn.progress < self._due:
            return
        # The last may come a little early: of `most`, one is kept for the very end.
        self._due = min(1.0, learn.progress + 1.0 / max(1, self.most - 1))
        drawn = []
        for number, found in enumerate(islice(learn.predictions(), self.cases)):
            drawn.append((scan_of(learn.data.valid, number), Result.of(number, *found)))
        with written_whole(self.folder / f"step_{learn.step:06d}.png") as partial:
            side_by_side(drawn).savefig(partial, dpi=80, facecolor="black")
