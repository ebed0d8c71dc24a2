"""Mixing scans with one another, so that a small set of them is learned from for longer."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from medlib.train.callbacks.base import Callback
from medlib.types import Categories, Category, Kind, Measurement

if TYPE_CHECKING:
    from medlib.train.learner import Learner


class _Mixing(Callback):
    """Mixes each scan of a batch with another of it.

    Targets need not be mixed: the loss is that of the one and that of the other, weighted as the
    scans are. What is drawn follows from the learner's seed and the batch's place in the training.
    """

    order: ClassVar[int] = -10  # the loss is made anew, before anything is added to it
    kinds: ClassVar[tuple[type[Kind], ...]]
    """What may be learned of mixed scans."""

    def __init__(self, alpha: float) -> None:
        if not alpha > 0:
            raise ValueError(f"the strength of mixing is above 0, not {alpha}")
        self.alpha = alpha

    def made_with(self) -> dict[str, Any]:
        """How much is mixed."""
        return {"alpha": self.alpha}

    @abstractmethod
    def mixed(
        self, x: Tensor, other: Tensor, share: float, draw: np.random.Generator
    ) -> tuple[Tensor, float]:
        """The mixture, and the share of ``x`` in it."""

    def before_batch(self, learn: Learner) -> None:
        """Mix the scans.

        Raises:
            TypeError: when something else is learned than mixed scans can teach.
        """
        targets = learn.batch.targets
        if not isinstance(targets[0], self.kinds):
            raise TypeError(
                f"{type(self).__name__} mixes scans of which {_names(self.kinds)} is learned, and "
                f"here it is {_names((type(targets[0]),))}"
            )
        draw = np.random.default_rng((learn.seed, learn.seen))
        share = float(draw.beta(self.alpha, self.alpha))
        partners = draw.permutation(len(targets)).tolist()
        x = learn.batch.x
        mixture, self._share = self.mixed(x, x[partners], share, draw)
        self._others = tuple(targets[k] for k in partners)
        learn.batch = replace(learn.batch, x=mixture)

    def after_loss(self, learn: Learner) -> None:
        """Weigh the losses of both."""
        theirs = learn.compare(self._others)
        learn.found = self._share * learn.found + (1 - self._share) * theirs


class Mixup(_Mixing):
    """Each scan is faded into another of its batch (Zhang et al. 2018).

    For answers about whole scans: categories, and measurements.

    Args:
        alpha: how much: shares are drawn from Beta(alpha, alpha).

    Raises:
        ValueError: for an alpha that is not positive.

    Example:
        >>> mix = Mixup(0.4)  # learner = Learner(…, callbacks=[mix])
        >>> mix.mixed(torch.zeros(1), torch.ones(1), 0.75, np.random.default_rng(0))
        (tensor([0.2500]), 0.75)
    """

    kinds = (Category, Categories, Measurement)

    def __init__(self, alpha: float = 0.4) -> None:
        super().__init__(alpha)

    def mixed(
        self, x: Tensor, other: Tensor, share: float, draw: np.random.Generator
    ) -> tuple[Tensor, float]:
        """Both, each as strong as its share."""
        return torch.lerp(other, x, share), share


class CutMix(_Mixing):
    """A box is cut out of each scan, and filled from another of its batch (Yun et al. 2019).

    For categories. A box may hide what an answer is about; take :class:`Mixup` for small findings.

    Args:
        alpha: how much: shares of the volume are drawn from Beta(alpha, alpha).

    Raises:
        ValueError: for an alpha that is not positive.

    Example:
        >>> cut = CutMix()  # learner = Learner(…, callbacks=[cut])
        >>> x, other = torch.zeros(1, 1, 4, 8, 8), torch.ones(1, 1, 4, 8, 8)
        >>> mixture, share = cut.mixed(x, other, 0.6, np.random.default_rng(0))
        >>> bool(mixture.mean() == 1 - share)
        True
    """

    kinds = (Category, Categories)

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha)

    def mixed(
        self, x: Tensor, other: Tensor, share: float, draw: np.random.Generator
    ) -> tuple[Tensor, float]:
        """One with a box of the other, and the share that is left, counted in voxels."""
        sizes = np.array(x.shape[2:])
        sides = np.where(sizes > 1, (1 - share) ** (1 / max(1, (sizes > 1).sum())), 1.0) * sizes
        middle = draw.uniform(0, sizes)
        low = np.clip(np.round(middle - sides / 2), 0, sizes).astype(int)
        high = np.clip(np.round(middle + sides / 2), 0, sizes).astype(int)
        low, high = np.where(sizes > 1, low, 0), np.where(sizes > 1, high, 1)
        mixture = x.clone()
        slices, rows, columns = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        mixture[:, :, slices, rows, columns] = other[:, :, slices, rows, columns]
        return mixture, 1 - float(np.prod(high - low) / np.prod(sizes))


def _names(kinds: tuple[type[Kind], ...]) -> str:
    return " or ".join(f"a {kind.__name__}" for kind in kinds)
