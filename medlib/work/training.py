"""Training: a model of what is labelled, told as it goes, and kept however it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from medlib.train import Callback
from medlib.train.callbacks import CancelFit
from medlib.train.intervals import part_intervals
from medlib.train.scores import plain
from medlib.transforms import Item
from medlib.types import Answer, Kind, Mask, Volume, describe
from medlib.work.asking import Predicting, Training, ask, digest_of
from medlib.work.beginning import AS_PLANNED, Beginning, beginning_of, shapes
from medlib.work.flags import mostly_in_pieces, there_and_in_pieces
from medlib.work.preparing import described, known, prepared
from medlib.work.process import Watch
from medlib.work.telling import Telling
from medlib.workspace import WorkspaceError

if TYPE_CHECKING:
    from medlib.data import Case, Dataset, Pairing
    from medlib.tasks import Task
    from medlib.train import Learner
    from medlib.workspace import Workspace
    from medlib.workspace.schema import Job, Model


def train(
    workspace: Workspace, job: Job, request: Training, telling: Telling, watch: Watch
) -> dict[str, Any]:
    """Train, keep the model, and have it outline the rest if that was asked for."""
    begun = beginning_of(workspace, request)
    telling.progress(phase="reading the scans")
    pairing, kind = known(workspace, request.label_set, request.asked, request.kind)
    checkpoint = place_of(workspace.derived / "trainings", request, pairing)
    numbers = {entry.scan.name: entry.scan.id for entry in workspace.scans.list()}
    task = prepared(
        workspace, request.label_set, request.asked, pairing, kind, numbers, begun,
        minutes=request.minutes or 20.0,
        cache=workspace.derived / "prepared",
        checkpoint=checkpoint,
        callbacks=[Reporting(telling, watch, numbers)],
    )  # fmt: skip
    telling.progress(
        phase="learning",
        scans=len(task.learner.data.train),
        kept=len(task.learner.data.valid),
        resumed=checkpoint.exists() or None,
    )
    task.fine_tune(minutes=request.minutes, epochs=request.rounds)
    watch.may_leave = False
    telling.progress(phase="saving the model", left=None)
    model = keep(workspace, job, request, task, numbers, begun)
    checkpoint.unlink(missing_ok=True)  # of a training that was stopped it is left
    following = None
    if request.then_predict:
        rest = Predicting(model.id)
        following = ask(workspace, rest, by=job.asked_by, device=job.device).id
    return {"model": model.id, "stopped": watch.is_stopping, "then": following}


def place_of(folder: Path, request: Training, pairing: Pairing) -> Path:
    """The checkpoint of a training, named by what it is asked for and what it learns from.

    The same request on the same labels goes on where it stood; another begins anew.

    Args:
        folder: of all trainings; made where there is none.
        request: what is asked for.
        pairing: the cases that are known.
    """
    folder.mkdir(exist_ok=True)
    learned = [
        [c.name, c.label and c.label.name, dict(c.answers), c.points and c.points.name]
        for c in pairing.cases
    ]
    return folder / f"{digest_of(asdict(request), learned)}.checkpoint"


class Reporting(Callback):
    """Tells how it goes, draws the same slice of the same scan again and again, and stops when asked.

    Args:
        telling: writes it down.
        watch: knows whether somebody has asked to stop.
        numbers: of the scans, by name.
    """

    order: ClassVar[int] = 90  # after what sets the state that is told
    once: ClassVar[bool] = True

    def __init__(self, telling: Telling, watch: Watch, numbers: Mapping[str, int]) -> None:
        self._telling, self._watch, self._numbers = telling, watch, numbers
        self._pictured: Pictured | None = None

    def made_with(self) -> None:
        """It only looks on."""

    def after_step(self, learn: Learner) -> None:
        """Tell how far it has come."""
        self._watch.may_leave = False  # from here on there is something to keep
        seconds = learn.budget.spent
        self._telling.progress(
            phase="learning",
            done=round(learn.progress, 4),
            seconds=round(seconds, 1),
            left=round(learn.budget.seconds_left(learn.step, learn.seconds_a_step), 1),
            step=learn.step,
        )
        if learn.step % 10 == 1:
            self._line(learn)
        if self._watch.is_stopping:
            self._telling.progress(phase="stopping, and keeping the best")
            raise CancelFit

    def after_validation(self, learn: Learner) -> None:
        """Tell the scores, and draw."""
        if learn.data.valid.cases:
            scores = learn.scores
            self._line(
                learn,
                score=plain(scores.merit if not scores.errors else scores.mean),
                measure=next(iter(scores.overall), scores.measure),
            )
        if self._pictured is None:
            kept = learn.data.valid if learn.data.valid.cases else learn.data.train
            self._pictured = Pictured(kept, is_kept=bool(learn.data.valid.cases))
        said = self._pictured.drawn(learn, self._telling)
        scan = self._numbers.get(self._pictured.case.name)
        self._telling.line(step=learn.step, seen=said, scan=scan, kept=self._pictured.is_kept)

    def _line(self, learn: Learner, **more: Any) -> None:
        seconds = learn.budget.spent
        loss = round(learn.smooth_loss, 5) if isfinite(learn.smooth_loss) else None
        self._telling.line(step=learn.step, seconds=round(seconds, 1), loss=loss, **more)


class Pictured:
    """One case, looked at again and again.

    Args:
        data: whose first case it is.
        is_kept: whether it was kept back; else it is learned from.
    """

    def __init__(self, data: Dataset, *, is_kept: bool) -> None:
        self.data, self.is_kept = data, is_kept
        self.case: Case = data.cases[0]
        self._truth: Kind = data.truth(0)
        scan = data.raw(0).values[0]
        assert isinstance(scan, Volume)
        self._scan = scan

    def drawn(self, learn: Learner, telling: Telling) -> str:
        """Draw what is found in it now; of answers, say it."""
        item = self.data.prepared(0)
        seen = Item(item.values[:-1], item.trail, item.name)
        found = learn.predictor.decode(seen, self.case.leading.grid)
        if isinstance(found, Answer):
            return f"{describe(found)}; in truth {describe(self._truth)}"
        self._draw(found, telling.picture(f"step_{learn.step:06d}"))
        reference = telling.picture("reference")
        if not reference.exists():
            self._draw(self._truth, reference)
        return ""

    def _draw(self, value: Kind, path: Path) -> None:
        from medlib.io.files import written_whole
        from medlib.pictures import show_plane
        from medlib.planes import focus

        at = focus(self._scan.grid, self._truth)
        figure = show_plane("axial", self._scan, value, at=at)
        with written_whole(path) as partial:
            figure.savefig(partial, dpi=72, facecolor="black")


# --- what is kept -------------------------------------------------------------------------------


def keep(
    workspace: Workspace,
    job: Job,
    request: Training,
    task: Task,
    numbers: Mapping[str, int],
    begun: Beginning,
) -> Model:
    """The model, in the workspace, with what is known of it."""
    package = task.save(workspace.derived / "jobs" / str(job.id) / "model.medlib")
    label_set = workspace.label_sets.get(request.label_set)
    card = card_of(task, request, numbers, begun)
    wanted = request.name.strip() or described(label_set, request.asked)
    model = add(
        workspace, wanted, package, request.label_set, by=job.asked_by, card=card, job=job.id
    )
    package.unlink()
    return model


def add(workspace: Workspace, wanted: str, package: Path, label_set: int, **said: Any) -> Model:
    """The model under the wanted name, or with a number behind it where that is taken."""
    taken = {model.name for model in workspace.models.list()}
    names = [wanted, *(f"{wanted} {number}" for number in range(2, len(taken) + 3))]
    for name in names:
        if name not in taken:
            return workspace.models.add(name[:100], package, label_set, **said)
    raise WorkspaceError(f"there are too many models called {wanted!r}")


def card_of(
    task: Task, request: Training, numbers: Mapping[str, int], begun: Beginning = AS_PLANNED
) -> dict[str, Any]:
    """What is known of a model; scans are named by number."""
    data, scores = task.learner.data, task.scores
    patients = {case.name: case.patient for case in data.valid.cases}
    ends = part_intervals(scores, patients)
    told = scores.to_dict()
    return {
        "asked": asdict(request.asked),
        "minutes": request.minutes,
        "steps": task.learner.step,
        "seconds": task.learner.summary()["seconds"],
        "learned from": _numbered(data.train.cases, numbers),
        "learned from before": sorted(begun.seen),
        "begun with": begun.said or shapes(task.plan.begin),
        "measured on": _numbered(data.valid.cases, numbers),
        "patients": {
            "learned from": len({case.patient for case in data.train.cases}),
            "measured on": len(set(patients.values())),
        },
        "set aside": [
            {"scan": numbers.get(name), "reason": reason} for name, reason in task.pairing.set_aside
        ],
        "measure": told["measure"],
        "errors": told["errors"],
        "mean": told["mean"],
        "labels": told["labels"],
        "overall": told["overall"],
        "intervals": {name: [plain(i.low), plain(i.high), i.patients] for name, i in ends.items()},
        "cases": {str(numbers[name]): row for name, row in told["cases"].items()},
        "reasons": list(task.plan.reasons),
        **(usual_of(data.train, data.valid) if request.asked.what == "structures" else {}),
        "kind": data.train.cases[0].scan.modality,
    }


def _numbered(cases: Sequence[Case], numbers: Mapping[str, int]) -> list[int]:
    return sorted(numbers[case.name] for case in cases)


def usual_of(*parts: Dataset) -> dict[str, Any]:
    """What structures are like in the scans that were labelled whole: their millilitres, and whether in pieces."""
    volumes: dict[str, list[float]] = {}
    seen = []
    for data in parts:
        for number in range(len(data)):  # one mask at a time: all together may not fit into memory
            truth = data.truth(number)
            assert isinstance(truth, Mask)
            if bool(truth.unseen().any()):
                continue
            sizes = truth.volumes_ml()
            for name, ml in sizes.items():
                volumes.setdefault(name, []).append(round(ml, 4))
            seen.append(there_and_in_pieces(truth, sizes))
    return {"volumes": volumes, "in pieces": sorted(mostly_in_pieces(seen))}
