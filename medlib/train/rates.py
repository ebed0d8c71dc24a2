"""Looking for a learning rate before training (Smith 2017)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medlib.models import train_thawed
from medlib.train.learner import Learner

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Rates:
    """The loss at one learning rate after another, each a little higher.

    Args:
        rates: that were tried.
        losses: smoothed, after a step at each.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def suggestion(self) -> float:
        """Where the loss falls most steeply: a good peak for a one-cycle training."""
        slopes = np.gradient(np.array(self.losses), np.log(self.rates))
        return self.rates[int(slopes[: int(np.argmin(self.losses)) + 1].argmin())]

    def plot(self) -> Figure:
        """Loss against rate, with the suggestion."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.rates, self.losses)
        axes.axvline(self.suggestion, linestyle="--", label=f"suggested: {self.suggestion:.2g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss, smoothed")
        axes.legend()
        return figure


def find_rate(
    learn: Learner, *, lowest: float = 1e-6, highest: float = 1.0, steps: int = 80
) -> Rates:
    """Train for some steps at ever higher rates, then put everything back as it was.

    The weights, the optimiser, the scaler of gradients, and torch's chance: a training afterwards
    is the training that it would have been.

    It ends when the loss has become four times its least, or is no longer a number.

    Args:
        learn: whose network, data and optimiser are used.
        lowest: first rate.
        highest: last rate.
        steps: from the one to the other.

    Raises:
        ValueError: when the loss was no number at the lowest rate already.
    """
    weights = copy.deepcopy(learn.network.state_dict())
    inner = copy.deepcopy(learn.optimiser.state_dict())
    scaler = copy.deepcopy(learn.scaler.state_dict())
    kept: dict[str, Any] = {
        name: getattr(learn, name) for name in ("step", "seen", "running", "record", "active")
    }
    learn.step, learn.record, learn.active = 0, [], []
    train_thawed(learn.network)
    device = learn.accelerator.device
    cards = [device.index or 0] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(cards):
            rates, losses = _climb(learn, np.geomspace(lowest, highest, steps).tolist())
    finally:
        learn.network.load_state_dict(weights)
        learn.optimiser.load_state_dict(inner)
        if scaler:
            learn.scaler.load_state_dict(scaler)
        for name, value in kept.items():
            setattr(learn, name, value)
    if len(rates) < 3:
        raise ValueError(
            f"the loss rose or became no number at a rate of {lowest:g} already; try a lower one"
        )
    return Rates(tuple(rates), tuple(losses))


def _climb(learn: Learner, tried: Sequence[float]) -> tuple[list[float], list[float]]:
    """The rates that the loss stood, one after another, and the smoothed loss after each."""
    rates: list[float] = []
    losses: list[float] = []
    batches, smooth = learn.batches(), 0.0
    for number, rate in enumerate(tried, start=1):
        for group in learn.optimiser.param_groups:
            group["lr"] = rate * group["pace"]
        learn.one_step(batches)
        smooth = 0.8 * smooth + 0.2 * learn.loss_value
        shown = smooth / (1 - 0.8**number)
        if not isfinite(shown) or (losses and shown > 4 * max(min(losses), 1e-8)):
            break
        rates.append(rate)
        losses.append(shown)
    return rates, losses
