"""Learning from scans: the plan, and the training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medlib.cli.arguments import (
    Json,
    KindOfScan,
    Overwrite,
    Scans,
    kind_said,
    splitter,
    writable,
)
from medlib.cli.asking import Answers, BoxFiles, LabelFiles, PointFiles, Question, Unit
from medlib.cli.saying import said_plainly, say, tell
from medlib.cli.watching import LogFile, PictureFolder, Tracked, watchers

if TYPE_CHECKING:
    from medlib.tasks import Task


def plan(
    scans: Scans,
    kind: KindOfScan,
    labels: LabelFiles = None,
    answer: Answers = None,
    unit: Unit = "",
    points: PointFiles = None,
    boxes: BoxFiles = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="How long the training is to take.")
    ] = 20.0,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the plan, for example plan.json.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Say how SCANS would be learned from and why; a plan that is written can be edited.

    What is to be learned is said as to `medlib train`.
    """
    with said_plainly(as_json):
        question = Question(labels, tuple(answer or ()), unit, points, boxes)
        if out is not None:
            writable(out, overwrite=overwrite)
        made = question.task(scans, kind=kind_said(kind), minutes=minutes).plan
        if out is not None:
            made.save(out)
        lines = list(made.reasons)
        if out is not None:
            lines.append(f"The plan is in {out}. Use it with: medlib train … --plan {out}")
        say(made.to_dict() if as_json else "\n".join(lines))


def train(
    scans: Scans,
    kind: KindOfScan,
    out: Annotated[Path, typer.Option(help="The model to write, for example liver.medlib.")],
    labels: LabelFiles = None,
    answer: Answers = None,
    unit: Unit = "",
    points: PointFiles = None,
    boxes: BoxFiles = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="How long it may take, everything included; left out, as long as the plan says, "
            "which is 20 unless somebody has edited it.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed learns the same.")] = 0,
    validation: Annotated[
        str | None,
        typer.Option(
            metavar="FRACTION|FILE",
            help="The share of patients to keep back and measure on, or a file that lists "
            "their scans, one a line; left out, what the source of the scans says, or 0.2.",
        ),
    ] = None,
    plan_file: Annotated[
        Path | None,
        typer.Option("--plan", help="A plan from `medlib plan`, perhaps edited since."),
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Weights to begin with: medlib-synthetic-small, which comes with the library; a model, "
            "a safetensors file, or hf://owner/name; or nothing. Left out, as the plan says.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Train so many models, measure each on patients that it never saw, and write all "
            "of them as one; the minutes are for all. Finished folds stay beside OUT, in "
            "OUT.folds, and an interrupted training goes on where it stood.",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="A page (HTML) to write of how it went, with pictures of scans kept back (of "
            "folds without); made when the minutes are over.",
        ),
    ] = None,
    pictures: PictureFolder = None,
    log: LogFile = None,
    track: Tracked = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Learn from SCANS what is known of them; press Ctrl-C to stop early.

    One of: outlines (--labels), answers (--answer), a number (--answer and --unit), landmarks
    (--points), findings (--boxes).

    Every two minutes it is written to OUT.checkpoint where the training stands. If it is killed,
    give the same command again, and it goes on from there.

    On several graphics cards: torchrun --nproc-per-node CARDS -m medlib.cli train …
    """
    started = time.monotonic()
    with said_plainly(as_json):
        question = Question(labels, tuple(answer or ()), unit, points, boxes)
        for path in filter(None, (out, page)):
            writable(path, overwrite=overwrite)
        kept_back = None if validation is None else splitter(validation, seed)
        if folds is not None and (pictures is not None or validation is not None):
            raise ValueError(
                "with --folds every patient is kept back once: leave --validation out, and "
                "--pictures too, which are of a single training"
            )
        from medlib.train import Plan, Progress

        checkpoint = None if folds is not None else out.with_name(f"{out.name}.checkpoint")
        learn = question.task(
            scans,
            kind=kind_said(kind),
            validation=kept_back,
            plan=None if plan_file is None else Plan.load(plan_file),
            minutes=minutes or 20.0,
            pretrained=False if pretrained == "nothing" else pretrained,
            checkpoint=checkpoint,
            seed=seed,
            callbacks=[*watchers(pictures, log, track, out), *([] if as_json else [Progress()])],
        )
        data, leads = learn.learner.data, learn.learner.processes.leads
        talks = leads and not as_json
        if talks:
            for name, reason in learn.pairing.set_aside:
                tell(f"set aside: {name}: {reason}")
            if folds is None:
                tell(f"{len(data.train)} scans to learn from, {len(data.valid)} kept back")
            for reason in learn.plan.reasons:
                tell(f"  {reason}")
        if folds is not None:
            _cross_validated(learn, folds, minutes, out, page, started, as_json=as_json)
            return
        assert checkpoint is not None
        if talks and (said := _gone_on(checkpoint)):
            tell(said)
        learn.fine_tune(minutes=minutes, started=started)
        learn.save(out)
        if not leads:
            return
        if talks and checkpoint.exists():  # stopped early
            tell(f"{checkpoint} is left: the same command with --overwrite goes on from there")
        if page is not None:
            from medlib.report import write_report

            write_report(learn, page, title=f"The training of {out.name}")
        report = {
            "model": str(out),
            "report": None if page is None else str(page),
            "minutes": round((time.monotonic() - started) / 60, 2),
            "steps": learn.learner.step,
            "trained_on": [case.name for case in data.train.cases],
            "set_aside": [{"name": n, "reason": r} for n, r in learn.pairing.set_aside],
            "scores": learn.measured.to_dict(),
        }
        table = learn.measured.table("kept back from the training but for the choice of weights")
        use = f"The model is in {out}. Use it with: medlib predict {out} INPUT --out FOLDER"
        say(report if as_json else f"{table}\n{use}")


def _gone_on(checkpoint: Path) -> str:
    """That a training goes on, and how far it has come; empty when it begins."""
    from medlib.train import Checkpoints

    if (standing := Checkpoints(checkpoint).standing()) is None:
        return ""
    return (
        f"going on from {checkpoint}: {standing.progress:.0%} was done, "
        f"in {standing.seconds / 60:.1f} minutes and {standing.step} steps"
    )


def _cross_validated(
    learn: Task,
    folds: int,
    minutes: float | None,
    out: Path,
    page: Path | None,
    started: float,
    *,
    as_json: bool,
) -> None:
    from medlib.infer.means import AVERAGED

    kept = out.with_name(f"{out.name}.folds")
    as_one = isinstance(learn.output, AVERAGED)
    if not as_one:
        tell(f"what several models find here has no mean: each stays in {kept}, and {out} is none")
    found = learn.cross_validate(
        folds=folds,
        minutes=minutes or learn.plan.minutes,
        folder=kept,
        progress=None if as_json else tell,
    )
    if as_one:
        found.ensemble.save(out)
    if page is not None:
        from medlib.report import write_report

        write_report(found, page, title=f"The cross-validation of {out.name}")
    report = {
        "model": str(out) if as_one else None,
        "folds": str(kept),
        "report": None if page is None else str(page),
        "minutes": round((time.monotonic() - started) / 60, 2),
        "set_aside": [{"name": n, "reason": r} for n, r in learn.pairing.set_aside],
        "scores": found.to_dict(),
    }
    where = f"All models as one are in {out}. " if as_one else ""
    say(report if as_json else f"{found}\n{where}Each for itself is in {kept}.")
