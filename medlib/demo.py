"""The whole way on made-up scans: make, train, predict from DICOM, write DICOM SEG, measure, look."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from medlib import datasets, io
from medlib.batch import predict_all
from medlib.data import held_out
from medlib.io.files import written_whole
from medlib.pictures import show, write_page
from medlib.tasks import segmenter
from medlib.train import Progress, Scores, dice

if TYPE_CHECKING:
    from medlib.tasks import Task

_PERSON = "medlib demo"  # who has labelled, in the workspace's log


@dataclass(frozen=True)
class DemoReport:
    """What the demonstration came to.

    Args:
        scores: of the studies that took no part in training or in choosing the weights.
        seconds: of each part.
        page: of pictures.
        model: the trained model.
        predictions: folder of DICOM SEG and NIfTI.
        workspace: the same for the apps; None where what they need is not installed.
    """

    scores: Scores
    seconds: dict[str, float]
    page: Path
    model: Path
    predictions: Path
    workspace: Path | None

    def __str__(self) -> str:
        rows = [f"  {name:20} {value:.3f}" for name, value in self.scores.labels.items()]
        times = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        return "\n".join(
            [
                f"Dice on {len(self.scores.cases)} studies never seen before (1 is perfect):",
                *rows,
                f"  {'mean':20} {self.scores.mean:.3f}",
                f"It took: {times}.",
                f"The model:       {self.model}",
                f"The predictions: {self.predictions} (DICOM SEG and NIfTI)",
                f"Pictures:        open {self.page} in a browser",
                f"The apps:        medlib app {self.workspace}"
                if self.workspace
                else "The apps:        pip install 'medlib[apps]', and run this again",
            ]
        )


def run(
    out: Path,
    *,
    minutes: float = 2.5,
    studies: int | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> DemoReport:
    """Make the phantom archive, learn from part of it, and predict the rest.

    Of the studies to learn from, two are kept back to choose the best weights; the test studies
    of the data set's card are not looked at before the end.

    Args:
        out: folder for everything; the scans in it are used again if they are already there.
        minutes: of training.
        studies: how many to make; left out, as the recipe says.
        seed: of the training.
        say: told what happens.

    Raises:
        ValueError: when the folder holds something else, or there are too few studies.
    """
    clock = _Clock()
    data = _archive(out / "scans", studies, say)
    if len(data.train) < 3 or not data.test:
        raise ValueError(
            f"{len(data.cases)} studies are too few to learn from, choose by and test on: of the "
            f"split of {data.card.name}, {len(data.train)} are to learn from and "
            f"{len(data.test)} to test on"
        )
    clock.lap("making the scans")

    say(f"training on {len(data.train)} studies for {minutes:g} minutes")
    begun = time.monotonic()
    learn = segmenter(
        data.images,
        data.labels,
        kind=data.card.kind,
        validation=held_out(data.train[-2:]),
        only=data.train,
        seed=seed,
        callbacks=[Progress()],
    )
    learn.fine_tune(minutes=minutes, started=begun)
    model = learn.model
    model_file = model.save(out / "model.medlib")
    clock.lap("training")

    cases, pictures = {}, []
    predictions = out / "predictions"
    for name in data.test:
        say(f"predicting {name}")
        report = predict_all(
            model, data.image(name), predictions, formats=("nifti", "seg"), overwrite=True
        )
        if report.refusals:
            raise ValueError(f"{name} was refused: {report.refusals[0][1]}")
        done = report.predictions[0]
        scan = io.read_volume(data.image(name))
        truth = io.read_mask(data.label(name), labels=learn.labels, on=scan.grid)
        # What is measured is the DICOM SEG that was written, read back.
        seg = next(path for path in done.files if path.suffix == ".dcm")
        prediction = io.read_mask(seg, labels=learn.labels, on=scan.grid)
        cases[name] = dice(prediction, truth)
        values = ", ".join(f"{label} {value:.2f}" for label, value in cases[name].items())
        pictures.append((name, f"{scan.grid}. Dice: {values}", show(scan, truth, prediction)))
    clock.lap("predicting and measuring")

    scores = Scores(cases)
    page = write_page(out / "pictures.html", "Made-up CT studies never seen before", pictures)
    with written_whole(out / "scores.json") as partial:
        partial.write_text(json.dumps(scores.to_dict(), indent=1), encoding="utf-8")
    clock.lap("drawing")

    workspace = None
    if all(map(find_spec, ("sqlalchemy", "alembic"))):
        say("making a workspace of it")
        workspace = _workspace(_fresh(out, "workspace"), data, learn, model_file, minutes)
        clock.lap("the workspace")
    return DemoReport(scores, clock.laps, page, model_file, predictions, workspace)


def _workspace(
    folder: Path, data: datasets.Prepared, learn: Task, model: Path, minutes: float
) -> Path:
    """The scans, what was drawn of those learned from, the model, and what it finds in the rest."""
    from medlib.work import Predicting, Training, Worker, ask
    from medlib.work.training import card_of
    from medlib.workspace import Seen, Workspace

    with Workspace(folder) as workspace:
        asked = workspace.label_sets.add("abdominal organs", data.card.table, by=_PERSON)
        numbers = {
            name: workspace.scans.add(data.image(name), by=_PERSON).scans[0].id
            for name in data.cases
        }
        for name in data.train:
            scan = numbers[name]
            truth = io.read_mask(
                data.label(name), labels=data.card.table, on=workspace.scans.grid(scan)
            )
            workspace.versions.save_mask(
                scan, asked.id, truth, base=None, by=_PERSON, seen=Seen(whole=True)
            )
        card = card_of(learn, Training(asked.id, minutes=minutes), numbers)
        kept = workspace.models.add("abdominal organs", model, asked.id, by=_PERSON, card=card)
        found = tuple(numbers[name] for name in data.test)
        job = ask(workspace, Predicting(kept.id, found), by=_PERSON, device="cpu")
        Worker(folder, device="cpu", beat=0.2).work(workspace)
        if error := workspace.jobs.get(job.id).error:
            raise ValueError(f"the predictions of the workspace failed: {error}")
    return folder


def _fresh(out: Path, name: str) -> Path:
    """A folder that is not there yet: in a workspace of before somebody may have worked."""
    choices = [out / name, *(out / f"{name}-{number}" for number in range(2, 1000))]
    return next(path for path in choices if not path.exists())


def _archive(folder: Path, studies: int | None, say: Callable[[str], None]) -> datasets.Prepared:
    if (folder / "card.toml").is_file():
        say(f"using the scans in {folder}")
        return datasets.Prepared.read(folder)
    say("making CT studies of patients who do not exist")
    return datasets.make(
        "ct_phantom",
        folder,
        studies=studies,
        progress=lambda done, of, what: say(f"  {done}/{of} {what}"),
    )


class _Clock:
    """Seconds of each part."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        """The part of this name is over."""
        now = time.monotonic()
        self.laps[name], self._last = now - self._last, now
