"""How good a prediction is, for every kind of prediction there is."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from medlib.train import detection
from medlib.types import (
    Belief,
    Boxes,
    Categories,
    Category,
    Kind,
    Labels,
    Measurement,
    Points,
    verb,
)


@dataclass(frozen=True)
class Metric:
    """One figure of merit.

    Args:
        of: the structure, landmark, box or answer it is about; empty for the whole.
        name: what it is called, such as ``"Dice"``.
        value: NaN where it says nothing.
        unit: a UCUM code; ``"1"`` for a plain number.
    """

    of: str
    name: str
    value: float
    unit: str = "1"

    def __str__(self) -> str:
        unit = "" if self.unit == "1" else self.unit
        return " ".join(part for part in (self.of, self.name, f"{self.value:.3g}", unit) if part)


Metrics = tuple[Metric, ...]


@verb
def metrics(prediction: Kind, target: Kind) -> Metrics:
    """How good a prediction is, one figure after another, as rows of a table.

    A list of them is a table as it is: ``pandas.DataFrame(metrics(prediction, target))``.

    - ``metrics(mask, mask, tolerance_mm=2.0)``, for each label of the target's table: ``Dice``
      (Dice 1945); ``NSD``, the share of both surfaces that lies within the tolerance of the other
      (normalised surface distance, Nikolov 2018, each surface voxel counting alike); ``HD95``, the
      95th percentile of the distances from either surface to the other, the larger of both;
      ``volume error`` in ml, above 0 where too much was found. A label that neither has says
      nothing, and is NaN in all of these but the volume; of one that only one of them has, Dice
      and NSD are 0 and HD95 infinite. Then three counts, never NaN, of parts that hang together:
      ``lesions``, ``lesions found`` and ``false lesions``; see :mod:`medlib.train.lesions`.
    - ``metrics(probabilities, mask)``: the same, of the mask in which the likeliest wins.
    - ``metrics(points, points)``: for each name the ``distance``. Points without names are taken
      in their order.
    - ``metrics(boxes, boxes, overlap=0.1)``, for each label: ``IoU``, how far target boxes are
      overlapped by the best predicted box of the label, their mean, NaN where there is none; the
      average precision ``AP`` of this one case, where a box that overlaps an unclaimed target by
      at least ``overlap`` (IoU) is a hit. Boxes without scores are all equally sure. AP is NaN for
      a label that neither has, and 0 for one that only one of them has.
    - ``metrics(category, category)``: ``accuracy``, 1 or 0.
    - ``metrics(categories, categories)``: ``accuracy`` of each word, NaN where nobody knows, and
      ``F1`` of all that are known; NaN where neither names any.
    - ``metrics(measurement, measurement)``: ``error``, signed, in the target's unit, and
      ``absolute error``: the mean of the first is 0 where errors of both signs cancel.

    Labels, points and answers are matched by name.

    Raises:
        ValueError: when both are not about the same: other grids, names, vocabularies or units.

    Example:
        >>> seen = Points([[0, 0, 0], [0, 3, 4]], ("tip", "carina"))
        >>> true = Points([[0, 0, 0], [0, 0, 0]], ("carina", "tip"))
        >>> for found in metrics(seen, true):
        ...     print(found)
        carina distance 5 mm
        tip distance 0 mm
    """
    raise AssertionError


@metrics.register
def _(prediction: Points, target: Points) -> Metrics:
    here, there = _named(prediction), _named(target)
    _same("points", tuple(sorted(here)), tuple(sorted(there)))
    return tuple(
        Metric(name, "distance", float(np.linalg.norm(here[name] - place)), "mm")
        for name, place in there.items()
    )


@metrics.register
def _(prediction: Boxes, target: Boxes, *, overlap: float = 0.1) -> Metrics:
    known_to(prediction.labels, target.labels)
    labelled = {bool(boxes.ids) for boxes in (prediction, target) if len(boxes)}
    if len(labelled) == 2:
        raise ValueError("boxes with labels cannot be compared with boxes without: give both ids")
    found: list[Metric] = []
    for name in ("",) if labelled == {False} or not target.labels else target.labels.names:
        ours, theirs = (_boxes_of(boxes, name) for boxes in (prediction, target))
        shared = detection.overlaps(prediction.corners[ours], target.corners[theirs])
        best = float(shared.max(0, initial=0.0).mean()) if theirs else nan
        found.append(Metric(name, "IoU", best))
        scores = np.array(prediction.scores or [1.0] * len(prediction))[ours]
        found.append(Metric(name, "AP", detection.average_precision(shared, scores, overlap)))
    return tuple(found)


@metrics.register
def _(prediction: Category, target: Category) -> Metrics:
    _same("vocabularies", prediction.vocabulary, target.vocabulary)
    return (Metric("", "accuracy", float(prediction.name == target.name)),)


@metrics.register
def _(prediction: Belief, target: Category) -> Metrics:
    _same("vocabularies", prediction.vocabulary, target.vocabulary)
    return (
        *metrics(prediction.category, target),
        Metric(target.name, "probability of the truth", prediction.shares[target.index]),
    )


@metrics.register
def _(prediction: Belief, target: Categories) -> Metrics:
    return metrics(prediction.categories(), target)  # type: ignore[no-any-return]


@metrics.register
def _(prediction: Categories, target: Categories) -> Metrics:
    _same("vocabularies", prediction.vocabulary, target.vocabulary)
    unknown = {*prediction.unknown, *target.unknown}
    said, true = set(prediction.names) - unknown, set(target.names) - unknown
    f1 = 2 * len(said & true) / (len(said) + len(true)) if said or true else nan
    right = {
        w: nan if w in unknown else float((w in said) == (w in true)) for w in target.vocabulary
    }
    return (
        *(Metric(word, "accuracy", hit) for word, hit in right.items()),
        Metric("", "F1", f1),
    )


@metrics.register
def _(prediction: Measurement, target: Measurement) -> Metrics:
    _same("measurements", (prediction.name,), (target.name,))
    error = prediction.to(target.unit).value - target.value
    return (
        Metric(target.name, "error", error, target.unit),
        Metric(target.name, "absolute error", abs(error), target.unit),
    )


def _named(points: Points) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """The points by name, or by number where they have none.

    Raises:
        ValueError: when a name is given twice.
    """
    names = points.names or tuple(f"point {k + 1}" for k in range(len(points.coordinates)))
    found = dict(zip(names, points.coordinates, strict=True))
    if len(found) < len(names):
        raise ValueError(f"points cannot be matched: a name is given twice in {', '.join(names)}")
    return found


def _boxes_of(boxes: Boxes, name: str) -> list[int]:
    """The numbers of the boxes with a label; of all boxes for the name ``""``."""
    if not name:
        return list(range(len(boxes)))
    wanted = boxes.labels[name].id
    return [k for k, number in enumerate(boxes.ids) if number == wanted]


def known_to(prediction: Labels, target: Labels) -> None:
    """Refuse a prediction that does not know all labels of the target.

    Raises:
        ValueError: naming those that it lacks.
    """
    lacking = [name for name in target.names if name not in prediction]
    if lacking:
        raise ValueError(
            f"the prediction's label table lacks {', '.join(lacking)}; it has: "
            f"{', '.join(prediction.names) or 'none'}. Labels are matched by name"
        )


def _same(what: str, prediction: tuple[str, ...], target: tuple[str, ...]) -> None:
    if prediction != target:
        ours, theirs = (", ".join(map(repr, names)) or "none" for names in (prediction, target))
        raise ValueError(f"{what} are not the same: the prediction has {ours}; the target {theirs}")
