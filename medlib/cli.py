"""The command line. It owns no logic: every command calls the library.

Exit codes: 0 all went well; 1 it could not be done; 2 the command was not understood; 3 it was
done, but some of the input was refused (the report says what and why).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from medlib.data import Splitter
    from medlib.tasks import Task
    from medlib.train import Scores

_STARTED = time.monotonic()
_REFUSED = 3

app = typer.Typer(
    help="Learn to outline structures in CT, MR and PET scans, and outline them in new scans.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
datasets_app = typer.Typer(help="Data sets to learn and try with.", no_args_is_help=True)
app.add_typer(datasets_app, name="datasets")


class Kind(StrEnum):
    """Kinds of scan, as typed."""

    CT = "ct"
    MR = "mr"
    PET = "pet"
    US = "us"
    XR = "xr"


class Format(StrEnum):
    """What to write a prediction as, as typed."""

    NIFTI = "nifti"
    SEG = "seg"
    BOTH = "both"
    MARKUPS = "markups"
    JSON = "json"


def _known(name: str) -> str:
    """The name of a data set that there is."""
    from medlib import datasets

    try:
        datasets.card(name)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0])) from None
    return name


def _kinds(text: str) -> str:
    """A kind of scan, or ``T1=mr,FLAIR=mr``."""
    parts = [part.rpartition("=") for part in text.split(",")]
    known, names = [kind.value for kind in Kind], [name for name, _, _ in parts]
    if any(kind not in known for _, _, kind in parts):
        raise typer.BadParameter(f"{text!r}: the kinds of scan are {', '.join(known)}")
    if (len(parts) > 1 and not all(names)) or len(set(names)) < len(names):
        raise typer.BadParameter(f"{text!r}: of several series each has a name, as T1=mr,FLAIR=mr")
    return text


def _kind_said(text: str) -> str | dict[str, str]:
    """What was typed, as the library takes it."""
    parts = [part.rpartition("=") for part in text.split(",")]
    return {name: kind for name, _, kind in parts} if parts[0][0] else text


Json = Annotated[bool, typer.Option("--json", help="Print a report for programs instead of text.")]
Overwrite = Annotated[bool, typer.Option(help="Replace files that are already there.")]
Scans = Annotated[
    Path,
    typer.Argument(
        help="A folder of scans: DICOM, NIfTI, or pictures of radiographs; or, without --labels, "
        "a data set as nnU-Net or the Decathlon lay them out, or a table of scans and labels."
    ),
]
LabelFiles = Annotated[
    Path | None,
    typer.Option("--labels", help="A folder of label maps (NIfTI, PNG) or DICOM SEG."),
]
KindOfScan = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="ct|mr|pet|us|xr",
        callback=_kinds,
        help="What the scans are; of several series each, as T1=mr,FLAIR=mr.",
    ),
]


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(help="A folder, file or .zip of DICOM or NIfTI.")],
    as_json: Json = False,
) -> None:
    """Say in plain words what is in FOLDER: patients, studies, series, and what is not usable."""
    from medlib.io import describe, survey

    with _said_plainly(as_json):
        found = survey(folder)
        _nothing_there(folder, found)
        _print(found.to_dict() if as_json else describe(found))
    if found.refusals:
        raise typer.Exit(_REFUSED)


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A folder, file or .zip of DICOM or NIfTI.")
    ],
    out_folder: Annotated[Path, typer.Argument(help="Where to write; made if it is not there.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write every scan found in INPUT as one .nii.gz, and say what was refused and why."""
    from medlib.io import convert as convert_all

    with _said_plainly(as_json):
        report = convert_all(source, out_folder, overwrite=overwrite)
        _print(report.to_dict() if as_json else str(report))
    if report.refusals:
        raise typer.Exit(_REFUSED)


@app.command()
def plan(
    scans: Scans,
    kind: KindOfScan,
    labels: LabelFiles = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="How long the training is to take.")
    ] = 20.0,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the plan, for example plan.json.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Say how SCANS would be learned from and why; a plan that is written can be edited."""
    with _said_plainly(as_json):
        if out is not None:
            _writable(out, overwrite=overwrite)
        from medlib.tasks import segmenter

        made = segmenter(scans, labels, kind=_kind_said(kind), minutes=minutes).plan
        if out is not None:
            made.save(out)
        lines = list(made.reasons)
        if out is not None:
            lines.append(f"The plan is in {out}. Use it with: medlib train … --plan {out}")
        _print(made.to_dict() if as_json else "\n".join(lines))


@app.command()
def train(
    scans: Scans,
    kind: KindOfScan,
    out: Annotated[Path, typer.Option(help="The model to write, for example liver.medlib.")],
    labels: LabelFiles = None,
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
        str,
        typer.Option(
            metavar="FRACTION|FILE",
            help="The share of patients to keep back and measure on, or a file that lists "
            "their scans, one a line.",
        ),
    ] = "0.2",
    plan_file: Annotated[
        Path | None,
        typer.Option("--plan", help="A plan from `medlib plan`, perhaps edited since."),
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Weights to begin with: a model, a safetensors file, or hf://owner/name.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Train so many models, measure each on patients that it never saw, and write all "
            "of them as one; the minutes are for all. Finished folds stay beside OUT, in "
            "OUT.folds, and an interrupted training goes on with the next.",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="A page (HTML) to write of how it went, with pictures of scans kept back; made "
            "when the minutes are over.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Learn to outline structures from SCANS and their LABELS; press Ctrl-C to stop early."""
    with _said_plainly(as_json):
        for path in filter(None, (out, page)):
            _writable(path, overwrite=overwrite)
        splitter = _splitter(validation, seed)
        if folds is not None and (page is not None or validation != "0.2"):
            raise ValueError(
                "with --folds every patient is kept back once: leave --validation out, and "
                "--report too, which shows a single training"
            )
        from medlib.tasks import segmenter
        from medlib.train import Plan, Progress

        learn = segmenter(
            scans,
            labels,
            kind=_kind_said(kind),
            validation=splitter,
            plan=None if plan_file is None else Plan.load(plan_file),
            minutes=minutes or 20.0,
            pretrained=pretrained,
            seed=seed,
            callbacks=[] if as_json else [Progress()],
        )
        data = learn.learner.data
        if not as_json:
            for name, reason in learn.pairing.set_aside:
                _tell(f"set aside: {name}: {reason}")
            if folds is None:
                _tell(f"{len(data.train)} scans to learn from, {len(data.valid)} kept back")
            for reason in learn.plan.reasons:
                _tell(f"  {reason}")
        if folds is not None:
            _cross_validated(learn, folds, minutes, out, as_json=as_json)
            return
        scores = learn.fine_tune(minutes=minutes, started=_STARTED)
        learn.save(out)
        if page is not None:
            from medlib.report import write_report

            write_report(learn, page, title=f"The training of {out.name}")
        report = {
            "model": str(out),
            "report": None if page is None else str(page),
            "minutes": round((time.monotonic() - _STARTED) / 60, 2),
            "steps": learn.learner.step,
            "trained_on": [case.name for case in data.train.cases],
            "set_aside": [{"name": n, "reason": r} for n, r in learn.pairing.set_aside],
            "dice": scores.to_dict(),
        }
        _print(report if as_json else _scores_table(scores, out))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.medlib", help="A trained model.")],
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A folder, file or .zip of DICOM or NIfTI.")
    ],
    out: Annotated[Path, typer.Option(help="A folder for the results, named after their input.")],
    output_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Of structures: NIfTI label maps (usual), DICOM SEG, or both; of boxes: markups "
            "for 3D Slicer (usual), or JSON.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Find in every scan of INPUT what MODEL knows: outlines, landmarks, answers, numbers.

    FOLDER/predictions.csv has a row a scan. Called again, it does what is not done yet.
    """
    with _said_plainly(as_json):
        from medlib.batch import predict_all
        from medlib.package import load

        both = output_format is Format.BOTH
        chosen = ("nifti", "seg") if both else (output_format.value,) if output_format else ()
        report = predict_all(
            load(model),
            source,
            out,
            formats=chosen,
            overwrite=overwrite,
            progress=None if as_json else _tell,
        )
        _print(report.to_dict() if as_json else str(report))
    if report.refusals:
        raise typer.Exit(_REFUSED)


@app.command()
def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove all of it; the next training makes it anew.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say where prepared scans are kept between trainings, and how large they are; remove them."""
    with _said_plainly(as_json):
        from medlib.data import Store
        from medlib.data.caching import cache_folder

        folder = cache_folder()
        if folder is None or not folder.is_dir():
            where = "MEDLIB_CACHE is off" if folder is None else f"there is nothing in {folder}"
            _print({"folder": None, "bytes": 0} if as_json else f"{where}: no scans are kept")
            return
        store = Store(folder)
        freed = store.clear() if clear else 0
        report = {"folder": str(folder), "bytes": store.size(), "freed": freed}
        words = f"{store.size() / 1e9:.2f} GB of patients' prepared scans are in {folder}"
        _print(report if as_json else words + (f"; {freed / 1e9:.2f} GB removed" if clear else ""))


@datasets_app.command("list")
def list_datasets(as_json: Json = False) -> None:
    """Say which data sets there are."""
    from medlib import datasets

    with _said_plainly(as_json):
        cards = datasets.available()
        _print(
            [card.model_dump(mode="json") for card in cards]
            if as_json
            else "\n".join(f"{card.name:16} {card.title} ({card.licence.spdx})" for card in cards)
        )


@datasets_app.command("get")
def get_dataset(
    name: Annotated[
        str, typer.Argument(help="A name from `medlib datasets list`.", callback=_known)
    ],
    source: Annotated[
        Path | None, typer.Option("--from", help="A local copy, instead of a download.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Where to put it.")] = None,
) -> None:
    """Fetch a data set, check it, and lay it out as scans and labels."""
    from medlib import datasets

    with _said_plainly(as_json=False):
        _print(str(datasets.get(name, to=to, source=source, progress=_count)))


@datasets_app.command("make")
def make_dataset(
    name: Annotated[
        str, typer.Argument(help="A data set with a recipe, such as ct_phantom.", callback=_known)
    ],
    to: Annotated[Path | None, typer.Option(help="Where to put it.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same.")] = 0,
) -> None:
    """Make a made-up data set from its recipe."""
    from medlib import datasets

    with _said_plainly(as_json=False):
        _print(str(datasets.make(name, to=to, seed=seed, progress=_count)))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where to put everything.")] = Path("demo"),
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to train.")] = 2.5,
    seed: Annotated[int, typer.Option(help="Of the made-up scans and of the training.")] = 0,
) -> None:
    """The whole way on made-up scans: make, train, predict, measure, look."""
    from medlib.demo import run

    with _said_plainly(as_json=False):
        _print(str(run(out, minutes=minutes, seed=seed, say=_tell)))


def main() -> NoReturn:
    """The entry point of the ``medlib`` command."""
    app()
    raise SystemExit(0)


# --- saying things ------------------------------------------------------------------------


@contextmanager
def _said_plainly(as_json: bool) -> Iterator[None]:
    """Turn what a user can mend into a message and exit code 1; bugs keep their traceback."""
    try:
        yield
    except (ValueError, OSError, FloatingPointError) as error:
        message = str(error)
        if as_json:
            _print({"error": message})
        typer.secho(f"medlib: {message}", err=True, fg=typer.colors.RED)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.secho("medlib: stopped", err=True)
        raise typer.Exit(130) from None


def _tell(line: str) -> None:
    """Something to know on the way: to the error stream, so that output stays clean."""
    typer.echo(line, err=True)


def _count(done: int, of: int, what: str) -> None:
    """How far something long has come."""
    _tell(f"  {done}/{of or '?'} {what}")


def _print(report: Any) -> None:
    typer.echo(report if isinstance(report, str) else json.dumps(report, indent=1))


def _nothing_there(folder: Path, found: Any) -> None:
    if not (found.stacks or found.segmentations or found.refusals):
        raise ValueError(f"there are no DICOM or NIfTI scans in {folder}")


def _cross_validated(
    learn: Task, folds: int, minutes: float | None, out: Path, *, as_json: bool
) -> None:
    kept = out.with_name(f"{out.name}.folds")
    found = learn.cross_validate(
        folds=folds,
        minutes=minutes or learn.plan.minutes,
        folder=kept,
        progress=None if as_json else _tell,
    )
    found.ensemble.save(out)
    report = {
        "model": str(out),
        "folds": str(kept),
        "minutes": round((time.monotonic() - _STARTED) / 60, 2),
        "set_aside": [{"name": n, "reason": r} for n, r in learn.pairing.set_aside],
        "dice": found.to_dict(),
    }
    said = f"{found}\nAll models as one are in {out}. Each for itself is in {kept}."
    _print(report if as_json else said)


def _scores_table(scores: Scores, model: Path) -> str:
    rows = [f"  {name:24} {value:.3f}" for name, value in scores.labels.items()]
    return "\n".join(
        [
            f"Dice on {len(scores.cases)} scans that were kept back (1 is perfect):",
            *rows,
            f"  {'mean':24} {scores.mean:.3f}",
            f"The model is in {model}. Use it with: medlib predict {model} INPUT --out FOLDER",
        ]
    )


# --- reading arguments --------------------------------------------------------------------


def _writable(path: Path, *, overwrite: bool) -> None:
    """Find out now, not after the training, that the model cannot be written."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file, such as {path / 'my.medlib'}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is already there; give another name, or --overwrite")
    path.parent.mkdir(parents=True, exist_ok=True)


def _splitter(text: str, seed: int) -> Splitter:
    from medlib.data import by_patient, held_out

    try:
        return by_patient(float(text), seed=seed)
    except ValueError:
        if not Path(text).is_file():
            raise ValueError(
                f"--validation takes a number between 0 and 1, or a file that lists scans; "
                f"{text!r} is neither"
            ) from None
    return held_out(_listed(Path(text)))


def _listed(path: Path) -> list[str]:
    """Names in a JSON list, or one a line."""
    try:
        content = path.read_text(encoding="utf-8")
        names = json.loads(content) if path.suffix.lower() == ".json" else None
    except ValueError:
        raise ValueError(f"{path} should hold a list of scan names, as text or JSON") from None
    if names is not None:
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ValueError(f"{path} should hold a list of scan names")
        return names
    return [line.strip() for line in content.splitlines() if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
