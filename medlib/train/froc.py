"""How well findings are found in many scans together: FROC, and average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt

from medlib.space.grid import FloatArray
from medlib.train.detection import claims, overlaps
from medlib.train.intervals import Figure, average, share
from medlib.types import Boxes

OVERLAP = 0.1
"""The intersection over union that makes a hit, low, as where something is matters more than how
large the box is (nnDetection; Baumgartner et al. 2021)."""

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives a scan at which LUNA16 looks at the sensitivity (Setio et al. 2017)."""


@dataclass(frozen=True)
class Found:
    """The boxes of one label that were predicted in many scans, and which of them are hits.

    Args:
        case: of each box, the number of its scan.
        scores: of each box.
        hits: whether each claims a finding.
        findings: of each scan, how many there are.
    """

    case: npt.NDArray[np.intp]
    scores: FloatArray
    hits: npt.NDArray[np.bool_]
    findings: FloatArray

    @classmethod
    def of(cls, pairs: Sequence[tuple[Boxes, Boxes]], name: str) -> Found:
        """What was found of a label.

        Args:
            pairs: prediction and truth of each scan.
            name: of the label.
        """
        case, scores, hits = [np.empty(0)], [np.empty(0)], [np.empty(0, dtype=np.bool_)]
        findings = []
        for number, (prediction, truth) in enumerate(pairs):
            ours, theirs = of_label(prediction, name), of_label(truth, name)
            sure = np.array(prediction.scores or [1.0] * len(prediction))[ours]
            shared = overlaps(prediction.corners[ours], truth.corners[theirs])
            case.append(np.full(len(ours), number))
            scores.append(sure)
            hits.append(claims(shared, sure, OVERLAP))
            findings.append(len(theirs))
        whole = np.concatenate(case).astype(np.intp)
        return cls(whole, np.concatenate(scores), np.concatenate(hits), np.array(findings, float))

    def sensitivities(
        self, weights: FloatArray | None = None, *, rates: Sequence[float] = RATES
    ) -> FloatArray:
        """The share of all findings that is found, at so many false positives a scan: (draw, rate).

        It is the highest that a threshold on the scores reaches with no more false ones than that.

        Args:
            weights: how often each scan counts, (draw, case), as
                :func:`medlib.train.intervals.bootstrap` draws them; left out, each once.
            rates: false positives a scan.

        Returns:
            NaN where there is no finding.
        """
        counts = np.ones((1, len(self.findings))) if weights is None else weights
        order = np.argsort(-self.scores, kind="stable")
        each = counts[:, self.case[order]]
        hits = self.hits[order]
        found, false = np.cumsum(each * hits, 1), np.cumsum(each * ~hits, 1)
        last = np.append(np.diff(self.scores[order]) != 0, True)[: len(order)]
        scans, total = counts.sum(1, keepdims=True), (counts * self.findings).sum(1)
        best = np.stack(
            [
                np.where(last & (false <= rate * scans), found, 0).max(1, initial=0.0)
                for rate in rates
            ],
            axis=1,
        )
        whole = np.broadcast_to(total[:, None], best.shape)
        share: FloatArray = np.divide(best, whole, out=np.full_like(best, nan), where=whole > 0)
        return share

    def froc(self, weights: FloatArray) -> FloatArray:
        """LUNA16's figure of each draw: the mean sensitivity over :data:`RATES`.

        ``bootstrap(found.froc, patients)`` is its interval.
        """
        mean: FloatArray = self.sensitivities(weights).mean(1)
        return mean

    def at(self, rate: float) -> Figure:
        """The sensitivity at so many false positives a scan, of each draw."""
        return lambda weights: self.sensitivities(weights, rates=(rate,))[:, 0]

    def average_precision(self, weights: FloatArray) -> FloatArray:
        """The area under precision over recall of each draw, all scans together; NaN without a finding.

        With every scan once it is :func:`medlib.train.detection.area_under_precision`.

        Args:
            weights: how often each scan counts, (draw, case).
        """
        order = np.argsort(-self.scores, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(self.scores[order]) != 0, True)[: len(order)])
        each, hits = weights[:, self.case[order]], self.hits[order]
        found, said = (np.cumsum(counts, 1)[:, ends] for counts in (each * hits, each))
        precision = np.divide(found, said, out=np.zeros_like(said), where=said > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        under = (np.diff(found, axis=1, prepend=0) * envelope).sum(1)
        return share(under, weights @ self.findings)


def figures(pairs: Sequence[tuple[Boxes, Boxes]]) -> dict[str, Figure]:
    """Figures of all scans together, each the mean over the labels of which there is a finding.

    - ``FROC``: the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a scan;
    - ``sensitivity at 1 false positive a scan``;
    - ``mAP``: average precision, where an overlap (IoU) of 0.1 is a hit.

    They are functions of how often each scan counts, for
    :func:`medlib.train.intervals.bootstrap`.

    Example:
        >>> from medlib.types import Labels
        >>> box = Boxes.between([[0, 0, 0]], [[9, 9, 9]], ids=(1,), labels=Labels.of(["nodule"]))
        >>> float(figures([(box, box)])["FROC"](np.ones((1, 1)))[0])
        1.0
    """
    found = by_label(pairs).values()
    return {
        "FROC": average([each.froc for each in found]),
        "sensitivity at 1 false positive a scan": average([each.at(1.0) for each in found]),
        "mAP": average([each.average_precision for each in found]),
    }


def by_label(pairs: Sequence[tuple[Boxes, Boxes]]) -> dict[str, Found]:
    """What was found of each label that the truths know.

    Args:
        pairs: prediction and truth of each scan.
    """
    names = dict.fromkeys(name for _, truth in pairs for name in truth.labels.names)
    return {name: Found.of(pairs, name) for name in names}


def of_label(boxes: Boxes, name: str) -> list[int]:
    """The numbers of the boxes that have a label."""
    wanted = boxes.labels[name].id if name in boxes.labels else None
    return [k for k, number in enumerate(boxes.ids) if number == wanted]
