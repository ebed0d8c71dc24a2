"""Averages of weights, which predict better than those that the last batches left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from medlib.train.callbacks.base import Callback

if TYPE_CHECKING:
    from medlib.train.learner import Learner

_APART = 0.02  # of the steps that an average looks back over; weights that are nearer say the same


class EMA(Callback):
    """Validates and keeps an exponential moving average of the weights (Polyak and Juditsky 1992).

    How far the average looks back grows with the training, since a training of so many minutes does
    not know its steps beforehand: over a share of the steps done so far, so that the first weights
    are soon forgotten (as in Karras et al. 2024), and at most over a number of steps. The network
    itself goes on learning from where it is; the average takes its place in validation, and in what
    is kept at the end. Weights are taken in each time that a fiftieth of what is looked back over
    has passed, and count for all of it, since to read them all takes as long as a twentieth of a
    step on a processor.

    Args:
        share: of the steps done so far, that the average looks back over.
        most: steps that it looks back over at most, 1 / (1 - decay); left out, without end.

    Raises:
        ValueError: for a share or number that is not positive.

    Example:
        >>> average = EMA(share=0.1, most=1000)  # learner = Learner(…, callbacks=[average])
        >>> [round(average.newest(step), 4) for step in (1, 2, 101, 100_001)]
        [1.0, 0.9091, 0.0909, 0.001]
        >>> round(average.newest(100_001, passed=20), 4)
        0.0198
    """

    def __init__(self, share: float = 0.1, *, most: int | None = None) -> None:
        if not share > 0 or (most is not None and most < 1):
            raise ValueError(f"an average looks back over some steps, not {share} and {most}")
        self.share, self.most = share, most
        self._begin()

    def _begin(self) -> None:
        self._steps = self._taken = 0
        self._mean: dict[str, Tensor] = {}
        self._own: dict[str, Tensor] = {}  # while the average is in its place

    def back(self, step: int) -> float:
        """How many steps the average looks back over, after so many steps."""
        back = 1 + self.share * (step - 1)
        return back if self.most is None else min(back, self.most)

    def newest(self, step: int, *, passed: int = 1) -> float:
        """What the newest weights count, after so many steps, ``passed`` of them since the last."""
        return 1 - (1 - 1 / self.back(step)) ** passed

    def made_with(self) -> dict[str, Any]:
        """How far the average looks back."""
        return {"share": self.share, "most": self.most}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The average, how many steps there were, and after which weights were taken in last."""
        return self._mean, {"steps": self._steps, "taken": self._taken}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Go on averaging."""
        self._mean, self._steps, self._taken = tensors, values["steps"], values["taken"]

    def before_fit(self, learn: Learner) -> None:
        """Another training begins."""
        self._begin()

    def before_step(self, learn: Learner) -> None:
        """Learning goes on from the weights as they were."""
        # Not at once after validation: whoever looks at the network then is to see what was scored.
        if self._own:
            _copy(self._own, learn.network.state_dict())
            self._own = {}

    @torch.no_grad()
    def after_step(self, learn: Learner) -> None:
        """Take the new weights in; running statistics are averaged too, and counts taken over."""
        self._steps += 1
        passed = self._steps - self._taken
        if passed < _APART * self.back(self._steps):
            return
        self._taken = self._steps
        now = learn.network.state_dict()
        if not self._mean:
            self._mean = {name: tensor.clone() for name, tensor in now.items()}
        elif any(self._mean[name].device != tensor.device for name, tensor in now.items()):
            self._mean = {name: self._mean[name].to(tensor) for name, tensor in now.items()}
        names = [name for name, tensor in now.items() if tensor.is_floating_point()]
        average = get_ema_multi_avg_fn(1 - self.newest(self._steps, passed=passed))  # type: ignore[no-untyped-call]
        average([self._mean[n] for n in names], [now[n] for n in names], 0)
        counts = now.keys() - set(names)
        _copy({n: now[n] for n in counts}, {n: self._mean[n] for n in counts})

    def before_validation(self, learn: Learner) -> None:
        """Put the average in place."""
        now = learn.network.state_dict()
        if self._mean and not self._own:
            self._own = {name: tensor.clone() for name, tensor in now.items()}
            _copy(self._mean, now)


@torch.no_grad()
def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name, tensor in source.items():
        target[name].copy_(tensor)
