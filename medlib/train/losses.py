"""What training makes small, for every kind of target."""

from __future__ import annotations

from math import nan

import torch
from torch import Tensor, nn

from medlib.data import MaskBlock
from medlib.types import Categories, Category, Kind, Mask, Measurement, Points, verb


@verb
def loss(prediction: Tensor, target: Kind, *others: Kind, smoothing: float = 0.0) -> Tensor:
    """How far a network's answers to a batch are from their targets: a scalar to be made small.

    The kind of the targets, which all items of a batch share, says what the network's answers
    mean and which loss is due:

    =============  ==============================================  ===========================
    targets        prediction                                      loss
    =============  ==============================================  ===========================
    masks          logits (item, 1 + labels, slice, row, column),  Dice over the batch and
                   background first, then the table's order        cross-entropy, equal parts;
                                                                   what nobody looked at or
                                                                   for is not asked
    points         LPS millimetres (item, n, 3)                    mean distance, in mm
    a category     logits (item, words of the vocabulary)          cross-entropy
    categories     logits (item, words of the vocabulary)          binary cross-entropy, of the
                                                                   words that are known
    a measurement  numbers (item,) in the targets' unit            mean absolute error
    =============  ==============================================  ===========================

    Register an implementation for ``(prediction: Tensor, target: YourKind, *others: YourKind)`` to teach it another.

    Args:
        prediction: see above.
        target: of the first item.
        others: of the other items.
        smoothing: of masks, categories and a category: the share of belief that cross-entropy asks
            to be spread evenly over all answers (label smoothing, Szegedy et al. 2016), so that a
            wrong label does not have to be learned with certainty. To train so, give the learner
            ``loss=functools.partial(medlib.train.loss, smoothing=0.1)``.

    Raises:
        ValueError: when there is not one target for each item, the targets differ in labels,
            names, vocabulary or unit, or the prediction has another shape than they ask for.

    Example:
        >>> words = ("benign", "malignant")
        >>> logits = torch.tensor([[5.0, 0.0], [0.0, 5.0]])
        >>> round(float(loss(logits, Category("benign", words), Category("malignant", words))), 4)
        0.0067
    """
    raise AssertionError


UNSEEN = -1


def dice_and_cross_entropy(
    logits: Tensor, channels: Tensor, *, smoothing: float = 0.0, asked: Tensor | None = None
) -> Tensor:
    """Soft Dice over the whole batch, and cross-entropy, in equal parts.

    A patch without a structure says little about it, so Dice looks at the batch as one.

    Args:
        logits: (item, class, slice, row, column).
        channels: (item, 1, slice, row, column), the true class; :data:`UNSEEN` where it is not
            known, and nothing is asked.
        smoothing: share of the cross-entropy that asks for all classes alike.
        asked: (item, class), which classes those are; left out, all.
    """
    from monai.losses import DiceLoss

    seen = channels != UNSEEN
    surprise = -torch.log_softmax(logits, 1)
    shares = torch.exp(-surprise) * seen  # an unseen voxel counts for no class at all
    truth = torch.zeros_like(shares).scatter_(1, channels.clamp(min=0), seen.to(shares))
    overlap = DiceLoss(batch=True)(shares, truth)
    # Sums and counts, for to ask whether anything was seen is to wait for a graphics card.
    count = seen.sum()
    entropy = (truth * surprise).sum()
    if smoothing:
        even = _evenly(surprise, asked) * seen[:, 0]
        entropy = (1 - smoothing) * entropy + smoothing * even.sum()
    both: Tensor = overlap * (count > 0) + entropy / count.clamp(min=1)
    return both


def _evenly(surprise: Tensor, asked: Tensor | None) -> Tensor:
    """Cross-entropy with an even distribution over the classes that are asked for."""
    if asked is None:
        return surprise.mean(1)
    which = asked.view(*asked.shape, *[1] * (surprise.ndim - 2))
    return surprise.masked_fill(~which, 0.0).sum(1) / which.sum(1)


@loss.register
def _(prediction: Tensor, target: Mask, *others: Mask, smoothing: float = 0.0) -> Tensor:
    targets = (target, *others)
    names = _shared("labels", [mask.labels.names for mask in targets])
    _shaped(prediction, (len(targets), 1 + len(names), *target.grid.shape))
    numbers = torch.stack([_channels(mask) for mask in targets]).to(prediction.device)
    asked = _asked(targets, prediction.device)
    logits = prediction if asked is None else _marginal(prediction, asked)
    return dice_and_cross_entropy(logits, numbers, smoothing=smoothing, asked=asked)


def _asked(targets: tuple[Mask, ...], device: torch.device) -> Tensor | None:
    """Which classes are asked for of each item, (item, class); None for all."""
    if all(mask.annotated is None for mask in targets):
        return None
    rows = [[True, *(name in mask.known for name in mask.labels.names)] for mask in targets]
    return torch.tensor(rows).to(device, non_blocking=True)


def _marginal(logits: Tensor, asked: Tensor) -> Tensor:
    """Logits in which structures that nobody looked for in an item are part of its background.

    A voxel that bears no structure there may still be any of them (Shi et al., Marginal loss and
    exclusion loss for partially supervised multi-organ segmentation, 2021).
    """
    known = asked.view(*asked.shape, 1, 1, 1)
    background = ~known
    background[:, 0] = True
    merged = torch.logsumexp(logits.masked_fill(~background, -torch.inf), 1, keepdim=True)
    return torch.cat([merged, logits[:, 1:].masked_fill(~known[:, 1:], -1e4)], 1)


@loss.register
def _(prediction: Tensor, target: Points, *others: Points) -> Tensor:
    targets = (target, *others)
    _shared("names of points", [points.names for points in targets])
    _shaped(prediction, (len(targets), *target.coordinates.shape))
    places = torch.stack([torch.from_numpy(points.coordinates.copy()) for points in targets])
    apart: Tensor = torch.linalg.vector_norm(prediction - places.to(prediction), dim=-1)
    return apart.mean()


@loss.register
def _(prediction: Tensor, target: Category, *others: Category, smoothing: float = 0.0) -> Tensor:
    targets = (target, *others)
    words = _shared("vocabularies", [category.vocabulary for category in targets])
    _shaped(prediction, (len(targets), len(words)))
    numbers = torch.tensor([category.index for category in targets], device=prediction.device)
    return nn.functional.cross_entropy(prediction, numbers, label_smoothing=smoothing)


@loss.register
def _(
    prediction: Tensor, target: Categories, *others: Categories, smoothing: float = 0.0
) -> Tensor:
    targets = (target, *others)
    words = _shared("vocabularies", [categories.vocabulary for categories in targets])
    _shaped(prediction, (len(targets), len(words)))
    said = [[nan if yes is None else float(yes) for yes in one.answered] for one in targets]
    answers = torch.tensor(said).to(prediction)
    known = ~answers.isnan()
    if not known.any():  # nothing to learn of this batch; still something to go back from
        return prediction.sum() * 0.0
    answers = (1 - smoothing) * answers + smoothing / 2  # yes and no are the answers here
    return nn.functional.binary_cross_entropy_with_logits(prediction[known], answers[known])


@loss.register
def _(prediction: Tensor, target: Measurement, *others: Measurement) -> Tensor:
    targets = (target, *others)
    _shared("measurements", [(measured.name, measured.unit) for measured in targets])
    _shaped(prediction, (len(targets),))
    values = torch.tensor([measured.value for measured in targets]).to(prediction)
    return nn.functional.l1_loss(prediction, values)


def _channels(mask: Mask) -> Tensor:
    """The channel number of each voxel, (1, slice, row, column), int64."""
    if mask.overlaps:
        raise ValueError(
            "structures that overlap cannot be learned as one answer a voxel: decide which goes "
            "before which, and make the mask one layer"
        )
    return MaskBlock(mask.labels).tensor(mask)  # as the data block has them


def _shared(what: str, found: list[tuple[str, ...]]) -> tuple[str, ...]:
    """What all targets have in common.

    Raises:
        ValueError: when two differ.
    """
    first = found[0]
    for number, other in enumerate(found):
        if other != first:
            raise ValueError(
                f"{what} differ within a batch: item 0 has {', '.join(first) or 'none'}; item "
                f"{number} has {', '.join(other) or 'none'}"
            )
    return first


def _shaped(prediction: Tensor, wanted: tuple[int, ...]) -> None:
    if tuple(prediction.shape) != wanted:
        raise ValueError(
            f"for these {wanted[0]} targets the prediction has to be {wanted}, and it is "
            f"{tuple(prediction.shape)}"
        )
