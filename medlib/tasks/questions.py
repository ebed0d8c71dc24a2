"""What may be asked of scans: structures, answers, numbers, landmarks, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medlib.data import (
    BoxesBlock,
    CategoriesBlock,
    CategoryBlock,
    MaskBlock,
    MeasurementBlock,
    Pairing,
    PointsBlock,
    pair,
    pair_boxes,
    with_boxes,
)
from medlib.data.knowing import pair_points, with_answers, with_points, with_some_answer
from medlib.data.tables import from_table, labelled
from medlib.tasks.base import Task
from medlib.tasks.preparing import KindOf, task


def segmenter(
    scans: str | Path | Pairing,
    labels: str | Path | None = None,
    *,
    kind: KindOf,
    **choices: Any,
) -> Task:
    """Prepare to learn to outline structures from scans and their labels.

    Args:
        scans: a folder of DICOM, NIfTI or radiographs; or, without ``labels``, a data set in
            nnU-Net's or the Decathlon's layout, a table that names both (see
            :func:`medlib.data.from_table`), or cases.
        labels: a folder of NIfTI label maps, DICOM SEG, or PNG of radiographs; may be the same one.
        kind: of the scans; see :func:`task`.
        choices: how to go about it; see :func:`task`.

    Raises:
        FileNotFoundError: when a folder does not exist.
        ValueError: when scans and labels do not fit, naming the file, when there are no labels, and
            as :func:`task` does.
    """
    if isinstance(scans, Pairing):
        pairing = scans
    else:
        pairing = labelled(scans) if labels is None else pair(Path(scans), Path(labels))
    if all(case.label is None for case in pairing.cases):
        raise ValueError(
            "no scan has labels, so there is nothing to outline; answers, numbers, landmarks and "
            "boxes are asked for otherwise (`medlib train --help`)"
        )
    return task(pairing, lambda _: MaskBlock(pairing.labels), kind=kind, **choices)


def classifier(
    table: str | Path | Pairing,
    answers: str | Sequence[str],
    *,
    kind: KindOf,
    **choices: Any,
) -> Task:
    """Prepare to learn answers about whole scans.

    Example::

        learn = medlib.classifier("adrenals.csv", "diagnosis", kind="ct")
        learn.fine_tune(minutes=20)
        learn.scores.overall               # {"AUROC": …, "balanced accuracy": …}
        learn.predict("a/new/scan.nii.gz")  # a Belief: how likely each diagnosis is

    Args:
        table: a CSV file with a row a scan (see :func:`medlib.data.from_table`), or cases.
        answers: the column that holds one of several words; or columns, each answered yes or no,
            of which any number may be true. Of such columns some may be empty in a scan: nobody
            knows, which is not no. Loss and figures leave that question out there.
        kind: of the scans.
        choices: how to go about it; see :func:`task`.

    Raises:
        ValueError: when a column holds a single answer, or numbers, and as :func:`task` does.
    """
    if not isinstance(answers, str):
        columns = tuple(answers)
        pairing = with_some_answer(_cases(table), columns)
        return task(pairing, lambda _: CategoriesBlock(columns), kind=kind, **choices)
    pairing = with_answers(_cases(table), (answers,))
    words = Counter(str(case.answers[answers]) for case in pairing.cases)
    if len(words) < 2 or max(words.values()) < 2:
        said = "every case says the same" if len(words) < 2 else "no two cases say the same"
        raise ValueError(
            f"of {answers!r} {said}, so there is nothing to tell apart; numbers have a unit, and are "
            "learned by medlib.regressor (`medlib train --unit`)"
        )
    vocabulary = tuple(sorted(words))
    return task(pairing, lambda _: CategoryBlock(answers, vocabulary), kind=kind, **choices)


def regressor(
    table: str | Path | Pairing,
    answer: str,
    unit: str,
    *,
    kind: KindOf,
    **choices: Any,
) -> Task:
    """Prepare to learn to estimate a number from whole scans.

    Scans are learned from as large as they are; a plan for measurements stretches none.

    Example::

        learn = medlib.regressor("spleens.csv", "volume", "ml", kind="ct")
        learn.fine_tune(minutes=20)
        learn.predict("a/new/scan.nii.gz")  # a Measurement, in ml

    Args:
        table: a CSV file with a row a scan (see :func:`medlib.data.from_table`), or cases.
        answer: the column that holds the number.
        unit: of all of its numbers, a UCUM code such as ``"ml"``; ``"1"`` for none.
        kind: of the scans.
        choices: how to go about it; see :func:`task`.

    Raises:
        ValueError: when the column holds words, and as :func:`task` does.
    """
    pairing = with_answers(_cases(table), (answer,))
    block = MeasurementBlock(answer, unit)
    return task(pairing, lambda train: block.scaled_to(list(train)), kind=kind, **choices)


def landmarks(
    scans: str | Path | Pairing,
    points: str | Path | None = None,
    *,
    kind: KindOf,
    names: Sequence[str] = (),
    **choices: Any,
) -> Task:
    """Prepare to learn where landmarks are.

    Example::

        learn = medlib.landmarks("scans", "points", kind="mr")
        learn.fine_tune(minutes=20)
        learn.scores.labels                # mean distance of each landmark, in mm
        learn.predict("a/new/scan.nii.gz")  # Points, LPS millimetres in the scan's own space

    Args:
        scans: a folder of DICOM or NIfTI; or, without ``points``, a table that names them (see
            :func:`medlib.data.from_table`), or cases.
        points: a folder of 3D Slicer's markups (``.mrk.json``, ``.fcsv``), named as their scans.
        kind: of the scans.
        names: of the landmarks; left out, all that any file names.
        choices: how to go about it; see :func:`task`.

    Raises:
        FileNotFoundError: when a folder does not exist.
        ValueError: when no scan has all of the landmarks, and as :func:`task` does.
    """
    found = _cases(scans) if points is None else pair_points(Path(scans), Path(points))  # type: ignore[arg-type]
    pairing, wanted = with_points(found, tuple(names))
    return task(pairing, lambda _: PointsBlock(wanted), kind=kind, **choices)


def detector(
    scans: str | Path | Pairing,
    boxes: str | Path | None = None,
    *,
    kind: KindOf,
    labels: Sequence[str] = (),
    **choices: Any,
) -> Task:
    """Prepare to learn to find lesions, nodules and the like, each with a box around it.

    A scan in which nothing was found is learned from too, if its file says so: an empty list of
    markups, or a row of the table without coordinates. One without a file is left out.

    Example::

        learn = medlib.detector("scans", "boxes", kind="ct")
        learn.fine_tune(minutes=20)
        learn.scores.overall               # {"FROC": …, "mAP": …}
        found = learn.predict("a/new/scan.nii.gz")  # Boxes with scores, the surest first
        medlib.save(found, "nodules.mrk.json")      # for 3D Slicer

    Args:
        scans: a folder of DICOM or NIfTI; or, without ``boxes``, a table that names them (see
            :func:`medlib.data.from_table`), or cases.
        boxes: a table of boxes, a folder of 3D Slicer's regions of interest, or one of label maps,
            of which each connected part is a finding; see :func:`medlib.data.pair_boxes`.
        kind: of the scans.
        labels: of what is to be found; left out, all that any file names.
        choices: how to go about it; see :func:`task`.

    Raises:
        FileNotFoundError: when a path does not exist.
        ValueError: when nothing is known of any scan, a box has another label or lies outside its
            scan, and as :func:`task` does.
    """
    found = _cases(scans) if boxes is None else pair_boxes(Path(scans), Path(boxes))  # type: ignore[arg-type]
    pairing = with_boxes(found, tuple(labels))
    return task(pairing, lambda _: BoxesBlock(pairing.labels), kind=kind, **choices)


def _cases(source: str | Path | Pairing) -> Pairing:
    return source if isinstance(source, Pairing) else from_table(source)
