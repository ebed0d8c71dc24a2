"""What the backbone is held to: families, distances, and that a structure is itself however it looks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from medlib.models.pretraining.configuration import Configuration
from medlib.models.pretraining.volumes import VIEWS, Volumes
from medlib.transforms.chance import Chance
from medlib.transforms.intensity.noise import looked_up


@dataclass(frozen=True)
class Losses:
    """Of one batch.

    Args:
        total: weighted sum, to be made smaller.
        parts: by name, without gradient: ``family`` (cross-entropy), ``distance`` (mean absolute
            error, as a share of the reach), ``contrast`` (InfoNCE), and ``accuracy``: how often the
            voxel that is most alike in the other appearance belongs to the same structure.
    """

    total: Tensor
    parts: dict[str, Tensor]


def losses(
    given: tuple[Tensor, Tensor, Tensor],
    batch: Volumes,
    configuration: Configuration,
    step: int,
) -> Losses:
    """How far the answers are from what the volumes are.

    Args:
        given: what the backbone answers for all first appearances, then all second ones, of
            every so many voxels.
        batch: the volumes.
        configuration: of the recipe.
        step: from which chance chooses the voxels that are compared.
    """
    logits, distance, alike = given
    strides = configuration.forms[batch.form].strides[0]
    answered = (slice(None), *(slice(None, None, stride) for stride in strides))
    family = F.cross_entropy(logits.float(), batch.family[answered].long().repeat(VIEWS, 1, 1, 1))
    truth = (batch.distance[answered] / configuration.reach).repeat(VIEWS, 1, 1, 1)
    error = F.l1_loss(distance.float(), truth)
    instance = batch.instance[answered].flatten(1).long()
    seed = Chance(seed=configuration.seed, name=f"points {step}").seed()
    places = balanced(instance, configuration.points, seed)
    vectors = alike.flatten(2).view(VIEWS, -1, alike.shape[1], instance.shape[1])
    index = places[None, :, None].expand(VIEWS, -1, vectors.shape[2], -1)
    chosen = vectors.gather(3, index).movedim(2, 3)
    contrast, accuracy = compared(
        chosen[0], chosen[1], instance.gather(1, places), configuration.temperature
    )
    total = (
        configuration.family * family
        + configuration.distance * error
        + configuration.contrast * contrast
    )
    parts = {"family": family, "distance": error, "contrast": contrast, "accuracy": accuracy}
    return Losses(total, {name: part.detach() for name, part in parts.items()})


def compared(
    one: Tensor, other: Tensor, instance: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Supervised contrast of voxels in two appearances of the same volumes.

    Each voxel is to be more like those of its structure in the other appearance than like the rest
    (Khosla et al., *Supervised contrastive learning*, NeurIPS 2020; of voxels: Dey et al., *Learning
    general-purpose biomedical volume representations using randomized synthesis*, ICLR 2025).

    Args:
        one: unit vectors, (volume, point, number).
        other: those of the same places in the other appearance.
        instance: which structure each belongs to, (volume, point).
        temperature: less tells apart more sharply.

    Returns:
        The loss, and the share of voxels whose most alike one belongs to the same structure.

    Example:
        >>> vectors = torch.eye(4)[None]
        >>> loss, accuracy = compared(vectors, vectors, torch.tensor([[0, 1, 2, 3]]), 0.1)
        >>> bool(loss < 0.01), float(accuracy)
        (True, 1.0)
    """
    likeness = one @ other.transpose(1, 2) / temperature
    same = instance[:, :, None] == instance[:, None, :]
    positives = same.sum(2)

    def missing(rows: Tensor) -> Tensor:
        return -((rows.log_softmax(2) * same).sum(2) / positives).mean()

    nearest = likeness.argmax(2)
    right = instance.gather(1, nearest) == instance
    return (missing(likeness) + missing(likeness.transpose(1, 2))) / 2, right.float().mean()


def balanced(instance: Tensor, count: int, seed: int) -> Tensor:
    """Places of some voxels of each volume, as likely of a small structure as of a large one.

    The greatest of their weights' logarithms with Gumbel noise, drawn on the processor: a sample
    without replacement (Gumbel-top-k).

    Args:
        instance: (volume, voxel), whole numbers from 0 on.
        count: of the places; fewer where there are not as many voxels.
        seed: of chance.
    """
    sizes = torch.zeros(len(instance), int(instance.max()) + 1, device=instance.device)
    sizes.scatter_add_(1, instance, torch.ones_like(instance, dtype=sizes.dtype))
    noise = looked_up(_gumbel(), instance.float(), np.random.SFC64(seed))
    order = noise - sizes.gather(1, instance).log()
    return order.topk(min(count, instance.shape[1]), dim=1).indices


@lru_cache(maxsize=1)
def _gumbel() -> Tensor:
    """The middles of 65536 equal shares of the Gumbel distribution."""
    shares = (np.arange(1 << 16) + 0.5) / (1 << 16)
    return torch.from_numpy(-np.log(-np.log(shares))).float()
