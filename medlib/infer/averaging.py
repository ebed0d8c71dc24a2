"""Several networks asked the same: the mean of their answers, and how far these lie apart.

A mean over networks that were trained on different patients is mostly better than any of them, and
where they disagree they are more often wrong (Lakshminarayanan et al., Simple and scalable
predictive uncertainty estimation using deep ensembles, NeurIPS 2017).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean, pstdev
from typing import Any

import numpy as np
from torch import Tensor

from medlib.infer.decoding import Shares, decode_mask
from medlib.infer.means import AVERAGED, mean_of
from medlib.infer.outputs import MaskOutput, MeasurementOutput, Output
from medlib.infer.predictor import Predictor
from medlib.transforms import Item
from medlib.types import Belief, Kind, Mask, Measurement, Points, verb


def same_question(outputs: Sequence[Output]) -> None:
    """Refuse outputs that do not all ask for the same, or for what has no mean.

    What is usual of a measurement may differ: each network answers in the unit.

    Raises:
        ValueError: saying what differs.
    """
    first, *others = (_question(output) for output in outputs)
    if not isinstance(first, AVERAGED):
        raise ValueError(
            f"a {type(first).__name__} has no mean over several networks yet; use one of them"
        )
    if different := [other for other in others if other != first]:
        raise ValueError(
            f"networks that are averaged have to answer the same question, and these are asked "
            f"for {first} and for {different[0]}"
        )


def average(predictors: Sequence[Predictor], seen: Sequence[Kind]) -> Kind:
    """The mean of what several networks find.

    Of structures, the probabilities are averaged: on the grid that networks share, where scans are
    prepared for them in the same way, else on the scan's own grid, one structure after another, so
    that never more than two of that size lie in memory (besides one probability a structure for
    each way of preparing, at the size that the networks see). Of answers it is the mean
    probability, of numbers and landmarks the mean.

    Args:
        predictors: that are asked the same; see :func:`same_question`.
        seen: what they are shown, in the order of their inputs.
    """
    if isinstance(predictors[0].output, MaskOutput):
        for one, value in zip(predictors[0].inputs, seen, strict=True):
            one.check(value)
        return _mask(predictors, seen)
    answers = [predictor.predict(*seen) for predictor in predictors]
    return mean_of(answers)


def disagreement(predictors: Sequence[Predictor], seen: Sequence[Kind]) -> dict[str, float]:
    """How far apart several networks are, of each part of what they find; 0: they say the same.

    Of a structure 1 − Dice, the mean over all pairs; of an answer the standard deviation of its
    probability; of a measurement the standard deviation, in its unit; of a landmark the root mean
    square distance from their mean place, in millimetres. Scans with much of it are worth a look
    first, and worth labelling first.

    Args:
        predictors: two or more, that are asked the same.
        seen: what they are shown, in the order of their inputs.
    """
    answers = [predictor.predict(*seen) for predictor in predictors]
    found: dict[str, float] = _apart(answers[0], answers)
    return found


def _question(output: Output) -> Output:
    if isinstance(output, MeasurementOutput):
        return replace(output, mean=0.0, deviation=1.0)
    return output


# --- structures ---------------------------------------------------------------------------


def _mask(predictors: Sequence[Predictor], seen: Sequence[Kind]) -> Mask:
    item = predictors[0].item(*seen)
    alike: dict[str, list[Predictor]] = {}
    for predictor in predictors:
        way = json.dumps(predictor.preprocess.to_list(), sort_keys=True)
        alike.setdefault(way, []).append(predictor)
    parts = [_summed(group, item) for group in alike.values()]
    output = predictors[0].output
    assert isinstance(output, MaskOutput)
    return decode_mask(parts, output.labels, item.grid)


def _summed(predictors: Sequence[Predictor], raw: Item) -> Shares:
    item = predictors[0].preprocess(raw)
    total: Tensor | None = None
    for predictor in predictors:
        shares = predictor.probabilities(item)
        total = shares if total is None else total.add_(shares)
    assert total is not None
    return Shares(total, item.trail, len(predictors))


# --- how far apart ------------------------------------------------------------------------


@verb
def _apart(first: Kind, answers: Sequence[Any]) -> Mapping[str, float]:
    """How far answers of one kind, of which ``first`` is one, are apart, by part."""
    raise AssertionError


@_apart.register
def _(first: Mask, answers: Sequence[Any]) -> dict[str, float]:
    return {
        name: fmean(
            _unlike(one.structure(name), other.structure(name))
            for one, other in combinations(answers, 2)
        )
        for name in first.labels.names
    }


@_apart.register
def _(first: Belief, answers: Sequence[Any]) -> dict[str, float]:
    spread = np.std([answer.shares for answer in answers], axis=0)
    return {word: float(s) for word, s in zip(first.vocabulary, spread, strict=True)}


@_apart.register
def _(first: Measurement, answers: Sequence[Any]) -> dict[str, float]:
    return {first.name: pstdev(answer.to(first.unit).value for answer in answers)}


@_apart.register
def _(first: Points, answers: Sequence[Any]) -> dict[str, float]:
    places = np.array([answer.coordinates for answer in answers])
    away = np.sqrt(((places - places.mean(0)) ** 2).sum(-1).mean(0))
    return {name: float(mm) for name, mm in zip(first.names, away, strict=True)}


def _unlike(one: Tensor, other: Tensor) -> float:
    """1 − Dice; nothing and nothing are alike."""
    both = int(one.sum()) + int(other.sum())
    return 1 - 2 * int((one & other).sum()) / both if both else 0.0
