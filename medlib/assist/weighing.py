"""How the signs of the last look are weighed: so that outlines overlap most with structures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from medlib.assist.evidence import Scene
from medlib.assist.inputs import Flags, Voxels
from medlib.assist.lessons import lessons
from medlib.assist.refiner import refined, shipped
from medlib.assist.settling import Edges

SYNTHETIC = range(1000, 1012)
"""Numbers of the volumes to weigh by; the refiner was taught by others, or it would be trusted too much."""
_MOST = 1500  # voxels of a moment
_RIDGE = 1e-3
_APART = 0.1  # of cross-entropy beside overlap


@dataclass(frozen=True)
class Moment:
    """Some voxels of a box, between two clicks.

    Args:
        signs: (voxel, sign).
        odds: (voxel,), before the last look.
        truth: (voxel,), 1 for those of the structure.
    """

    signs: npt.NDArray[np.float32]
    odds: npt.NDArray[np.float32]
    truth: npt.NDArray[np.float32]

    @classmethod
    def of(cls, scene: Scene, odds: Voxels, truth: Flags, rng: np.random.Generator) -> Moment:
        """Of a box, its odds before the last look, and the structure: (slice, row, column) each."""
        kept = rng.choice(odds.size, min(odds.size, _MOST), replace=False)
        flat = truth.ravel()[kept].astype(np.float32)
        return cls(Edges(scene).signs(odds)[kept], odds.ravel()[kept], flat)


def synthetic(volumes: Iterable[int] = SYNTHETIC) -> list[Moment]:
    """Moments of synthetic structures with two clicks or more.

    Args:
        volumes: numbers of the lessons.
    """
    rng = np.random.default_rng(0)
    found: list[Moment] = []
    for number in volumes:
        for lesson in lessons(number, shipped()):
            if len(lesson.scene.clicks) > 1:
                before = refined(lesson.scene, lesson.odds)
                found.append(Moment.of(lesson.scene, before, lesson.truth, rng))
    return found


def weigh(moments: Sequence[Moment]) -> npt.NDArray[np.float32]:
    """A weight for each sign, with which the outlines overlap most with the structures.

    Climbed is the expected overlap of each outline, which unlike a count of voxels can be climbed.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> telling = rng.normal(size=(500, 2)).astype(np.float32)
        >>> truth = (telling[:, 1] > 0).astype(np.float32)
        >>> found = weigh([Moment(telling, np.zeros(500, dtype=np.float32), truth)])
        >>> bool(found[1] > 10 * abs(found[0]))
        True
    """
    rows = torch.from_numpy(np.concatenate([one.signs for one in moments]))
    odds = torch.from_numpy(np.concatenate([one.odds for one in moments]))
    truth = torch.from_numpy(np.concatenate([one.truth for one in moments]))
    sizes = torch.tensor([len(one.odds) for one in moments])
    whose = torch.repeat_interleave(torch.arange(len(moments)), sizes)
    weights = torch.zeros(rows.shape[1], requires_grad=True)
    climber = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")

    def summed(values: Tensor) -> Tensor:
        return torch.zeros(len(moments)).index_add(0, whose, values)

    def loss() -> Tensor:
        climber.zero_grad()
        after = odds + rows @ weights
        likely = torch.sigmoid(after)
        overlap = 2 * summed(likely * truth) / (summed(likely) + summed(truth) + 1)
        apart = summed(F.binary_cross_entropy_with_logits(after, truth, reduction="none"))
        missed = 1 - overlap + _APART * apart / summed(truth).clamp(min=5)
        found: Tensor = missed.mean() + _RIDGE * weights.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    climber.step(loss)  # type: ignore[no-untyped-call]
    found: npt.NDArray[np.float32] = weights.detach().numpy()
    return found
