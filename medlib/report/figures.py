"""The tables of a report: how good, with intervals; what that is worth; and every case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite, isnan, nan

from medlib.report.examination import Examination
from medlib.report.markup import Html, element, muted, table
from medlib.train.intervals import FEW, Interval
from medlib.train.lesions import OVERLAP
from medlib.train.totals import Total


def how_good(found: Examination) -> Iterator[Html]:
    """Tables with a row for each part and a column for each figure, each with its interval."""
    if found.overall:
        yield table(
            ["all cases together", "", "patients"],
            [[name, said(i), str(i.patients)] for name, i in found.overall.items()],
        )
        yield muted(
            "Of answers: chance is 0.5 in the AUROC, and in the average precision the share of "
            "cases that are so; a calibration error of few cases lies above 0 by chance alone."
            if any("AUROC" in name for name in found.overall)
            else "FROC: the mean sensitivity at 1/8 to 8 false positives a scan. mAP: the area "
            f"under precision over recall. An overlap (IoU) of {OVERLAP:g} is a hit."
        )
    yield from _parts([one for one in found.totals if one.over != "all"])
    if words := list(found.words()):
        yield element("h3", "Word by word")
        yield table(
            ["", "AUROC", "average precision", "share that is so", "patients"],
            [
                [word, said(under), said(precision), f"{share:.3g}", str(under.patients)]
                for word, under, precision, share in words
            ],
        )
    if lesions := [one for one in found.totals if one.over == "all"]:
        yield element("h3", "Lesion by lesion")
        yield from _parts(lesions)
        yield muted(
            "What hangs together is a lesion. It is found where it and a predicted one overlap by "
            f"{OVERLAP:g} (IoU) or more, each by one at most; what finds none is false. F1 is of "
            "all lesions of all scans. What reaches voxels that nobody looked at is not counted."
        )
    yield muted(
        "Over cases; in brackets, where the figure would lie 95 times in 100 with other patients "
        "of the same sort (bootstrap over patients). A dash: no case says anything about it."
    )


def _parts(totals: Sequence[Total]) -> Iterator[Html]:
    """Parts down, figures across."""
    heads = list(dict.fromkeys(one.heading for one in totals))
    cells = {(one.of, one.heading): one.interval for one in totals}
    rows = []
    for part in dict.fromkeys(one.of for one in totals):
        row = [cells.get((part, head)) for head in heads]
        told = max(i.patients for i in row if i is not None)
        numbers = ("–" if i is None else said(i) for i in row)
        rows.append([part or "all together", *numbers, str(told)])
    if rows:
        yield table(["", *heads, "patients"], rows)


def said(found: Interval) -> str:
    """A figure with its interval, in words."""
    return str(found).replace("inf", "∞")


def worth(found: Examination, *, chosen: bool) -> Iterator[Html]:
    """What the figures say, and what they do not.

    Args:
        found: what was measured.
        chosen: whether the same cases chose the weights.
    """
    people = len({found.patients[case] for case in found.metrics})
    yield element(
        "p",
        f"They are of {scans(len(found.metrics), people)} that the model did not learn from. But "
        "these same scans chose the moment of the training whose weights were kept, so the figures "
        "are slightly optimistic. What is to be published or relied on has to be measured on "
        "patients who took no part at all, best of another hospital."
        if chosen
        else f"They are of {scans(len(found.metrics), people)}, each predicted by a model that "
        "never saw its patient, and no weights were chosen by them. The folds' models together, "
        "as one, have not been measured; they are mostly somewhat better. What is to be relied on "
        "elsewhere has to be measured there.",
    )
    yield element(
        "p",
        "The intervals speak of other patients of the same sort and the same scanners. They do "
        "not say how the model does elsewhere, nor what another training would have given.",
    )
    intervals = (*(one.interval for one in found.totals), *found.overall.values())
    if any(i.low == i.high for i in intervals):
        yield element(
            "p",
            "Where all cases came out alike, the interval has no width. That is no certainty: when "
            f"nothing went wrong in {persons(people)}, it may yet go wrong in up to "
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


def every_case(found: Examination) -> Iterator[Html]:
    """A row for each case and part."""
    measures = {one.name: one.unit for row in found.told.values() for one in row}
    heads = ["case", "part", *(n if u == "1" else f"{n}, {u}" for n, u in measures.items())]
    rows = []
    for case, metrics in found.told.items():
        for part in dict.fromkeys(m.of for m in metrics):
            values = {m.name: m.value for m in metrics if m.of == part}
            numbers = [number(values.get(name, nan)) for name in measures]
            rows.append([case, part or "all together", *numbers])
    yield element("p", "Press a heading to sort.", class_="muted")
    yield table(heads, rows, sortable=True)


def number(value: float) -> str:
    """A figure to three digits; a dash where there is nothing to say."""
    return "–" if isnan(value) else f"{value:.3g}" if isfinite(value) else "∞"


def scans(count: int, patients: int) -> str:
    """So many scans of so many patients."""
    return f"{count} {'scan' if count == 1 else 'scans'} of {persons(patients)}"


def persons(count: int) -> str:
    """So many patients."""
    return f"{count} {'patient' if count == 1 else 'patients'}"
