"""Weigh the signs of the last look anew: ``python -m medlib.assist.weighing``.

As the refiner does, they learn from synthetic structures alone, of volumes that the refiner was
not taught by, or it would be trusted more than it deserves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from medlib.assist.lessons import lessons
from medlib.assist.refiner import refined, shipped
from medlib.assist.settling import signs

VOLUMES = range(1000, 1020)
_MOST = 1500  # voxels of a moment
_RIDGE = 1e-3
_APART = 0.1  # of cross-entropy beside overlap


def weigh(
    volumes: Iterable[int] = VOLUMES, *, told: Callable[[str], None] = lambda line: None
) -> npt.NDArray[np.float32]:
    """The weights with which the outlines of synthetic structures overlap most with them.

    Args:
        volumes: the numbers of the lessons to learn from.
        told: a line for each volume.

    Returns:
        A weight for each of the signs.
    """
    rng = np.random.default_rng(0)
    rows: list[npt.NDArray[np.float32]] = []
    odds: list[npt.NDArray[np.float32]] = []
    truths: list[npt.NDArray[np.float32]] = []
    whose: list[npt.NDArray[np.int64]] = []
    for number in volumes:
        for lesson in lessons(number, shipped()):
            if len(lesson.scene.clicks) < 2:
                continue
            before = refined(lesson.scene, lesson.odds)
            kept = rng.choice(before.size, min(before.size, _MOST), replace=False)
            rows.append(signs(lesson.scene, before)[kept])
            odds.append(before.ravel()[kept])
            truths.append(lesson.truth.ravel()[kept].astype(np.float32))
            whose.append(np.full(len(kept), len(whose)))
        told(f"volume {number}: {len(rows)} moments")
    return _climbed(*(torch.from_numpy(np.concatenate(v)) for v in (rows, odds, truths, whose)))


def _climbed(rows: Tensor, odds: Tensor, truth: Tensor, whose: Tensor) -> npt.NDArray[np.float32]:
    """By the expected overlap of each outline, which unlike a count of voxels can be climbed."""
    weights = torch.zeros(rows.shape[1], requires_grad=True)
    climber = torch.optim.LBFGS([weights], max_iter=60, line_search_fn="strong_wolfe")
    outlines = int(whose.max()) + 1

    def summed(values: Tensor) -> Tensor:
        return torch.zeros(outlines).index_add(0, whose, values)

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


if __name__ == "__main__":
    print(weigh(told=lambda line: print(line, flush=True)).round(2).tolist())  # noqa: T201
