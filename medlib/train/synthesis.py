"""Scans that a network makes: their loss, their figures of merit, their part of the scores."""

from __future__ import annotations

from math import inf, log10, nan

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from medlib.train.losses import loss
from medlib.train.metrics import Metric, Metrics, metrics
from medlib.train.scores import row
from medlib.types import MultiVolume, Volume, to_numpy

_SIGMA, _RADIUS = 1.5, 5  # of the window that SSIM looks through (Wang et al. 2004)


@loss.register
def _(prediction: Tensor, target: Volume, *others: Volume) -> Tensor:
    """Mean absolute error: blurs less than squares do, where several answers are as likely."""
    return _error(prediction, [one.data for one in (target, *others)])


@loss.register
def _(prediction: Tensor, target: MultiVolume, *others: MultiVolume) -> Tensor:
    return _error(prediction, [one.data for one in (target, *others)])


def _error(prediction: Tensor, targets: list[Tensor]) -> Tensor:
    truth = torch.stack(targets)
    if prediction.shape != truth.shape:
        raise ValueError(
            f"for these targets the prediction has to be {tuple(truth.shape)}, and it is "
            f"{tuple(prediction.shape)}"
        )
    return nn.functional.l1_loss(prediction, truth.to(prediction))


@metrics.register
def _(prediction: Volume, target: Volume) -> Metrics:
    """``MAE`` and ``RMSE`` in the target's units, ``PSNR`` in dB and ``SSIM`` (Wang et al. 2004).

    PSNR and SSIM are relative to the range of values in the target; SSIM looks through a Gaussian
    window of 11 voxels, along the axes that have as many. All voxels count.

    Raises:
        ValueError: for another grid, or other units.
    """
    if not prediction.grid.close_to(target.grid):
        raise ValueError(
            f"the scans lie on different grids: {target.grid.difference(prediction.grid)}"
        )
    if prediction.units != target.units:
        raise ValueError(f"the prediction is in {prediction.units}, the target in {target.units}")
    found, true = (to_numpy(v).astype(np.float64) for v in (prediction, target))
    wide, squared = float(np.ptp(true)), float(((found - true) ** 2).mean())
    unit = "1" if target.units == "arbitrary" else target.units
    noise = 10 * log10(wide**2 / squared) if wide and squared else (nan if squared else inf)
    alike = [_similarity(a, b, wide) for a, b in zip(found, true, strict=True)]
    return (
        Metric("", "MAE", float(np.abs(found - true).mean()), unit),
        Metric("", "RMSE", squared**0.5, unit),
        Metric("", "PSNR", noise, "dB"),
        Metric("", "SSIM", float(np.mean(alike))),
    )


@metrics.register
def _(prediction: MultiVolume, target: MultiVolume) -> Metrics:
    return tuple(
        Metric(name, found.name, found.value, found.unit)
        for name, true in zip(target.names, target.parts, strict=True)
        for found in metrics(prediction[name], true)
    )


@row.register
def _(prediction: Volume, truth: Volume, found: Metrics) -> tuple[dict[str, float], str, bool]:
    error = found[0]
    return {"scan": error.value}, _named(error), True


@row.register
def _(
    prediction: MultiVolume, truth: MultiVolume, found: Metrics
) -> tuple[dict[str, float], str, bool]:
    errors = [one for one in found if one.name == "MAE"]
    units = {one.unit for one in errors}
    measure = _named(errors[0]) if len(units) == 1 else "mean absolute error, each in its units"
    return {one.of: one.value for one in errors}, measure, True


def _named(error: Metric) -> str:
    unit = "the scan's own numbers" if error.unit == "1" else error.unit
    return f"mean absolute error in {unit}"


def _similarity(
    found: npt.NDArray[np.float64], true: npt.NDArray[np.float64], wide: float
) -> float:
    """Mean SSIM, where the whole window lies within the scan; NaN where it is nowhere."""
    from scipy.ndimage import gaussian_filter1d

    axes = [axis for axis, n in enumerate(true.shape) if n > 2 * _RADIUS]
    if not axes or not wide:
        return nan

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        for axis in axes:
            values = gaussian_filter1d(values, _SIGMA, axis=axis, radius=_RADIUS)
            values = values.take(range(_RADIUS, values.shape[axis] - _RADIUS), axis=axis)
        return values

    a, b = mean(found), mean(true)
    spread = mean(found**2) - a**2, mean(true**2) - b**2
    both = mean(found * true) - a * b
    first, second = (0.01 * wide) ** 2, (0.03 * wide) ** 2
    alike = (2 * a * b + first) * (2 * both + second)
    return float((alike / ((a**2 + b**2 + first) * (sum(spread) + second))).mean())
