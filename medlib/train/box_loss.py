"""What training makes small where boxes are to be found."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (its usual name)

from medlib.infer import BoxMaps
from medlib.infer.detecting import encode
from medlib.space import Grid
from medlib.train.losses import loss
from medlib.train.supervision import coarser
from medlib.types import Boxes, Labels


def focal(logits: Tensor, heat: Tensor) -> Tensor:
    """Focal loss of targets between 0 and 1, summed (quality focal loss; Li et al. 2020, equation 3).

    What is far from its target counts most: of the many voxels where nothing is, those that are
    taken for something. Objects as points has but one voxel a finding that is surely a middle; that
    voxels near it are asked for their heat too is what lets a few findings be learned from quickly.

    Args:
        logits: whether a middle is here.
        heat: 1 where one is, and falling off around it; of the same shape.
    """
    far = (torch.sigmoid(logits) - heat) ** 2
    return (far * F.binary_cross_entropy_with_logits(logits, heat, reduction="none")).sum()


@loss.register
def _(prediction: BoxMaps, target: Boxes, *others: Boxes) -> Tensor:
    """Focal loss of the heat, and how far each box is off, as a share of its own lengths."""
    targets = (target, *others)
    if len(prediction.grids) != len(targets):
        raise ValueError(f"{len(targets)} targets do not fit {len(prediction.grids)} items")
    asked = [
        encode(boxes, grid, _labels(boxes, prediction))
        for boxes, grid in zip(targets, prediction.grids, strict=True)
    ]
    device = prediction.heat.device
    heat, away, size, weight = (
        torch.stack([getattr(one, part) for one in asked]).to(device)
        for part in ("heat", "away", "size", "weight")
    )
    shift = F.smooth_l1_loss(
        prediction.away / size.exp(), away / size.exp(), beta=0.1, reduction="none"
    )
    stretch = F.smooth_l1_loss(prediction.size, size, beta=0.1, reduction="none")
    boxes = max(1.0, float((heat == 1).sum()))
    return (focal(prediction.heat, heat) + ((shift + stretch).sum(1) * weight).sum()) / boxes


@coarser.register
def _(target: Boxes, grid: Grid) -> Boxes:
    return target  # patient millimetres are the same on every grid


def _labels(boxes: Boxes, prediction: BoxMaps) -> Labels:
    """The boxes' own table, which is that of the maps.

    Raises:
        ValueError: when it has another number of labels than there are maps.
    """
    if len(boxes.labels) != prediction.heat.shape[1]:
        raise ValueError(
            f"the boxes' table has {', '.join(boxes.labels.names) or 'no labels'}, and the network "
            f"gives {prediction.heat.shape[1]} maps of heat; both have to be the same"
        )
    return boxes.labels
