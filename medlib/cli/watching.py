"""How a training is watched, as it is typed: pictures, a log, a tracker."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medlib.train import Callback


class TrackerName(StrEnum):
    """Trackers, as typed."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    MLFLOW = "mlflow"


PictureFolder = Annotated[
    Path | None,
    typer.Option(
        "--pictures",
        metavar="FOLDER",
        help="A folder for pictures of what is found in scans kept back, drawn again and again "
        "meanwhile. They show patients.",
    ),
]
LogFile = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="A file to add loss and scores to, line by line: .csv, or .jsonl, which names scans.",
    ),
]
Tracked = Annotated[
    TrackerName | None,
    typer.Option(
        "--track",
        help="Write loss and scores for a tracker too, into the folder `runs` beside OUT. Nothing "
        "is sent anywhere, unless the tracker's own settings on this machine say so.",
    ),
]


def watchers(
    pictures: Path | None, log: Path | None, tracked: TrackerName | None, beside: Path
) -> list[Callback]:
    """What watches a training.

    Args:
        pictures: a folder for them.
        log: a file to add to.
        tracked: by which tracker.
        beside: the model, next to which trackers write.

    Raises:
        ValueError: for a log of another ending.
        ModuleNotFoundError: when the tracker is not installed, saying what to do.
    """
    if pictures is None and log is None and tracked is None:
        return []
    from medlib.report import Log, Pictures, Tracker

    found: list[Callback] = []
    if pictures is not None:
        found.append(Pictures(pictures))
    if log is not None:
        found.append(Log(log))
    if tracked is not None:
        found.append(Tracker(tracked.value, folder=beside.with_name("runs")))
    return found
