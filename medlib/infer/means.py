"""The mean of answers to one question: of several looks at a scan, or of several networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np

from medlib.infer.outputs import BeliefOutput, MaskOutput, MeasurementOutput, PointsOutput
from medlib.types import Belief, Kind, Measurement, Points, verb

AVERAGED = (MaskOutput, PointsOutput, BeliefOutput, MeasurementOutput)
"""Outputs whose answers have a mean; of structures it is that of their probabilities."""


def mean_of(answers: Sequence[Kind]) -> Kind:
    """The mean of answers of one kind: of probabilities, of numbers, of places.

    Args:
        answers: at least one; of the same words, in the same unit's dimension, of the same names.

    Example:
        >>> mean_of([Measurement(2.0, "ml", "spleen"), Measurement(4.0, "ml", "spleen")]).value
        3.0
    """
    first, *others = answers
    found: Kind = _mean(first, answers) if others else first
    return found


@verb
def _mean(first: Kind, answers: Sequence[Any]) -> Kind:
    """The mean of answers of one kind, of which ``first`` is one."""
    raise AssertionError


@_mean.register
def _(first: Belief, answers: Sequence[Any]) -> Belief:
    shares = np.mean([answer.shares for answer in answers], axis=0)
    return replace(first, shares=tuple(float(share) for share in shares))


@_mean.register
def _(first: Measurement, answers: Sequence[Any]) -> Measurement:
    return replace(first, value=fmean(answer.to(first.unit).value for answer in answers))


@_mean.register
def _(first: Points, answers: Sequence[Any]) -> Points:
    return replace(first, coordinates=np.mean([a.coordinates for a in answers], axis=0))
