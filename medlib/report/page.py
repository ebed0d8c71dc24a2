"""The report of a training: one page that says what was done, what came of it, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from math import isnan
from pathlib import Path
from typing import Protocol

from medlib._version import __version__
from medlib.cross_validation import CrossValidation
from medlib.data import Dataset
from medlib.io.files import written_whole
from medlib.report import kinds
from medlib.report.charts import learning_curve
from medlib.report.examination import Examination
from medlib.report.figures import every_case, how_good, number, scans, worth
from medlib.report.gallery import compare, in_words
from medlib.report.markup import Html, element, muted, page, picture, section, table
from medlib.report.results import Result, scan_of, where_to_look
from medlib.report.style import SCRIPT, STYLE
from medlib.train import Learner, Plan
from medlib.transforms import Pipeline


class Trained(Protocol):
    """A task with a learner and a plan, such as :class:`medlib.tasks.Task`."""

    @property
    def learner(self) -> Learner:
        """What was trained."""

    @property
    def plan(self) -> Plan:
        """What was decided, and why."""


def write_report(
    trained: Learner | Trained | CrossValidation,
    path: str | Path,
    *,
    title: str = "Report of a training",
) -> Path:
    """Write all of a training on one HTML page, which needs no other file and no network.

    All validation cases are predicted and measured once more, in full. The page shows scans and
    names cases: keep it as one keeps the scans. Of a cross-validation it says what was measured of
    all cases; pictures it has none, since predicted masks are not kept.

    Args:
        trained: a learner, a task with its plan, or what a cross-validation found.
        path: of the page.
        title: at its top.

    Returns:
        The path.

    Raises:
        ValueError: when nothing has been trained yet.

    Example::

        learn = medlib.segmenter("scans", "labels", kind=medlib.MRVolume)
        learn.fine_tune(minutes=20)
        write_report(learn, "liver.html")
    """
    if isinstance(trained, CrossValidation):
        content = _of_folds(trained)
    elif isinstance(trained, Learner):
        content = _of_training(trained, ())
    else:
        content = _of_training(trained.learner, trained.plan.reasons)
    whole = element("main", element("h1", title), *content)
    path = Path(path)
    with written_whole(path) as partial:
        partial.write_text(page(title, whole, style=STYLE, script=SCRIPT), encoding="utf-8")
    return path


def _of_training(learner: Learner, reasons: Sequence[str]) -> Sequence[Html]:
    if not learner.record:
        raise ValueError("nothing has been trained yet, so there is nothing to report")
    found = Examination.of(learner)
    return (
        muted(_outset(learner)),
        section("How good it is", *how_good(found)),
        section("What these figures are worth", *worth(found, chosen=True)),
        *kinds.sections(found),
        *_cases(learner.data.valid, found),
        section("How it learned", *_learning(learner)),
        section("Every case", *every_case(found)),
        section("How it was made", *_making(learner, reasons)),
    )


def _of_folds(crossed: CrossValidation) -> Sequence[Html]:
    found = Examination.of_folds(crossed)
    kind = crossed.folds[0].model.predictor.inputs[0].kind.__name__
    return (
        muted(
            f"{kind}, cross-validated in {len(crossed.folds)} folds by medlib {__version__}. "
            f"{_RESEARCH} This page names cases: keep it as you keep the scans."
        ),
        section("How good it is", *how_good(found)),
        section("What these figures are worth", *worth(found, chosen=False)),
        *kinds.sections(found),
        section("The worst cases", *_worst(crossed)),
        section("The folds", *_folds(crossed)),
        section("Every case", *every_case(found)),
    )


def _outset(learner: Learner) -> str:
    kind = learner.data.blocks[0].input.kind.__name__
    seconds = learner.record[-1].seconds
    length = f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} seconds"
    return (
        f"{kind}, trained for {length} by medlib {__version__}. {_RESEARCH} This page shows "
        "patients' scans and names cases: keep it as you keep the scans."
    )


_RESEARCH = (
    "For research; not a medical device: every result is to be reviewed by a qualified person."
)


# --- sections of a training ----------------------------------------------------------------


def _cases(data: Dataset, found: Examination) -> Iterator[Html]:
    if found.worst:
        few = "" if found.best else " (there are no others)"
        yield section(f"The worst cases{few}", *(_case(data, r, found) for r in found.worst))
    if found.best:
        yield section("The best cases", *(_case(data, r, found) for r in found.best))


def _case(data: Dataset, result: Result, found: Examination) -> Html:
    scan = scan_of(data, result.number)
    at = where_to_look(result, scan.grid)
    figure = compare(result.truth, result.prediction, scan=scan, at=at)
    said = in_words(result).replace("\n", "; ")
    figures = ", ".join(str(m) for m in found.told[result.name] if not isnan(m.value))
    return element(
        "figure",
        element("figcaption", element("h3", str(result)), said or figures.replace("inf", "∞")),
        picture(figure, f"{result}. Reference and prediction on the scan in three planes.", dpi=85),
    )


def _learning(learner: Learner) -> Iterator[Html]:
    yield picture(
        learning_curve(learner.record),
        "Loss and validation scores against minutes; the last scores are in the tables",
    )


def _making(learner: Learner, reasons: Sequence[str]) -> Iterator[Html]:
    if reasons:
        yield element("p", "What was decided, and why:")
        yield element("ul", *(element("li", reason) for reason in reasons))
    train, valid = (
        scans(len(data), len({case.patient for case in data.cases}))
        for data in (learner.data.train, learner.data.valid)
    )
    settings = {
        "learned from": train,
        "kept back": valid,
        "network": type(learner.network).__name__,
        "window": f"{'×'.join(map(str, learner.window))} voxels (slice, row, column)",
        "preparation": _recipes(learner.data.train.preprocess),
        "augmentation": _recipes(learner.data.train.augment),
    }
    summary = learner.summary().items()
    settings |= {name.replace("_", " "): str(v) for name, v in summary if name != "curve"}
    rows = (element("dt", name) + element("dd", said) for name, said in settings.items())
    yield element("dl", *map(Html, rows))


def _recipes(pipeline: Pipeline) -> str:
    """Each recipe with what is not as usual."""
    said = []
    for recipe in pipeline.transforms:
        own = ((f.name, f.default, getattr(recipe, f.name)) for f in fields(recipe))
        told = ", ".join(f"{name} {value}" for name, usual, value in own if value != usual)
        said.append(f"{type(recipe).__name__} ({told})" if told else type(recipe).__name__)
    return "; ".join(said) or "none"


# --- sections of a cross-validation ---------------------------------------------------------


def _worst(crossed: CrossValidation) -> Iterator[Html]:
    rows = [[case, number(value)] for case, value in crossed.worst(10)]
    yield table(["case", f"{crossed.scores.measure} (mean of its parts)"], rows)
    yield muted("Look at these first, each with the prediction of the fold that kept it back.")


def _folds(crossed: CrossValidation) -> Iterator[Html]:
    together = list(crossed.folds[0].scores.overall)
    heads = ["fold", "learned from", "kept back", "minutes", crossed.scores.measure, *together]
    rows = []
    for count, fold in enumerate(crossed.folds, start=1):
        figures = [fold.scores.mean, *(fold.scores.overall.get(n, float("nan")) for n in together)]
        minutes = fold.model.manifest.training.get("seconds", float("nan")) / 60
        sizes = [str(count), str(fold.trained_on), str(len(fold.scores.cases)), f"{minutes:.1f}"]
        rows.append([*sizes, *map(number, figures)])
    yield table(heads, rows)
    yield muted("Folds that differ much speak of few cases, or of cases that are not alike.")
