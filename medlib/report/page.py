"""The report of a training: one page that says what was done, what came of it, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from math import isfinite, isnan
from pathlib import Path
from typing import Any, Protocol

from medlib._version import __version__
from medlib.data import Dataset
from medlib.io.files import written_whole
from medlib.report.charts import agreement, calibration, confusion, learning_curve
from medlib.report.examination import Examination
from medlib.report.gallery import compare, in_words
from medlib.report.markup import Html, element, page, picture
from medlib.report.results import Result, scan_of, where_to_look
from medlib.train import Learner, Plan
from medlib.train.intervals import FEW, Interval
from medlib.transforms import Pipeline
from medlib.types import Answer, Belief, Measurement, verb


class Trained(Protocol):
    """A task with a learner and a plan, such as :class:`medlib.tasks.Task`."""

    @property
    def learner(self) -> Learner:
        """What was trained."""

    @property
    def plan(self) -> Plan:
        """What was decided, and why."""


def write_report(
    trained: Learner | Trained, path: str | Path, *, title: str = "Report of a training"
) -> Path:
    """Write all of a training on one HTML page, which needs no other file and no network.

    All validation cases are predicted and measured once more, in full. The page shows scans and
    names cases: keep it as one keeps the scans.

    Args:
        trained: a learner, or a task with its plan.
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
    learner = trained if isinstance(trained, Learner) else trained.learner
    reasons = () if isinstance(trained, Learner) else trained.plan.reasons
    if not learner.record:
        raise ValueError("nothing has been trained yet, so there is nothing to report")
    found = Examination.of(learner)
    content = element(
        "main",
        element("h1", title),
        element("p", _outset(learner), class_="muted"),
        _section("How good it is", *_figures(found)),
        _section("What these figures are worth", *_worth(found)),
        *_answers(found),
        *_cases(learner.data.valid, found),
        _section("How it learned", *_learning(learner)),
        _section("Every case", *_table_of_cases(found)),
        _section("How it was made", *_making(learner, reasons)),
    )
    path = Path(path)
    with written_whole(path) as partial:
        text = page(title, content, style=_STYLE, script=_SCRIPT)
        partial.write_text(text, encoding="utf-8")
    return path


def _outset(learner: Learner) -> str:
    kind = learner.data.blocks[0].input.kind.__name__
    seconds = learner.record[-1].seconds
    length = f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} seconds"
    return (
        f"{kind}, trained for {length} by medlib {__version__}. For research; not a "
        "medical device: every result is to be reviewed by a qualified person. This page shows "
        "patients' scans and names cases: keep it as you keep the scans."
    )


# --- sections -----------------------------------------------------------------------------


def _figures(found: Examination) -> Iterator[Html]:
    """A table: parts down, measures across, each with its interval."""
    heads = ["", *(_head(name, unit) for name, unit in found.measures.items()), "patients"]
    rows = []
    for part in found.parts:
        intervals = [found.interval(part, measure) for measure in found.measures]
        told = max(i.patients for i in intervals)
        rows.append([part or "all together", *map(_interval, intervals), str(told)])
    yield _table(heads, rows)
    if areas := list(found.areas()):
        yield element("h3", "Area under the ROC curve")
        yield _table(
            ["", "AUROC", "patients"], [[word, _interval(i), str(i.patients)] for word, i in areas]
        )
    yield element(
        "p",
        "Over cases; in brackets, where the figure would lie 95 times in 100 with other patients "
        "of the same sort (bootstrap over patients). A dash: no case says anything about it.",
        class_="muted",
    )


def _head(measure: str, unit: str) -> str:
    """A measure with its unit, and what is said of it over the cases."""
    named = measure if unit == "1" else f"{measure}, {unit}"
    return f"{named} ({'median' if unit == 'mm' else 'mean'})"


def _interval(found: Interval) -> str:
    return str(found).replace("inf", "∞")


def _worth(found: Examination) -> Iterator[Html]:
    people = len(set(found.patients.values()))
    yield element(
        "p",
        f"They are of {_scans(len(found.patients), people)} that the model did not learn from. But "
        "these same scans chose the moment of the training whose weights were kept, so the figures "
        "are slightly optimistic. What is to be published or relied on has to be measured on "
        "patients who took no part at all, best of another hospital.",
    )
    yield element(
        "p",
        "The intervals speak of other patients of the same sort and the same scanners. They do "
        "not say how the model does elsewhere, nor what another training would have given.",
    )
    intervals = (found.interval(p, m) for p in found.parts for m in found.measures)
    if any(i.low == i.high for i in intervals):
        yield element(
            "p",
            "Where all cases came out alike, the interval has no width. That is no certainty: when "
            f"nothing went wrong in {_people(people)}, it may yet go wrong in up to "
            f"{min(1.0, 3 / people):.0%} of others (the rule of three, Hanley 1983).",
        )
    if people < FEW:
        count = "one patient" if people == 1 else f"{people} patients"
        yield element(
            "p",
            f"{count[0].upper()}{count[1:]} cannot say much: with fewer than {FEW}, such "
            "intervals are narrower than they should be.",
            class_="warning",
        )


def _answers(found: Examination) -> Iterator[Html]:
    if found.answers:
        said, true = map(list, zip(*found.answers.values(), strict=True))
        yield from charts(said[0], said, true)


@verb
def charts(kind: Answer, said: Sequence[Answer], true: Sequence[Answer]) -> Sequence[Html]:
    """The sections that show many answers at once; ``kind`` is one of them, and chooses."""
    raise AssertionError


@charts.register
def _(kind: Answer, said: Any, true: Any) -> Sequence[Html]:
    return ()


@charts.register
def _(kind: Belief, said: Any, true: Any) -> Sequence[Html]:
    counts = "Counts of cases by reference and prediction"
    often = "How often answers came true, by the probability that was given to them"
    return (
        _section(
            "What was taken for what",
            picture(confusion(said, true), counts),
            _muted("Shares are of a row: of the cases that are so."),
            element("h3", "Whether its probabilities can be taken at their word"),
            picture(calibration(said, true), often),
            _muted(
                "Of answers given 80 %, 8 in 10 should come true: dots on the dashed line. Below, "
                "how many answers there are; the intervals (Wilson) take each for a patient of "
                "its own."
            ),
        ),
    )


@charts.register
def _(kind: Measurement, said: Any, true: Any) -> Sequence[Html]:
    alt = "Prediction against reference, and their differences with the limits of agreement"
    return (
        _section(
            "How far it agrees with the reference",
            picture(agreement(said, true), alt),
            _muted(
                "Right, after Bland and Altman: between the dashed lines, the limits of agreement, "
                "lie about 95 of 100 differences. Whether that is close enough is a clinical "
                "question. Dots that fall from left to right: small values are overestimated, large ones under."
            ),
        ),
    )


def _muted(text: str) -> Html:
    return element("p", text, class_="muted")


def _cases(data: Dataset, found: Examination) -> Iterator[Html]:
    if found.worst:
        few = "" if found.best else " (there are no others)"
        yield _section(f"The worst cases{few}", *(_case(data, r, found) for r in found.worst))
    if found.best:
        yield _section("The best cases", *(_case(data, r, found) for r in found.best))


def _case(data: Dataset, result: Result, found: Examination) -> Html:
    scan = scan_of(data, result.number)
    at = where_to_look(result, scan.grid)
    figure = compare(result.truth, result.prediction, scan=scan, at=at)
    said = in_words(result).replace("\n", "; ")
    figures = ", ".join(str(m) for m in found.metrics[result.name] if not isnan(m.value))
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


def _table_of_cases(found: Examination) -> Iterator[Html]:
    """A row for each case and part."""
    measures = found.measures
    heads = ["case", "part", *(n if u == "1" else f"{n}, {u}" for n, u in measures.items())]
    rows = []
    for case, metrics in found.metrics.items():
        for part in dict.fromkeys(m.of for m in metrics):
            values = {m.name: m.value for m in metrics if m.of == part}
            numbers = [_number(values.get(name, float("nan"))) for name in measures]
            rows.append([case, part or "all together", *numbers])
    yield element("p", "Press a heading to sort.", class_="muted")
    yield _table(heads, rows, sortable=True)


def _making(learner: Learner, reasons: Sequence[str]) -> Iterator[Html]:
    if reasons:
        yield element("p", "What was decided, and why:")
        yield element("ul", *(element("li", reason) for reason in reasons))
    train, valid = (
        _scans(len(data), len({case.patient for case in data.cases}))
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


def _scans(scans: int, patients: int) -> str:
    return f"{scans} {'scan' if scans == 1 else 'scans'} of {_people(patients)}"


def _people(patients: int) -> str:
    return f"{patients} {'patient' if patients == 1 else 'patients'}"


# --- pieces -------------------------------------------------------------------------------


def _section(heading: str, *content: Html) -> Html:
    return element("section", element("h2", heading), *content)


def _number(value: float) -> str:
    return "–" if isnan(value) else f"{value:.3g}" if isfinite(value) else "∞"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, sortable: bool = False) -> Html:
    titles = [
        element("th", element("button", head, type="button") if sortable else head, scope="col")
        for head in heads
    ]
    lines = [
        element(
            "tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])
        )
        for row in rows
    ]
    table = element(
        "table",
        element("thead", element("tr", *titles)),
        element("tbody", *lines),
        **({"class_": "sortable"} if sortable else {}),
    )
    return element("div", table, class_="wide", tabindex="0", role="group", aria_label="table")


_STYLE = """
:root { color-scheme: dark }
* { box-sizing: border-box }
body { background: #15181c; color: #e8eaed; font: 16px/1.55 system-ui, sans-serif; margin: 0 }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem }
h1 { font-size: 1.9rem; font-weight: 600; margin: 0 0 .4rem }
h2 { font-size: 1.3rem; font-weight: 600; margin: 3rem 0 .8rem; border-bottom: 1px solid #3a424b;
     padding-bottom: .3rem }
h3 { font-size: 1.05rem; font-weight: 600; margin: 1.6rem 0 .2rem; overflow-wrap: anywhere }
p, ul { max-width: 44rem; margin: .5rem 0 } li { margin: .2rem 0 }
.muted, figcaption { color: #a9b1ba }
figcaption h3 { color: #e8eaed }
.warning { border-left: 4px solid #e69f00; padding: .3rem .8rem; background: #24221b }
figure { margin: 0 0 2rem }
img { max-width: 100%; height: auto; border-radius: 6px; margin-top: .5rem }
figure img { background: #000; width: 100% }
.wide { overflow: auto; max-height: 38rem; margin: .8rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
th, td { text-align: right; padding: .38rem .55rem; border-bottom: 1px solid #2b3239;
         white-space: nowrap }
th:first-child, .sortable td:nth-child(2), .sortable th:nth-child(2) { text-align: left }
tbody th { font-weight: 500 }
thead th { position: sticky; top: 0; background: #1f242a; font-weight: 600 }
button { all: unset; cursor: pointer } button:focus-visible { outline: 2px solid #56b4e9 }
th[aria-sort=ascending] button::after { content: " ↑" }
th[aria-sort=descending] button::after { content: " ↓" }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem }
dt { color: #a9b1ba } dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr } dd { margin-bottom: .6rem } }
"""

_SCRIPT = """
"use strict";
const value = (row, k) => {
  const text = row.cells[k].textContent;
  const number = text === "∞" ? Infinity : parseFloat(text);
  return { text, number, empty: text === "–" };
};
for (const table of document.querySelectorAll("table.sortable"))
  table.tHead.querySelectorAll("th").forEach((head, k, heads) =>
    head.firstChild.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      const words = k < 2;
      rows.sort((a, b) => {
        const [x, y] = [value(a, k), value(b, k)];
        if (x.empty || y.empty) return x.empty - y.empty;
        const order = words ? x.text.localeCompare(y.text, "en", { numeric: true })
                            : (x.number === y.number ? 0 : x.number - y.number);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    }));
"""
