"""The sections of a report that show the answers of many cases at once, by their kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from medlib.report.charts import agreement, calibration, confusion
from medlib.report.detection import froc_curve
from medlib.report.examination import Examination
from medlib.report.figures import said
from medlib.report.markup import Html, element, muted, picture, section, table
from medlib.train.froc import RATES, by_label
from medlib.train.intervals import bootstrap
from medlib.types import Belief, Boxes, Kind, Measurement, verb


def sections(found: Examination) -> Iterator[Html]:
    """What there is to be shown of all answers together."""
    if found.answers:
        given, true = map(list, zip(*found.answers.values(), strict=True))
        whose = [found.patients[case] for case in found.answers]
        yield from charts(given[0], given, true, whose)


@verb
def charts(
    kind: Kind, given: Sequence[Kind], true: Sequence[Kind], whose: Sequence[str]
) -> Sequence[Html]:
    """The sections that show many answers at once.

    Args:
        kind: one of them, which chooses.
        given: what was said of each case.
        true: the truths.
        whose: the patient of each case.
    """
    raise AssertionError


@charts.register
def _(kind: Kind, given: Any, true: Any, whose: Any) -> Sequence[Html]:
    return ()


@charts.register
def _(kind: Belief, given: Any, true: Any, whose: Any) -> Sequence[Html]:
    counts = "Counts of cases by reference and prediction"
    often = "How often answers came true, by the probability that was given to them"
    return (
        section(
            "What was taken for what",
            picture(confusion(given, true), counts),
            muted("Shares are of a row: of the cases that are so."),
            element("h3", "Whether its probabilities can be taken at their word"),
            picture(calibration(given, true), often),
            muted(
                "Of answers given 80 %, 8 in 10 should come true: dots on the dashed line. Below, "
                "how many answers there are; the intervals (Wilson) take each for a patient of "
                "its own."
            ),
        ),
    )


@charts.register
def _(kind: Measurement, given: Any, true: Any, whose: Any) -> Sequence[Html]:
    alt = "Prediction against reference, and their differences with the limits of agreement"
    return (
        section(
            "How far it agrees with the reference",
            picture(agreement(given, true), alt),
            muted(
                "Right, after Bland and Altman: between the dashed lines, the limits of agreement, "
                "lie about 95 of 100 differences. Whether that is close enough is a clinical "
                "question. Dots that fall from left to right: small values are overestimated, large ones under."
            ),
        ),
    )


@charts.register
def _(kind: Boxes, given: Any, true: Any, whose: Any) -> Sequence[Html]:
    labels = {name: found for name, found in by_label(list(zip(given, true, strict=True))).items()
              if found.findings.any()}  # fmt: skip
    if not labels:
        return (section("What was found", muted("There was nothing to be found in any scan.")),)
    figures = [
        (found.froc, found.average_precision, *map(found.at, RATES)) for found in labels.values()
    ]
    columns = [[said(bootstrap(figure, whose)) for figure in each] for each in figures]
    counts = [f"{int(found.findings.sum())} findings" for found in labels.values()]
    heads = ["FROC", "average precision", *(f"at {rate:g}" for rate in RATES)]
    rows = [[head, *row] for head, *row in zip(heads, *columns, strict=True)]
    return (
        section(
            "What was found, and at what price",
            picture(
                froc_curve(labels, whose),
                "Share of findings that is found, against false positives a scan",
            ),
            table(["", *labels], [["", *counts], *rows]),
            muted(
                "At so many false positives a scan that share of the findings is found; FROC is "
                "the mean of these. A lower threshold on the scores leads to the right. Bands and "
                "brackets: 95 % intervals over patients."
            ),
        ),
    )
